/* system.c - the supervisor itself, its operations, events and flags. */
#include "server/history/definitions.h"
#include "server/host/json_time.h"
#include "server/methods/methods.h"

#include "server/api.h"
#include "server/doctor/doctor.h"
#include "server/operation/operations.h"
#include "server/recovery/upgrade.h"
#include "server/supervise/gates.h"
#include "server/supervise/perform.h"

#include <sys/resource.h>

static const struct rpc_param doctor_params[] = {
    {"repair", RPC_BOOL, false, "mend what the findings name"}};
static const struct rpc_param flag_params[] = {{"name", RPC_STRING, true, "a flag"}};

static void ping(struct rpc_call *call, json_t *params)
{
	(void)params;
	rpc_answer(call, json_pack("{s:b}", "pong", 1));
}

static void health(struct rpc_call *call, json_t *params)
{
	(void)params;
	rpc_answer(call, api_health(ops_daemon(call)));
}

static json_t *counts(struct daemon *d)
{
	size_t states[SERVICE_STATE_COUNT] = {0};
	json_t *o = json_object(), *by_state = json_object();
	struct unit_view u;

	for (unit_id i = 0; i < engine_unit_count(d->engine); i++)
		if (engine_unit(d->engine, i, &u) && u.registered && !u.is_run)
			states[u.state]++;
	for (size_t i = 0; i < SERVICE_STATE_COUNT; i++)
		json_object_set_new(by_state, service_state_str((enum service_state)i),
		    json_integer((json_int_t)states[i]));
	json_object_set_new(o, "services", json_integer((json_int_t)registry_count(d->registry)));
	json_object_set_new(o, "states", by_state);
	json_object_set_new(o, "runs", json_integer((json_int_t)run_definition_count(d->history)));
	json_object_set_new(
	    o, "processes", json_integer((json_int_t)history_count_processes(d->history)));
	json_object_set_new(
	    o, "operations", json_integer((json_int_t)operations_in_flight(d->operations)));
	return o;
}

static void info(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	json_t *health_now = api_health(d);
	struct rlimit files = {0};
	(void)params;

	getrlimit(RLIMIT_NOFILE, &files);
	json_t *who = upgrade_identity();
	json_t *o = json_pack("{s:i, s:i, s:I, s:o, s:s, s:s, s:s, s:b, s:b, s:I, s:o, s:O}", "pid",
	    (int)getpid(), "keeper_pid", (int)supervision_keeper(d->supervision)->pid, "uptime_ms",
	    (json_int_t)((clock_wall() - d->started) / 1000), "started", json_time(d->started),
	    "state_folder", d->paths.state, "socket", d->paths.socket, "socket_folder",
	    d->paths.sockets, "cgroups", supervision_keeper(d->supervision)->has_cgroups, "safe",
	    d->safe, "descriptors", (json_int_t)files.rlim_cur, "counts", counts(d), "degraded",
	    json_object_get(health_now, "degraded"));
	json_object_del(who, "name");
	json_object_update_new(o, who);
	json_object_set_new(o, "server", json_string(d->options->program));
	json_object_set_new(o, "upgrade", upgrade_json(d));
	json_decref(health_now);
	rpc_answer(call, o);
}

/* Answered once it is stored; the socket is gone when everything has ended. */
static void shutdown_all(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	(void)params;

	daemon_shutdown(d, "rpc system.shutdown");
	ops_answer_committed(call, json_pack("{s:b, s:I, s:I}", "shutdown", 1, "pid",
				       (json_int_t)supervision_keeper(d->supervision)->pid,
				       "operation", (json_int_t)d->shutdown_op));
}

static void answer_doctor(void *ctx, json_t *take_report)
{
	rpc_answer(ctx, take_report);
}

static void doctor(struct rpc_call *call, json_t *params)
{
	struct error e = {0};

	if (doctor_begin(
		ops_daemon(call), param_bool(params, "repair", false), answer_doctor, call, &e))
		ops_fail(call, e.code, "%s", e.msg);
}

/* ---- upgrade ------------------------------------------------------------------------- */

static const struct rpc_param upgrade_params[] = {
    {"server", RPC_STRING, false,
	"absolute path of the next server; absent: where this one was started from"},
    {"timeout_ms", RPC_INT, false,
	"how long it may take to serve before the former one is brought back (30000)"},
    {"dry_run", RPC_BOOL, false, "only look whether it can take over"}};

static void upgrade_answered(void *ctx, const struct error *e, json_t *take_found)
{
	if (e->code)
		rpc_fail(ctx, e, take_found);
	else
		rpc_answer(ctx, take_found);
}

static void upgrade(struct rpc_call *call, json_t *params)
{
	auto_free char *who = ops_who(call);
	const struct upgrade_request rq = {.server = param_text(params, "server"),
	    .trial = param_int(params, "timeout_ms", 0),
	    .dry_run = param_bool(params, "dry_run", false),
	    .who = who};

	upgrade_ask(ops_daemon(call), &rq, upgrade_answered, call);
}

/* ---- flags ----------------------------------------------------------------------------- */

static bool flag_name(struct rpc_call *call, const char *name)
{
	if (name_is_valid(name))
		return true;
	ops_fail(call, ERR_INVALID, "name: `%s` is no name", name);
	return false;
}

static void answer_flag(struct rpc_call *call, const char *name, bool changed)
{
	json_t *answer = json_pack("{s:s, s:b}", "name", name, "changed", changed);

	ops_note_one(call, "flag", name, answer);
	ops_answer_committed(call, answer);
}

static void set_flag(struct rpc_call *call, json_t *params)
{
	const char *name = param_text(params, "name");

	if (flag_name(call, name))
		answer_flag(call, name, gates_set_flag(ops_daemon(call)->supervision, name));
}

static void clear_flag(struct rpc_call *call, json_t *params)
{
	const char *name = param_text(params, "name");

	if (flag_name(call, name))
		answer_flag(call, name, gates_clear_flag(ops_daemon(call)->supervision, name));
}

static void list_flags(struct rpc_call *call, json_t *params)
{
	json_t *flags = json_array();
	const char *name;
	usec_wall since;
	(void)params;

	for (size_t i = 0; gates_next_flag(ops_daemon(call)->supervision, &i, &name, &since);)
		json_array_append_new(
		    flags, json_pack("{s:s, s:o}", "name", name, "since", json_time(since)));
	rpc_answer(call, json_pack("{s:o}", "flags", flags));
}

static const struct rpc_method methods[] = {
    OPS_METHOD_0("system.ping", "Are you there?", ping, false),
    OPS_METHOD_0("system.health", "What is not as it should be", health, false),
    OPS_METHOD_0("system.info", "Who is there", info, false),
    OPS_METHOD_0(
	"system.shutdown", "Stop everything in reverse order, then end", shutdown_all, true),
    OPS_METHOD("system.doctor",
	"Holds what we believe against what the kernel says, and mends on request", doctor_params,
	doctor, true),
    OPS_METHOD("system.upgrade",
	"Let another server take over: no service notices.  Answered when it is about to; "
	"`op.get` of the next server tells how it ended",
	upgrade_params, upgrade, true),
    OPS_METHOD("flag.set", "Open the gate flag:NAME", flag_params, set_flag, true),
    OPS_METHOD("flag.clear", "Close the gate flag:NAME", flag_params, clear_flag, true),
    OPS_METHOD_0("flag.list", "Flags that are set", list_flags, false),
};
const struct rpc_group ops_system = OPS_GROUP(methods);
