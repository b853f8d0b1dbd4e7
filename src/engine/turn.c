/*
 * turn.c - the order among what stops: each job counts those that must be gone before it, and its
 * turn comes when none is left.
 */
#include "engine/world.h"

void job_mark_turn(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	en->n_stop_marked += !jb->stop_mark;
	if (!jb->stop_mark)
		job_changed(en, j);
	jb->stop_mark = true;
	if (jb->core.state == JOB_RUNNING || jb->core.state == JOB_READY) {
		jb->timer_gen++; /* a start timeout does not end it out of its turn */
		jb->deadline = MSEC_NEVER;
	}
}

void job_mark_stop(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	if (job_state_is_end(jb->core.state) || jb->core.state == JOB_CREATED)
		return;
	if (!jb->stop_mark || jb->core.dep_failed)
		job_mark_turn(en, j);
	jb->core.dep_failed = false;
	jb->core.stop = true; /* no further attempt, whatever comes first */
}

static bool orders(const struct engine *en, edge_id e, unit_id u, job_id j)
{
	const struct edge *ed = &en->edges.v[e];

	return (ed->is->kinds & DEP_ORDERS) && en->jobs.v[ed->from].stop_mark &&
	       (ed->to_job != ID_NONE ? ed->to_job == j : en->jobs.v[ed->from].unit != u);
}

static void count_turn(struct engine *en, edge_id e, job_id j)
{
	if (!en->jobs.v[j].stop_mark || !orders(en, e, en->jobs.v[j].unit, j))
		return;
	en->jobs.v[j].stop_waits++;
	en->edges.v[e].stop_counted = true;
}

/* How many that stop along must be gone before each job of u may be told to. */
static void count_turns(struct engine *en, unit_id u)
{
	for_jobs (en, u, j)
		en->jobs.v[j].stop_waits = 0;
	for_list_in(en, en->units.v[u].first_in, e)
	{
		en->edges.v[e].stop_counted = false;
		for_jobs (en, u, j)
			count_turn(en, e, j);
	}
	for_jobs (en, u, j)
		for_list_in(en, en->jobs.v[j].first_in, e)
		{
			en->edges.v[e].stop_counted = false;
			count_turn(en, e, j);
		}
}

static void queue_turn(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];
	bool idle = !job_state_has_process(jb->core.state);

	if (!jb->stop_mark || jb->queued_stop)
		return;
	if (idle)
		jb->stop_waits = 0; /* nothing runs: nobody needs to be waited for */
	if (jb->stop_waits)
		return;
	jb->queued_stop = true;
	ids_push(&en->stops, j);
}

/* Those told to stop now, and those of earlier stops that they depend on. */
static void count_all_turns(struct engine *en, const struct closure *c)
{
	uint32_t epoch = walk_begin(en);

	for (size_t i = 0; i < c->n; i++) {
		en->units.v[c->v[i].unit].mark = epoch;
		count_turns(en, c->v[i].unit);
	}
	for (size_t i = 0; i < c->n; i++)
		for_jobs (en, c->v[i].unit, j)
			for_out (en, j, e) {
				unit_id t = en->edges.v[e].to_unit;

				if (t == ID_NONE || !en->units.v[t].stopping ||
				    en->units.v[t].mark == epoch)
					continue;
				en->units.v[t].mark = epoch;
				count_turns(en, t);
			}
}

void members_take_turns(struct engine *en, const struct closure *c)
{
	count_all_turns(en, c);
	for (size_t i = 0; i < c->n; i++)
		for_jobs (en, c->v[i].unit, j)
			queue_turn(en, j);
}

void jobs_take_turns(struct engine *en, const struct ids *jobs)
{
	for (size_t i = 0; i < jobs->n; i++)
		count_turns(en, en->jobs.v[jobs->v[i]].unit);
	for (size_t i = 0; i < jobs->n; i++)
		queue_turn(en, jobs->v[i]);
}

static void one_less(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	if (jb->stop_mark && jb->stop_waits && --jb->stop_waits == 0)
		job_stop_later(en, j);
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

	if (jb->stop_mark) {
		en->n_stop_marked--;
		job_changed(en, j);
	}
	jb->stop_mark = jb->core.dep_failed = false;
	jb->stop_waits = 0;
	job_uncount_stops(en, j);
}

/* Old and new definitions together may order a circle: then all go at once. */
bool turns_break_stall(struct engine *en)
{
	if (!en->n_stop_marked || en->n_stopping)
		return false;
	for (job_id j = 0; j < en->jobs.n; j++) {
		struct job *jb = &en->jobs.v[j];

		if (!jb->used || !jb->stop_mark)
			continue;
		jb->stop_waits = 0;
		job_stop_later(en, j);
	}
	return true;
}
