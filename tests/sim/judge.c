/* judge.c - may this be executed now?  Answered from the specification and the world, not from the
 * engine. */
#include "world.h"

bool judge_job_view(const struct world *w, const char *unit, const char *job, struct job_view *v)
{
	unit_id u = engine_find(w->en, unit);

	for (size_t i = 0; u != ID_NONE && engine_job_at(w->en, u, i, v); i++)
		if (strcmp(v->name, job) == 0)
			return true;
	return false;
}

/* The world's own idea of a condition of one job. */
static bool job_holds(
    const struct world *w, const struct sim_unit *t, const struct sim_job *j, enum condition c)
{
	const struct proc *p = world_proc_of(w, t->name, j->name);
	struct job_view v;
	bool known = judge_job_view(w, t->name, j->name, &v);

	if (j->policy.one_shot) {
		bool ended = known && v.core.completed;

		if (c == COND_STARTED && p && p->executed && !p->leader_gone)
			return true;
		return c == COND_COMPLETED ? ended : known && v.core.state == JOB_SUCCEEDED && !p;
	}
	switch (c) {
	case COND_STARTED: return p && p->executed && !p->leader_gone;
	case COND_READY:
	case COND_HEALTHY:
		if (p &&
		    (p->target_of_stop || (c == COND_HEALTHY && j->policy.probed && !p->healthy)))
			return false;
		return p && p->executed && !p->leader_gone && (!j->policy.readiness || p->ready);
	case COND_COMPLETED: return known && v.core.completed;
	case COND_SUCCEEDED: return known && v.core.state == JOB_SUCCEEDED && !p;
	case CONDITION_COUNT: break;
	}
	return false;
}

bool world_wants_stop(const struct world *w, const char *name)
{
	struct unit_view u;
	unit_id id = engine_find(w->en, name);

	return id != ID_NONE && engine_unit(w->en, id, &u) && u.wanted == WANTED_STOP;
}

static bool edge_holds(struct world *w, const struct sim_edge *e)
{
	const struct sim_unit *t = world_unit(w, e->service);

	if (e->is.gate_only)
		return true; /* judged at the moment of the execution only */
	if (!t || !t->registered)
		return e->is.optional;
	if (e->is.optional && world_wants_stop(w, e->service))
		return true;
	if (!e->is.action)
		return judge_unit_holds(w, t, e->is.condition);
	for (size_t i = 0; i < t->n_jobs; i++)
		if (strcmp(t->jobs[i].name, e->action) == 0)
			return job_holds(w, t, &t->jobs[i], e->is.condition);
	return e->is.optional;
}

/* SPEC 2.4: degraded counts as ready if every started action has been ready in this run. */
bool judge_degraded_counts(const struct world *w, const struct sim_unit *t)
{
	struct job_view v;
	unit_id u = engine_find(w->en, t->name);
	bool failed = false, alive = false;

	for (size_t i = 0; u != ID_NONE && engine_job_at(w->en, u, i, &v); i++) {
		if (!v.core.was_ready)
			return false;
		failed = failed || v.core.state == JOB_FAILED || v.core.state == JOB_CANCELLED;
		alive = alive || v.core.state == JOB_READY;
	}
	return failed && alive;
}

static bool degraded_target(struct world *w, const struct sim_edge *e)
{
	const struct sim_unit *t = world_unit(w, e->service);

	return t && !e->is.action && judge_degraded_counts(w, t);
}

static bool group_holds(struct world *w, const struct sim_edge *v, size_t n)
{
	uint32_t need = 0, holds = 0;

	for (size_t i = 0; i < n; i++)
		if (v[i].is.group) {
			need = v[i].is.need;
			holds += edge_holds(w, &v[i]) || degraded_target(w, &v[i]);
		}
	return holds >= need;
}

bool judge_unit_holds(struct world *w, const struct sim_unit *t, enum condition c)
{
	bool one_shots = false, all = true;

	if (!t->n_jobs && (c == COND_COMPLETED || c == COND_SUCCEEDED))
		return true; /* redefined as a target: what it once did may count */
	if (!t->n_jobs) {    /* a target: while its hard edges hold */
		for (size_t i = 0; i < t->n_edges; i++)
			if ((t->edges[i].is.kinds & DEP_REQUIRES) && !t->edges[i].is.group &&
			    !edge_holds(w, &t->edges[i]) && !degraded_target(w, &t->edges[i]))
				return false;
		return group_holds(w, t->edges, t->n_edges);
	}
	for (size_t i = 0; i < t->n_jobs; i++)
		one_shots = one_shots || t->jobs[i].policy.one_shot;
	for (size_t i = 0; i < t->n_jobs; i++) {
		if ((c == COND_COMPLETED || c == COND_SUCCEEDED) && one_shots &&
		    !t->jobs[i].policy.one_shot)
			continue;
		all = all && job_holds(w, t, &t->jobs[i], c);
	}
	return all;
}

bool world_gate_answers(const struct world *w, const char *text)
{
	if (strncmp(text, "of:", 3) != 0)
		return w->kind || (w->now / 700) % 3 != 0; /* external: comes and goes */
	for (size_t i = 0; i < w->procs.n; i++) {
		const struct proc *p = &w->procs.v[i];

		if (p->alive && !p->leader_gone && p->executed && p->opens_at <= w->now &&
		    strcmp(p->unit, text + 3) == 0)
			return true;
	}
	return false;
}

void judge_spawn(struct world *w, const char *unit, const struct sim_job *j)
{
	if (!group_holds(w, j->edges, j->n_edges))
		world_break(
		    w, "no execution before enough of a group holds", "%s/%s", unit, j->name);
	for (size_t i = 0; i < j->n_edges; i++) {
		const struct sim_edge *e = &j->edges[i];
		const struct sim_unit *t = world_unit(w, e->service);

		if (!(e->is.kinds & DEP_REQUIRES) || e->is.group)
			continue;
		if (e->is.gate && strncmp(e->gate, "of:", 3) == 0 && t && t->registered &&
		    !e->is.optional && t->n_jobs == 1 && !t->jobs[0].policy.one_shot &&
		    !world_gate_answers(w, e->gate))
			world_break(w, "no execution before its gate answers", "%s/%s needs %s",
			    unit, j->name, e->gate);
		if (e->is.gate_only || edge_holds(w, e))
			continue;
		if (e->is.optional || degraded_target(w, e))
			continue;
		world_break(w, "no execution before every requires edge holds", "%s/%s needs %s %s",
		    unit, j->name, e->service, condition_str(e->is.condition));
	}
}

void judge_conflict(struct world *w, const char *unit)
{
	for (size_t i = 0; i < w->n_units; i++) {
		const struct sim_unit *a = &w->units[i];

		if (!a->registered || !*a->conflict)
			continue;
		const char *other = strcmp(a->name, unit) == 0	     ? a->conflict
				    : strcmp(a->conflict, unit) == 0 ? a->name
								     : NULL;
		if (other && world_alive(w, other, NULL))
			world_break(w, "conflicting services are never both active", "%s and %s",
			    unit, other);
	}
}
