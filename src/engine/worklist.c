/*
 * worklist.c - what a pass has still to look at, each thing once, and the effects that go out.
 *
 * Anybody below pass.c may put something on a list; pass.c alone works them off.
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

void unit_queue(struct engine *en, unit_id u)
{
	if (en->units.v[u].dirty)
		return;
	en->units.v[u].dirty = true;
	ids_push(&en->dirty, u);
}

void unit_touch(struct engine *en, unit_id u)
{
	en->units.v[u].touched = true;
	unit_queue(en, u);
}

/* Who waits for this one to go is blocked by it, or not, by whether it goes. */
void conflicts_touch(struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];

	for (size_t i = 0; i < un->conflicts.n; i++)
		if (en->units.v[un->conflicts.v[i]].conflict_with == u)
			unit_touch(en, un->conflicts.v[i]);
}

void job_recount_later(struct engine *en, job_id j)
{
	if (en->jobs.v[j].queued_recount)
		return;
	en->jobs.v[j].queued_recount = true;
	ids_push(&en->recount, j);
}

void job_release_later(struct engine *en, job_id j)
{
	if (en->jobs.v[j].queued_release)
		return;
	en->jobs.v[j].queued_release = true;
	ids_push(&en->release, j);
}

void job_stop_later(struct engine *en, job_id j)
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
