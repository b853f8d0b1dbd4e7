/* engine.c - its life, and the events from the world. */
#include "engine/engine.h"

#include "engine/world.h"

#define TALLIES_FROM 16
#define EFFECTS_KEPT 64 /* room for a quiet pass; what a burst took goes back */

ENUM_DEFINE(effect_kind, EFFECT_LIST, EFFECT_COUNT)

struct engine *engine_new(uint64_t seed)
{
	struct engine *en = mem_new(sizeof(*en));

	en->free_unit = en->free_job = en->free_edge = en->free_watch = ID_NONE;
	en->next_token = en->next_op = en->next_run = 1;
	en->tallies_from = TALLIES_FROM;
	en->rng = seed;
	return en;
}

void engine_keep_tallies(struct engine *en, uint32_t from)
{
	en->tallies_from = from;
}

void engine_free(struct engine *en)
{
	if (!en)
		return;
	for (size_t i = 0; i < en->ops.n; i++)
		op_release(&en->ops.v[i]);
	if (!en->original) { /* a copy borrows all that follows */
		for (size_t i = 0; i < en->jobs.n; i++) {
			spec_drop(en->jobs.v[i].spec);
			free(en->jobs.v[i].why);
		}
		for (size_t i = 0; i < en->units.n; i++) {
			spec_drop(en->units.v[i].spec);
			free(en->units.v[i].placeholder);
			free(en->units.v[i].conflicts.v);
		}
		for (size_t i = 0; i < en->gates.n; i++)
			free(en->gates.v[i].key);
		for (size_t i = 0; i < en->tallies.n; i++)
			map_release(&en->tallies.v[i].names);
	}
	map_release(&en->by_name);
	map_release(&en->gate_by_key);
	free(en->units.v);
	free(en->jobs.v);
	free(en->edges.v);
	free(en->gates.v);
	free(en->tallies.v);
	free(en->timers.v);
	free(en->watches.v);
	free(en->ops.v);
	free(en->effects.v);
	free(en->tokens.v);
	free(en->dirty.v);
	free(en->recount.v);
	free(en->failures.v);
	free(en->pulls.v);
	free(en->stops.v);
	free(en->release.v);
	free(en);
}

static void attempt_event(
    struct engine *en, msec now, uint64_t token, enum job_event ev, const struct job_exit *exit)
{
	job_id j = engine_job_by_token(en, token);

	if (j == ID_NONE)
		return; /* a former attempt: too late to matter */
	job_event_now(en, now, j, ev, exit);
	if (ev == JOB_EV_EXECUTED)
		ops_executed(en, now, en->jobs.v[j].unit);
	run_passes(en, now);
}

void engine_executed(struct engine *en, msec now, uint64_t token)
{
	attempt_event(en, now, token, JOB_EV_EXECUTED, NULL);
}

static void remember_why(struct engine *en, uint64_t token, const char *why)
{
	job_id j = engine_job_by_token(en, token);

	if (j != ID_NONE && !en->original)
		text_set(&en->jobs.v[j].why, why);
}

void engine_not_executed(
    struct engine *en, msec now, uint64_t token, bool transient, const char *why)
{
	job_id j = engine_job_by_token(en, token);

	remember_why(en, token, why);
	if (transient && j != ID_NONE && en->jobs.v[j].attempt > 0) { /* it was none */
		en->jobs.v[j].attempt--;
		en->jobs.v[j].restarts -= en->jobs.v[j].attempt > 0;
	}
	attempt_event(en, now, token, transient ? JOB_EV_TRANSIENT : JOB_EV_NO_EXEC, NULL);
}

void engine_hangs(struct engine *en, msec now, uint64_t token, const char *why)
{
	remember_why(en, token, why);
	attempt_event(en, now, token, JOB_EV_HANGS, NULL);
}

void engine_ready(struct engine *en, msec now, uint64_t token)
{
	attempt_event(en, now, token, JOB_EV_READY, NULL);
}

void engine_extend(struct engine *en, msec now, uint64_t token, msec by)
{
	job_id j = engine_job_by_token(en, token);

	if (j != ID_NONE)
		job_extend(en, now, j, by);
}

void engine_try_now(struct engine *en, msec now, const char *unit, const char *job)
{
	unit_id u = engine_find(en, unit);
	job_id j = u == ID_NONE ? ID_NONE : unit_job_named(en, u, job);

	if (j == ID_NONE || en->jobs.v[j].core.state != JOB_PENDING)
		return;
	en->jobs.v[j].timer_gen++;
	job_event_now(en, now, j, JOB_EV_TIMER, NULL);
	run_passes(en, now);
}

void engine_exited(struct engine *en, msec now, uint64_t token, const struct job_exit *exit)
{
	attempt_event(en, now, token, JOB_EV_EXITED, exit);
}

void engine_set_empty(struct engine *en, msec now, uint64_t token)
{
	attempt_event(en, now, token, JOB_EV_EMPTY, NULL);
}

void engine_probe_failed(struct engine *en, msec now, uint64_t token, const char *why)
{
	job_id j = engine_job_by_token(en, token);

	/* What is told to stop ends in its turn, whatever its probe says meanwhile. */
	if (j != ID_NONE && en->units.v[en->jobs.v[j].unit].stopping)
		return;
	remember_why(en, token, why);
	attempt_event(en, now, token, JOB_EV_PROBE, NULL);
}

void engine_health(struct engine *en, msec now, uint64_t token, bool healthy, const char *why)
{
	job_id j = engine_job_by_token(en, token);

	if (j == ID_NONE || !job_state_has_process(en->jobs.v[j].core.state))
		return;
	remember_why(en, token, healthy ? NULL : why);
	if (!healthy && en->jobs.v[j].health != HEALTH_BAD && en->jobs.v[j].core.state == JOB_READY)
		job_failed_now(en, j);
	en->jobs.v[j].health = healthy ? HEALTH_GOOD : HEALTH_BAD;
	job_changed(en, j);
	run_passes(en, now);
}

void engine_waits(struct engine *en, uint64_t token, const char *what)
{
	job_id j = engine_job_by_token(en, token);

	if (j != ID_NONE && en->jobs.v[j].core.state == JOB_RUNNING)
		remember_why(en, token, what);
}

void engine_gate_open(struct engine *en, msec now, gate_id gate)
{
	gate_opened(en, now, gate);
	run_passes(en, now);
}

static void kill_rest(struct engine *en, msec now)
{
	for (job_id j = 0; j < en->jobs.n; j++)
		if (en->jobs.v[j].used && job_state_has_process(en->jobs.v[j].core.state))
			job_event_now(en, now, j, JOB_EV_KILL, NULL);
}

static void op_timer(struct engine *en, msec now, uint32_t slot)
{
	if (op_has(&en->ops.v[slot], OP_FLAG_SHUTDOWN))
		kill_rest(en, now);
	else
		op_time_out(en, slot);
}

void engine_tick(struct engine *en, msec now)
{
	struct timer t;

	while (timer_pop_due(en, now, &t)) {
		switch (t.kind) {
		case TIMER_JOB: job_event_now(en, now, t.id, JOB_EV_TIMER, NULL); break;
		case TIMER_EDGE: edge_time_out(en, now, t.id); break;
		case TIMER_OP: op_timer(en, now, t.id); break;
		}
		run_passes(en, now);
	}
}

const struct effect *engine_effects(const struct engine *en, size_t *n)
{
	*n = en->effects.n;
	return en->effects.v;
}

void engine_effects_clear(struct engine *en)
{
	if (en->effects.cap > EFFECTS_KEPT) {
		free(en->effects.v);
		memset(&en->effects, 0, sizeof(en->effects));
	}
	en->effects.n = 0;
}

void engine_set_counters(
    struct engine *en, uint64_t next_token, uint64_t next_op, uint64_t next_run)
{
	en->next_token = next_token > en->next_token ? next_token : en->next_token;
	en->next_op = next_op > en->next_op ? next_op : en->next_op;
	en->next_run = next_run > en->next_run ? next_run : en->next_run;
}
