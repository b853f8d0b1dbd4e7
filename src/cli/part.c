#include "cli/part.h"

#include "cli/out.h"
#include "cli/times.h"
#include "model/signals.h"

#define TEXT_BYTES 300 /* of what a program or a probe said */

struct part *part_new(const char *service, const char *action)
{
	struct part *p = mem_new(sizeof(*p));

	*p = (struct part){.key = action ? text_fmt("%s/%s", service, action) : text_dup(service),
	    .service = text_dup(service),
	    .action = text_dup(action),
	    .state = text_dup("created"),
	    .again_ms = -1};
	return p;
}

void part_free(struct part *p)
{
	free(p->key);
	free(p->service);
	free(p->action);
	free(p->state);
	free(p->trouble);
	free(p->waits);
	free(p->heard);
	free(p->last_line);
	free(p);
}

const char *part_name(const struct part *p)
{
	return !p->action || strcmp(p->action, p->service) == 0 ? p->service : p->key;
}

/* ---- states --------------------------------------------------------------------------- */

static bool is(const struct part *p, const char *state)
{
	return strcmp(p->state, state) == 0;
}

static bool is_one_of(const struct part *p, const char *const *states)
{
	for (; *states; states++)
		if (is(p, *states))
			return true;
	return false;
}

enum part_is part_is(const struct part *p)
{
	static const char *const waits[] = {"waiting_deps", "created", "pending", NULL},
				 *const failed[] = {"failed", "retrying", "blocked", "degraded",
				     NULL},
				 *const gone[] = {"cancelled", "inactive", NULL},
				 *const ready[] = {"ready", "succeeded", "skipped", "exited", NULL};

	if (is_one_of(p, failed) || p->fell)
		return PART_FAILED;
	if (is_one_of(p, gone))
		return p->touched ? PART_GONE : PART_IDLE;
	if (is_one_of(p, ready) || (!p->action && is(p, "running")))
		return PART_READY;
	if (is(p, "created") && !p->touched)
		return PART_IDLE;
	return is_one_of(p, waits) ? PART_WAITS : PART_BUSY;
}

static char *one_line(const char *text)
{
	struct str line = {0};

	add_one_line(&line, text, TEXT_BYTES);
	return str_take(&line);
}

static char *signal_of(const json_t *o)
{
	json_int_t n = number_of(o, "signal");
	char name[16];

	if (*text_of(o, "signal"))
		return text_dup(text_of(o, "signal"));
	return n > 0 ? text_dup(signal_name((int)n, name, sizeof(name))) : NULL;
}

/* How an attempt ended; of an event, or of an action of a status. */
static char *trouble_of(const json_t *o)
{
	const char *why = text_of(o, "why"), *reason = text_of(o, "reason");
	auto_free char *signal = signal_of(o);

	if (*why)
		return one_line(why);
	json_int_t code = number_in(o, "exit_code", -1);
	if (strcmp(reason, "gave_up") == 0 && code >= 0)
		return text_fmt("exit code %lld, gave up", (long long)code);
	if (*reason && strcmp(reason, "exit_code") != 0 && strcmp(reason, "signal") != 0) {
		char *words = text_dup(reason);

		for (char *at = words; (at = strchr(at, '_'));)
			*at = ' ';
		return words;
	}
	if (signal)
		return text_fmt("ended by %s", signal);
	return code >= 0 ? text_fmt("exit code %lld", (long long)code) : text_dup("it ended");
}

/* The times of what was asked for: from its first step to the end of it. */
static void note_time(struct part *p, int64_t at)
{
	enum part_is now = part_is(p);

	if ((is(p, "starting") || is(p, "stopping")) && (!p->began || p->reached)) {
		p->began = at;
		p->reached = 0;
	} else if ((now == PART_READY || now == PART_GONE) && p->began && !p->reached) {
		p->reached = at;
	}
}

void part_set_state(struct part *p, const char *state, int64_t at, const json_t *facts)
{
	text_set(&p->state, state);
	text_set(&p->waits, NULL);
	text_set(&p->heard, NULL);
	p->since = at;
	p->attempt = number_in(facts, "attempt", p->attempt);
	p->fell = is(p, "waiting_deps") && number_in(facts, "exit_code", -1) >= 0;
	if ((part_is(p) == PART_FAILED || p->fell) && p->action) {
		free(p->trouble);
		p->trouble = trouble_of(facts);
		text_set(&p->last_line, NULL);
	} else if (part_is(p) == PART_READY) {
		text_set(&p->trouble, NULL);
		text_set(&p->last_line, NULL);
	}
	if (at >= p->began)
		note_time(p, at);
}

/* ---- words ---------------------------------------------------------------------------- */

static char *took(const struct part *p, const char *word)
{
	if (!p->began || !p->reached)
		return text_dup(word);
	auto_free char *span = times_span(p->reached - p->began);
	return text_fmt("%s after %s", word, span);
}

/* " 0.4 s", or nothing where clocks do not run. */
static char *for_how_long(const struct part *p, int64_t now)
{
	if (!now || !p->since)
		return text_dup("");
	auto_free char *span = times_span(now - p->since);
	return text_fmt(" %s", span);
}

static char *with(const char *word, const char *time, const char *more)
{
	return text_fmt("%s%s%s%s", word, time, more ? ": " : "", more ? more : "");
}

static char *failed_text(const struct part *p, int64_t now)
{
	const char *word = is(p, "blocked") || is(p, "degraded") ? p->state : "failed",
		   *what = p->trouble ? p->trouble : p->waits;
	auto_free char *text = with(word, "", what);
	if (p->fell)
		return text_fmt("failed: %s; again at once", what);
	int64_t left = p->again_ms * 1000 - (now ? now - p->since : 0);

	if (is(p, "retrying") && p->again_ms >= 0) {
		auto_free char *span = times_span(left);
		return text_fmt("%s; attempt %lld follows%s%s", text, (long long)p->attempt + 1,
		    left > 0 ? " in " : "", left > 0 ? span : "");
	}
	return p->attempt > 1 ? text_fmt("%s (attempt %lld)", text, (long long)p->attempt)
			      : text_dup(text);
}

char *part_text(const struct part *p, int64_t now)
{
	auto_free char *time = for_how_long(p, now);

	switch (part_is(p)) {
	case PART_FAILED: return failed_text(p, now);
	case PART_READY:
		return took(p, is(p, "ready") || !p->action ? "ready"
			       : is(p, "skipped")	    ? p->state
							    : "done");
	case PART_GONE: return took(p, "stopped");
	case PART_IDLE: return text_dup(is(p, "created") ? "not started" : "stopped");
	case PART_WAITS: return with("waits", time, is(p, "pending") ? "for its turn" : p->waits);
	case PART_BUSY: break;
	}
	auto_free char *attempt = p->attempt > 1 && p->trouble
				      ? text_fmt("%s (attempt %lld)", time, (long long)p->attempt)
				      : text_dup(time);
	return with(p->state, attempt,
	    p->heard	       ? p->heard
	    : is(p, "running") ? "not ready yet"
			       : NULL);
}

int64_t part_time(const struct part *p)
{
	return p->began && p->reached ? p->reached - p->began : 0;
}
