/* check.c - belief held against a recount from facts; for the simulator. */
#include "engine/world.h"

static enum err check_edge(const struct engine *en, edge_id e, struct error *err)
{
	const struct edge *ed = &en->edges.v[e];
	bool gate;
	enum edge_status s = edge_evaluate(en, e, &gate);

	if (s != ed->status)
		return error_set(err, ERR_BUG, "edge %s -> %s is %s, facts say %s",
		    unit_title(en, en->jobs.v[ed->from].unit), ed->is->key,
		    edge_status_str(ed->status), edge_status_str(s));
	if (gate != ed->gate_waiting)
		return error_set(err, ERR_BUG, "edge %s -> %s: gate interest is wrong",
		    unit_title(en, en->jobs.v[ed->from].unit), ed->is->key);
	return ERR_OK;
}

static bool is_first_of_group(const struct engine *en, edge_id e)
{
	if (en->edges.v[e].is->group)
		for_group (en, e, m)
			return m == e;
	return true;
}

static enum err check_job(const struct engine *en, job_id j, struct error *err)
{
	const struct job *jb = &en->jobs.v[j];
	const char *unit = unit_title(en, jb->unit);
	uint32_t unmet = 0, blocked = 0;

	if (jb->stop_mark && (job_state_is_end(jb->core.state) || jb->core.state == JOB_CREATED))
		return error_set(
		    err, ERR_BUG, "%s: an ended job still waits for its turn to stop", unit);
	if (jb->core.state == JOB_STOPPING && jb->core.executed && jb->deadline == MSEC_NEVER)
		return error_set(err, ERR_BUG, "%s: a stop without a deadline", unit);
	if (jb->core.state == JOB_RETRYING && jb->deadline == MSEC_NEVER)
		return error_set(err, ERR_BUG, "%s: a back-off without a timer", unit);
	for_out (en, j, e)
		if (en->edges.v[e].broken != edge_is_broken(en, e))
			return error_set(err, ERR_BUG,
			    "%s: an edge is %sbroken, and not known to be", unit,
			    en->edges.v[e].broken ? "not " : "");
	if (!job_tracks_edges(jb)) {
		for_out (en, j, e)
			if (en->edges.v[e].gate_waiting)
				return error_set(
				    err, ERR_BUG, "%s: waits for a gate without waiting", unit);
		return ERR_OK;
	}
	for_out (en, j, e) {
		if (check_edge(en, e, err))
			return err->code;
		if (!is_first_of_group(en, e))
			continue;
		enum edge_status s = edge_group_status(en, e);
		unmet += s == EDGE_WAITS || s == EDGE_BLOCKED;
		blocked += s == EDGE_BLOCKED;
	}
	if (unmet != jb->unmet || blocked != jb->n_blocked)
		return error_set(err, ERR_BUG, "%s: counts %u/%u, facts say %u/%u", unit, jb->unmet,
		    jb->n_blocked, unmet, blocked);
	if (jb->core.state == JOB_WAITING_DEPS && !unmet && !jb->stop_mark &&
	    en->units.v[jb->unit].conflict_with == ID_NONE)
		return error_set(err, ERR_BUG, "%s: waits for nothing", unit);
	if (jb->core.state == JOB_READY && unmet)
		return error_set(
		    err, ERR_BUG, "%s: a target is ready though an edge does not hold", unit);
	return ERR_OK;
}

static bool tally_is_right(const struct engine *en, unit_id u)
{
	const struct tally *t = tally_of(en, u);
	struct parts p;

	parts_count(en, u, &p);
	return !t || memcmp(&t->parts, &p, sizeof(p)) == 0;
}

static bool in_edges_are_right(const struct engine *en, unit_id u)
{
	for_in (en, u, e)
		if (en->edges.v[e].to_unit != u || (en->edges.v[e].to_job != ID_NONE &&
						       en->jobs.v[en->edges.v[e].to_job].unit != u))
			return false;
	return true;
}

enum err engine_check(const struct engine *en, struct error *e)
{
	uint32_t marked = 0, stopping = 0;

	for (unit_id u = 0; u < en->units.n; u++) {
		const struct unit *un = &en->units.v[u];

		if (!un->used)
			continue;
		if (!tally_is_right(en, u))
			return error_set(e, ERR_BUG, "%s: the tally is wrong", un->name);
		if (!in_edges_are_right(en, u))
			return error_set(e, ERR_BUG, "%s: an edge is in a wrong list", un->name);
		struct facts f = facts_of(en, u);
		if (memcmp(&f, &un->facts, sizeof(f)) != 0)
			return error_set(e, ERR_BUG, "%s: cached facts are stale", un->name);
		if (un->stopping && f.ended)
			return error_set(e, ERR_BUG, "%s: stopping, and nothing is left", un->name);
		if (un->state != facts_state(en, u, &f))
			return error_set(e, ERR_BUG, "%s: published %s, is %s", un->name,
			    service_state_str(un->state),
			    service_state_str(facts_state(en, u, &f)));
		for_jobs (en, u, j) {
			marked += en->jobs.v[j].stop_mark;
			stopping += en->jobs.v[j].core.state == JOB_STOPPING;
			if (check_job(en, j, e))
				return e->code;
		}
	}
	if (marked != en->n_stop_marked || stopping != en->n_stopping)
		return error_set(e, ERR_BUG, "stop counters %u/%u, facts say %u/%u",
		    en->n_stop_marked, en->n_stopping, marked, stopping);
	return ERR_OK;
}
