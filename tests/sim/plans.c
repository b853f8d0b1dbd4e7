/*
 * plans.c - the plan is what is done (SPEC 2.8): in a kind world that has come to rest, a
 * request is planned, then made, and both lists of steps are held against each other.
 */
#include "world.h"

#include <stdio.h>

#define ROUNDS 6

static bool is_same(const struct op_step *a, const struct op_step *b)
{
	return strcmp(a->step, b->step) == 0 && strcmp(a->service, b->service) == 0 &&
	       text_eq(a->action, b->action);
}

static size_t times(const struct op_step *v, size_t n, const struct op_step *step)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += is_same(&v[i], step);
	return found;
}

static void print(const char *title, const struct op_step *v, size_t n)
{
	printf("  %s:", title);
	for (size_t i = 0; i < n; i++)
		printf(" %s %s%s%s;", v[i].step, v[i].service, v[i].action ? "/" : "",
		    v[i].action ? v[i].action : "");
	printf("\n");
}

static bool needs(const struct sim_unit *u, const char *target)
{
	const struct sim_edge *e = u->n_jobs == 1 ? u->jobs[0].edges : u->edges;
	size_t n = u->n_jobs > 1 ? 0 : u->n_jobs ? u->jobs[0].n_edges : u->n_edges;

	for (size_t i = 0; i < n; i++)
		if ((e[i].is.kinds & DEP_REQUIRES) && !e[i].is.group && !e[i].is.gate_only &&
		    !e[i].is.optional && !*e[i].action && e[i].is.condition <= COND_READY &&
		    strcmp(e[i].service, target) == 0)
			return true;
	return false;
}

/* What requires another starts after it and stops before it. */
static void judge_order(struct world *w, const char *title, const struct op_step *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++) {
			bool start = strcmp(v[i].step, "start") == 0;
			const struct sim_unit *first = world_unit(w, v[i].service);

			if (strcmp(v[i].step, v[k].step) != 0 || !first || times(v, i, &v[k]))
				continue; /* a target may be held and come back */
			if (start ? needs(first, v[k].service)
				  : world_unit(w, v[k].service) &&
					needs(world_unit(w, v[k].service), v[i].service))
				world_break(w, "steps are in the order of the edges",
				    "%s: %s %s before %s", title, v[i].step, v[i].service,
				    v[k].service);
		}
}

/* What is planned is done; what is done before the operation ends was planned. */
static void judge_steps(struct world *w, const struct op_plan *plan, const struct op_view *v)
{
	msec end = ops_end_of(w, v->id);

	for (size_t i = 0; i < plan->n; i++)
		if (times(plan->v, plan->n, &plan->v[i]) > times(v->steps, v->n_steps, &plan->v[i]))
			world_break(w, "what is planned is done", "%s %s", plan->v[i].step,
			    plan->v[i].service);
	for (size_t i = 0; i < v->n_steps; i++)
		if (v->steps[i].at <= end && times(plan->v, plan->n, &v->steps[i]) <
						 times(v->steps, v->n_steps, &v->steps[i]))
			world_break(w, "what is done was planned", "%s %s", v->steps[i].step,
			    v->steps[i].service);
}

/* A gate of something without a process, a wait that timed out, a conflict of what restarts
 * together: no world in which all goes well. */
static bool goes_wrong(const struct world *w, op_id id)
{
	struct op_view v;
	struct job_view j;
	struct edge_view e;

	for (unit_id u = 0; u < engine_unit_count(w->en); u++)
		for (size_t i = 0; engine_job_at(w->en, u, i, &j); i++)
			for (size_t k = 0; engine_edge_at(w->en, j.id, k, &e); k++)
				if (e.gate_waits || e.timed_out ||
				    engine_conflict_of(w->en, u) != ID_NONE)
					return true;
	return engine_op(w->en, id, &v) && v.message && strstr(v.message, "conflicts");
}

static void compare(struct world *w, const struct op_plan *plan, op_id id)
{
	struct op_view v;

	if (!engine_op(w->en, id, &v)) {
		world_break(
		    w, "an operation that was asked for is known", "%llu", (unsigned long long)id);
		return;
	}
	judge_steps(w, plan, &v);
	judge_order(w, "plan", plan->v, plan->n);
	judge_order(w, "deed", v.steps, v.n_steps);
	if (w->trace || w->broken) {
		print("plan", plan->v, plan->n);
		print("deed", v.steps, v.n_steps);
	}
}

static void plan_and_do(struct world *w, void (*run_for)(struct world *, msec))
{
	static const enum op_kind kinds[] = {OP_START, OP_STOP, OP_RESTART};
	const char *names[2] = {w->units[roll(w, (uint32_t)w->n_units)].name};
	const char *other = w->units[roll(w, (uint32_t)w->n_units)].name;
	struct engine_request rq = {.kind = kinds[roll(w, 3)],
	    .names = names,
	    .n_names = 1,
	    .with_unneeded = roll(w, 6) == 0,
	    .with_deps = roll(w, 8) == 0,
	    .replace = roll(w, 6) == 0};
	struct op_plan plan = {0};
	struct strv chain = {0};
	struct error e, again;
	op_id id = 0;
	bool was_live[2] = {false};

	if (other != names[0] && roll(w, 3) == 0)
		names[rq.n_names++] = other;
	enum err planned = engine_plan(w->en, w->now, &rq, &plan, &chain, &e);
	enum err asked = engine_request(w->en, w->now, &rq, &id, &chain, &again);
	if (w->trace)
		printf(
		    "%8lld plan and do %s %s\n", (long long)w->now, op_kind_str(rq.kind), names[0]);
	if (planned != asked)
		world_break(w, "the plan is refused if the deed is", "%s %s: %s, %s",
		    op_kind_str(rq.kind), names[0], err_str(planned), err_str(asked));
	for (size_t i = 0; i < w->n_units; i++) /* the order of a restart is its own */
		w->units[i].restarted = true;
	if (!asked)
		ops_asked(w, id, &rq, 0, was_live);
	world_perform(w);
	run_for(w, 120000);
	if (!asked && !w->broken && !goes_wrong(w, id))
		compare(w, &plan, id);
	op_plan_release(&plan);
	strv_release(&chain);
}

void plans_judge(struct world *w, void (*run_for)(struct world *, msec))
{
	for (int i = 0; i < ROUNDS && !w->broken; i++)
		plan_and_do(w, run_for);
}
