/*
 * derive.c - one edge of a job that waits, or goes on only while it holds: its status, its gate,
 * its clock.
 *
 * What an edge is worth follows from facts (facts.c); here that is written down, counted for its
 * job, and told.
 */
#include "engine/world.h"

static void edge_join_gate(struct engine *en, edge_id e)
{
	struct edge *ed = &en->edges.v[e];
	struct gate *g = &en->gates.v[ed->gate];

	ed->gate_waiting = true;
	ed->prev_gate = ID_NONE;
	ed->next_gate = g->first_edge;
	if (g->first_edge != ID_NONE)
		en->edges.v[g->first_edge].prev_gate = e;
	g->first_edge = e;
	g->waiters++;
	if (!g->watched && !g->open) {
		g->watched = true;
		effect_push(en, (struct effect){.kind = EFFECT_GATE_WATCH, .gate = ed->gate});
	}
}

/* When nobody waits any more the answer is forgotten: the next attempt asks anew. */
void edge_leave_gate(struct engine *en, edge_id e)
{
	struct edge *ed = &en->edges.v[e];

	if (!ed->gate_waiting)
		return;
	struct gate *g = &en->gates.v[ed->gate];
	if (ed->prev_gate != ID_NONE)
		en->edges.v[ed->prev_gate].next_gate = ed->next_gate;
	else
		g->first_edge = ed->next_gate;
	if (ed->next_gate != ID_NONE)
		en->edges.v[ed->next_gate].prev_gate = ed->prev_gate;
	ed->gate_waiting = false;
	ed->next_gate = ed->prev_gate = ID_NONE;
	if (--g->waiters)
		return;
	if (g->watched)
		effect_push(en, (struct effect){.kind = EFFECT_GATE_DROP, .gate = ed->gate});
	g->watched = g->open = false;
}

static void edge_set_clock(struct engine *en, msec now, edge_id e, bool ticking)
{
	struct edge *ed = &en->edges.v[e];

	if (ticking == (ed->deadline != MSEC_NEVER))
		return;
	ed->timer_gen++;
	if (!ticking) {
		ed->clock_left = ed->deadline > now ? ed->deadline - now : 1;
		ed->deadline = MSEC_NEVER;
		return;
	}
	ed->deadline = now + ed->clock_left;
	timer_push(en, ed->deadline, TIMER_EDGE, e, ed->timer_gen);
}

void edge_begin_wait(struct engine *en, msec now, edge_id e)
{
	struct edge *ed = &en->edges.v[e];

	edge_set_clock(en, now, e, false);
	ed->since = now;
	ed->timed_out = false;
	ed->clock_left = ed->is->timeout;
}

static bool is_unmet(enum edge_status s)
{
	return s == EDGE_WAITS || s == EDGE_BLOCKED;
}

static void tell_of_edge(struct engine *en, edge_id e, enum edge_status from)
{
	const struct edge *ed = &en->edges.v[e];

	effect_push(en, (struct effect){.kind = EFFECT_EDGE,
			    .unit = en->jobs.v[ed->from].unit,
			    .job = ed->from,
			    .edge = e,
			    .from = (int)from,
			    .to = (int)ed->status});
}

#define EDGES_TOLD 3 /* the last so many that come to hold are news */

static void set_status(struct engine *en, msec now, edge_id e, enum edge_status to)
{
	struct edge *ed = &en->edges.v[e];
	struct job *j = &en->jobs.v[ed->from];
	enum edge_status was = ed->status, from = edge_group_status(en, e);

	if (was == to)
		return;
	ed->status = to;
	ed->since = now;
	to = edge_group_status(en, e);
	j->unmet += (uint32_t)is_unmet(to) - (uint32_t)is_unmet(from);
	j->n_blocked += (uint32_t)(to == EDGE_BLOCKED) - (uint32_t)(from == EDGE_BLOCKED);
	if ((to == EDGE_BLOCKED) != (from == EDGE_BLOCKED))
		job_changed(en, ed->from);
	if (to == EDGE_BLOCKED || from == EDGE_BLOCKED || (!is_unmet(to) && j->unmet < EDGES_TOLD))
		tell_of_edge(en, e, was);
}

void edge_derive(struct engine *en, msec now, edge_id e)
{
	struct edge *ed = &en->edges.v[e];
	bool gate, asks = false;
	enum edge_status s = edge_evaluate(en, e, &gate);

	if (gate && !ed->gate_waiting) {
		edge_join_gate(en, e);
		s = edge_evaluate(en, e, &gate);
		asks = s == EDGE_WAITS;
	} else if (!gate) {
		edge_leave_gate(en, e);
	}
	set_status(en, now, e, s);
	if (asks)
		tell_of_edge(en, e, EDGE_WAITS);
	edge_set_clock(en, now, e, is_unmet(s) && edge_is_ticking(en, e));
	if (is_unmet(s) && is_unmet(edge_group_status(en, e)) && edge_may_pull(en, e) &&
	    !en->restoring)
		unit_pull_later(en, ed->to_unit, e);
}

void edges_idle(struct engine *en, msec now, job_id j)
{
	for_out (en, j, e) {
		edge_leave_gate(en, e);
		edge_set_clock(en, now, e, false);
	}
}
