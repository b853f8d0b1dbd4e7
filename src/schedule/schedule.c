#include "schedule/schedule.h"

#include "base/str.h"

ENUM_DEFINE(schedule_answer, SCHEDULE_ANSWER_LIST, ANSWER_COUNT)

static int64_t floor_second(int64_t ms)
{
	return ms / 1000 - (ms % 1000 < 0);
}

int64_t schedule_next(const struct schedule *s, int64_t after, int64_t answered)
{
	if (s->interval_ms > 0) {
		const int64_t passed = after < answered ? 0 : (after - answered) / s->interval_ms;
		return answered + (passed + 1) * s->interval_ms;
	}
	const int64_t t = cron_next(&s->cron, s->zone, floor_second(after));
	return t == CRON_NEVER ? SCHEDULE_NEVER : t * 1000;
}

static uint64_t count_between(const struct schedule *s, int64_t after, int64_t until)
{
	if (until <= after)
		return 0;
	if (s->interval_ms > 0)
		return (uint64_t)((until - after) / s->interval_ms);
	return cron_count(&s->cron, s->zone, floor_second(after), floor_second(until));
}

/* The last due time up to `until`, and later than `after`; SCHEDULE_NEVER. */
static int64_t last_between(const struct schedule *s, int64_t after, int64_t until)
{
	if (s->interval_ms > 0) {
		const int64_t n = (until - after) / s->interval_ms;
		return until < after || n == 0 ? SCHEDULE_NEVER : after + n * s->interval_ms;
	}
	const int64_t t = cron_previous(&s->cron, s->zone, floor_second(until) + 1);
	return t == CRON_NEVER || t * 1000 <= after ? SCHEDULE_NEVER : t * 1000;
}

/* splitmix64 (S. Vigna): the same due time waits as long after a kill of the server. */
static int64_t jitter_of(const struct schedule *s, int64_t due)
{
	uint64_t x = s->seed + (uint64_t)due + 0x9e3779b97f4a7c15u;

	if (s->jitter_ms <= 0)
		return 0;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (int64_t)((x ^ x >> 31) % (uint64_t)(s->jitter_ms + 1));
}

int64_t schedule_wake(const struct schedule *s, const struct schedule_state *state)
{
	const int64_t due = schedule_next(s, state->answered, state->answered);

	return due == SCHEDULE_NEVER ? due : due + jitter_of(s, due);
}

void schedule_verdict_release(struct schedule_verdict *v)
{
	free(v->runs.v);
	*v = (struct schedule_verdict){0};
}

/* Of due times in `after` < t <= `until`, the last `most` ones are run. */
static void run_last(const struct schedule *s, int64_t after, int64_t until, uint64_t most,
    struct schedule_verdict *out)
{
	const size_t first = out->runs.n;
	int64_t t = last_between(s, after, until);

	for (; t != SCHEDULE_NEVER && most > 0; most--) {
		*vec_push(&out->runs) = t;
		t = last_between(s, after, t - 1);
	}
	for (size_t a = first, b = out->runs.n; a + 1 < b; a++, b--) {
		const int64_t swapped = out->runs.v[a];
		out->runs.v[a] = out->runs.v[b - 1];
		out->runs.v[b - 1] = swapped;
	}
}

/* How many of those that are too old are run all the same. */
static uint64_t caught_up(const struct schedule *s, uint64_t old, uint64_t in_time)
{
	switch (s->catch_up) {
	case CATCH_UP_ONE: return in_time == 0 && old > 0;
	case CATCH_UP_ALL: return old < SCHEDULE_CATCH_UP_MOST ? old : SCHEDULE_CATCH_UP_MOST;
	case CATCH_UP_NONE:
	case CATCH_UP_COUNT: break;
	}
	return 0;
}

/* A former run is not over: of many that would be run, the first waits for it or goes. */
static void apply_overlap(
    const struct schedule *s, const struct schedule_world *world, struct schedule_verdict *out)
{
	const size_t allowed = world->has_open_run ? 0 : 1;

	if (s->overlap != OVERLAP_SKIP || out->runs.n <= allowed)
		return;
	/* The newest is the one to run. */
	const size_t dropped = out->runs.n - allowed;
	memmove(out->runs.v, out->runs.v + dropped, allowed * sizeof(*out->runs.v));
	out->runs.n = allowed;
	out->skipped += dropped;
	if (out->kept > allowed)
		out->kept = allowed;
}

static void count(struct schedule_state *state, const struct schedule_verdict *v)
{
	state->counts[ANSWER_KEPT] += v->kept;
	state->counts[ANSWER_LATE] += v->runs.n - v->kept;
	state->counts[ANSWER_SKIPPED] += v->skipped;
	state->counts[ANSWER_MISSED] += v->missed;
}

/* The last due time whose jitter is over, too; those behind it have to wait. */
static int64_t last_awaited(const struct schedule *s, int64_t after, int64_t now)
{
	int64_t t = last_between(s, after, now);

	while (t != SCHEDULE_NEVER && t + jitter_of(s, t) > now)
		t = last_between(s, after, t - 1);
	return t;
}

void schedule_due(const struct schedule *s, struct schedule_state *state,
    const struct schedule_world *world, struct schedule_verdict *out)
{
	if (state->answered > world->now + SCHEDULE_AHEAD_MOST_MS) {
		out->clock_was_wrong = true;
		state->answered = world->now;
	}
	const int64_t from = state->answered, last = last_awaited(s, from, world->now);
	if (last == SCHEDULE_NEVER)
		return;
	int64_t old_until = world->now - SCHEDULE_GRACE_MS - s->jitter_ms - 1;
	if (old_until > last)
		old_until = last;
	const uint64_t all = count_between(s, from, last), old = count_between(s, from, old_until);
	state->answered = last;
	if (state->paused) {
		out->skipped = all;
	} else {
		run_last(s, from, last, all - old + caught_up(s, old, all - old), out);
		out->kept = (size_t)(all - old);
		out->missed = all - out->runs.n;
		apply_overlap(s, world, out);
	}
	count(state, out);
}

void schedule_clock_stepped(
    const struct schedule *s, struct schedule_state *state, int64_t ahead_ms)
{
	if (s->interval_ms > 0)
		state->answered += ahead_ms;
}
