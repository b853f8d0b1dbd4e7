/*
 * step.c - one event to one job: job_step() decides, here its verbs become effects, timers and
 * entries of the worklist.  Nothing else steps a job.
 */
#include "engine/world.h"

static double chance(struct engine *en) /* splitmix64 */
{
	uint64_t z = en->rng += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static void spawn(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	if (jb->token)
		token_remove(en, jb->token);
	jb->token = en->next_token++;
	token_put(en, jb->token, j);
	jb->health = HEALTH_UNKNOWN;
	jb->spawned_at = ++en->moment;
	jb->restarts += jb->attempt > 0;
	jb->attempt++;
	free(jb->why);
	jb->why = NULL;
	effect_push(en,
	    (struct effect){.kind = EFFECT_SPAWN, .unit = jb->unit, .job = j, .token = jb->token});
}

static void signal_effect(struct engine *en, job_id j, enum effect_kind kind)
{
	struct job *jb = &en->jobs.v[j];

	effect_push(
	    en, (struct effect){.kind = kind, .unit = jb->unit, .job = j, .token = jb->token});
}

static void set_timer(struct engine *en, msec now, job_id j, msec after)
{
	struct job *jb = &en->jobs.v[j];

	jb->timer_gen++;
	jb->deadline = after ? now + after : MSEC_NEVER;
	if (after)
		timer_push(en, jb->deadline, TIMER_JOB, j, jb->timer_gen);
}

void job_extend(struct engine *en, msec now, job_id j, msec by)
{
	const struct job *jb = &en->jobs.v[j];
	const struct job_core *c = &jb->core;
	bool timed =
	    c->state == JOB_RUNNING || (c->state == JOB_STOPPING && c->executed && !c->killed);

	if (!timed || jb->deadline == MSEC_NEVER || by <= jb->deadline - now)
		return;
	set_timer(en, now, j, by);
	if (c->state == JOB_RUNNING)
		ops_extend(en, jb->unit, jb->deadline);
}

static void perform(struct engine *en, msec now, job_id j, enum job_verb verb, msec after)
{
	switch (verb) {
	case JOB_VERB_WAIT: job_recount_later(en, j); break;
	case JOB_VERB_SPAWN: spawn(en, j); break;
	case JOB_VERB_TERM: signal_effect(en, j, EFFECT_TERM); break;
	case JOB_VERB_KILL: signal_effect(en, j, EFFECT_KILL); break;
	case JOB_VERB_SWEEP: signal_effect(en, j, EFFECT_SWEEP); break;
	case JOB_VERB_ARM: set_timer(en, now, j, after); break;
	case JOB_VERB_DISARM: set_timer(en, now, j, 0); break;
	case JOB_VERB_ENDED: job_leaves_stop(en, j); break;
	case JOB_VERB_COUNT: break;
	}
}

static void record_step(struct engine *en, job_id j, enum job_state from, enum job_event ev)
{
	const struct job *jb = &en->jobs.v[j];
	const struct unit *un = &en->units.v[jb->unit];

	if (ev == JOB_EV_RELEASE && jb->attempt == (jb->is->policy.virtual ? 0 : 1))
		op_step_record(en, un->cause, "start", j);
	else if (ev == JOB_EV_STOP && job_state_has_process(from) && from != JOB_STOPPING)
		op_step_record(en, un->stop_cause, "stop", j);
}

/* An end that nobody asked for; what a failed dependency did to it is told by failure.c. */
static bool is_unplanned(
    const struct engine *en, job_id j, enum job_event ev, const struct job_exit *x)
{
	const struct job *jb = &en->jobs.v[j];

	if (ev == JOB_EV_UNHOLD) {
		for_out (en, j, e)
			if (edge_target_failed(en, e, jb->spawned_at))
				return true;
		return false;
	}
	return (ev == JOB_EV_EXITED || ev == JOB_EV_NO_EXEC) && !jb->core.stop &&
	       !(jb->core.state == JOB_STOPPING && jb->core.reason == REASON_DEPENDENCY_FAILED) &&
	       !(x && jb->is->policy.one_shot && x->success);
}

/* Asked before the walk to who demands it: most ends need no further attempt. */
static bool may_go_on(const struct engine *en, const struct job *jb, const struct job_exit *x)
{
	bool done = jb->is->policy.one_shot && x->success && x->rule == EXIT_RULE_NONE;

	return !en->shutdown && !jb->core.stop && (!done || jb->core.reason != REASON_NONE);
}

/* What a probe said last is why an attempt ended only if it ended it; and what it waited for,
 * if it waited for too long. */
static bool tells_why(const struct job_core *c, enum job_event ev)
{
	bool is_over = (ev == JOB_EV_EXITED || ev == JOB_EV_EMPTY) && c->state != JOB_STOPPING;

	return ev != JOB_EV_READY &&
	       (!is_over || c->cause == REASON_PROBE_FAILED || c->cause == REASON_START_TIMEOUT);
}

static void forget_why(struct job *jb)
{
	free(jb->why);
	jb->why = NULL;
}

void job_failed_now(struct engine *en, job_id j)
{
	struct tally *t = tally_of(en, en->jobs.v[j].unit);

	en->jobs.v[j].failed_at = ++en->moment;
	if (t)
		t->failed_at = en->moment;
}

void job_event_now(
    struct engine *en, msec now, job_id j, enum job_event ev, const struct job_exit *x)
{
	struct job *jb = &en->jobs.v[j];
	struct job_world w = {0};
	enum job_state from = jb->core.state;
	bool tracked = job_tracks_edges(jb);

	if (is_unplanned(en, j, ev, x))
		job_failed_now(en, j);
	if (jb->is->policy.virtual && ev == JOB_EV_RELEASE)
		jb->spawned_at = ++en->moment;
	if (ev == JOB_EV_EXITED || ev == JOB_EV_EMPTY) {
		w.demanded =
		    may_go_on(en, jb, x ? x : &jb->core.last) && engine_demanded(en, jb->unit);
		w.chance = chance(en);
	}
	struct job_step st = job_step(&jb->is->policy, jb->core, &w, ev, x);
	jb->core = st.core;
	if (!tells_why(&jb->core, ev))
		forget_why(jb);
	en->n_stopping +=
	    (uint32_t)(st.core.state == JOB_STOPPING) - (uint32_t)(from == JOB_STOPPING);
	if (tracked && !job_tracks_edges(jb))
		edges_idle(en, now, j);
	for (size_t i = 0; i < st.n; i++)
		perform(en, now, j, st.act[i].verb, st.act[i].after);
	if (en->jobs.v[j].core.dep_failed && !job_state_has_process(st.core.state))
		job_leaves_stop(en, j); /* it waits for its edges: its turn is over */
	if (st.core.state != from) {
		jb = &en->jobs.v[j];
		jb->since = now;
		record_step(en, j, from, ev);
		effect_push(en, (struct effect){.kind = EFFECT_JOB,
				    .unit = jb->unit,
				    .job = j,
				    .token = jb->token,
				    .attempt = jb->attempt,
				    .from = (int)from,
				    .to = (int)st.core.state,
				    .reason = st.core.reason});
	}
	job_changed(en, j);
}
