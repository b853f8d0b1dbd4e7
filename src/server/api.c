#include "server/api.h"

#include "http/http.h"
#include "probe/folder.h"
#include "server/doctor/doctor.h"
#include "server/explain/event_stream.h"
#include "server/history/events.h"
#include "server/host/version.h"
#include "server/methods/methods.h"
#include "server/operation/operations.h"
#include "server/schedule/schedules.h"

#include <fcntl.h>

#define GROUPS	      15
#define SOCKET_LEVELS 4 /* rpc.sock, hero_proc, sockets, var: a rename of any of them is seen */

struct api {
	struct rpc_group groups[GROUPS];
	struct rpc_service rpc;
	struct http_server *http;
	struct folders *folders;
	struct folder_watch *watches[SOCKET_LEVELS]; /* the file, and the folders above it */
	char *trouble; /* why nobody can reach the socket; NULL: all is well */
};

/* ---- documents -------------------------------------------------------------------- */

static void add_reason(json_t *into, const char *part, const struct str *what)
{
	json_array_append_new(
	    into, json_pack("{s:s, s:s}", "part", part, "reason", str_text(what)));
}

/* `ok` speaks of the supervisor, which goes on from memory when a disk refuses. */
json_t *api_health(void *daemon)
{
	struct daemon *d = daemon;
	json_t *degraded = json_array();
	auto_str store = {0}, logs = {0};

	if (store_degraded(d->store, &store))
		add_reason(degraded, "store", &store);
	if (logs_degraded(d->logs, &logs))
		add_reason(degraded, "logs", &logs);
	if (d->api && d->api->trouble) {
		auto_str socket = {0};

		str_add(&socket, d->api->trouble);
		add_reason(degraded, "socket", &socket);
	}
	if (d->safe) {
		auto_str safe = {0};

		str_add(&safe, "started with --safe: nothing is started by itself");
		add_reason(degraded, "safe", &safe);
	}
	const char *word = d->shutting_down	       ? "shutting_down"
			   : json_array_size(degraded) ? "degraded"
						       : "ok";
	return json_pack("{s:b, s:s, s:o, s:i}", "ok", 1, "status", word, "degraded", degraded,
	    "pid", (int)getpid());
}

static json_t *wellknown(void *daemon)
{
	struct daemon *d = daemon;

	return json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:s}], s:s}", "name", "hero_proc",
	    "version", server_version, "description", "the process supervisor of this machine",
	    "socket", d->paths.socket, "sockets", "name", "rpc.sock", "protocol", "openrpc",
	    "openrpc", "/openrpc.json");
}

static void metric(struct str *out, const char *name, const char *type, const char *help)
{
	str_fmt(out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void schedules_metrics(struct daemon *d, struct str *out)
{
	const struct schedules_totals t = schedules_totals(d->schedules);

	metric(out, "hero_proc_schedules", "gauge", "Actions that are run by themselves.");
	str_fmt(out, "hero_proc_schedules %zu\n", t.n);
	metric(out, "hero_proc_schedules_overdue", "gauge", "Without a success for too long.");
	str_fmt(out, "hero_proc_schedules_overdue %zu\n", t.overdue);
	metric(out, "hero_proc_schedule_due_times", "counter", "Due times by what became of them.");
	for (size_t i = 0; i < ANSWER_COUNT; i++)
		str_fmt(out, "hero_proc_schedule_due_times_total{answer=\"%s\"} %llu\n",
		    schedule_answer_words[i], (unsigned long long)t.counts[i]);
}

char *api_metrics(void *daemon)
{
	struct daemon *d = daemon;
	size_t states[SERVICE_STATE_COUNT] = {0};
	struct logs_stats logs = logs_stats(d->logs);
	struct unit_view u;
	auto_str out = {0};

	for (unit_id i = 0; i < engine_unit_count(d->engine); i++)
		if (engine_unit(d->engine, i, &u) && u.registered && !u.is_run)
			states[u.state]++;
	metric(&out, "hero_proc_services", "gauge", "Services by state.");
	for (size_t i = 0; i < SERVICE_STATE_COUNT; i++)
		str_fmt(&out, "hero_proc_services{state=\"%s\"} %zu\n",
		    service_state_str((enum service_state)i), states[i]);
	metric(&out, "hero_proc_processes", "gauge", "Living leaders of jobs.");
	str_fmt(&out, "hero_proc_processes %zu\n", history_count_processes(d->history));
	metric(&out, "hero_proc_operations", "gauge", "Operations in flight.");
	str_fmt(&out, "hero_proc_operations %zu\n", operations_in_flight(d->operations));
	metric(&out, "hero_proc_followers", "gauge", "Clients of /events.");
	str_fmt(&out, "hero_proc_followers %zu\n", event_stream_followers(d->explain));
	metric(&out, "hero_proc_log_captured_bytes", "counter",
	    "Bytes captured since the server began.");
	str_fmt(
	    &out, "hero_proc_log_captured_bytes_total %llu\n", (unsigned long long)logs.captured);
	metric(&out, "hero_proc_log_dropped_bytes", "counter", "Bytes dropped by policy.");
	str_fmt(&out, "hero_proc_log_dropped_bytes_total %llu\n", (unsigned long long)logs.dropped);
	metric(&out, "hero_proc_log_over_rate_bytes", "counter",
	    "Of the dropped bytes, those beyond the rate of their action.");
	str_fmt(&out, "hero_proc_log_over_rate_bytes_total %llu\n",
	    (unsigned long long)logs.dropped_by_rate);
	metric(&out, "hero_proc_log_sealed_segments", "counter", "Closed segments compressed.");
	str_fmt(
	    &out, "hero_proc_log_sealed_segments_total %llu\n", (unsigned long long)logs.sealed);
	metric(&out, "hero_proc_log_stored_bytes", "gauge", "Bytes of logs on the disk.");
	str_fmt(&out, "hero_proc_log_stored_bytes %llu\n", (unsigned long long)logs.stored);
	metric(&out, "hero_proc_degraded", "gauge",
	    "1 while the state or the logs can not be written.");
	str_fmt(&out, "hero_proc_degraded %d\n",
	    store_degraded(d->store, NULL) || logs_degraded(d->logs, NULL));
	schedules_metrics(d, &out);
	doctor_metrics(d, &out);
	str_add(&out, "# EOF\n");
	return str_take(&out);
}

/* ---- the socket, which the keeper holds ------------------------------------------------ */

#define HELD_AS "api:%llu:%llu" /* device and inode of its file */

bool api_take_held(struct daemon *d, const char *name, int take_fd)
{
	unsigned long long dev, ino;

	if (sscanf(name, HELD_AS, &dev, &ino) != 2)
		return false;
	if (!d->held_api) {
		d->held_api = mem_new(sizeof(*d->held_api));
		*d->held_api = (struct listening){take_fd, {(dev_t)dev, (ino_t)ino}};
	} else {
		close(take_fd);
		spawner_release(d->spawner, name);
	}
	return true;
}

static char *held_as(const struct listening *l)
{
	return text_fmt(HELD_AS, (unsigned long long)l->file.dev, (unsigned long long)l->file.ino);
}

int api_give(const struct daemon *d, char **name)
{
	if (!d->api)
		return -1;
	const struct listening l = http_server_listening(d->api->http);
	*name = held_as(&l);
	return fcntl(l.fd, F_DUPFD_CLOEXEC, 3);
}

/* `former`: what was taken up, if it could be. */
static void hold(struct daemon *d, const struct listening *former, const struct listening *now)
{
	auto_free char *name = held_as(now);
	auto_free char *old = former ? held_as(former) : NULL;

	if (text_eq(name, old))
		return;
	if (old)
		spawner_release(d->spawner, old);
	spawner_hold(d->spawner, name, now->fd);
}

/* ---- a socket whose file vanishes comes back (F80) --------------------------------------- */

static void note_trouble(struct daemon *d, const char *reason)
{
	if (!text_eq(d->api->trouble, reason))
		report(REPORT_ERROR, "the API can not be reached: %s", reason);
	text_set(&d->api->trouble, reason);
}

static void bound_again(struct daemon *d, const struct listening *former)
{
	const struct listening now = http_server_listening(d->api->http);
	json_t *o = json_pack("{s:s, s:s}", "event", "socket", "path", d->paths.socket);
	auto_free char *fact = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	hold(d, former, &now);
	free(take(d->api->trouble));
	report(REPORT_WARN, "%s was gone: bound again", d->paths.socket);
	events_emit(d->history, "socket", NULL, 0, fact);
}

/* Something changed in its folder. */
static void on_socket_folder(void *ctx)
{
	struct daemon *d = ctx;
	const struct listening former = http_server_listening(d->api->http);
	struct error e = {0};
	bool changed;

	for (size_t i = 0; i < SOCKET_LEVELS; i++)
		if (d->api->watches[i])
			folder_watch_renew(d->api->watches[i]);
	if (path_make(d->paths.sockets, 0755, &e))
		note_trouble(d, e.msg);
	else if (http_server_bind_again(d->api->http, &changed, &e))
		note_trouble(d, e.msg);
	else if (changed)
		bound_again(d, &former);
}

/* A folder that is renamed takes the watch on what is below it along, so each level has one. */
static void watch_socket(struct daemon *d)
{
	auto_free char *path = text_dup(d->paths.socket);
	struct api *a = d->api;
	struct error e = {0};

	if (folders_new(d->base, &a->folders, &e)) {
		report(REPORT_WARN, "%s can not be watched: %s", path, e.msg);
		return;
	}
	for (size_t i = 0; i < SOCKET_LEVELS && *path; i++) {
		if (folder_watch_new(a->folders, path, on_socket_folder, d, &a->watches[i], &e))
			report(REPORT_WARN, "%s can not be watched: %s", path, e.msg);
		*strrchr(path, '/') = '\0';
	}
}

static void unwatch_socket(struct api *a)
{
	for (size_t i = 0; i < SOCKET_LEVELS; i++)
		folder_watch_free(take(a->watches[i]));
	folders_free(take(a->folders));
	free(take(a->trouble));
}

static void subscribe(void *ctx, struct http_stream *stream, const char *query)
{
	struct daemon *d = ctx;

	event_stream_subscribe(d->explain, stream, query);
}

static void unsubscribe(void *ctx, struct http_stream *stream)
{
	struct daemon *d = ctx;

	event_stream_unsubscribe(d->explain, stream);
}

/* ---- the door ----------------------------------------------------------------------- */

enum err api_open(struct daemon *d, struct error *e)
{
	const struct rpc_group groups[GROUPS] = {ops_register, ops_service, ops_start, ops_action,
	    ops_run, ops_logs, ops_system, ops_graph, ops_operation, ops_events, ops_config,
	    ops_timeline, ops_schedule, ops_secret, ops_why};
	struct api *a = mem_new(sizeof(*a));

	memcpy(a->groups, groups, sizeof(groups));
	a->rpc = (struct rpc_service){.groups = a->groups,
	    .n_groups = GROUPS,
	    .ctx = d,
	    .title = "hero_proc",
	    .version = server_version};
	auto_free struct listening *held = take(d->held_api);
	const struct http_config cfg = {.socket_path = d->paths.socket,
	    .held = held,
	    .rpc = &a->rpc,
	    .ctx = d,
	    .urgent = d->urgent,
	    .health = api_health,
	    .wellknown = wellknown,
	    .metrics = api_metrics,
	    .subscribe = subscribe,
	    .unsubscribe = unsubscribe};
	if (http_server_new(d->base, &cfg, &a->http, e)) {
		free(a);
		return e->code;
	}
	const struct listening now = http_server_listening(a->http);
	hold(d, held, &now);
	d->api = a;
	watch_socket(d);
	on_socket_folder(d); /* what vanished before the watch was there */
	return ERR_OK;
}

static void close_with(struct daemon *d, void (*close_http)(struct http_server *s))
{
	struct api *a = take(d->api);

	if (!a)
		return;
	unwatch_socket(a);
	close_http(a->http);
	free(a);
}

void api_close(struct daemon *d)
{
	close_with(d, http_server_free);
}

void api_leave(struct daemon *d)
{
	close_with(d, http_server_leave);
}

void api_pause(struct daemon *d)
{
	http_server_pause(d->api->http);
}
