/*
 * failure.c - what a failed target does to those that depend on it (SPEC 2.6 on_failure).
 *
 * A target fails when a process of it ends unplanned or its probe says so; the
 * engine notes the moment.  An edge is failing while its dependent's attempt is
 * older than that moment, so nothing is missed and nothing acts twice.
 * `restart`: the dependent's action ends and waits for its edges again, as
 * another attempt of the same job, after those that restart along with it.
 * `stop`: its service is stopped as by a cascaded stop; between two actions of
 * one service that action alone.
 */
#include "engine/world.h"

static void mark(struct engine *en, struct ids *jobs, job_id j)
{
	job_mark_turn(en, j);
	en->units.v[en->jobs.v[j].unit].mark = en->epoch; /* groups do not count on it */
	en->jobs.v[j].core.dep_failed = true;
	effect_push(
	    en, (struct effect){.kind = EFFECT_JOB_TURN, .unit = en->jobs.v[j].unit, .job = j});
	ids_push(jobs, j);
}

/* Those that restart along, found before anyone is told: dependents go first. */
static void mark_followers(struct engine *en, struct ids *jobs)
{
	for (size_t at = 0; at < jobs->n; at++) {
		job_id j = jobs->v[at];
		unit_id u = en->jobs.v[j].unit;

		for_in (en, u, e) {
			const struct edge *ed = &en->edges.v[e];
			const struct job *from = &en->jobs.v[ed->from];

			if ((ed->is->kinds & DEP_REQUIRES) &&
			    ed->is->on_failure == ON_FAILURE_RESTART && job_is_up(from) &&
			    !from->stop_mark &&
			    (ed->to_job == ID_NONE ? from->unit != u : ed->to_job == j) &&
			    !edge_group_holds(en, e, en->epoch))
				mark(en, jobs, ed->from);
		}
	}
}

static void restart_jobs(struct engine *en, job_id j)
{
	struct ids jobs = {0};

	walk_begin(en);
	mark(en, &jobs, j);
	mark_followers(en, &jobs);
	jobs_take_turns(en, &jobs);
	free(jobs.v);
}

static void stop_job(struct engine *en, job_id j)
{
	struct ids jobs = {0};

	walk_begin(en);
	en->jobs.v[j].core.stop = true;
	mark(en, &jobs, j);
	jobs_take_turns(en, &jobs);
	free(jobs.v);
}

static void stop_service(struct engine *en, unit_id u, unit_id failed)
{
	struct closure members = {0};
	struct ids asked = {0};

	ids_push(&asked, u);
	closure_of_stop(en, &asked, false, &members);
	stop_members(en, &members, 0, false);
	en->units.v[u].stop_reason = REASON_DEPENDENCY_FAILED;
	en->units.v[u].reason_unit = failed;
	free(members.v);
	free(asked.v);
}

/* Those whose turn had not come when the server was killed. */
void failures_resume(struct engine *en)
{
	struct ids jobs = {0};

	walk_begin(en);
	for (job_id j = 0; j < en->jobs.n; j++) {
		const struct job *jb = &en->jobs.v[j];

		if (jb->used && jb->core.dep_failed && !jb->stop_mark && job_is_up(jb))
			mark(en, &jobs, j);
	}
	jobs_take_turns(en, &jobs);
	free(jobs.v);
}

void edge_failed(struct engine *en, edge_id e)
{
	const struct edge *ed = &en->edges.v[e];

	if (!ed->used || !edge_is_failing(en, e))
		return;
	unit_id u = en->jobs.v[ed->from].unit;
	if (ed->is->on_failure == ON_FAILURE_RESTART)
		restart_jobs(en, ed->from);
	else if (ed->to_unit == u)
		stop_job(en, ed->from);
	else
		stop_service(en, u, ed->to_unit);
}

/* What waits is skipped, what runs is stopped in its turn. */
void run_abort(struct engine *en, msec now, unit_id u)
{
	struct ids jobs = {0};

	for_jobs (en, u, j) {
		const struct job *jb = &en->jobs.v[j];

		if (jb->core.state == JOB_WAITING_DEPS) {
			job_event_now(en, now, j, JOB_EV_BLOCK, NULL);
		} else if (!job_state_is_end(jb->core.state) && !jb->core.stop) {
			job_mark_stop(en, j);
			ids_push(&jobs, j);
		}
	}
	jobs_take_turns(en, &jobs);
	free(jobs.v);
}
