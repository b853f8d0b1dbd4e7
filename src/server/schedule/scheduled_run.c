/* The runs of a schedule: submitted, queued, ended, overdue. */
#include "server/schedule/scheduled.h"

#include "server/host/clock.h"

#include <stdio.h>

static const char *iso_of(int64_t ms, char *buf)
{
	return clock_iso(ms * 1000, buf);
}

/* "hero_db:backup#2026-12-01T02:30:00Z": a due time has one name. */
static char *name_of_run(const struct scheduled *x, int64_t due, bool by_hand)
{
	char iso[ISO_TIME_BYTES];

	iso_of(due, iso);
	if (!by_hand && due % 1000 == 0)
		memcpy(iso + 19, "Z", 2); /* no fraction */
	return text_fmt(
	    "%s%s%s#%s", x->service ? x->service : "", x->service ? ":" : "", x->action, iso);
}

static void tell(struct schedules *s, const struct scheduled *x, const char *kind, const char *fact)
{
	s->config.event(s->config.ctx, kind, x->key, fact);
}

static const struct action_def *action_of(
    struct schedules *s, const struct scheduled *x, const struct service_def **owner)
{
	*owner = s->config.definition(s->config.ctx, x->definition);
	return *owner ? service_find_action(*owner, x->action) : NULL;
}

/* The run's row stands in the queue of the store before that of the schedule, so one is never
 * committed without the other being found. */
enum err scheduled_submit(struct schedules *s, struct scheduled *x, int64_t due, bool by_hand,
    char **run, struct error *e)
{
	auto_free char *name = name_of_run(x, due, by_hand);
	const struct service_def *owner;
	const struct action_def *a = action_of(s, x, &owner);
	char iso[ISO_TIME_BYTES];

	if (!a)
		return error_set(e, ERR_NOT_FOUND, "`%s` is not registered any more", x->key);
	if (s->config.submit(s->config.ctx, owner, a, name, iso_of(due, iso), !by_hand, e))
		return e->code;
	scheduled_open(s, x, name);
	text_set(&x->last_run, name);
	free(take(x->last_state));
	x->last_due = by_hand ? 0 : due;
	if (run)
		*run = take(name);
	return ERR_OK;
}

/* A due time that a killed server submitted without the row of the schedule being committed. */
static bool was_submitted(struct schedules *s, struct scheduled *x, int64_t due)
{
	auto_free char *name = name_of_run(x, due, false);

	if (!s->config.is_open(s->config.ctx, name))
		return s->config.is_stored(s->config.ctx, name);
	scheduled_open(s, x, name);
	return true;
}

/* It counted as kept or late when it was due; what can not begin is a failure that is seen. */
static void submit(struct schedules *s, struct scheduled *x, int64_t due)
{
	struct error e = {0};

	if (was_submitted(s, x, due) || scheduled_submit(s, x, due, false, NULL, &e) == ERR_OK)
		return;
	auto_free char *fact = NULL;
	json_t *o = json_pack("{s:s, s:s}", "error", e.msg, "due", "");
	char iso[ISO_TIME_BYTES];
	json_object_set_new(o, "due", json_string(iso_of(due, iso)));
	fact = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	text_set(&x->last_state, "failed");
	free(take(x->last_run));
	x->last_due = due;
	tell(s, x, "schedule_failed", fact);
}

static void wait_in_queue(struct scheduled *x, int64_t due, enum schedule_answer counted)
{
	if (x->queue.n < SCHEDULE_QUEUE_MOST) {
		*vec_push(&x->queue) = due;
		return;
	}
	x->state.counts[counted]--;
	x->state.counts[ANSWER_SKIPPED]++;
}

static void run_all(struct schedules *s, struct scheduled *x, const struct schedule_verdict *v)
{
	for (size_t i = 0; i < v->runs.n; i++) {
		const bool is_late = i < v->runs.n - v->kept;
		const bool waits = x->spec.overlap == OVERLAP_QUEUE &&
				   (x->queue.n > 0 || scheduled_has_open_run(s, x));
		if (waits)
			wait_in_queue(x, v->runs.v[i], is_late ? ANSWER_LATE : ANSWER_KEPT);
		else
			submit(s, x, v->runs.v[i]);
	}
}

static void tell_rest(
    struct schedules *s, const struct scheduled *x, const struct schedule_verdict *v)
{
	char fact[96];

	if (v->missed) {
		snprintf(fact, sizeof(fact), "{\"n\": %llu}", (unsigned long long)v->missed);
		tell(s, x, "schedule_missed", fact);
	}
	if (v->skipped && !x->state.paused) {
		snprintf(fact, sizeof(fact), "{\"n\": %llu}", (unsigned long long)v->skipped);
		tell(s, x, "schedule_skipped", fact);
	}
	if (v->clock_was_wrong)
		tell(s, x, "schedule_clock", "{}");
}

/* The service of the action is switched off: that is a pause. */
static bool is_switched_off(struct schedules *s, const struct scheduled *x)
{
	return x->service && s->config.is_wanted_stop(s->config.ctx, x->service);
}

void scheduled_answer(struct schedules *s, struct scheduled *x)
{
	struct schedule_verdict v = {0};
	const struct schedule_world world = {
	    .now = schedules_now(), .has_open_run = scheduled_has_open_run(s, x)};
	const bool paused = x->state.paused;
	const int64_t before = x->state.answered;

	if (x->trouble || !s->is_active)
		return;
	x->state.paused = paused || is_switched_off(s, x);
	schedule_due(&x->spec, &x->state, &world, &v);
	x->state.paused = paused;
	if (x->state.answered != before) {
		run_all(s, x, &v);
		tell_rest(s, x, &v);
		scheduled_store(s, x);
	}
	schedule_verdict_release(&v);
}

static void forget_ended(struct schedules *s, struct scheduled *x)
{
	for (size_t i = x->open_runs.n; i-- > 0;)
		if (!s->config.is_open(s->config.ctx, x->open_runs.v[i]))
			scheduled_close(s, x, x->open_runs.v[i]);
}

void scheduled_go_on(struct schedules *s, struct scheduled *x)
{
	forget_ended(s, x);
	if (x->open_runs.n > 0 || x->queue.n == 0 || !s->is_active || x->trouble)
		return;
	const int64_t due = x->queue.v[0];
	memmove(x->queue.v, x->queue.v + 1, --x->queue.n * sizeof(*x->queue.v));
	submit(s, x, due);
	scheduled_store(s, x);
}

/* ---- ends ---- */

static void note_success(struct schedules *s, struct scheduled *x)
{
	x->last_success = clock_wall();
	if (x->is_overdue)
		tell(s, x, "schedule_overdue_over", "{}");
	x->is_overdue = false;
	scheduled_store(s, x);
	scheduled_arm(s, x);
}

void schedules_run_ended(struct schedules *s, const char *run, bool succeeded)
{
	struct scheduled *x = map_get(&s->by_run, run);

	if (!x)
		return;
	scheduled_close(s, x, run);
	if (text_eq(x->last_run, run))
		text_set(&x->last_state, succeeded ? "succeeded" : "failed");
	if (succeeded)
		note_success(s, x);
	scheduled_store(s, x);
	scheduled_go_on(s, x);
}

void schedules_succeeded(struct schedules *s, const char *key)
{
	struct scheduled *x = map_get(&s->by_key, key);

	if (x)
		note_success(s, x);
}

void scheduled_check_overdue(struct schedules *s, struct scheduled *x)
{
	char iso[ISO_TIME_BYTES], fact[96];

	if (scheduled_overdue_at(x) > schedules_now())
		return;
	x->is_overdue = true;
	if (x->last_success)
		snprintf(fact, sizeof(fact), "{\"last_success\": \"%s\"}",
		    clock_iso(x->last_success, iso));
	else
		snprintf(fact, sizeof(fact), "{\"last_success\": null}");
	tell(s, x, "schedule_overdue", fact);
}
