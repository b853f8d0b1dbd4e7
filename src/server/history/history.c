#include "server/history/history_state.h"

#include "server/history/definitions.h"
#include "server/history/failures.h"

struct history *history_new(const struct history_config *config)
{
	struct history *h = mem_new(sizeof(*h));

	h->is = *config;
	h->engine = config->engine;
	h->store = config->store;
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		h->counters[i].next = 1;
	return h;
}

void history_free(struct history *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->units.n; i++)
		free(h->units.v[i].who);
	free(h->units.v);
	for (size_t i = 0; i < h->jobs.n; i++)
		failures_drop(&h->jobs.v[i]);
	free(h->jobs.v);
	run_definitions_release(h);
	free(h);
}

void history_set_recovering(struct history *h, bool recovering)
{
	h->recovering = recovering;
}

struct job_record *history_job(struct history *h, job_id job)
{
	while (h->jobs.n <= job)
		vec_push(&h->jobs);
	return &h->jobs.v[job];
}

struct unit_record *history_unit(struct history *h, unit_id unit)
{
	while (h->units.n <= unit)
		vec_push(&h->units);
	return &h->units.v[unit];
}

const struct job_record *history_find_job(const struct history *h, job_id job)
{
	return job < h->jobs.n ? &h->jobs.v[job] : NULL;
}

const struct unit_record *history_find_unit(const struct history *h, unit_id unit)
{
	return unit < h->units.n ? &h->units.v[unit] : NULL;
}

size_t history_count_processes(const struct history *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->jobs.n; i++)
		n += h->jobs.v[i].pid != 0;
	return n;
}
