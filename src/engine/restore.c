/* restore.c - belief put back after the server was killed; facts are derived anew. */
#include "engine/world.h"

void engine_restore_begin(struct engine *en)
{
	en->restoring = true;
}

void engine_restore_unit(struct engine *en, const char *name, enum wanted wanted, uint64_t run,
    bool run_live, enum reason reason, const char *reason_subject)
{
	unit_id u = engine_find(en, name);

	if (u == ID_NONE)
		return;
	struct unit *un = &en->units.v[u];
	un->wanted = wanted;
	un->run = run;
	un->live = run_live;
	un->reason = reason;
	if (reason_subject) {
		unit_id s = engine_find(en, reason_subject);

		en->units.v[u].reason_unit = s;
	}
}

bool engine_restore_job(
    struct engine *en, const char *unit, const char *job, const struct engine_job_memory *m)
{
	unit_id u = engine_find(en, unit);
	job_id j = u == ID_NONE ? ID_NONE : unit_job_named(en, u, job);

	if (j == ID_NONE)
		return false;
	struct job *jb = &en->jobs.v[j];
	if (jb->token > m->token)
		return false; /* of a former attempt: the youngest speaks */
	if (jb->token)	      /* nor is its end the end of this one */
		token_remove(en, jb->token);
	en->n_stopping -= jb->core.state == JOB_STOPPING;
	jb->core = m->core;
	jb->token = m->token;
	jb->attempt = m->attempt;
	jb->restarts = m->restarts;
	jb->since = m->since;
	if (m->token)
		token_put(en, m->token, j);
	if (m->token >= en->next_token)
		en->next_token = m->token + 1;
	en->n_stopping += m->core.state == JOB_STOPPING;
	job_changed(en, j);
	return true;
}

/* The back-off counter starts anew once it was up for long enough, whoever watched. */
static msec stable_in(msec now, struct job *jb)
{
	msec left = jb->is->policy.stability - (now - jb->since);

	if (jb->is->policy.virtual || (!jb->core.failures && !jb->core.attempts))
		return 0;
	if (left <= 0)
		jb->core.failures = jb->core.attempts = 0;
	return left > 0 ? left : 0;
}

/* A pause goes on where it was: servers that die again and again would never let it end. */
static msec pause_left(msec now, const struct job *jb)
{
	msec left = job_backoff(&jb->is->policy, jb->core.failures, 0) - (now - jb->since);

	return left > 0 ? left : 1;
}

/* Other timers that ran when the server died run again from now: never shorter. */
static void arm_again(struct engine *en, msec now, job_id j)
{
	struct job *jb = &en->jobs.v[j];
	const struct job_policy *p = &jb->is->policy;
	msec after = 0;

	if (jb->stop_mark && jb->core.state != JOB_STOPPING)
		return;
	switch (jb->core.state) {
	case JOB_RUNNING: after = p->one_shot ? p->timeout : p->start_timeout; break;
	case JOB_READY: after = stable_in(now, jb); break;
	case JOB_RETRYING: after = pause_left(now, jb); break;
	case JOB_PENDING: after = 1; break;
	case JOB_STOPPING: after = p->stop_timeout > 0 ? p->stop_timeout : 1; break;
	case JOB_CREATED:
	case JOB_WAITING_DEPS:
	case JOB_STARTING:
	case JOB_SUCCEEDED:
	case JOB_FAILED:
	case JOB_CANCELLED:
	case JOB_SKIPPED:
	case JOB_STATE_COUNT: break;
	}
	if (!after)
		return;
	jb->timer_gen++;
	jb->deadline = now + after;
	timer_push(en, jb->deadline, TIMER_JOB, j, jb->timer_gen);
}

/* A unit whose jobs were told to stop is stopping, whatever else was stored. */
static void restore_stops(struct engine *en)
{
	struct closure c = {0};

	for (unit_id u = 0; u < en->units.n; u++) {
		bool stop = false;

		for_jobs (en, u, j)
			stop = stop || (en->jobs.v[j].core.stop && !en->jobs.v[j].core.dep_failed &&
					   !job_state_is_end(en->jobs.v[j].core.state) &&
					   en->jobs.v[j].core.state != JOB_CREATED);
		if (stop)
			*vec_push(&c) = (struct member){u, ID_NONE, true};
	}
	stop_members(en, &c, 0, false);
	free(c.v);
}

void engine_restored(struct engine *en, msec now)
{
	run_passes(en, now); /* facts of every unit, nothing published */
	restore_stops(en);
	for (unit_id u = 0; u < en->units.n; u++) {
		if (!en->units.v[u].used)
			continue;
		for_jobs (en, u, j) {
			if (en->units.v[u].live && en->jobs.v[j].core.state == JOB_CREATED &&
			    !en->units.v[u].stopping)
				job_event_now(en, now, j, JOB_EV_BEGIN, NULL);
			arm_again(en, now, j);
			job_changed(en, j);
			if (job_tracks_edges(&en->jobs.v[j]))
				job_recount_later(en, j);
		}
		en->units.v[u].facts = facts_of(en, u);
		en->units.v[u].run_over = en->units.v[u].facts.ended;
		unit_touch(en, u);
	}
	en->restoring = false;
	failures_resume(en);
	ops_resume(en, now);
	run_passes(en, now);
}
