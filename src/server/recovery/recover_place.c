#include "server/history/definitions.h"
#include "server/recovery/rebuilt.h"
#include "server/recovery/recovery.h"

#include "logs/query.h"
#include "server/doctor/doctor.h"
#include "server/history/events.h"
#include "server/history/records.h"
#include "server/supervise/failure_line.h"
#include "server/supervise/perform.h"
#include "server/supervise/previous_definition.h"
#include "server/supervise/probes.h"
#include "server/supervise/readiness.h"

#include <signal.h>

static struct job_core core_of(const struct job_row *row, const struct survivor *s)
{
	bool lives = s && !s->empty;
	bool ran = s && !s->starting && (lives || !s->acked); /* its end is still to be told */
	struct job_core c = {.state = row->state,
	    .stop = row->stop,
	    .dep_failed = row->dep_failed,
	    .ready = row->ready_at != 0,
	    .was_ready = row->ready,
	    .attempts = row->tries,
	    .failures = row->failures,
	    .reason = row->reason,
	    .exited = s && s->exited && s->acked,
	    .last = {.code = (int)row->exit_code, .signal = (int)row->signal}};

	if (lives && !job_state_has_process(c.state)) /* the row is older than the process */
		c.state = c.exited ? JOB_STOPPING : JOB_STARTING; /* tell_executed() follows */
	c.was_executed = row->started != 0 || ran;
	c.executed = c.state != JOB_STARTING &&
		     (ran || row->state == JOB_RUNNING || row->state == JOB_READY);
	c.completed = job_state_is_end(row->state) && c.was_executed;
	c.last.success = row->state == JOB_SUCCEEDED;
	return c;
}

static void remember_slot(struct daemon *d, const struct job_row *row, job_id job)
{
	struct job_record *slot = history_job(d->history, job);

	*slot = (struct job_record){.row = row->row,
	    .run = row->run,
	    .action = text_hash(row->action),
	    .created = row->created,
	    .started = row->started,
	    .ready_at = row->ready_at,
	    .ended = row->ended,
	    .event = EVENT_UNREAD};
}

struct job_row recovery_row_of(const struct survivor *s)
{
	const struct attempt_label *l = &s->label;

	return (struct job_row){.unit = l->unit,
	    .action = l->action,
	    .run = l->run,
	    .token = s->token,
	    .row = l->row,
	    .attempt = l->attempt,
	    .restarts = l->restarts,
	    .exit_code = -1,
	    .state = JOB_STARTING,
	    .created = l->created,
	    .started = l->created,
	    .since = l->since,
	    .tries = l->since ? l->tries : l->attempt,
	    .failures = l->since ? l->failures : l->restarts};
}

/* The wall clock may have been set since then: it only speaks for rows of an earlier version. */
static msec since_of(const struct job_row *row)
{
	usec_wall wall = row->ended ? row->ended : row->ready_at ? row->ready_at : row->started;

	return row->since ? row->since : clock_mono_of(wall ? wall : clock_wall());
}

job_id recovery_place_row(struct daemon *d, const struct job_row *row, const struct survivor *s)
{
	struct engine_job_memory m = {.core = core_of(row, s),
	    .token = row->token,
	    .attempt = (uint32_t)row->attempt,
	    .restarts = (uint32_t)row->restarts,
	    .since = since_of(row)};
	unit_id id = engine_find(d->engine, row->unit);
	struct unit_view u;
	struct job_view j;

	if (id == ID_NONE || !engine_unit(d->engine, id, &u))
		return ID_NONE;
	if (u.run != row->run) { /* the run is younger than its row */
		if (u.run > row->run)
			return ID_NONE;
		engine_restore_unit(
		    d->engine, row->unit, u.wanted, row->run, true, REASON_NONE, NULL);
	}
	if (!engine_restore_job(d->engine, row->unit, row->action, &m))
		return ID_NONE;
	for (size_t i = 0; engine_job_at(d->engine, id, i, &j); i++)
		if (strcmp(j.name, row->action) == 0) {
			remember_slot(d, row, j.id);
			return j.id;
		}
	return ID_NONE;
}

/* What it said before, and what it says from now on: before its pipe is read again. */
static void watch_output(
    struct daemon *d, const struct survivor *s, const struct job_view *j, const struct unit_view *u)
{
	const char *services[] = {u->name};
	const struct log_filter f = {.services = u->is_run ? NULL : services,
	    .n_services = u->is_run ? 0 : 1,
	    .action = j->name,
	    .job = history_job(d->history, j->id)->row,
	    .attempt = j->attempt};

	logs_watch_stored(d->logs, s->token, d->paths.logs, &f);
}

static void expect_readiness(struct daemon *d, const struct survivor *s, job_id job)
{
	struct job_view j;
	struct unit_view u;
	unit_id unit;
	struct error e = {0};

	if ((s->exited && s->acked) || !engine_job(d->engine, job, &j, &unit) ||
	    !engine_unit(d->engine, unit, &u))
		return;
	const struct action_def *a = supervision_action(d->supervision, unit, j.name, NULL);
	bool starts = j.core.state == JOB_RUNNING || j.core.state == JOB_STARTING;
	if (a && ((starts && readiness_prepare(d->supervision, a, s->token, &e)) ||
		     (starts && failure_line_prepare(d->supervision, a, s->token, &e)) ||
		     probes_prepare(d->supervision, a, s->token, &e)))
		report(REPORT_ERROR, "%s: readiness: %s", j.name, e.msg);
	if (a && starts)
		watch_output(d, s, &j, &u);
}

/* It was told to stop when the server died, but the keeper heard nothing of that: the request
 * waited in the server, or for the execution.  A stop that did arrive is not said again. */
static bool is_stop_due(struct daemon *d, const struct survivor *s, job_id job)
{
	struct job_view j;

	return !s->asked && !s->empty && engine_job(d->engine, job, &j, NULL) &&
	       j.core.state == JOB_STOPPING;
}

void recovery_ask_again(struct recovery *r)
{
	for (size_t i = 0; i < r->survivors.n; i++) {
		const struct survivor *s = r->survivors.v[i];
		struct effect fx = {.kind = EFFECT_TERM, .job = s->job, .token = s->token};
		struct job_view j;

		if (!s->stop_due || !engine_job(r->d->engine, s->job, &j, &fx.unit))
			continue;
		if (s->exited)
			attempt_sweep(r->d->supervision, &fx);
		else
			attempt_term(r->d->supervision, &fx);
	}
}

static void adopt(struct daemon *d, struct survivor *s, job_id job)
{
	struct attempt *at =
	    attempt_adopt(d->supervision, job, s->token, s->exited || s->starting ? 0 : s->pid);

	struct job_view j;
	unit_id unit;

	s->placed = true;
	at->executed = !s->starting;
	at->born = s->born;
	at->leader = s->pid;
	/* The row may be that of the run before, which knew of another former definition. */
	if (engine_job(d->engine, job, &j, &unit) && unit < d->recovery->previous.n &&
	    history_unit(d->history, unit)->run == s->label.run)
		at->former = previous_definition_hold(d->recovery->previous.v[unit]);
	at->exited = s->exited && s->acked;
	expect_readiness(d, s, job);
	for (size_t i = 0; i < HELD_READY; i++)
		if (s->held[i] >= 0)
			attempt_capture(d->supervision, job, s->token,
			    i == HELD_STDOUT ? LOG_STDOUT : LOG_STDERR, fd_take(&s->held[i]), true);
	at->holds_ready = s->held[HELD_READY] >= 0;
	if (at->holds_ready)
		readiness_take_fd(at, fd_take(&s->held[HELD_READY]));
	s->job = job;
	s->stop_due = is_stop_due(d, s, job);
}

/* The youngest attempt of a job: younger than its row, when that was not committed. */
static struct survivor *youngest_of(struct recovery *r, const struct job_row *row)
{
	char key[24];

	snprintf(key, sizeof(key), "%lld", (long long)row->row);
	struct survivor *s = map_get(&r->by_row, key);
	return s && s->token >= row->token ? s : NULL;
}

static void place_rows(struct recovery *r)
{
	for (size_t i = 0; i < r->rows.n; i++) {
		const struct job_row *row = &r->rows.v[i];
		struct survivor *s = youngest_of(r, row);
		struct job_row said = *row;

		if (s && s->token != row->token) {
			said = recovery_row_of(s);
			said.ready = row->ready;
		}
		job_id job = recovery_place_row(r->d, &said, s);
		if (s && job != ID_NONE)
			adopt(r->d, s, job);
	}
}

static void place_survivors(struct recovery *r)
{
	for (size_t i = 0; i < r->survivors.n; i++) {
		struct survivor *s = r->survivors.v[i];

		if (s->placed || !s->label.unit || s->label.aux || s->empty)
			continue;
		struct job_row row =
		    store_was_rebuilt(r->d->store) ? rebuilt_row_of(r->d, s) : recovery_row_of(s);
		job_id job = recovery_place_row(r->d, &row, s);
		if (job != ID_NONE)
			adopt(r->d, s, job);
	}
}

static const struct job_row *row_numbered(const struct recovery *r, int64_t row)
{
	for (size_t i = 0; i < r->rows.n; i++)
		if (r->rows.v[i].row == row)
			return &r->rows.v[i];
	return NULL;
}

/* The end of a run that another one follows: what is in no row yet. */
static void put_end(struct recovery *r, const struct survivor *s, const struct job_row *row)
{
	auto_free char *name = text_fmt("%s/%s", row->unit, row->action);
	const struct service_def *def = definition_find(r->d->history, row->unit);
	struct job_exit x =
	    attempt_exit(def ? service_find_action(def, row->action) : NULL, &s->exit);
	bool cancelled = row->stop || row->dep_failed || s->asked;

	store_put_job(r->d->store, &(struct store_job){.id = row->row,
				       .run = (int64_t)row->run,
				       .name = name,
				       .service = s->label.is_run ? NULL : row->unit,
				       .action = row->action,
				       .token = s->token,
				       .attempt = s->label.attempt,
				       .state = cancelled   ? JOB_CANCELLED
						: x.success ? JOB_SUCCEEDED
							    : JOB_FAILED,
				       .reason = cancelled   ? REASON_CANCELLED
						 : x.success ? REASON_NONE
						 : x.signal  ? REASON_SIGNAL
							     : REASON_EXIT_CODE,
				       .exit_code = x.code,
				       .signal = x.signal,
				       .restarts = s->label.restarts,
				       .created = row->created,
				       .started = row->started,
				       .ready_at = row->ready_at,
				       .ended = clock_wall_of(s->exit.at_ns / 1000000),
				       .since_mono = s->exit.at_ns / 1000000,
				       .tries = row->tries,
				       .failures = row->failures,
				       .ready = row->ready,
				       .stop_cause = cancelled ? "stop" : NULL});
}

/* The row of a job tells of its last attempt only; and of a run that was never told to anybody
 * nothing is told. */
static void acknowledge(struct recovery *r, const struct survivor *s)
{
	const struct job_row *row = row_numbered(r, s->label.row);
	const struct survivor *last = map_get(&r->by_row, s->row_key);
	struct job_row said;

	if (!s->label.unit || s->label.aux || s->lost || last != s || (s->label.is_run && !row)) {
		spawner_ack(r->d->spawner, s->token);
		return;
	}
	if (!row) {
		said = recovery_row_of(s);
		row = &said;
	}
	if (row->token <= s->token && !row->ended)
		put_end(r, s, row);
	attempt_acknowledge(r->d->supervision, s->token);
}

/* Nobody would ever stop it.  Of a run it only means that nobody was told of it: its row was not
 * committed. */
static void end_stray(struct recovery *r, const struct survivor *s)
{
	bool was_ours = s->label.unit && !s->label.aux;

	if (was_ours)
		report(REPORT_WARN, "%s/%s: process %d belongs to no known run; it is ended",
		    s->label.unit, s->label.action, s->pid);
	if (was_ours && !s->label.is_run)
		doctor_found(r->d, CHECK_STRAYS, "%016llx", (unsigned long long)s->token);
	spawner_signal(r->d->spawner, s->token, SIGKILL, KEEPER_SCOPE_KILL);
}

void recovery_end_strays(struct recovery *r)
{
	for (size_t i = 0; i < r->survivors.n; i++) {
		struct survivor *s = r->survivors.v[i];

		if (s->placed || (s->acked && s->empty))
			continue;
		attempt_ignore_exit(r->d->supervision, s->token);
		if (!s->empty)
			end_stray(r, s);
		if (s->exited && !s->acked)
			acknowledge(r, s);
	}
}

/* A younger one has its job: it had begun when the server died, and no row said so yet. */
static void find_succeeded(struct recovery *r)
{
	for (size_t i = 0; i < r->survivors.n; i++) {
		struct survivor *s = r->survivors.v[i];

		s->placed = s->placed && attempt_find(r->d->supervision, s->token);
	}
}

void recovery_place(struct recovery *r)
{
	place_rows(r);
	place_survivors(r);
	if (store_was_rebuilt(r->d->store))
		rebuilt_place_rest(r);
	find_succeeded(r);
}
