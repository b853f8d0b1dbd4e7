#include "server/history/records.h"

#include "server/history/failures.h"
#include "server/operation/operations.h"
#include "server/supervise/previous_definition.h"

#define BLOCK 1024 /* values reserved at once */

ENUM_DEFINE(counter, COUNTER_LIST, COUNTER_COUNT)

struct records {
	struct daemon *d;
	struct {
		uint64_t next, reserved, stored;
	} counters[COUNTER_COUNT];
};

struct records *records_new(struct daemon *d)
{
	struct records *r = mem_new(sizeof(*r));

	r->d = d;
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		r->counters[i].next = 1;
	return r;
}

void records_free(struct records *r)
{
	free(r);
}

/* ---- counters -------------------------------------------------------------- */

static bool take_counter(const struct store_counter *row, void *ctx)
{
	struct records *r = ctx;
	enum counter c;

	if (counter_parse(row->name, &c)) {
		r->counters[c].stored = r->counters[c].reserved = (uint64_t)row->value;
		r->counters[c].next = (uint64_t)row->value + 1;
	}
	return true;
}

enum err records_load(struct records *r, struct error *e)
{
	return store_load_counters(r->d->store, take_counter, r, e);
}

static void reserve(struct records *r, enum counter c, uint64_t value)
{
	if (value <= r->counters[c].reserved)
		return;
	r->counters[c].reserved = value + BLOCK;
	store_put_counter(r->d->store, &(struct store_counter){.name = counter_str(c),
					   .value = (int64_t)r->counters[c].reserved});
}

uint64_t records_counter(const struct records *r, enum counter c)
{
	return r->counters[c].next;
}

void records_saw(struct records *r, enum counter c, uint64_t value)
{
	if (value >= r->counters[c].next)
		r->counters[c].next = value + 1;
	reserve(r, c, value);
}

uint64_t records_take(struct records *r, enum counter c)
{
	uint64_t value = r->counters[c].next;

	records_saw(r, c, value);
	return value;
}

void records_set(struct records *r, enum counter c, uint64_t value)
{
	r->counters[c].stored = value;
	store_put_counter(
	    r->d->store, &(struct store_counter){.name = counter_str(c), .value = (int64_t)value});
}

uint64_t records_stored(const struct records *r, enum counter c)
{
	return r->counters[c].stored;
}

/* ---- rows ------------------------------------------------------------------ */

char *run_name(const struct daemon *d, const struct unit_view *u)
{
	(void)d;
	return u->is_run ? text_dup(u->name)
			 : text_fmt("%s#%llu", u->name, (unsigned long long)u->run);
}

static struct unit_slot *unit_slot(struct daemon *d, unit_id u)
{
	while (d->units.n <= u)
		vec_push(&d->units);
	return &d->units.v[u];
}

/* It was stopped and begun again in one pass: nobody wrote its end. */
static void close_former_run(
    struct daemon *d, const struct unit_view *u, const struct unit_slot *us)
{
	if (!us->run || us->ended || u->is_run)
		return;
	auto_free char *name = text_fmt("%s#%llu", u->name, (unsigned long long)us->run);

	store_put_run(d->store, &(struct store_run){.id = (int64_t)us->run,
				    .name = name,
				    .service = u->name,
				    .state = RUN_CANCELLED,
				    .reason = REASON_CANCELLED,
				    .who = us->who,
				    .started = us->started,
				    .ended = clock_wall()});
}

/* A run that has not been seen yet begins now. */
static struct unit_slot *unit_in_run(struct daemon *d, const struct unit_view *u)
{
	struct unit_slot *us = unit_slot(d, u->id);

	if (us->run != u->run) {
		close_former_run(d, u, us);
		free(us->who);
		previous_definition_drop(&us->former);
		const struct operation_about *about = u->op ? operations_about(d, u->op) : NULL;
		*us = (struct unit_slot){.run = u->run,
		    .started = clock_wall(),
		    .event = us->event,
		    .end_event = us->end_event,
		    .news = us->news};
		us->who =
		    text_dup(about ? about->who : "supervisor"); /* pulled in, or started again */
		records_saw(d->records, COUNTER_RUN, u->run);
	}
	return us;
}

void records_put_run(struct daemon *d, unit_id unit)
{
	struct unit_view u;

	if (!engine_unit(d->engine, unit, &u) || !u.run)
		return;
	struct unit_slot *us = unit_in_run(d, &u);
	struct run_entry *entry = u.is_run ? map_get(&d->runs, u.name) : NULL;
	auto_free char *name = run_name(d, &u),
		       *former = entry ? NULL : previous_definition_json(d, unit);
	bool over = u.run_state == RUN_SUCCEEDED || u.run_state == RUN_FAILED ||
		    u.run_state == RUN_CANCELLED;

	if (over && !us->ended)
		us->ended = clock_wall();
	if (!over)
		us->ended = 0;
	store_put_run(d->store, &(struct store_run){.id = (int64_t)u.run,
				    .name = name,
				    .service = u.is_run ? NULL : u.name,
				    .state = u.run_state,
				    .reason = u.reason,
				    .who = us->who,
				    .started = us->started,
				    .ended = us->ended,
				    .definition = entry ? entry->json : former,
				    .reason_subject = u.reason_subject});
}

static void close_former_job(
    struct daemon *d, const struct job_view *j, const struct unit_view *u, const struct job_slot *s)
{
	if (!s->row || s->ended || s->run == u->run || s->action != text_hash(j->name) || u->is_run)
		return;
	auto_free char *name = text_fmt("%s/%s", u->name, j->name);

	store_put_job(d->store, &(struct store_job){.id = s->row,
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

/* The slot of a job in its unit's present run. */
static struct job_slot *slot_in_run(
    struct daemon *d, const struct job_view *j, const struct unit_view *u)
{
	struct job_slot *s = daemon_slot(d, j->id);
	uint64_t action = text_hash(j->name);

	if (s->row && s->run == u->run && s->action == action)
		return s;
	struct attempt *live = s->live;
	close_former_job(d, j, u, s);
	failures_drop(s);
	*s = (struct job_slot){.row = (int64_t)records_take(d->records, COUNTER_JOB),
	    .run = u->run,
	    .action = action,
	    .pid = live ? s->pid : 0,
	    .created = clock_wall(),
	    .event = s->action == action ? s->event : 0, /* what a restart ended caused its begin */
	    .live = live};
	return s;
}

struct job_slot *records_slot(struct daemon *d, job_id job)
{
	struct job_view j;
	struct unit_view u;
	unit_id unit;

	if (!engine_job(d->engine, job, &j, &unit) || !engine_unit(d->engine, unit, &u))
		return daemon_slot(d, job);
	return slot_in_run(d, &j, &u);
}

static const char *stop_cause_of(const struct job_core *c)
{
	return c->dep_failed ? (c->stop ? "dependency_stop" : "dependency")
	       : c->stop     ? "stop"
			     : NULL;
}

void records_put_job(struct daemon *d, job_id job)
{
	struct job_view j;
	struct unit_view u;
	unit_id unit;

	if (!engine_job(d->engine, job, &j, &unit) || !engine_unit(d->engine, unit, &u) || !u.run ||
	    j.virtual)
		return;
	struct job_slot *s = slot_in_run(d, &j, &u);
	auto_free char *name = text_fmt("%s/%s", u.name, j.name);

	store_put_job(
	    d->store, &(struct store_job){.id = s->row,
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

static void stamp(struct job_slot *s, int to)
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

void records_job_changed(struct daemon *d, const struct effect *fx)
{
	struct job_view j;
	struct unit_view u;
	unit_id unit;

	if (!engine_job(d->engine, fx->job, &j, &unit) || !engine_unit(d->engine, unit, &u) ||
	    j.virtual || !u.run)
		return;
	records_put_run(d, unit);
	struct job_slot *s = slot_in_run(d, &j, &u);
	stamp(s, fx->to);
	if (failures_is_failure(fx))
		failures_add(s, &j, fx);
	records_put_job(d, fx->job);
}

void records_wanted_changed(struct daemon *d, const struct effect *fx)
{
	struct unit_view u;

	if (!engine_unit(d->engine, fx->unit, &u) || u.is_run)
		return;
	store_put_wanted(
	    d->store, &(struct store_wanted){.service = u.name, .wanted = (enum wanted)fx->to});
}
