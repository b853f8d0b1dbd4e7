/* service.c - questions about services, and words to one of them. */
#include "server/methods/methods.h"

#include "manifest/definition_read.h"
#include "server/explain/status.h"
#include "server/history/records.h"
#include "server/operation/operations.h"
#include "server/supervise/attempt.h"
#include "server/supervise/launch.h"
#include "server/supervise/perform.h"
#include "server/supervise/probes.h"
#include "server/supervise/reload.h"

#define LIST_MAX 1000

static const struct rpc_param name_params[] = {{"name", RPC_STRING, true, "a service"}};
static const struct rpc_param list_params[] = {{"limit", RPC_INT, false, "at most so many (1000)"},
    {"cursor", RPC_STRING, false, "`next` of the last answer"},
    {"state", RPC_STRING, false, "only in that state"},
    {"wanted", RPC_STRING, false, "start, stop or ignore"},
    {"class", RPC_STRING, false, "user or system"}, {"tag", RPC_STRING, false, "with that tag"}};
static const struct rpc_param ready_params[] = {{"name", RPC_STRING, true, "a service"},
    {"action", RPC_STRING, false, "one of its actions"},
    {"dry_run", RPC_BOOL, false, "what it would be, nothing changes"}};
static const struct rpc_param reload_params[] = {{"name", RPC_STRING, true, "a service"},
    {"action", RPC_STRING, false, "one of its actions"},
    {"wait", RPC_BOOL, false, "until the command ended, or READY=1 followed (default)"},
    {"timeout_ms", RPC_INT, false, "bounds that (start_timeout_ms of the action)"},
    {"dry_run", RPC_BOOL, false, "whom it would reach, nothing is sent"}};
static const struct rpc_param kill_params[] = {{"name", RPC_STRING, true, "a service"},
    {"action", RPC_STRING, false, "one of its actions"},
    {"signal", RPC_STRING_OR_INT, false, "a name or a number (TERM)"},
    {"dry_run", RPC_BOOL, false, "whom it would reach, nothing is sent"}};

static void get(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const struct service_def *s = registry_find(d->registry, param_text(params, "name"));

	if (!s) {
		ops_fail_unknown(call, param_text(params, "name"));
		return;
	}
	json_t *o = service_def_shown(s);
	struct unit_view u;
	if (engine_unit(d->engine, engine_find(d->engine, s->name), &u)) {
		json_object_set_new(o, "wanted", json_string(wanted_str(u.wanted)));
		json_object_set_new(o, "state", json_string(service_state_str(u.state)));
	}
	json_object_set_new(o, "sources", strv_json(&s->sources));
	rpc_answer(call, o);
}

static void status(struct rpc_call *call, json_t *params)
{
	unit_id id = ops_find_unit(call, param_text(params, "name"), true);

	struct str out = {0};

	if (id != ID_NONE && status_out(&out, ops_daemon(call)->explain, id, NULL))
		rpc_answer_text(call, &out);
}

static bool passes(struct daemon *d, const struct service_def *s, unit_id id, const json_t *params)
{
	const char *state = param_text(params, "state"), *class = param_text(params, "class"),
		   *tag = param_text(params, "tag"), *wanted = param_text(params, "wanted");
	struct unit_view u;

	return engine_unit(d->engine, id, &u) &&
	       (!state || strcmp(state, service_state_str(u.state)) == 0) &&
	       (!wanted || strcmp(wanted, wanted_str(u.wanted)) == 0) &&
	       (!class || strcmp(class, service_class_str(s->class)) == 0) &&
	       (!tag || strv_has(&s->tags, tag));
}

static void list(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	int64_t limit = param_int(params, "limit", LIST_MAX);
	struct str out = {0};
	int64_t n = 0;
	auto_free bool *demanded = mem_new(engine_unit_count(d->engine) + 1);
	const struct service_def *s = registry_next(d->registry, param_text(params, "cursor"));
	const char *last = NULL;

	engine_demanded_all(d->engine, demanded);
	limit = limit < 1 ? 1 : limit > LIST_MAX ? LIST_MAX : limit;
	json_out_open(&out, NULL, '{');
	json_out_open(&out, "services", '[');
	for (; s && n < limit; s = registry_next(d->registry, last)) {
		unit_id id = engine_find(d->engine, s->name);

		last = s->name;
		if (passes(d, s, id, params))
			n += status_out(&out, d->explain, id, demanded);
	}
	json_out_close(&out, ']');
	json_out_int(&out, "total", (int64_t)registry_count(d->registry));
	json_out_text(&out, "next", s ? last : NULL);
	json_out_close(&out, '}');
	rpc_answer_text(call, &out);
}

/* ---- words to a process ------------------------------------------------------------- */

static bool is_meant(const struct job_view *j, const char *action)
{
	return !j->virtual && (!action || strcmp(action, j->name) == 0);
}

/* Said, with its number; or only what would be said. */
static void answer_word(
    struct rpc_call *call, bool dry, const char *kind, const char *name, json_t *take_answer)
{
	if (dry) {
		json_object_set_new(take_answer, "dry_run", json_true());
		rpc_answer(call, take_answer);
	} else {
		ops_note_one(call, kind, name, take_answer);
		ops_answer_committed(call, take_answer);
	}
}

static void ready(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *name = param_text(params, "name"), *action = param_text(params, "action");
	bool dry = param_bool(params, "dry_run", false);
	unit_id id = ops_find_unit(call, name, false);
	json_t *done = json_array();
	struct job_view j;

	if (id != ID_NONE && action && !ops_has_action(call, id, action))
		id = ID_NONE;
	for (size_t i = 0; id != ID_NONE && engine_job_at(d->engine, id, i, &j); i++) {
		const struct action_def *a = supervision_action(d->supervision, id, j.name, NULL);

		if (!is_meant(&j, action) || j.core.state != JOB_RUNNING || !a ||
		    action_readiness(a) != READY_MANUAL)
			continue;
		struct attempt *at = attempt_find(d->supervision, j.token);
		if (!dry && !(at && probes_hold_ready(at)))
			engine_ready(d->engine, clock_mono(), j.token);
		json_array_append_new(done, json_string(j.name));
	}
	perform_effects(d->supervision);
	if (id == ID_NONE) {
		json_decref(done);
	} else if (json_array_size(done) == 0) {
		json_decref(done);
		ops_fail(call, ERR_INVALID_STATE,
		    "%s: no attempt that is declared ready by hand is starting", name);
	} else {
		answer_word(call, dry, "ready", name, json_pack("{s:o}", "ready", done));
	}
}

struct reload_call {
	struct rpc_call *call;
	bool dry;
	char *name;
};

static void reload_answer(void *ctx, const struct error *e, json_t *take_answer)
{
	struct reload_call *c = ctx;

	if (e->code)
		rpc_fail(c->call, e, NULL);
	else
		answer_word(c->call, c->dry, "reload", c->name, take_answer);
	free(c->name);
	free(c);
}

static void reload(struct rpc_call *call, json_t *params)
{
	const char *name = param_text(params, "name");
	const struct reload_request rq = {.action = param_text(params, "action"),
	    .wait = param_bool(params, "wait", true),
	    .dry_run = param_bool(params, "dry_run", false),
	    .within = param_int(params, "timeout_ms", 0)};
	unit_id id = ops_find_unit(call, name, true);
	struct error e = {0};

	if (id == ID_NONE || (rq.action && !ops_has_action(call, id, rq.action)))
		return;
	struct reload_call *c = mem_new(sizeof(*c));
	*c = (struct reload_call){call, rq.dry_run, text_dup(name)};
	if (reload_begin(ops_daemon(call)->supervision, id, &rq, reload_answer, c, &e)) {
		rpc_fail(call, &e, NULL);
		free(c->name);
		free(c);
	}
}

static int signal_of(const json_t *params)
{
	const json_t *v = json_object_get(params, "signal");

	if (json_is_integer(v))
		return json_integer_value(v) > 0 && json_integer_value(v) < 65
			   ? (int)json_integer_value(v)
			   : 0;
	return json_is_string(v) ? signal_parse(json_string_value(v)) : 15;
}

static void kill_it(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *name = param_text(params, "name"), *action = param_text(params, "action");
	bool dry = param_bool(params, "dry_run", false);
	int signo = signal_of(params);
	json_t *pids = json_array();
	struct job_view j;

	if (!signo) {
		json_decref(pids);
		ops_fail(call, ERR_INVALID, "signal: no such signal");
		return;
	}
	unit_id id = ops_find_unit(call, name, true);
	if (id != ID_NONE && action && !ops_has_action(call, id, action))
		id = ID_NONE;
	for (size_t i = 0; id != ID_NONE && engine_job_at(d->engine, id, i, &j); i++) {
		const struct job_record *r = history_find_job(d->history, j.id);
		pid_t pid = r && is_meant(&j, action) ? r->pid : 0;

		if (!pid)
			continue;
		if (!dry)
			spawner_signal(d->spawner, j.token, signo, KEEPER_SCOPE_LEADER);
		json_array_append_new(pids, json_integer(pid));
	}
	if (id == ID_NONE) {
		json_decref(pids);
	} else if (json_array_size(pids) == 0) {
		json_decref(pids);
		ops_fail(call, ERR_INVALID_STATE, "%s has no process", name);
	} else {
		answer_word(call, dry, "kill", name,
		    json_pack("{s:o, s:i}", "signalled", pids, "signal", signo));
	}
}

static const struct rpc_method methods[] = {
    OPS_METHOD("service.get", "Its definition, every edge resolved", name_params, get, false),
    OPS_METHOD("service.list", "The status of services, by name", list_params, list, false),
    OPS_METHOD("service.status", "What it does and what it waits for", name_params, status, false),
    OPS_METHOD("service.ready", "Declare it ready by hand", ready_params, ready, true),
    OPS_METHOD(
	"service.reload", "Have it read its configuration again", reload_params, reload, true),
    OPS_METHOD("service.kill", "Send a signal, change nothing else", kill_params, kill_it, true),
};
const struct rpc_group ops_service = OPS_GROUP(methods);
