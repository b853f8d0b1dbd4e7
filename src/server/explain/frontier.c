#include "server/explain/frontier.h"

#define STEPS_MAX 20000

static bool acts(enum job_state s)
{
	return s == JOB_FAILED || s == JOB_RETRYING || s == JOB_PENDING || s == JOB_STARTING ||
	       s == JOB_RUNNING || s == JOB_STOPPING;
}

static void look_at_edges(const struct engine *en, job_id job, struct edge_view *out, bool *found)
{
	struct edge_view e;

	for (size_t k = 0; engine_edge_at(en, job, k, &e); k++) {
		bool blocked = e.status == EDGE_BLOCKED;

		if ((!blocked && e.status != EDGE_WAITS) ||
		    (*found && (!blocked || out->status == EDGE_BLOCKED)))
			continue;
		*out = e;
		*found = true;
	}
}

bool frontier_edge(const struct engine *en, unit_id unit, job_id job, struct edge_view *out)
{
	struct job_view j;
	bool found = false;

	for (size_t i = 0; engine_job_at(en, unit, i, &j); i++)
		if (j.core.state == JOB_WAITING_DEPS && (job == ID_NONE || job == j.id))
			look_at_edges(en, j.id, out, &found);
	return found;
}

static bool acting_job(const struct engine *en, unit_id unit, job_id only, job_id *out)
{
	struct job_view j;

	for (size_t i = 0; engine_job_at(en, unit, i, &j); i++)
		if (acts(j.core.state) && (only == ID_NONE || only == j.id)) {
			*out = j.id;
			return true;
		}
	return false;
}

bool frontier_find(const struct engine *en, unit_id unit, struct frontier *out)
{
	job_id job = ID_NONE;
	struct edge_view e;

	for (size_t n = 0; n < STEPS_MAX; n++) {
		struct frontier at = {.unit = unit};

		if (acting_job(en, unit, job, &at.job)) {
			*out = at;
			return true;
		}
		if (!frontier_edge(en, unit, job, &e))
			return false;
		if (e.gate_waits || e.to_unit == ID_NONE) {
			*out = (struct frontier){.unit = unit, .job = e.from, .gate = true};
			return true;
		}
		unit = e.to_unit;
		job = e.to_job;
	}
	return false;
}
