/* start.c - start, stop, restart, plan, and the operator's word. */
#include "server/methods/methods.h"

#include "server/operation/operations.h"
#include "server/supervise/perform.h"

#define P_NAME                                                                           \
	{                                                                                \
		"name", RPC_STRING_OR_ARRAY, true, "a service, or a list: one operation" \
	}
#define P_WAIT                                                                      \
	{                                                                           \
		"wait", RPC_BOOL, false, "answer at the end (default), not at once" \
	}
#define P_TIMEOUT                                                    \
	{                                                            \
		"timeout_ms", RPC_INT, false, "bounds the wait only" \
	}
#define P_DRY                                                            \
	{                                                                \
		"dry_run", RPC_BOOL, false, "the steps, nothing changes" \
	}
#define P_REPLACE                                                       \
	{                                                               \
		"replace", RPC_BOOL, false, "stop what conflicts first" \
	}
#define P_NO_DEPS                                                                        \
	{                                                                                \
		"no_deps", RPC_BOOL, false, "pull nothing in; every hard edge must hold" \
	}
#define P_UNNEEDED                                                                          \
	{                                                                                   \
		"with_unneeded", RPC_BOOL, false, "stop also what nothing demands any more" \
	}
#define P_WITH_DEPS                                                            \
	{                                                                      \
		"with_deps", RPC_BOOL, false, "restart hard dependencies, too" \
	}

static const struct rpc_param start_params[] = {
    P_NAME, P_WAIT, P_TIMEOUT, P_REPLACE, P_NO_DEPS, P_DRY};
static const struct rpc_param stop_params[] = {P_NAME, P_WAIT, P_TIMEOUT, P_UNNEEDED, P_DRY};
static const struct rpc_param restart_params[] = {
    P_NAME, P_WAIT, P_TIMEOUT, P_WITH_DEPS, P_NO_DEPS, P_DRY};
static const struct rpc_param all_params[] = {
    {"class", RPC_STRING, false, "user (default), system or all"},
    {"tag", RPC_STRING, false, "with that tag only"},
    {"context", RPC_STRING, false, "of that context only"}, P_WAIT, P_TIMEOUT, P_DRY};
static const struct rpc_param plan_params[] = {P_NAME,
    {"verb", RPC_STRING, false, "start (default), stop or restart"}, P_REPLACE, P_NO_DEPS,
    P_UNNEEDED, P_WITH_DEPS};
static const struct rpc_param what_if_params[] = {
    {"name", RPC_STRING, true, "a service; of fail, `service/action`, too"},
    {"event", RPC_STRING, true,
	"stop: somebody stops it; fail: its processes end with exit code 1"}};
static const struct rpc_param wanted_params[] = {{"name", RPC_STRING, true, "a service"},
    {"wanted", RPC_STRING, true, "start, stop or ignore"}, P_DRY};

static bool all_known(struct rpc_call *call, const struct strv *names, bool runs)
{
	if (names->n == 0) {
		ops_fail(call, ERR_INVALID, "name: at least one is needed");
		return false;
	}
	for (size_t i = 0; i < names->n; i++)
		if (ops_find_unit(call, names->v[i], runs) == ID_NONE)
			return false;
	return true;
}

static void request(struct rpc_call *call, json_t *params, enum op_kind kind)
{
	struct strv names = {0};

	param_names(params, "name", &names);
	if (all_known(call, &names, kind == OP_STOP))
		ops_request(call, params, kind, &names, NULL);
	strv_release(&names);
}

static void start(struct rpc_call *call, json_t *params)
{
	request(call, params, OP_START);
}

static void stop(struct rpc_call *call, json_t *params)
{
	request(call, params, OP_STOP);
}

static void restart_it(struct rpc_call *call, json_t *params)
{
	request(call, params, OP_RESTART);
}

static void plan(struct rpc_call *call, json_t *params)
{
	const char *verb = param_text(params, "verb");
	json_t *with = json_copy(params);
	enum op_kind kind = OP_START;

	json_object_set_new(with, "dry_run", json_true());
	if (verb && (!op_kind_parse(verb, &kind) || kind > OP_RESTART))
		ops_fail(call, ERR_INVALID, "verb: `%s` is none of start, stop, restart", verb);
	else
		request(call, with, kind);
	json_decref(with);
}

static bool is_meant(
    const struct service_def *s, const json_t *params, bool any, enum service_class class)
{
	const char *tag = param_text(params, "tag"), *context = param_text(params, "context");

	return (any || s->class == class) && (!tag || strv_has(&s->tags, tag)) &&
	       (!context || strcmp(context, s->context ? s->context : "default") == 0);
}

static void request_all(struct rpc_call *call, json_t *params, enum op_kind kind)
{
	struct daemon *d = ops_daemon(call);
	const char *word = param_text(params, "class");
	bool any = text_eq(word, "all");
	enum service_class class = CLASS_USER;
	struct strv names = {0};

	if (word && !any && !service_class_parse(word, &class)) {
		ops_fail(call, ERR_INVALID, "class: `%s` is none of user, system, all", word);
		return;
	}
	for (const struct service_def *s = NULL;
	     (s = registry_next(d->registry, s ? s->name : NULL));)
		if (is_meant(s, params, any, class))
			strv_add(&names, s->name);
	ops_request(call, params, kind, &names, NULL); /* of none, too: it has a number */
	strv_release(&names);
}

static void start_all(struct rpc_call *call, json_t *params)
{
	request_all(call, params, OP_START);
}

static void stop_all(struct rpc_call *call, json_t *params)
{
	request_all(call, params, OP_STOP);
}

/* ---- what if ----------------------------------------------------------------------- */

static const char *effect_on_service(const struct what_if_row *r)
{
	switch (r->during.service) {
	case SERVICE_INACTIVE:
	case SERVICE_STOPPING: return "stops";
	case SERVICE_DEGRADED: return "degrades";
	case SERVICE_BLOCKED:
	case SERVICE_WAITING_DEPS: return "blocks";
	case SERVICE_FAILED: return "fails";
	case SERVICE_STARTING:
	case SERVICE_RUNNING:
	case SERVICE_EXITED:
	case SERVICE_STATE_COUNT: break;
	}
	return r->after.service == r->before.service ? "returns" : "changes";
}

static const char *effect_on_action(const struct what_if_row *r)
{
	switch (r->during.action) {
	case JOB_CANCELLED:
	case JOB_STOPPING: return "stops";
	case JOB_WAITING_DEPS: return "blocks";
	case JOB_FAILED: return "fails";
	case JOB_CREATED:
	case JOB_PENDING:
	case JOB_STARTING:
	case JOB_RUNNING:
	case JOB_READY:
	case JOB_RETRYING:
	case JOB_SUCCEEDED:
	case JOB_SKIPPED:
	case JOB_STATE_COUNT: break;
	}
	return r->after.action == r->before.action ? "returns" : "changes";
}

static const char *state_in(const struct what_if_row *r, union what_if_state s)
{
	return r->action ? job_state_str(s.action) : service_state_str(s.service);
}

static json_t *row_json(const struct what_if_row *r)
{
	auto_free char *name = r->action ? text_fmt("%s/%s", r->service, r->action) : NULL;
	const char *effect = r->stopped && r->started ? "restarts"
			     : r->action	      ? effect_on_action(r)
						      : effect_on_service(r);
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?}", "name", name ? name : r->service,
	    "effect", effect, "before", state_in(r, r->before), "during", state_in(r, r->during),
	    "after", state_in(r, r->after), "why", r->why);

	if (r->action) {
		json_object_set_new(o, "service", json_string(r->service));
		json_object_set_new(o, "action", json_string(r->action));
	}
	return o;
}

static json_t *rows_json(const struct what_if *w)
{
	json_t *a = json_array();

	for (size_t i = 0; i < w->n; i++)
		json_array_append_new(a, row_json(&w->v[i]));
	return a;
}

static void what_if(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *name = param_text(params, "name"), *event = param_text(params, "event");
	bool fail = text_eq(event, "fail");
	struct unit_view u;
	struct job_view j;
	struct what_if w;
	struct error e = {0};
	job_id job;

	if (!fail && !text_eq(event, "stop")) {
		ops_fail(call, ERR_INVALID, "event: `%s` is none of stop, fail", event);
		return;
	}
	unit_id unit = ops_find_node(call, name, true, &job);
	if (unit == ID_NONE || !engine_unit(d->engine, unit, &u))
		return;
	bool one = job != ID_NONE && engine_job(d->engine, job, &j, NULL);
	if (one && !fail) {
		ops_fail(call, ERR_INVALID,
		    "name: an action is stopped with its service: what-if stop %s", u.name);
		return;
	}
	if (engine_what_if(d->engine, clock_mono(), u.name, one ? j.name : NULL, fail, &w, &e))
		rpc_fail(call, &e, NULL);
	else
		rpc_answer(call, json_pack("{s:s, s:s, s:b, s:o, s:o}", "name", name, "event",
				     event, "comes_back", w.comes_back, "services", rows_json(&w),
				     "steps", steps_json(w.steps.v, w.steps.n, NULL)));
	what_if_release(&w);
}

static void set_wanted(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *name = param_text(params, "name"), *word = param_text(params, "wanted");
	struct error e = {0};
	enum wanted wanted;

	if (!wanted_parse(word, &wanted)) {
		ops_fail(call, ERR_INVALID, "wanted: `%s` is none of start, stop, ignore", word);
		return;
	}
	if (ops_find_unit(call, name, false) == ID_NONE)
		return;
	struct unit_view u = {0};
	engine_unit(d->engine, engine_find(d->engine, name), &u);
	json_t *answer = json_pack("{s:s, s:s, s:b, s:[]}", "name", name, "wanted",
	    wanted_str(wanted), "changed", u.wanted != wanted, "steps");
	if (param_bool(params, "dry_run", false)) {
		json_object_set_new(answer, "dry_run", json_true());
		rpc_answer(call, answer);
	} else if (engine_set_wanted(d->engine, clock_mono(), name, wanted, &e)) {
		json_decref(answer);
		rpc_fail(call, &e, NULL);
	} else {
		ops_note_one(call, "wanted", name, answer);
		perform_effects(d->supervision);
		ops_answer_committed(call, answer);
	}
}

static const struct rpc_method methods[] = {
    OPS_METHOD("service.start", "Make it ready, with what it needs", start_params, start, true),
    OPS_METHOD("service.stop", "Make it inactive, after what requires it", stop_params, stop, true),
    OPS_METHOD("service.restart", "Stop it, then start it", restart_params, restart_it, true),
    OPS_METHOD("service.plan", "The steps that start, stop or restart would take", plan_params,
	plan, false),
    OPS_METHOD(
	"service.start_all", "Start every service of class user", all_params, start_all, true),
    OPS_METHOD("service.stop_all", "Stop every service of class user", all_params, stop_all, true),
    OPS_METHOD("service.what_if", "What would become of the others, and why; nothing changes",
	what_if_params, what_if, false),
    OPS_METHOD("service.wanted.set", "The operator's word; nothing that runs changes",
	wanted_params, set_wanted, true),
    OPS_METHOD("wanted.set", "The same as service.wanted.set", wanted_params, set_wanted, true),
};
const struct rpc_group ops_start = OPS_GROUP(methods);
