#include "server/supervise/perform.h"
#include "server/supervise/supervision_state.h"

#include "server/history/definitions.h"
#include "server/supervise/attempt.h"
#include "server/supervise/failure_line.h"
#include "server/supervise/gates.h"

#include <event2/event.h>

#define TRIM_AFTER_EFFECTS 1000

struct effects {
	struct effect *v;
	size_t n, cap;
};

static bool acts(const struct effect *fx)
{
	switch (fx->kind) {
	case EFFECT_SPAWN:
	case EFFECT_TERM:
	case EFFECT_KILL:
	case EFFECT_SWEEP:
	case EFFECT_GATE_WATCH:
	case EFFECT_GATE_DROP: return true;
	case EFFECT_JOB:
	case EFFECT_JOB_TURN:
	case EFFECT_UNIT:
	case EFFECT_EDGE:
	case EFFECT_WANTED:
	case EFFECT_OP:
	case EFFECT_RUN_ENDED:
	case EFFECT_COUNT: break;
	}
	return false;
}

static void ask_keeper(struct supervision *d, const struct effect *fx)
{
	if (fx->kind == EFFECT_SPAWN)
		attempt_spawn(d, fx);
	else if (fx->kind == EFFECT_TERM)
		attempt_term(d, fx);
	else if (fx->kind == EFFECT_KILL)
		attempt_kill(d, fx);
	else
		attempt_sweep(d, fx);
}

static struct run_definition *run_of(struct supervision *d, job_id job)
{
	struct unit_view u;
	struct job_view j;
	unit_id unit;

	return engine_job(d->engine, job, &j, &unit) && engine_unit(d->engine, unit, &u) && u.is_run
		   ? run_definition_find(d->history, u.name)
		   : NULL;
}

/* A due time is run once, whatever is killed: its run stands in the store before its process is
 * asked for.  What is asked of a process that waits so waits behind it. */
static bool waits_for_commit(struct supervision *d, const struct effect *fx)
{
	for (size_t i = 0; i < d->uncommitted.n; i++)
		if (d->uncommitted.v[i].job == fx->job)
			return true;
	const struct run_definition *r = fx->kind == EFFECT_SPAWN ? run_of(d, fx->job) : NULL;
	return r && r->def.commit_first && !r->is_committed;
}

/* Each spawn opens its pipes, so thousands at once would use up the descriptors that the
 * answers need.  What follows one that waits waits too: a signal never overtakes its spawn. */
static void ask_in_turn(struct supervision *d, const struct effect *fx)
{
	if (waits_for_commit(d, fx))
		*vec_push(&d->uncommitted) = *fx;
	else if (d->held_back.n || (fx->kind == EFFECT_SPAWN && !spawner_is_idle(d->spawner)))
		*vec_push(&d->held_back) = *fx;
	else
		ask_keeper(d, fx);
}

void perform_room(struct supervision *d)
{
	if (!d->held_back.n || d->performing)
		return;
	while (d->held_back.head < d->held_back.n && spawner_is_idle(d->spawner)) {
		struct effect fx = d->held_back.v[d->held_back.head++];

		ask_keeper(d, &fx);
	}
	if (d->held_back.head == d->held_back.n)
		d->held_back.head = d->held_back.n = 0;
	perform_effects(d);
}

static void carry_out(struct supervision *d, const struct effect *fx)
{
	switch (fx->kind) {
	case EFFECT_SPAWN:
	case EFFECT_TERM:
	case EFFECT_KILL:
	case EFFECT_SWEEP: ask_in_turn(d, fx); break;
	case EFFECT_GATE_WATCH: gates_watch(d, fx->gate); break;
	case EFFECT_GATE_DROP: gates_drop(d, fx->gate); break;
	case EFFECT_JOB:
		if (fx->to == JOB_READY)
			failure_line_forget(d, fx->token);
		d->is.book(d->is.ctx, fx);
		break;
	case EFFECT_JOB_TURN:
	case EFFECT_UNIT:
	case EFFECT_EDGE:
	case EFFECT_WANTED:
	case EFFECT_OP:
	case EFFECT_RUN_ENDED: d->is.book(d->is.ctx, fx); break;
	case EFFECT_COUNT: break;
	}
}

/* Acts now, keeps the rest: a failing spawn adds effects of its own. */
static void act(struct supervision *d, struct effects *books)
{
	struct effects now = {0};
	size_t n;

	for (;;) {
		const struct effect *fx = engine_effects(d->engine, &n);

		if (n == 0)
			break;
		for (size_t i = 0; i < n; i++)
			*vec_push(acts(&fx[i]) ? &now : books) = fx[i];
		engine_effects_clear(d->engine);
		for (size_t i = 0; i < now.n; i++)
			carry_out(d, &now.v[i]);
		now.n = 0;
	}
	free(now.v);
}

void perform_trim_later(struct supervision *d)
{
	event_add(d->trim, &(struct timeval){.tv_sec = 1});
}

bool perform_is_armed(const struct supervision *d)
{
	return evtimer_pending(d->timer, NULL);
}

/* A burst leaves holes in the heap; once it is over they go back to the kernel. */
static void count_effects(struct supervision *d, size_t n)
{
	d->effects += n;
	if (d->effects < TRIM_AFTER_EFFECTS)
		return;
	d->effects = 0;
	perform_trim_later(d);
}

static void arm(struct supervision *d)
{
	msec at = engine_deadline(d->engine), now = clock_mono();

	if (at == MSEC_NEVER) {
		evtimer_del(d->timer);
		return;
	}
	msec left = at > now ? at - now : 0;
	event_add(
	    d->timer, &(struct timeval){.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000});
}

/* A disk that takes nothing stops no schedule: not durable is good enough then. */
static void on_committed(bool durable, void *ctx)
{
	struct supervision *d = ctx;
	struct effects these = {0};
	const size_t n = d->commit_asked;
	(void)durable;

	for (size_t i = 0; i < n; i++)
		*vec_push(&these) = d->uncommitted.v[i];
	d->uncommitted.n -= n;
	memmove(d->uncommitted.v, d->uncommitted.v + n, d->uncommitted.n * sizeof(*these.v));
	d->commit_asked = 0;
	for (size_t i = 0; i < n; i++) {
		struct run_definition *r = run_of(d, these.v[i].job);
		if (r)
			r->is_committed = true;
		ask_in_turn(d, &these.v[i]);
	}
	free(these.v);
	perform_effects(d);
}

/* The rows that these wait for were put in this pass. */
static void commit(struct supervision *d)
{
	if (d->uncommitted.n == 0 || d->commit_asked)
		return;
	d->commit_asked = d->uncommitted.n;
	store_barrier(d->store, on_committed, d);
}

void perform_effects(struct supervision *d)
{
	struct effects books = {0};

	if (d->performing)
		return; /* the loop below takes them */
	d->performing = true;
	for (;;) {
		act(d, &books);
		if (books.n == 0)
			break;
		struct effects these = books;

		count_effects(d, books.n);

		books = (struct effects){0};
		for (size_t i = 0; i < these.n; i++)
			carry_out(d, &these.v[i]);
		free(these.v);
		d->is.booked(d->is.ctx);
	}
	d->performing = false;
	d->is.at_rest(d->is.ctx);
	commit(d);
	arm(d);
}
