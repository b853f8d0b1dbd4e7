#include "server/daemon.h"

#include "server/api.h"
#include "server/bookkeeping.h"
#include "server/change/change.h"
#include "server/doctor/doctor.h"
#include "server/explain/event_stream.h"
#include "server/explain/explain.h"
#include "server/host/background.h"
#include "server/host/secrets.h"
#include "server/keeper_events.h"
#include "server/operation/operations.h"
#include "server/recovery/handover.h"
#include "server/recovery/recover.h"
#include "server/recovery/state_folder.h"
#include "server/recovery/upgrade.h"
#include "server/schedule/schedules.h"
#include "server/scheduling.h"
#include "server/supervise/attempt.h"
#include "server/supervise/gates.h"
#include "server/supervise/perform.h"
#include "server/supervise/previous_definition.h"
#include "sys/urgent.h"

#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/random.h>

extern char **environ;

#define SHUTDOWN_WITHIN_MS 60000
#define FAREWELL_MS	   10 /* for the last answers to reach their sockets */

/* ---- events of the loop -------------------------------------------------------- */

static void on_store(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;
	(void)fd, (void)what;

	store_dispatch(d->store);
}

static void on_logs(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;
	(void)fd, (void)what;

	logs_dispatch(d->logs);
}

static void on_pipe_closed(uint64_t token, enum log_stream stream, void *ctx)
{
	struct daemon *d = ctx;
	auto_free char *name = held_name(token, stream == LOG_STDERR ? HELD_STDERR : HELD_STDOUT);

	spawner_release(d->spawner, name);
}

/* ---- shutdown -------------------------------------------------------------------- */

static void on_drained(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;
	(void)fd, (void)what;

	api_close(d);
	if (spawner_is_idle(d->spawner))
		event_base_loopbreak(d->base);
	else
		event_add(d->farewell, &(struct timeval){.tv_usec = 1000});
}

static void leave(bool durable, void *ctx)
{
	struct daemon *d = ctx;
	(void)durable;

	report(REPORT_INFO, "everything has ended");
	spawner_shutdown(d->spawner);
	d->farewell = evtimer_new(d->base, on_drained, d);
	event_add(d->farewell, &(struct timeval){.tv_usec = FAREWELL_MS * 1000});
}

static void on_all_stopped(void *ctx, const struct error *e, json_t *take_answer)
{
	struct daemon *d = ctx;
	(void)e;

	json_decref(take_answer);
	store_barrier(d->store, leave, d);
}

void daemon_shutdown(struct daemon *d, const char *who)
{
	if (d->shutting_down)
		return;
	d->shutting_down = true;
	schedules_end(d->schedules);
	report(REPORT_INFO, "shutdown, asked for by %s", who);
	d->shutdown_op = engine_shutdown(d->engine, clock_mono(), SHUTDOWN_WITHIN_MS);
	operations_begin(d->operations, d->shutdown_op, who, "system.shutdown");
	operations_wait(d->operations, d->shutdown_op, 0, on_all_stopped, d);
	perform_effects(d->supervision);
}

/* The server was killed while it shut down; what is left was told already. */
static void go_on_shutdown(struct daemon *d)
{
	d->shutting_down = true;
	report(REPORT_INFO, "the shutdown goes on");
	if (operations_about(d->operations, d->shutdown_op))
		operations_wait(d->operations, d->shutdown_op, 0, on_all_stopped, d);
	else
		store_barrier(d->store, leave, d);
}

bool daemon_serve(struct daemon *d)
{
	struct error e = {0};

	if (api_open(d, &e)) {
		report(REPORT_ERROR, "%s", e.msg);
		d->exit_status = KEEPER_EXIT_FAILED;
		event_base_loopbreak(d->base);
		return false;
	}
	upgrade_serve(d);
	return true;
}

void daemon_ready(struct daemon *d)
{
	report(REPORT_INFO, "ready on %s", d->paths.socket);
	if (!d->safe && !d->shutdown_op && !d->shutdown_asked)
		schedules_begin(d->schedules);
	if (d->shutdown_op)
		go_on_shutdown(d);
	else if (d->shutdown_asked)
		daemon_shutdown(d, "signal");
}

/* ---- life ------------------------------------------------------------------------ */

static struct event *watch(struct daemon *d, int fd, event_callback_fn fn)
{
	struct event *ev = event_new(d->base, fd, EV_READ | EV_PERSIST, fn, d);

	event_add(ev, NULL);
	return ev;
}

/* ---- what the rooms know of each other --------------------------------------------- */

static const char *who(void *ctx, op_id op)
{
	struct daemon *d = ctx;
	const struct operation_about *about = operations_about(d->operations, op);

	return about ? about->who : NULL;
}

static int64_t operation_event(void *ctx, op_id op)
{
	struct daemon *d = ctx;

	return operations_event(d->operations, op);
}

static const struct action_def *action(void *ctx, unit_id unit, const char *name)
{
	struct daemon *d = ctx;

	return supervision_action(d->supervision, unit, name, NULL);
}

static char *previous_definition(void *ctx, unit_id unit)
{
	struct daemon *d = ctx;

	return previous_definition_json(d->supervision, unit);
}

static const char *gate_last(void *ctx, gate_id gate)
{
	struct daemon *d = ctx;

	return gates_last(d->supervision, gate);
}

static void recorded(
    void *ctx, int64_t id, int64_t cause, usec_wall time, const char *kind, const char *fact)
{
	struct daemon *d = ctx;

	event_stream_publish(d->explain, id, cause, time, kind, fact);
}

static struct history *open_history(struct daemon *d)
{
	return history_new(&(struct history_config){.engine = d->engine,
	    .registry = d->registry,
	    .store = d->store,
	    .ctx = d,
	    .who = who,
	    .operation_event = operation_event,
	    .action = action,
	    .previous_definition = previous_definition,
	    .gate_last = gate_last,
	    .recorded = recorded});
}

/* As the keeper has it: FNV-1a of the folder's whole path. */
static uint64_t keeper_id(const char *state)
{
	char full[PATH_MAX];
	uint64_t id = 14695981039346656037u;

	for (const char *s = realpath(state, full) ? full : ""; *s; s++)
		id = (id ^ (unsigned char)*s) * 1099511628211u;
	return id;
}

static void burst_over(void *ctx)
{
	struct daemon *d = ctx;

	doctor_glance(d);
}

static void stray(void *ctx, uint64_t token)
{
	struct daemon *d = ctx;

	doctor_found(d, CHECK_STRAYS, "%016" PRIx64, token);
}

static enum err get_secret(
    void *ctx, const char *context, const char *name, struct secret_value *out, struct error *e)
{
	struct daemon *d = ctx;

	return secrets_get(d->secrets, context, name, out, e);
}

static struct supervision *open_supervision(struct daemon *d)
{
	return supervision_new(&(struct supervision_config){.base = d->base,
	    .urgent = d->urgent,
	    .engine = d->engine,
	    .logs = d->logs,
	    .spawner = d->spawner,
	    .paths = &d->paths,
	    .env = d->env,
	    .secrets = {get_secret, d},
	    .keeper_id = keeper_id(d->paths.state),
	    .ctx = d,
	    .book = bookkeeping_book,
	    .booked = bookkeeping_booked,
	    .at_rest = bookkeeping_at_rest,
	    .burst_over = burst_over,
	    .stray = stray});
}

static enum err open_rooms(struct daemon *d, struct error *e)
{
	const struct registry_config cfg = {.hero_socket_dir = d->paths.sockets};
	uint64_t seed = 1;

	if (path_make(d->paths.state, 0700, e) || path_make(d->paths.sockets, 0755, e) ||
	    logs_open(d->paths.logs, &d->options->keep.logs, &d->logs, e))
		return e->code;
	if (getrandom(&seed, sizeof(seed), 0) < 0)
		seed = (uint64_t)clock_wall();
	d->engine = engine_new(seed);
	d->registry = registry_new(&cfg);
	d->supervision = open_supervision(d);
	d->background = background_new(d->base);
	d->secrets = secrets_new(d->paths.state, d->background);
	d->doctor = doctor_new(d);
	d->state_folder = state_folder_new(d);
	return ERR_OK;
}

enum err daemon_open_store(struct daemon *d, struct error *e)
{
	if (state_folder_open(d, e))
		return e->code;
	d->history = open_history(d);
	supervision_begin(d->supervision, d->store, d->history);
	d->operations = operations_new(&(struct operations_config){
	    .base = d->base, .engine = d->engine, .store = d->store, .history = d->history});
	d->explain = explain_new(&(struct explain_config){.base = d->base,
	    .background = d->background,
	    .engine = d->engine,
	    .store = d->store,
	    .logs = d->logs,
	    .paths = &d->paths,
	    .history = d->history,
	    .supervision = d->supervision,
	    .operations = d->operations});
	d->store_news = watch(d, store_event_fd(d->store), on_store);
	if (scheduling_open(d, e))
		return e->code;
	d->change = change_new(&(struct change_config){.base = d->base,
	    .engine = d->engine,
	    .registry = d->registry,
	    .store = d->store,
	    .paths = &d->paths,
	    .history = d->history,
	    .supervision = d->supervision,
	    .operations = d->operations,
	    .schedules = d->schedules});
	return ERR_OK;
}

enum err daemon_init(struct daemon *d, struct options *o, int keeper_fd, struct error *e)
{
	*d =
	    (struct daemon){.options = o, .env = environ, .safe = o->safe, .started = clock_wall()};
	paths_init(&d->paths, o->state, o->socket);
	d->base = event_base_new();
	if (urgent_new(d->base, &d->urgent, e) ||
	    spawner_new(d->base, d->urgent, keeper_fd, &keeper_events, d, &d->spawner, e) ||
	    open_rooms(d, e))
		return e->code;
	d->logs_news = watch(d, logs_event_fd(d->logs), on_logs);
	logs_on_closed(d->logs, on_pipe_closed, d);
	recover_begin(d);
	spawner_list(d->spawner);
	return ERR_OK;
}

int daemon_run(struct daemon *d)
{
	event_base_dispatch(d->base);
	return d->exit_status;
}

static void free_event(struct event *ev)
{
	if (ev)
		event_free(ev);
}

void daemon_release(struct daemon *d)
{
	if (d->shutting_down)
		api_close(d);
	else
		api_leave(d);
	upgrade_free(d);
	supervision_free(d->supervision);
	free_event(d->farewell);
	free_event(d->store_news);
	free_event(d->logs_news);
	spawner_free(d->spawner);
	if (d->logs)
		logs_close(d->logs);
	if (d->store)
		store_close(d->store);
	explain_free(d->explain);
	secrets_free(d->secrets);
	background_free(d->background);
	state_folder_free(d->state_folder);
	repairs_release(&d->repairs);
	doctor_free(d->doctor);
	schedules_free(d->schedules);
	change_free(d->change);
	operations_free(d->operations);
	history_free(d->history);
	registry_free(d->registry);
	engine_free(d->engine);
	urgent_free(d->urgent);
	if (d->base)
		event_base_free(d->base);
	paths_release(&d->paths);
}
