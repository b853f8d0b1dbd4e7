/* demand.c - which units are demanded: wanted, or needed by one that is (SPEC 1). */
#include "engine/world.h"

/* "demanded" of SPEC 1: wanted, or pulled by a demanded unit that nothing else blocks. */
static bool blocked_by_other(const struct engine *en, unit_id u, unit_id target)
{
	if (en->units.v[u].conflict_with != ID_NONE)
		return true;
	for_jobs (en, u, j) {
		if (en->jobs.v[j].core.state != JOB_WAITING_DEPS || !en->jobs.v[j].n_blocked)
			continue;
		for_out (en, j, e)
			if (en->edges.v[e].status == EDGE_BLOCKED &&
			    edge_effect(en, e) == EDGE_BLOCKED &&
			    en->edges.v[e].to_unit != target &&
			    en->edges.v[e].to_unit !=
				u &&		   /* a sibling is blocked by something, too */
			    !edge_may_pull(en, e)) /* it is to be had with it */
				return true;
	}
	return false;
}

static bool is_root(const struct unit *un)
{
	return un->is_run ? un->live && !un->facts.ended : un->wanted == WANTED_START;
}

bool engine_demanded(const struct engine *en, unit_id u)
{
	/* Marks are a cache of the walk, no state: the engine is unchanged to its callers. */
	struct engine *marks = (struct engine *)(uintptr_t)en;
	uint32_t epoch = walk_begin(marks);
	struct ids todo = {0};
	bool found = false;
	unit_id at;

	if (en->units.v[u].wanted == WANTED_STOP)
		return false;
	ids_push(&todo, u);
	marks->units.v[u].mark = epoch;
	while (!found && ids_pop(&todo, &at)) {
		found = is_root(&en->units.v[at]);
		if (found)
			break;
		for_in (en, at, e) {
			unit_id from = en->jobs.v[en->edges.v[e].from].unit;
			struct unit *d = &marks->units.v[from];

			if (d->mark == epoch || !(en->edges.v[e].is->kinds & DEP_PULLS) ||
			    d->wanted == WANTED_STOP || blocked_by_other(en, from, at))
				continue;
			d->mark = epoch;
			ids_push(&todo, from);
		}
	}
	free(todo.v);
	return found;
}

void engine_demanded_all(const struct engine *en, bool *out)
{
	struct ids todo = {0};
	unit_id at;

	for (unit_id u = 0; u < en->units.n; u++) {
		out[u] = en->units.v[u].wanted != WANTED_STOP && is_root(&en->units.v[u]);
		if (out[u])
			ids_push(&todo, u);
	}
	while (ids_pop(&todo, &at)) {
		for_jobs (en, at, j) {
			for_out (en, j, e) {
				unit_id to = en->edges.v[e].to_unit;

				if (to == ID_NONE || out[to] ||
				    !(en->edges.v[e].is->kinds & DEP_PULLS) ||
				    en->units.v[to].wanted == WANTED_STOP ||
				    blocked_by_other(en, at, to))
					continue;
				out[to] = true;
				ids_push(&todo, to);
			}
		}
	}
	free(todo.v);
}

#define NEEDED_BY_LOOKS 16

size_t engine_needed_by(const struct engine *en, unit_id u, unit_id *out, size_t max)
{
	size_t n = 0, looked = 0;

	for_in (en, u, e) {
		unit_id by = en->jobs.v[en->edges.v[e].from].unit;
		bool known = by == u || !(en->edges.v[e].is->kinds & DEP_PULLS);

		if (n == max || ++looked > NEEDED_BY_LOOKS)
			break;
		for (size_t i = 0; i < n; i++)
			known = known || out[i] == by;
		if (!known && engine_demanded(en, by))
			out[n++] = by;
	}
	return n;
}
