/*
 * run.c - a unit's run: how it begins, how it ends, and what automation begins again.
 */
#include "engine/world.h"

void want(struct engine *en, unit_id u, enum wanted wanted)
{
	if (en->units.v[u].wanted == wanted || en->units.v[u].is_run)
		return;
	effect_push(en, (struct effect){.kind = EFFECT_WANTED,
			    .unit = u,
			    .from = (int)en->units.v[u].wanted,
			    .to = (int)wanted});
	en->units.v[u].wanted = wanted;
	unit_touch(en, u); /* optional edges look at it */
}

/* Dependents that an earlier stop took along come back, if they are demanded. */
static void call_back(struct engine *en, unit_id u)
{
	for_in (en, u, e) {
		unit_id from = en->jobs.v[en->edges.v[e].from].unit;
		const struct unit *d = &en->units.v[from];

		if (d->live || d->stopping || !(en->edges.v[e].is->kinds & DEP_REQUIRES) ||
		    d->reason_unit == ID_NONE)
			continue;
		if (d->reason == REASON_DEPENDENCY_STOPPED
			? en->units.v[d->reason_unit].live
			: d->reason == REASON_DEPENDENCY_FAILED && d->reason_unit == u)
			unit_pull_later(en, from, ID_NONE);
	}
}

/* A start runs it again; the success of a one-shot stays. */
static bool is_over(const struct job *j)
{
	return j->core.state == JOB_CREATED ||
	       (job_state_is_end(j->core.state) &&
		   !(j->core.state == JOB_SUCCEEDED && j->is->policy.one_shot));
}

static void run_number(struct engine *en, unit_id u, op_id cause, edge_id pulled_by)
{
	struct unit *un = &en->units.v[u];
	struct op *op = op_by_id(en, cause);

	un->run = en->next_run++;
	un->run_over = false;
	un->cause = cause;
	un->pulled_by = pulled_by;
	un->reason = REASON_NONE;
	un->reason_unit = ID_NONE;
	if (op && un->named_by != cause) {
		strv_add(&op->started, un->name);
		un->named_by = cause;
	}
	for_jobs (en, u, j)
		en->jobs.v[j].attempt = en->jobs.v[j].restarts = 0;
}

void unit_begin(struct engine *en, msec now, unit_id u, op_id cause, edge_id pulled_by)
{
	struct unit *un = &en->units.v[u];
	struct op *op = op_by_id(en, cause);
	bool fresh = !un->live, new_run = fresh, changed = false;

	if (un->stopping) {
		if (cause || !un->start_after_stop) { /* automation takes nothing over */
			un->cause = cause;
			un->pulled_by = pulled_by;
		}
		un->start_after_stop = true;
		if (op)
			op->changed = true;
		unit_touch(en, u);
		return;
	}
	if (fresh || ((un->facts.failed || un->facts.gone) && !un->facts.process)) {
		un->live = new_run = true;
		run_number(en, u, cause, pulled_by);
	}
	for_jobs (en, u, j) {
		enum job_state s = en->jobs.v[j].core.state;

		if (!fresh && !is_over(&en->jobs.v[j]) && s != JOB_RETRYING && s != JOB_PENDING)
			continue;
		/* What it last waited for counts no more; until the recount others would see it
		 * blocked. */
		en->jobs.v[j].unmet = en->jobs.v[j].n_blocked = 0;
		job_event_now(en, now, j, JOB_EV_BEGIN, NULL);
		changed = true;
	}
	if (op && changed)
		op->changed = true;
	un = &en->units.v[u];
	un->facts = facts_of(en, u);
	unit_touch(en, u);
	if (new_run)
		call_back(en, u);
}

/* It comes back with another definition: what that needs comes along, as for any start. */
static void begin_redefined(struct engine *en, msec now, unit_id u)
{
	struct unit *un = &en->units.v[u];
	const char *name = un->name;
	const struct engine_request rq = {.kind = OP_START, .names = &name, .n_names = 1};
	struct closure members = {0};
	struct ids replaced = {0};
	struct strv notes = {0}, chain = {0};
	struct error e;
	op_id cause = un->cause;
	edge_id by = un->pulled_by;

	if (closure_of_start(en, &rq, true, &members, &replaced, &notes, &chain, &e))
		members.n = 0;
	unit_begin(en, now, u, cause, by);
	for (size_t i = 0; i < members.n; i++)
		if (members.v[i].unit != u)
			unit_begin(en, now, members.v[i].unit, cause, members.v[i].by);
	free(members.v);
	free(replaced.v);
	strv_release(&notes);
	strv_release(&chain);
}

void unit_stopped(struct engine *en, msec now, unit_id u)
{
	struct unit *un = &en->units.v[u];

	un->stopping = false;
	conflicts_touch(en, u);
	un->live = false;
	watches_stopped(en, u);
	un->conflict_with = ID_NONE;
	un->reason = un->stop_reason;
	if (un->reason == REASON_CANCELLED)
		un->reason_unit = ID_NONE;
	effect_push(en, (struct effect){.kind = EFFECT_RUN_ENDED, .unit = u, .reason = un->reason});
	bool redefined = un->definition_changed && !en->original;
	if (redefined)
		unit_rebuild(en, now, u);
	un = &en->units.v[u];
	bool again = un->start_after_stop;
	un->start_after_stop = false;
	un->stop_reason = REASON_NONE;
	un->facts = facts_of(en, u);
	if (again && !en->shutdown && redefined)
		begin_redefined(en, now, u);
	else if (again && !en->shutdown)
		unit_begin(en, now, u, un->cause, un->pulled_by);
	else if (un->reason == REASON_DEPENDENCY_STOPPED && un->reason_unit != ID_NONE &&
		 en->units.v[un->reason_unit].live && !en->units.v[un->reason_unit].stopping)
		unit_pull_later(en, u, ID_NONE);
}

void begin_members(struct engine *en, msec now, const struct closure *c, op_id cause)
{
	for (size_t i = 0; i < c->n; i++)
		unit_begin(en, now, c->v[i].unit, cause, c->v[i].by);
}

void unit_pull(struct engine *en, msec now, unit_id u)
{
	struct unit *un = &en->units.v[u];
	struct closure members = {0};
	struct ids replaced = {0};
	struct strv notes = {0}, chain = {0};
	struct error e;

	un->pull_queued = false;
	if (!un->used || !un->registered || un->live || un->stopping || un->wanted == WANTED_STOP ||
	    en->shutdown || !engine_demanded(en, u))
		return;
	const struct engine_request rq = {.kind = OP_START, .names = &un->name, .n_names = 1};
	edge_id by = un->pulled_by;
	if (closure_of_start(en, &rq, true, &members, &replaced, &notes, &chain, &e) == ERR_OK) {
		if (members.n)
			members.v[0].by = by;
		begin_members(en, now, &members, 0);
	}
	free(members.v);
	free(replaced.v);
	strv_release(&notes);
	strv_release(&chain);
}
