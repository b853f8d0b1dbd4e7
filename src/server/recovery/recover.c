#include "server/recovery/recover.h"

#include "server/api.h"
#include "server/change/apply.h"
#include "server/change/registration.h"
#include "server/change/submission.h"
#include "server/doctor/doctor.h"
#include "server/history/events.h"
#include "server/history/records.h"
#include "server/operation/operations.h"
#include "server/recovery/handover.h"
#include "server/recovery/recovery.h"
#include "server/recovery/resumption.h"
#include "server/recovery/state_folder.h"
#include "server/schedule/schedules.h"
#include "server/supervise/attempt.h"
#include "server/supervise/attempt_label.h"
#include "server/supervise/gates.h"
#include "server/supervise/notified.h"
#include "server/supervise/perform.h"
#include "server/supervise/previous_definition.h"
#include "server/supervise/probes.h"
#include "server/supervise/readiness.h"

#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>

/* ---- the store's part ------------------------------------------------------------ */

static bool take_wanted(const struct store_wanted *row, void *ctx)
{
	struct daemon *d = ctx;

	engine_restore_unit(d->engine, row->service, row->wanted, 0, false, REASON_NONE, NULL);
	return true;
}

static enum wanted wanted_of(struct daemon *d, const char *unit)
{
	struct unit_view u;
	unit_id id = engine_find(d->engine, unit);

	return id != ID_NONE && engine_unit(d->engine, id, &u) ? u.wanted : WANTED_IGNORE;
}

static bool is_over(enum run_state s)
{
	return s == RUN_SUCCEEDED || s == RUN_FAILED || s == RUN_CANCELLED;
}

static void remember_run(struct daemon *d, const struct store_run *row, unit_id id)
{
	struct recovery *r = d->recovery;

	*history_unit(d->history, id) = (struct unit_record){.run = (uint64_t)row->id,
	    .who = text_dup(row->who),
	    .started = row->started,
	    .ended = row->ended,
	    .event = EVENT_UNREAD};
	while (r->previous.n <= id)
		vec_push(&r->previous);
	r->previous.v[id] = row->service ? previous_definition_read(row->definition) : NULL;
}

/* A run of a former boot is history: nothing of it is left. */
static void close_run(struct daemon *d, const struct store_run *row)
{
	struct store_run over = *row;

	if (row->ended)
		return;
	over.state = RUN_FAILED;
	over.reason = REASON_LOST;
	over.ended = clock_wall();
	store_put_run(d->store, &over);
}

static bool take_run(const struct store_run *row, void *ctx)
{
	struct daemon *d = ctx;
	const char *unit = row->service ? row->service : row->name;
	bool stopped = row->state == RUN_CANCELLED;

	if (d->is_boot || (!row->service && is_over(row->state))) {
		close_run(d, row);
		return true;
	}
	if (!row->service && !submission_restore(d->change, row->name, row->definition))
		return true;
	unit_id id = engine_find(d->engine, unit);
	if (id == ID_NONE)
		return true;
	engine_restore_unit(d->engine, unit, wanted_of(d, unit), (uint64_t)row->id, !stopped,
	    row->reason, row->reason_subject);
	remember_run(d, row, id);
	return true;
}

static bool take_job(const struct store_job *row, void *ctx)
{
	struct recovery *r = ctx;
	const char *slash = row->name ? strrchr(row->name, '/') : NULL;

	if (!slash || !row->action)
		return true;
	struct job_row *j = vec_push(&r->rows);
	*j = (struct job_row){.unit = text_dup_n(row->name, (size_t)(slash - row->name)),
	    .action = text_dup(row->action),
	    .run = (uint64_t)row->run,
	    .token = row->token,
	    .row = row->id,
	    .attempt = row->attempt,
	    .restarts = row->restarts,
	    .exit_code = row->exit_code,
	    .signal = row->signal,
	    .pid = row->pid,
	    .state = row->state,
	    .reason = row->reason,
	    .created = row->created,
	    .started = row->started,
	    .ready_at = row->ready_at,
	    .ended = row->ended,
	    .since = row->since_mono,
	    .tries = (uint32_t)(row->since_mono ? row->tries : row->attempt),
	    .failures = (uint32_t)(row->since_mono ? row->failures : row->restarts),
	    .ready = row->ready,
	    .stop = row->stop_cause && strcmp(row->stop_cause, "dependency") != 0,
	    .dep_failed = row->stop_cause && strncmp(row->stop_cause, "dep", 3) == 0};
	return true;
}

void recover_begin(struct daemon *d)
{
	d->recovery = mem_new(sizeof(*d->recovery));
	d->recovery->d = d;
}

/* ---- the keeper's part ------------------------------------------------------------- */

static struct survivor *survivor_of(struct recovery *r, uint64_t token)
{
	char key[24];

	snprintf(key, sizeof(key), "%llx", (unsigned long long)token);
	return map_get(&r->by_token, key);
}

/* What the keeper knows was given away, also where no commit says so. */
static void saw(struct daemon *d, const struct survivor *s)
{
	records_saw(d->history, COUNTER_TOKEN, s->token & ~AUX_TOKEN_BIT);
	if (!s->label.unit || s->label.aux)
		return;
	records_saw(d->history, COUNTER_RUN, s->label.run);
	records_saw(d->history, COUNTER_JOB, (uint64_t)s->label.row);
}

/* What was stored, into an engine that holds still. */
static enum err load(struct daemon *d, struct error *e)
{
	const struct recovery *r = d->recovery;

	if (daemon_open_store(d, e) || records_load(d->history, e))
		return e->code;
	for (size_t i = 0; i < r->survivors.n; i++)
		saw(d, r->survivors.v[i]);
	history_set_recovering(d->history, true);
	engine_restore_begin(d->engine);
	if (gates_load_flags(d->supervision, e) || schedules_load(d->schedules, e) ||
	    registration_load(d->change, e))
		return e->code;
	return store_load_wanted(d->store, take_wanted, d, e);
}

static void set_counters(struct daemon *d)
{
	engine_set_counters(d->engine, records_counter(d->history, COUNTER_TOKEN),
	    records_counter(d->history, COUNTER_OP), records_counter(d->history, COUNTER_RUN));
}

void recover_on_listed(void *ctx, const struct spawn_listed *job, int take_pidfd)
{
	struct daemon *d = ctx;
	struct survivor *s = mem_new(sizeof(*s));

	if (take_pidfd >= 0)
		close(take_pidfd);
	*s = (struct survivor){.token = job->token,
	    .pid = job->pid,
	    .born = job->start_ticks ? handover_ms_of_ticks(job->start_ticks) : 0,
	    .exited = job->exited,
	    .acked = job->acked,
	    .empty = job->empty,
	    .lost = job->lost,
	    .asked = job->asked,
	    .starting = job->starting,
	    .step = job->step};
	if (job->exit)
		s->exit = *job->exit;
	memset(s->held, -1, sizeof(s->held));
	attempt_label_read(&s->label, job->label, job->label_bytes);
	snprintf(s->key, sizeof(s->key), "%llx", (unsigned long long)s->token);
	*vec_push(&d->recovery->survivors) = s;
	map_put(&d->recovery->by_token, s->key, s);
	if (!s->label.unit || s->label.aux || (s->acked && s->empty))
		return; /* what is over is known for its pipes only */
	snprintf(s->row_key, sizeof(s->row_key), "%lld", (long long)s->label.row);
	const struct survivor *older = map_get(&d->recovery->by_row, s->row_key);
	if (!older || older->token < s->token)
		map_put(&d->recovery->by_row, s->row_key, s);
}

void recover_on_held(void *ctx, const char *name, int take_fd)
{
	struct daemon *d = ctx;
	uint64_t token;
	enum held what;
	struct survivor *s =
	    held_parse(name, &token, &what) ? survivor_of(d->recovery, token) : NULL;

	if (s && s->held[what] < 0)
		s->held[what] = take_fd;
	else if (held_parse(name, &token, &what))
		*vec_push(&d->recovery->orphans) = (struct orphan){token, what, take_fd};
	else if (!api_take_held(d, name, take_fd) && !state_folder_take_held(d, name, take_fd))
		close(take_fd);
}

void recover_on_notified(struct daemon *d, uint64_t token, const char *text)
{
	struct survivor *s = survivor_of(d->recovery, token);

	if (s)
		text_set(&s->notified, text);
}

bool recover_on_exited(
    struct daemon *d, uint64_t token, const struct keeper_exit_info *how, bool empty)
{
	struct survivor *s = d->recovery->listed ? NULL : survivor_of(d->recovery, token);

	if (s) {
		s->exited = true;
		s->exit = *how;
		s->empty = s->empty || empty;
	}
	return s;
}

void recover_on_empty(struct daemon *d, uint64_t token)
{
	struct survivor *s = d->recovery->listed ? NULL : survivor_of(d->recovery, token);

	if (s)
		s->empty = true;
}

/* ---- news that nobody could hear ------------------------------------------------------ */

static void tell_executed(struct recovery *r)
{
	for (size_t i = 0; i < r->survivors.n; i++) {
		const struct survivor *s = r->survivors.v[i];
		job_id job = s->placed ? engine_job_by_token(r->d->engine, s->token) : ID_NONE;
		struct job_view j;

		/* A stop may have come first: then it is told to end now. */
		if (job == ID_NONE || !engine_job(r->d->engine, job, &j, NULL) || j.core.executed ||
		    (j.core.state != JOB_STARTING && j.core.state != JOB_STOPPING))
			continue;
		if (s->starting) {
			attempt_on_hangs(r->d->supervision, s->token, s->step);
			continue;
		}
		engine_executed(r->d->engine, clock_mono(), s->token);
		perform_effects(r->d->supervision);
	}
}

static void tell_ends(struct recovery *r)
{
	struct daemon *d = r->d;

	for (size_t i = 0; i < r->survivors.n; i++) {
		struct survivor *s = r->survivors.v[i];

		if (!s->placed)
			continue;
		if (s->exited && s->lost && !s->acked) {
			struct job_exit x = {.code = -1, .lost = true};

			engine_exited(d->engine, clock_mono(), s->token, &x);
			attempt_acknowledge(d->supervision, s->token);
			perform_effects(d->supervision);
		} else if (s->exited && !s->acked) {
			attempt_on_exited(d->supervision, s->token, &s->exit, false);
		}
		if (s->empty)
			attempt_on_empty(d->supervision, s->token);
	}
}

/* The keeper forgets a token when its exit was acknowledged, which is after the exit was stored,
 * and its set is empty, of which the row may know nothing yet. */
static struct job_exit stored_exit(
    struct daemon *d, const struct job_row *row, const struct job_view *j, unit_id unit)
{
	const struct keeper_exit_info how = {.code = row->signal ? CLD_KILLED : CLD_EXITED,
	    .status = (int32_t)(row->signal ? row->signal : row->exit_code)};
	bool is_stored = row->state == JOB_STOPPING && (row->signal || row->exit_code >= 0);
	struct job_exit x = {.code = -1, .lost = true};

	if (is_stored)
		x = attempt_exit(supervision_action(d->supervision, unit, j->name, NULL), &how);
	x.empty = true;
	return x;
}

/* Rows that say alive, of tokens that the keeper does not know. */
static void tell_gone(struct recovery *r)
{
	struct daemon *d = r->d;
	unit_id unit;

	for (size_t i = 0; i < r->rows.n; i++) {
		const struct job_row *row = &r->rows.v[i];
		job_id j = row->token ? engine_job_by_token(d->engine, row->token) : ID_NONE;
		struct job_view v;

		if (j == ID_NONE || attempt_find(d->supervision, row->token) ||
		    !engine_job(d->engine, j, &v, &unit) || !job_state_has_process(v.core.state))
			continue;
		struct job_exit gone = stored_exit(d, row, &v, unit);
		if (row->state == JOB_STARTING)
			engine_not_executed(d->engine, clock_mono(), row->token, true,
			    "the supervisor was killed before it was executed");
		else if (v.core.exited)
			engine_set_empty(d->engine, clock_mono(), row->token);
		else
			engine_exited(d->engine, clock_mono(), row->token, &gone);
		if (row->state != JOB_STARTING && !v.core.exited && gone.lost)
			doctor_found(d, CHECK_PROCESSES, "%016llx", (unsigned long long)row->token);
		perform_effects(d->supervision);
	}
}

static void watch_probes(struct daemon *d, uint64_t token)
{
	struct attempt *at = attempt_find(d->supervision, token);

	if (at && at->executed && !at->exited)
		probes_begin(at, true);
}

static void watch_readiness(struct recovery *r)
{
	for (size_t i = 0; i < r->survivors.n; i++) {
		const struct survivor *s = r->survivors.v[i];
		watch_probes(r->d, s->token);
		struct attempt *at = attempt_find(r->d->supervision, s->token);
		struct job_view v;

		if (!at || at->exited || !at->executed)
			continue;
		notified_begin(at);
		if (s->notified)
			notified_take(at, s->notified);
		at = attempt_find(r->d->supervision, s->token);
		if (at && engine_job(r->d->engine, at->job, &v, NULL) &&
		    v.core.state == JOB_RUNNING)
			readiness_begin(at);
	}
}

/* Nobody would read what it wrote last, and the keeper would keep it. */
static void capture_rest(struct daemon *d, const struct job_row *row, uint64_t token,
    enum log_stream stream, int take_fd)
{
	bool is_run = strchr(row->unit, '#');
	auto_free char *run = is_run ? text_dup(row->unit)
				     : text_fmt("%s#%llu", row->unit, (unsigned long long)row->run);
	struct log_ident id = {.service = is_run ? NULL : row->unit,
	    .action = row->action,
	    .run = run,
	    .job = row->row,
	    .token = token,
	    .attempt = (uint32_t)row->attempt,
	    .stream = stream,
	    .resumed = true};
	struct error e = {0};

	if (logs_attach(d->logs, &id, take_fd, &e))
		report(REPORT_ERROR, "%s: capture: %s", row->unit, e.msg);
}

static enum log_stream stream_of(enum held what)
{
	return what == HELD_STDOUT ? LOG_STDOUT : LOG_STDERR;
}

static void let_go(struct daemon *d, uint64_t token, enum held what, int take_fd)
{
	auto_free char *name = held_name(token, what);

	close(take_fd);
	spawner_release(d->spawner, name);
}

static void capture_orphans(struct recovery *r)
{
	for (size_t i = 0; i < r->orphans.n; i++) {
		struct orphan *o = &r->orphans.v[i];

		for (size_t k = 0; k < r->rows.n && o->fd >= 0 && o->what != HELD_READY; k++)
			if (r->rows.v[k].token == o->token)
				capture_rest(r->d, &r->rows.v[k], o->token, stream_of(o->what),
				    fd_take(&o->fd));
		if (o->fd >= 0)
			let_go(r->d, o->token, o->what, fd_take(&o->fd));
	}
}

/* Of attempts that another one follows, or of a run that nobody knows. */
static void capture_unplaced(struct recovery *r)
{
	for (size_t i = 0; i < r->survivors.n; i++) {
		struct survivor *s = r->survivors.v[i];
		bool known = s->label.unit && !s->label.aux;
		struct job_row row = known ? recovery_row_of(s) : (struct job_row){0};

		for (enum held what = 0; what < HELD_COUNT; what++)
			if (s->held[what] >= 0 && known && what != HELD_READY)
				capture_rest(
				    r->d, &row, s->token, stream_of(what), fd_take(&s->held[what]));
			else if (s->held[what] >= 0)
				let_go(r->d, s->token, what, fd_take(&s->held[what]));
	}
}

static void names_to_boot(struct daemon *d, struct strv *out)
{
	struct unit_view u;

	for (unit_id i = 0; i < engine_unit_count(d->engine); i++)
		if (engine_unit(d->engine, i, &u) && u.registered && !u.is_run &&
		    u.wanted == WANTED_START)
			strv_add(out, u.name);
}

/* Everything that is wanted, as one operation. */
static void begin_boot(struct daemon *d)
{
	struct strv names = {0}, chain = {0};
	struct error e = {0};
	op_id op;

	names_to_boot(d, &names);
	const struct engine_request rq = {.kind = OP_BOOT,
	    .names = (const char *const *)names.v,
	    .n_names = names.n,
	    .keep_wanted = true,
	    .who = "boot"};
	if (names.n && engine_request(d->engine, clock_mono(), &rq, &op, &chain, &e))
		report(REPORT_ERROR, "boot: %s", e.msg);
	else if (names.n)
		operations_begin(d->operations, op, "boot", "boot");
	strv_release(&names);
	strv_release(&chain);
	perform_effects(d->supervision);
}

static void recovery_free(struct recovery *r)
{
	for (size_t i = 0; i < r->survivors.n; i++) {
		struct survivor *s = r->survivors.v[i];

		for (size_t k = 0; k < HELD_COUNT; k++)
			if (s->held[k] >= 0)
				close(s->held[k]);
		attempt_label_release(&s->label);
		free(s->notified);
		free(s);
	}
	for (size_t i = 0; i < r->rows.n; i++) {
		free(r->rows.v[i].unit);
		free(r->rows.v[i].action);
	}
	for (size_t i = 0; i < r->previous.n; i++)
		previous_definition_drop(&r->previous.v[i]);
	free(r->previous.v);
	free(r->rows.v);
	free(r->orphans.v);
	free(r->survivors.v);
	map_release(&r->by_token);
	map_release(&r->by_row);
	free(r);
}

/* The keeper is that of the last server, or adopted from it; or this is a boot. */
static void decide_boot(struct daemon *d)
{
	const uint64_t boot = supervision_keeper(d->supervision)->boot;

	d->is_boot = records_stored(d->history, COUNTER_KEEPER) != boot;
	records_set(d->history, COUNTER_KEEPER, boot);
}

static void fail(struct daemon *d, const struct error *e)
{
	report(REPORT_ERROR, "%s", e->msg);
	recovery_free(take(d->recovery));
	d->exit_status = KEEPER_EXIT_FAILED;
	event_base_loopbreak(d->base);
}

void recover_on_listed_all(void *ctx)
{
	struct daemon *d = ctx;
	struct recovery *r = d->recovery;
	struct error e = {0};

	if (!r)
		return;
	r->listed = true;
	if (load(d, &e)) {
		fail(d, &e);
		return;
	}
	set_counters(d);
	decide_boot(d);
	if (store_load_runs(d->store, take_run, d, &e) ||
	    (!d->is_boot && store_load_jobs(d->store, take_job, r, &e)))
		report(REPORT_ERROR, "history: %s", e.msg);
	recovery_place(r);
	resumption_give(d);
	engine_restored(d->engine, clock_mono());
	/* A server on trial that fails up to here has changed nothing that the former one needs. */
	if (!daemon_serve(d)) {
		recovery_free(take(d->recovery));
		return;
	}
	recovery_end_strays(r);
	recovery_ask_again(r);
	capture_orphans(r);
	capture_unplaced(r);
	perform_effects(d->supervision);
	tell_executed(r);
	tell_ends(r);
	tell_gone(r);
	watch_readiness(r);
	apply_resume(d->change, d->is_boot);
	report(REPORT_INFO, "%s: %zu services, %zu attempts found", d->is_boot ? "boot" : "restart",
	    registry_count(d->registry), r->survivors.n);
	recovery_free(take(d->recovery));
	history_set_recovering(d->history, false);
	state_folder_watch(d);
	store_relax(d->store);
	malloc_trim(0);
	daemon_ready(d);
	if (d->is_boot && !d->safe && !d->shutting_down)
		begin_boot(d);
}
