/*
 * pass.c - from one event to a quiet graph.
 *
 * Works the lists of worklist.c off, in this order: recount the edges of jobs that began to wait,
 * re-derive the edges to changed units, let failed targets act, let automation pull in, signal the
 * next among what stops, and only then release.  Lists instead of recursion: a chain of 10,000 is a
 * long list.
 */
#include "engine/world.h"

/* ---- counts --------------------------------------------------------------- */

/* What follows from a job's counts, once all its edges are derived. */
static void job_counted(struct engine *en, msec now, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	if (jb->core.state == JOB_READY && jb->unmet)
		job_event_now(en, now, j, JOB_EV_UNHOLD, NULL);
	else if (jb->core.state == JOB_WAITING_DEPS && !jb->unmet)
		job_release_later(en, j);
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
	job_changed(en, j);
	job_counted(en, now, j);
}

/* ---- turns among what stops ------------------------------------------------ */

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
				job_release_later(en, other);
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
				job_release_later(en, j);
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
static void skip_if_blocked(struct engine *en, msec now, job_id j)
{
	const struct job *jb = &en->jobs.v[j];

	if (!job_is_blocked(jb) || jb->queued_recount)
		return;
	for_out (en, j, e)
		if (edge_may_pull(en, e) && !en->restoring)
			return;
	job_event_now(en, now, j, JOB_EV_BLOCK, NULL);
}

static bool aborts(const struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];

	return un->spec && un->spec->is.abort_on_failure && un->live && !un->stopping &&
	       un->facts.failed && !un->facts.ended;
}

/* What a change of one job means to its own edges, and to those that name it. */
static void tell_of_job(struct engine *en, msec now, job_id j)
{
	tell_own_edges(en, now, j);
	for_list_in(en, en->jobs.v[j].first_in, e) tell_edge(en, now, e);
}

static void skip_in_run(struct engine *en, msec now, job_id j)
{
	const struct unit *un = &en->units.v[en->jobs.v[j].unit];

	if (un->is_run && un->live)
		skip_if_blocked(en, now, j);
}

/* Of a unit of many: only those that changed since the last time. */
static void tell_touched(struct engine *en, msec now, unit_id u)
{
	struct ids jobs = {0};
	job_id j;

	while (tally_pop(en, u, &j))
		ids_push(&jobs, j);
	for (size_t i = 0; i < jobs.n; i++)
		tell_of_job(en, now, jobs.v[i]);
	for (size_t i = 0; i < jobs.n; i++)
		skip_in_run(en, now, jobs.v[i]);
	free(jobs.v);
}

static void tell_all(struct engine *en, msec now, unit_id u)
{
	job_id j;

	while (tally_pop(en, u, &j))
		continue;
	for_jobs (en, u, k)
		tell_of_job(en, now, k);
	for_jobs (en, u, k)
		skip_in_run(en, now, k);
}

/* Edges to the whole unit look at its facts, and at failures that are no facts. */
static bool concerns_all(struct engine *en, unit_id u, const struct facts *was)
{
	struct unit *un = &en->units.v[u];
	struct tally *t = tally_of(en, u);
	bool touched = un->touched;

	un->touched = false;
	if (!t)
		return true;
	bool failed = t->parts.n[PART_FAILED_MEANWHILE],
	     news = failed != t->failed_meanwhile || t->failed_at != t->failed_told;
	t->failed_meanwhile = failed;
	t->failed_told = t->failed_at;
	return touched || news || memcmp(was, &un->facts, sizeof(*was)) != 0;
}

static void refresh(struct engine *en, msec now, unit_id u)
{
	struct unit *un = &en->units.v[u];
	const struct facts was = un->facts;
	bool self = un->touched;

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
		self = true;
	}
	publish(en, now, u);
	if (concerns_all(en, u, &was))
		for_list_in(en, en->units.v[u].first_in, e) tell_edge(en, now, e);
	if (self || !tally_of(en, u))
		tell_all(en, now, u);
	else
		tell_touched(en, now, u);
	if (aborts(en, u))
		run_abort(en, now, u);
	if (en->units.v[u].conflicts.n && !en->units.v[u].facts.active)
		conflict_over(en, u);
	ops_unit_changed(en, u);
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
		else if (!turns_break_stall(en) && !ops_end_ripe(en))
			return;
	}
}

/* ---- events of edges --------------------------------------------------------- */

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
