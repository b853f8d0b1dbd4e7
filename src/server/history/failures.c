#include "server/history/failures.h"

#include "server/host/clock.h"

static void release(struct attempt_failure *f)
{
	free(f->why);
	free(f->line);
	*f = (struct attempt_failure){0};
}

/* The next attempt may follow at once: then the job waits for its edges again. */
bool failures_is_end(const struct effect *fx)
{
	enum job_state to = (enum job_state)fx->to;

	return to == JOB_FAILED || to == JOB_RETRYING || to == JOB_SUCCEEDED ||
	       to == JOB_CANCELLED ||
	       (to == JOB_WAITING_DEPS && job_state_has_process((enum job_state)fx->from) &&
		   fx->reason != REASON_NONE);
}

bool failures_is_failure(const struct effect *fx)
{
	return failures_is_end(fx) && fx->attempt && fx->to != JOB_SUCCEEDED &&
	       fx->to != JOB_CANCELLED && fx->reason != REASON_DEPENDENCY_FAILED;
}

void failures_add(struct job_record *s, const struct job_view *j, const struct effect *fx)
{
	enum reason reason = j->core.cause != REASON_NONE ? j->core.cause : fx->reason;
	struct failures *l = s->failures;

	if (!l)
		l = s->failures = mem_new(sizeof(*l));
	l->ever++;
	if (l->n == FAILURES_KEPT) {
		release(&l->v[0]);
		memmove(&l->v[0], &l->v[1], (FAILURES_KEPT - 1) * sizeof(l->v[0]));
		l->n--;
	}
	l->v[l->n++] = (struct attempt_failure){.token = fx->token,
	    .attempt = fx->attempt,
	    .time = clock_wall(),
	    .reason = reason,
	    .code = j->core.last.code,
	    .signal = j->core.last.signal,
	    .why = job_has_why(&j->core) ? text_dup(j->why) : NULL,
	    .line_read = reason == REASON_SPAWN_ERROR}; /* it never ran */
}

void failures_drop(struct job_record *s)
{
	for (size_t i = 0; s->failures && i < s->failures->n; i++)
		release(&s->failures->v[i]);
	free(s->failures);
	s->failures = NULL;
}

struct attempt_failure *failures_find(const struct job_record *s, uint64_t token)
{
	for (size_t i = 0; s->failures && i < s->failures->n; i++)
		if (s->failures->v[i].token == token)
			return &s->failures->v[i];
	return NULL;
}
