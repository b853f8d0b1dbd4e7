#include "server/history/records.h"

#include "server/history/definitions.h"
#include "server/history/failures.h"
#include "server/history/history_state.h"
#include "server/host/clock.h"

#define BLOCK 1024 /* values reserved at once */

ENUM_DEFINE(counter, COUNTER_LIST, COUNTER_COUNT)

/* ---- counters -------------------------------------------------------------- */

static bool take_counter(const struct store_counter *row, void *ctx)
{
	struct history *h = ctx;
	enum counter c;

	if (counter_parse(row->name, &c)) {
		h->counters[c].stored = h->counters[c].reserved = (uint64_t)row->value;
		h->counters[c].next = (uint64_t)row->value + 1;
	}
	return true;
}

enum err records_load(struct history *h, struct error *e)
{
	return store_load_counters(h->store, take_counter, h, e);
}

static void reserve(struct history *h, enum counter c, uint64_t value)
{
	if (value <= h->counters[c].reserved)
		return;
	h->counters[c].reserved = value + BLOCK;
	store_put_counter(h->store, &(struct store_counter){.name = counter_str(c),
					.value = (int64_t)h->counters[c].reserved});
}

uint64_t records_counter(const struct history *h, enum counter c)
{
	return h->counters[c].next;
}

void records_saw(struct history *h, enum counter c, uint64_t value)
{
	if (value >= h->counters[c].next)
		h->counters[c].next = value + 1;
	reserve(h, c, value);
}

uint64_t records_take(struct history *h, enum counter c)
{
	uint64_t value = h->counters[c].next;

	records_saw(h, c, value);
	return value;
}

void records_set(struct history *h, enum counter c, uint64_t value)
{
	h->counters[c].stored = value;
	store_put_counter(
	    h->store, &(struct store_counter){.name = counter_str(c), .value = (int64_t)value});
}

void records_store(struct history *h)
{
	for (enum counter c = 0; c < COUNTER_COUNT; c++) {
		uint64_t value =
		    c == COUNTER_KEEPER ? h->counters[c].stored : h->counters[c].reserved;

		if (value)
			store_put_counter(h->store, &(struct store_counter){.name = counter_str(c),
							.value = (int64_t)value});
	}
}

uint64_t records_stored(const struct history *h, enum counter c)
{
	return h->counters[c].stored;
}

/* ---- rows ------------------------------------------------------------------ */

char *run_name(const struct unit_view *u)
{
	return u->is_run ? text_dup(u->name)
			 : text_fmt("%s#%llu", u->name, (unsigned long long)u->run);
}

/* It was stopped and begun again in one pass: nobody wrote its end. */
static void close_former_run(
    struct history *h, const struct unit_view *u, const struct unit_record *us)
{
	if (!us->run || us->ended || u->is_run)
		return;
	auto_free char *name = text_fmt("%s#%llu", u->name, (unsigned long long)us->run);

	store_put_run(h->store, &(struct store_run){.id = (int64_t)us->run,
				    .name = name,
				    .service = u->name,
				    .state = RUN_CANCELLED,
				    .reason = REASON_CANCELLED,
				    .who = us->who,
				    .started = us->started,
				    .ended = clock_wall()});
}

/* A run that has not been seen yet begins now. */
static struct unit_record *unit_in_run(struct history *h, const struct unit_view *u)
{
	struct unit_record *us = history_unit(h, u->id);

	if (us->run != u->run) {
		close_former_run(h, u, us);
		free(us->who);
		const char *who = u->op ? h->is.who(h->is.ctx, u->op) : NULL;
		*us = (struct unit_record){.run = u->run,
		    .started = clock_wall(),
		    .event = us->event,
		    .end_event = us->end_event,
		    .news = us->news};
		us->who = text_dup(who ? who : "supervisor"); /* pulled in, or started again */
		records_saw(h, COUNTER_RUN, u->run);
	}
	return us;
}

void records_put_run(struct history *h, unit_id unit)
{
	struct unit_view u;

	if (!engine_unit(h->engine, unit, &u) || !u.run)
		return;
	struct unit_record *us = unit_in_run(h, &u);
	struct run_definition *entry = u.is_run ? run_definition_find(h, u.name) : NULL;
	auto_free char *name = run_name(&u),
		       *former = entry ? NULL : h->is.previous_definition(h->is.ctx, unit);
	bool over = u.run_state == RUN_SUCCEEDED || u.run_state == RUN_FAILED ||
		    u.run_state == RUN_CANCELLED;

	if (over && !us->ended)
		us->ended = clock_wall();
	if (!over)
		us->ended = 0;
	store_put_run(h->store, &(struct store_run){.id = (int64_t)u.run,
				    .name = name,
				    .service = u.is_run ? NULL : u.name,
				    .state = u.run_state,
				    .reason = u.reason,
				    .who = us->who,
				    .started = us->started,
				    .ended = us->ended,
				    .definition = entry ? entry->json : former,
				    .reason_subject = u.reason_subject});
	us->put.run = u.run;
	us->put.state = u.run_state;
	us->put.reason = u.reason;
	us->put.plain = entry || !former;
}

/* The row of a run is not for each change of each of its jobs: it holds their definition.  What
 * its live attempts were executed from changes by a registration, which writes it. */
static bool run_row_is_old(struct history *h, const struct unit_view *u)
{
	const struct unit_record *us = history_unit(h, u->id);

	return us->put.run != u->run || us->put.state != u->run_state ||
	       us->put.reason != u->reason || !us->put.plain;
}

static void close_former_job(struct history *h, const struct job_view *j, const struct unit_view *u,
    const struct job_record *s)
{
	if (!s->row || s->ended || s->run == u->run || s->action != text_hash(j->name) || u->is_run)
		return;
	auto_free char *name = text_fmt("%s/%s", u->name, j->name);

	store_put_job(h->store, &(struct store_job){.id = s->row,
				    .run = (int64_t)s->run,
				    .name = name,
				    .service = u->name,
				    .action = j->name,
				    .attempt = 1,
				    .state = JOB_CANCELLED,
				    .reason = REASON_CANCELLED,
				    .exit_code = -1,
				    .created = s->created,
				    .started = s->started,
				    .ready_at = s->ready_at,
				    .ended = clock_wall(),
				    .ready = s->ready_at != 0,
				    .stop_cause = "stop"});
}

/* The record of a job in its unit's present run. */
static struct job_record *job_in_run(
    struct history *h, const struct job_view *j, const struct unit_view *u)
{
	struct job_record *s = history_job(h, j->id);
	uint64_t action = text_hash(j->name);

	if (s->row && s->run == u->run && s->action == action)
		return s;
	close_former_job(h, j, u, s);
	failures_drop(s);
	*s = (struct job_record){
	    .row = (int64_t)records_take(h, COUNTER_JOB),
	    .run = u->run,
	    .action = action,
	    .pid = s->pid,
	    .created = clock_wall(),
	    .event = s->action == action ? s->event : 0, /* what a restart ended caused its begin */
	};
	return s;
}

struct job_record *records_job(struct history *h, job_id job)
{
	struct job_view j;
	struct unit_view u;
	unit_id unit;

	if (!engine_job(h->engine, job, &j, &unit) || !engine_unit(h->engine, unit, &u))
		return history_job(h, job);
	return job_in_run(h, &j, &u);
}

static const char *stop_cause_of(const struct job_core *c)
{
	return c->dep_failed ? (c->stop ? "dependency_stop" : "dependency")
	       : c->stop     ? "stop"
			     : NULL;
}

void records_put_job(struct history *h, job_id job)
{
	struct job_view j;
	struct unit_view u;
	unit_id unit;

	if (!engine_job(h->engine, job, &j, &unit) || !engine_unit(h->engine, unit, &u) || !u.run ||
	    j.virtual)
		return;
	struct job_record *s = job_in_run(h, &j, &u);
	auto_free char *name = text_fmt("%s/%s", u.name, j.name);

	store_put_job(
	    h->store, &(struct store_job){.id = s->row,
			  .run = (int64_t)u.run,
			  .name = name,
			  .service = u.is_run ? NULL : u.name,
			  .action = j.name,
			  .token = j.token,
			  .attempt = j.attempt,
			  .state = j.core.state,
			  .reason = j.core.reason,
			  .exit_code = j.core.completed || j.core.failures || j.core.exited ||
					       job_state_is_end(j.core.state)
					   ? j.core.last.code
					   : -1,
			  .signal = j.core.last.signal,
			  .pid = s->pid,
			  .restarts = j.restarts,
			  .created = s->created,
			  .started = s->started,
			  .ready_at = s->ready_at,
			  .ended = s->ended,
			  .since_mono = j.since,
			  .tries = j.core.attempts,
			  .failures = j.core.failures,
			  .ready = j.core.was_ready,
			  .stop_cause = stop_cause_of(&j.core)});
}

/* ---- changes ---------------------------------------------------------------- */

static void stamp(struct job_record *s, int to)
{
	usec_wall now = clock_wall();

	if (to == JOB_STARTING)
		s->ended = s->ready_at = 0;
	if (to == JOB_RUNNING || (to == JOB_READY && !s->started))
		s->started = now;
	if (to == JOB_READY)
		s->ready_at = now;
	if (job_state_is_end((enum job_state)to))
		s->ended = now;
}

void records_job_changed(struct history *h, const struct effect *fx)
{
	struct job_view j;
	struct unit_view u;
	unit_id unit;

	if (!engine_job(h->engine, fx->job, &j, &unit) || !engine_unit(h->engine, unit, &u) ||
	    j.virtual || !u.run)
		return;
	if (run_row_is_old(h, &u))
		records_put_run(h, unit);
	struct job_record *s = job_in_run(h, &j, &u);
	stamp(s, fx->to);
	if (failures_is_failure(fx))
		failures_add(s, &j, fx);
	records_put_job(h, fx->job);
}

void records_wanted_changed(struct history *h, const struct effect *fx)
{
	struct unit_view u;

	if (!engine_unit(h->engine, fx->unit, &u) || u.is_run)
		return;
	store_put_wanted(
	    h->store, &(struct store_wanted){.service = u.name, .wanted = (enum wanted)fx->to});
}
