/*
 * stop.c - who is told to stop, and in which turn: dependents first.
 */
#include "engine/world.h"

static void mark_jobs(struct engine *en, unit_id u)
{
	for_jobs (en, u, j)
		job_mark_stop(en, j);
}

/* The reason names the one that was asked for, not the link in between. */
void unit_stops_along(struct engine *en, unit_id u, edge_id by)
{
	unit_id near = en->edges.v[by].to_unit;
	const struct unit *n = &en->units.v[near];
	bool link = n->stop_reason == REASON_DEPENDENCY_STOPPED && n->reason_unit != ID_NONE;

	en->units.v[u].stop_reason = REASON_DEPENDENCY_STOPPED;
	en->units.v[u].reason_unit = link ? n->reason_unit : near;
}

/* The set stops, dependents first; who is in it already keeps its turn. */
void stop_members(struct engine *en, const struct closure *c, op_id cause, bool again)
{
	for (size_t i = 0; i < c->n; i++) {
		unit_id u = c->v[i].unit;
		struct unit *un = &en->units.v[u];

		if (!again &&
		    cause) /* else a start goes on waiting: it comes back, or hears why not */
			supersede(en, u, true, cause);
		un = &en->units.v[u];
		if (!again && un->start_after_stop) {
			un->start_after_stop = false;
			unit_touch(en, u);
		}
		if (!un->live || un->stopping)
			continue;
		un->stopping = true;
		conflicts_touch(en, u);
		un->stop_cause = cause;
		edge_id by = c->v[i].by; /* of an unneeded target: the edge to itself */
		un->stop_reason = REASON_CANCELLED;
		if (by != ID_NONE && !again && en->edges.v[by].to_unit != u)
			unit_stops_along(en, u, by);
		mark_jobs(en, u);
		un->facts = facts_of(en, u);
		unit_touch(en, u);
	}
	members_take_turns(en, c);
}
