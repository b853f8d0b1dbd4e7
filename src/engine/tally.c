/*
 * tally.c - how many jobs of a unit are what: ready, blocked, in which state.
 *
 * What is true of a unit follows from these numbers, not from a walk over its jobs, so one of ten
 * thousand that changes costs what it costs in a small unit.  Units of a few jobs are counted when
 * they are asked about and keep nothing.
 */
#include "engine/world.h"

bool job_is_ready(const struct job *j)
{
	return j->core.state == JOB_READY ||
	       (j->core.state == JOB_SUCCEEDED && j->is->policy.one_shot);
}

bool job_is_executed(const struct job *j)
{
	return j->core.state == JOB_RUNNING || job_is_ready(j);
}

bool job_is_healthy(const struct job *j)
{
	return job_is_ready(j) && (!j->is->policy.probed || j->health == HEALTH_GOOD);
}

bool job_is_unhealthy(const struct job *j)
{
	return j->core.state == JOB_READY && j->health == HEALTH_BAD;
}

bool job_is_not_coming(const struct job *j)
{
	return j->core.state == JOB_RUNNING && j->health == HEALTH_BAD;
}

bool job_is_blocked(const struct job *j)
{
	return j->core.state == JOB_WAITING_DEPS && j->n_blocked;
}

bool job_failed_meanwhile(const struct job *j)
{
	const struct job_core *c = &j->core;

	return !job_is_ready(j) &&
	       (c->failures || c->reason == REASON_DEPENDENCY_FAILED || c->state == JOB_FAILED ||
		   c->state == JOB_SKIPPED || c->state == JOB_CANCELLED);
}

static bool gives_a_reason(const struct job *j)
{
	return j->core.reason != REASON_NONE && j->core.state != JOB_READY &&
	       j->core.state != JOB_SUCCEEDED;
}

static uint32_t parts_of_job(const struct job *j)
{
	const struct job_core *c = &j->core;
	bool one_shot = j->is->policy.one_shot, virtual = j->is->policy.virtual,
	     process = job_state_has_process(c->state);
	const bool is[PART_COUNT - JOB_STATE_COUNT] = {
	    [PART_VIRTUAL - JOB_STATE_COUNT] = virtual,
	    [PART_ONE_SHOT - JOB_STATE_COUNT] = one_shot,
	    [PART_READY - JOB_STATE_COUNT] = job_is_ready(j),
	    [PART_EXECUTED - JOB_STATE_COUNT] = job_is_executed(j),
	    [PART_WAS_READY - JOB_STATE_COUNT] = c->was_ready,
	    [PART_HEALTHY - JOB_STATE_COUNT] = job_is_healthy(j),
	    [PART_UNHEALTHY - JOB_STATE_COUNT] = job_is_unhealthy(j),
	    [PART_NOT_COMING - JOB_STATE_COUNT] = job_is_not_coming(j),
	    [PART_PROCESS - JOB_STATE_COUNT] = process && !virtual,
	    [PART_WAS_EXECUTED - JOB_STATE_COUNT] = c->was_executed,
	    [PART_BLOCKED - JOB_STATE_COUNT] = job_is_blocked(j),
	    [PART_GONE - JOB_STATE_COUNT] = c->state == JOB_SUCCEEDED && !one_shot,
	    [PART_FIRST_OVER - JOB_STATE_COUNT] = c->failures && !job_is_ready(j),
	    [PART_COMPLETED - JOB_STATE_COUNT] = c->completed,
	    [PART_SHOT_COMPLETED - JOB_STATE_COUNT] = one_shot && c->completed,
	    [PART_SHOT_SUCCEEDED - JOB_STATE_COUNT] = one_shot && c->state == JOB_SUCCEEDED,
	    [PART_FAILED_MEANWHILE - JOB_STATE_COUNT] = job_failed_meanwhile(j),
	    [PART_REASON - JOB_STATE_COUNT] = gives_a_reason(j),
	};
	uint32_t mask = 1u << c->state;

	for (unsigned i = 0; i < countof(is); i++)
		mask |= (uint32_t)is[i] << (JOB_STATE_COUNT + i);
	return mask;
}

static void add_parts(struct parts *p, uint32_t mask, uint32_t by)
{
	for (; mask; mask &= mask - 1)
		p->n[__builtin_ctz(mask)] += by;
}

void parts_count(const struct engine *en, unit_id u, struct parts *out)
{
	*out = (struct parts){0};
	for_jobs (en, u, j) {
		add_parts(out, parts_of_job(&en->jobs.v[j]), 1);
		out->jobs++;
	}
}

const struct parts *parts_of(const struct engine *en, unit_id u, struct parts *space)
{
	uint32_t t = en->units.v[u].tally;

	if (t)
		return &en->tallies.v[t - 1].parts;
	parts_count(en, u, space);
	return space;
}

static const unsigned remembered[PARTS_REMEMBERED] = {JOB_FAILED, PART_BLOCKED, PART_REASON};

static job_id scan(const struct engine *en, unit_id u, unsigned part)
{
	for_jobs (en, u, j)
		if (parts_of_job(&en->jobs.v[j]) & 1u << part)
			return j;
	return ID_NONE;
}

job_id job_of_part(const struct engine *en, unit_id u, unsigned part)
{
	struct tally *t = tally_of(en, u);
	unsigned i = 0;

	if (!t)
		return scan(en, u, part);
	if (!t->parts.n[part])
		return ID_NONE;
	while (remembered[i] != part)
		i++;
	job_id j = t->lately[i];
	if (j >= en->jobs.n || en->jobs.v[j].unit != u || !(en->jobs.v[j].parts & 1u << part))
		j = t->lately[i] = scan(en, u, part);
	return j;
}

static void remember(struct tally *t, job_id j, uint32_t gained)
{
	for (unsigned i = 0; i < PARTS_REMEMBERED; i++)
		if (gained & 1u << remembered[i])
			t->lately[i] = j;
}

/* ---- kept ---------------------------------------------------------------------------- */

struct tally *tally_of(const struct engine *en, unit_id u)
{
	uint32_t t = en->units.v[u].tally;

	return t ? &en->tallies.v[t - 1] : NULL;
}

void tally_begin(struct engine *en, unit_id u)
{
	uint32_t t = en->free_tally;

	if (en->units.v[u].tally)
		return;
	if (t)
		en->free_tally = en->tallies.v[t - 1].next_free;
	else
		t = (uint32_t)(vec_push(&en->tallies) - en->tallies.v) + 1;
	en->tallies.v[t - 1] = (struct tally){.first_touched = ID_NONE};
	en->units.v[u].tally = t;
	for_jobs (en, u, j)
		tally_add(en, j);
}

void tally_end(struct engine *en, unit_id u)
{
	uint32_t t = en->units.v[u].tally;

	if (!t)
		return;
	for_jobs (en, u, j)
		en->jobs.v[j].touched = false;
	map_release(&en->tallies.v[t - 1].names);
	en->tallies.v[t - 1] = (struct tally){.next_free = en->free_tally};
	en->free_tally = t;
	en->units.v[u].tally = 0;
}

void tally_add(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];
	struct tally *t = tally_of(en, jb->unit);

	if (!t)
		return;
	jb->parts = parts_of_job(jb);
	add_parts(&t->parts, jb->parts, 1);
	t->parts.jobs++;
	map_put(&t->names, jb->is->name, (void *)((uintptr_t)j + 1));
	job_changed(en, j);
}

static void forget_touched(struct engine *en, struct tally *t, job_id gone)
{
	job_id *at = &t->first_touched;

	while (*at != ID_NONE && *at != gone)
		at = &en->jobs.v[*at].next_touched;
	if (*at == gone)
		*at = en->jobs.v[gone].next_touched;
}

void tally_remove(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];
	struct tally *t = tally_of(en, jb->unit);

	if (!t)
		return;
	if (jb->touched)
		forget_touched(en, t, j);
	add_parts(&t->parts, jb->parts, (uint32_t)-1);
	t->parts.jobs--;
	map_remove(&t->names, jb->is->name);
	jb->touched = false;
}

void job_changed(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];
	struct tally *t = tally_of(en, jb->unit);

	unit_queue(en, jb->unit);
	if (!t)
		return;
	uint32_t was = jb->parts, is = parts_of_job(jb);
	add_parts(&t->parts, is & ~was, 1);
	add_parts(&t->parts, was & ~is, (uint32_t)-1);
	remember(t, j, is & ~was);
	jb->parts = is;
	if (jb->touched)
		return;
	jb->touched = true;
	jb->next_touched = t->first_touched;
	t->first_touched = j;
}

bool tally_pop(struct engine *en, unit_id u, job_id *out)
{
	struct tally *t = tally_of(en, u);

	if (!t || t->first_touched == ID_NONE)
		return false;
	*out = t->first_touched;
	t->first_touched = en->jobs.v[*out].next_touched;
	en->jobs.v[*out].touched = false;
	return true;
}

job_id unit_job_named(const struct engine *en, unit_id u, const char *action)
{
	const struct engine *names =
	    en->original ? en->original : en; /* the topology is the same */
	const struct tally *t = tally_of(names, u);

	if (t) {
		void *at = map_get(&t->names, action);

		return at ? (job_id)((uintptr_t)at - 1) : ID_NONE;
	}
	for_jobs (en, u, j)
		if (strcmp(en->jobs.v[j].is->name, action) == 0)
			return j;
	return ID_NONE;
}
