/*
 * pass.c - from one event to a quiet graph.
 *
 * The only place that steps a job; with derive.c, that changes counts.  Order of a pass:
 * recount who began to wait, let changed units tell the edges that point at
 * them, let automation pull in, pass the turn among what stops, and only then
 * release.  Queues instead of recursion: a chain of 10,000 is a long queue.
 */
#include "engine/world.h"

void ids_push(struct ids *q, uint32_t id)
{
	*vec_push(q) = id;
}

bool ids_pop(struct ids *q, uint32_t *out)
{
	if (q->head == q->n) {
		q->head = q->n = 0;
		return false;
	}
	*out = q->v[q->head++];
	return true;
}

/* A plan answers requests to the outside; to whom else would it tell its news? */
static bool is_heard(const struct engine *en, enum effect_kind kind)
{
	return !en->original || kind == EFFECT_SPAWN || kind == EFFECT_TERM ||
	       kind == EFFECT_KILL || kind == EFFECT_SWEEP || kind == EFFECT_GATE_WATCH;
}

void effect_push(struct engine *en, struct effect fx)
{
	if (is_heard(en, fx.kind))
		*vec_push(&en->effects) = fx;
}

void unit_touch(struct engine *en, unit_id u)
{
	if (en->units.v[u].dirty)
		return;
	en->units.v[u].dirty = true;
	ids_push(&en->dirty, u);
}

void job_recount_later(struct engine *en, job_id j)
{
	if (en->jobs.v[j].queued_recount)
		return;
	en->jobs.v[j].queued_recount = true;
	ids_push(&en->recount, j);
}

static void release_later(struct engine *en, job_id j)
{
	if (en->jobs.v[j].queued_release)
		return;
	en->jobs.v[j].queued_release = true;
	ids_push(&en->release, j);
}

static void stop_later(struct engine *en, job_id j)
{
	if (en->jobs.v[j].queued_stop)
		return;
	en->jobs.v[j].queued_stop = true;
	ids_push(&en->stops, j);
}

void unit_pull_later(struct engine *en, unit_id u, edge_id pulled_by)
{
	struct unit *un = &en->units.v[u];

	if (un->pull_queued || !un->registered)
		return;
	un->pull_queued = true;
	if (!un->live)
		un->pulled_by = pulled_by;
	ids_push(&en->pulls, u);
}

/* ---- counts --------------------------------------------------------------- */

/* What follows from a job's counts, once all its edges are derived. */
static void job_counted(struct engine *en, msec now, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	if (jb->core.state == JOB_READY && jb->unmet)
		job_event_now(en, now, j, JOB_EV_UNHOLD, NULL);
	else if (jb->core.state == JOB_WAITING_DEPS && !jb->unmet)
		release_later(en, j);
}

static const struct engine_job_spec *newer_spec(const struct engine *en, const struct job *jb)
{
	const struct spec *s = en->units.v[jb->unit].spec;

	for (size_t i = 0; s && s != jb->spec && i < s->is.n_jobs; i++)
		if (strcmp(s->is.jobs[i].name, jb->is->name) == 0)
			return &s->is.jobs[i];
	return NULL;
}

static void recount(struct engine *en, msec now, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	jb->queued_recount = false;
	if (!jb->used || !job_tracks_edges(jb))
		return;
	const struct engine_job_spec *newer = en->original ? NULL : newer_spec(en, jb);
	if (newer)
		job_take_spec(en, j, en->units.v[jb->unit].spec, newer);
	jb->unmet = jb->n_blocked = 0;
	for_out (en, j, e)
		en->edges.v[e].status = EDGE_HOLDS;
	for_out (en, j, e) {
		edge_begin_wait(en, now, e);
		edge_derive(en, now, e);
	}
	unit_touch(en, jb->unit);
	job_counted(en, now, j);
}

/* ---- stepping a job -------------------------------------------------------- */

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

void job_event_now(
    struct engine *en, msec now, job_id j, enum job_event ev, const struct job_exit *x)
{
	struct job *jb = &en->jobs.v[j];
	struct job_world w = {0};
	enum job_state from = jb->core.state;
	bool tracked = job_tracks_edges(jb);

	if (is_unplanned(en, j, ev, x))
		jb->failed_at = ++en->moment;
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
	unit_touch(en, en->jobs.v[j].unit);
}

/* ---- turns among what stops ------------------------------------------------ */

static void one_less(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	if (jb->stop_mark && jb->stop_waits && --jb->stop_waits == 0)
		stop_later(en, j);
}

void job_uncount_stops(struct engine *en, job_id j)
{
	for_out (en, j, e) {
		struct edge *ed = &en->edges.v[e];

		if (!ed->stop_counted)
			continue;
		ed->stop_counted = false;
		if (ed->to_job != ID_NONE) {
			one_less(en, ed->to_job);
			continue;
		}
		for_jobs (en, ed->to_unit, t)
			one_less(en, t);
	}
}

void job_leaves_stop(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	if (jb->stop_mark)
		en->n_stop_marked--;
	jb->stop_mark = jb->core.dep_failed = false;
	jb->stop_waits = 0;
	job_uncount_stops(en, j);
}

static void take_turn(struct engine *en, msec now, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	jb->queued_stop = false;
	if (!jb->used || !jb->stop_mark || jb->stop_waits)
		return;
	job_event_now(en, now, j, jb->core.dep_failed ? JOB_EV_DEP_FAILED : JOB_EV_STOP, NULL);
	if (!job_state_has_process(en->jobs.v[j].core.state))
		job_leaves_stop(en, j);
}

/* Old and new definitions together may order a circle: then all go at once. */
static bool break_stall(struct engine *en)
{
	if (!en->n_stop_marked || en->n_stopping)
		return false;
	for (job_id j = 0; j < en->jobs.n; j++) {
		struct job *jb = &en->jobs.v[j];

		if (!jb->used || !jb->stop_mark)
			continue;
		jb->stop_waits = 0;
		stop_later(en, j);
	}
	return true;
}

/* ---- release ----------------------------------------------------------------- */

static unit_id active_conflict(const struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];

	for (size_t i = 0; i < un->conflicts.n; i++) {
		const struct unit *c = &en->units.v[un->conflicts.v[i]];
		struct facts f = facts_of(en, un->conflicts.v[i]);

		if (f.process || f.stopping || (f.active && c->run < un->run))
			return un->conflicts.v[i];
	}
	return ID_NONE;
}

static void try_release(struct engine *en, msec now, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	jb->queued_release = false;
	if (!jb->used || jb->core.state != JOB_WAITING_DEPS || jb->unmet || jb->core.stop)
		return;
	struct unit *un = &en->units.v[jb->unit];
	if (un->conflicts.n) {
		unit_id c = active_conflict(en, jb->unit);
		bool was_held = un->conflict_with != ID_NONE;

		if (c != un->conflict_with) {
			un->conflict_with = c;
			unit_touch(en, jb->unit);
		}
		if (c != ID_NONE)
			return;
		for_jobs (en, jb->unit, other) /* its siblings were held by the same conflict */
			if (was_held && other != j &&
			    en->jobs.v[other].core.state == JOB_WAITING_DEPS &&
			    !en->jobs.v[other].unmet)
				release_later(en, other);
	}
	job_event_now(en, now, j, JOB_EV_RELEASE, NULL);
}

static void conflict_over(struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];

	for (size_t i = 0; i < un->conflicts.n; i++) {
		unit_id c = un->conflicts.v[i];

		if (en->units.v[c].conflict_with != u)
			continue;
		en->units.v[c].conflict_with = ID_NONE;
		unit_touch(en, c);
		for_jobs (en, c, j)
			if (en->jobs.v[j].core.state == JOB_WAITING_DEPS && !en->jobs.v[j].unmet)
				release_later(en, j);
	}
}

/* ---- a changed unit ------------------------------------------------------------ */

static void publish(struct engine *en, msec now, unit_id u)
{
	struct unit *un = &en->units.v[u];
	enum service_state to = facts_state(en, u, &un->facts), from = un->state;

	if (to != from) {
		un->state = to;
		un->since = now;
		effect_push(en, (struct effect){.kind = EFFECT_UNIT,
				    .unit = u,
				    .from = (int)from,
				    .to = (int)to,
				    .reason = un->reason});
	}
	if (un->live && un->facts.ended && !un->stopping && !un->run_over) {
		un->run_over = true;
		effect_push(en, (struct effect){.kind = EFFECT_RUN_ENDED, .unit = u});
	} else if (!un->facts.ended) {
		un->run_over = false;
	}
}

static void mark_broken(struct engine *en, edge_id e)
{
	struct edge *ed = &en->edges.v[e];
	unit_id from = en->jobs.v[ed->from].unit;
	bool broken = edge_is_broken(en, e);

	if (broken == ed->broken)
		return;
	ed->broken = broken;
	en->units.v[from].n_broken += broken ? 1u : (uint32_t)-1;
	unit_touch(en, from);
}

static void tell_edge(struct engine *en, msec now, edge_id e)
{
	struct edge *ed = &en->edges.v[e];
	const struct job *from = &en->jobs.v[ed->from];

	if (job_tracks_edges(from) && !from->queued_recount) {
		edge_derive(en, now, e);
		job_counted(en, now, ed->from);
	}
	if (edge_is_failing(en, e))
		ids_push(&en->failures, e);
	mark_broken(en, e);
	if (ed->is->group) /* whether a member matters is a matter of all */
		for_group (en, e, m)
			mark_broken(en, m);
}

/* Whether an edge is broken or failing is a matter of both ends.  A hub does not look at all that
 * it needs for each one that fails: that one tells it. */
static void tell_own_edges(struct engine *en, msec now, job_id j)
{
	struct job *jb = &en->jobs.v[j];
	bool up = job_is_up(jb), marked = jb->stop_mark;

	if (up == jb->edges_up && marked == jb->edges_marked)
		return;
	jb->edges_up = up;
	jb->edges_marked = marked;
	for_out (en, j, e)
		if (en->edges.v[e].broken != edge_is_broken(en, e) || edge_is_failing(en, e))
			tell_edge(en, now, e);
}

/* An ad-hoc run does not wait for what can not come (SPEC 2.5.8). */
static void skip_blocked(struct engine *en, msec now, unit_id u)
{
	for_jobs (en, u, j) {
		const struct job *jb = &en->jobs.v[j];

		if (jb->core.state != JOB_WAITING_DEPS || !jb->n_blocked || jb->queued_recount)
			continue;
		bool pulled = false;
		for_out (en, j, e)
			pulled = pulled || (edge_may_pull(en, e) && !en->restoring);
		if (!pulled)
			job_event_now(en, now, j, JOB_EV_BLOCK, NULL);
	}
}

/* Who waits for this one to go is blocked by it, or not, by whether it goes. */
void conflicts_touch(struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];

	for (size_t i = 0; i < un->conflicts.n; i++)
		if (en->units.v[un->conflicts.v[i]].conflict_with == u)
			unit_touch(en, un->conflicts.v[i]);
}

static bool aborts(const struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];

	return un->spec && un->spec->is.abort_on_failure && un->live && !un->stopping &&
	       un->facts.failed && !un->facts.ended;
}

static void refresh(struct engine *en, msec now, unit_id u)
{
	struct unit *un = &en->units.v[u];

	un->dirty = false;
	if (!un->used)
		return;
	un->facts = facts_of(en, u);
	if (en->restoring)
		return;
	if (un->stopping && un->facts.ended) {
		unit_stopped(en, now, u);
		un = &en->units.v[u];
		un->facts = facts_of(en, u);
	}
	publish(en, now, u);
	for_jobs (en, u, j)
		tell_own_edges(en, now, j);
	for_in (en, u, e)
		tell_edge(en, now, e);
	if (en->units.v[u].is_run && en->units.v[u].live)
		skip_blocked(en, now, u);
	if (aborts(en, u))
		run_abort(en, now, u);
	if (en->units.v[u].conflicts.n && !en->units.v[u].facts.active)
		conflict_over(en, u);
	ops_unit_changed(en, now, u);
}

void run_passes(struct engine *en, msec now)
{
	uint32_t id;

	for (;;) {
		if (ids_pop(&en->recount, &id))
			recount(en, now, id);
		else if (ids_pop(&en->dirty, &id))
			refresh(en, now, id);
		else if (en->restoring)
			return;
		else if (ids_pop(&en->failures, &id))
			edge_failed(en, id);
		else if (ids_pop(&en->pulls, &id))
			unit_pull(en, now, id);
		else if (ids_pop(&en->stops, &id))
			take_turn(en, now, id);
		else if (ids_pop(&en->release, &id))
			try_release(en, now, id);
		else if (!break_stall(en) && !ops_end_ripe(en))
			return;
	}
}

/* ---- news about edges -------------------------------------------------------- */

void edge_time_out(struct engine *en, msec now, edge_id e)
{
	struct edge *ed = &en->edges.v[e];

	ed->timed_out = true;
	ed->deadline = MSEC_NEVER;
	if (!job_tracks_edges(&en->jobs.v[ed->from]))
		return;
	edge_derive(en, now, e);
	job_counted(en, now, ed->from);
}

void gate_opened(struct engine *en, msec now, gate_id g)
{
	edge_id next;

	if (g >= en->gates.n || !en->gates.v[g].watched)
		return;
	en->gates.v[g].watched = false;
	en->gates.v[g].open = true;
	for (edge_id e = en->gates.v[g].first_edge; e != ID_NONE; e = next) {
		next = en->edges.v[e].next_gate;
		edge_derive(en, now, e);
		job_counted(en, now, en->edges.v[e].from);
	}
}
