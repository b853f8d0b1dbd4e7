/* action.c - actions by themselves. */
#include "server/methods/methods.h"

#include "manifest/definition_read.h"
#include "server/change/registration.h"
#include "server/change/submission.h"
#include "server/operation/operations.h"
#include "server/supervise/perform.h"

#define P_CONTEXT                                                       \
	{                                                               \
		"context", RPC_STRING, false, "its namespace (default)" \
	}
#define P_SERVICE                                                         \
	{                                                                 \
		"service", RPC_STRING, false, "the service it belongs to" \
	}

#define P_DRY                                                             \
	{                                                                 \
		"dry_run", RPC_BOOL, false, "check only, nothing changes" \
	}

static const struct rpc_param set_params[] = {
    {"action", RPC_OBJECT, true, "an ActionSpec"}, P_SERVICE, P_DRY};
static const struct rpc_param name_params[] = {
    {"name", RPC_STRING, true, "an action"}, P_SERVICE, P_CONTEXT};
static const struct rpc_param delete_params[] = {
    {"name", RPC_STRING, true, "an action"}, P_SERVICE, P_CONTEXT, P_DRY};
static const struct rpc_param list_params[] = {P_SERVICE,
    {"limit", RPC_INT, false, "at most so many services (1000)"},
    {"cursor", RPC_STRING, false, "`next` of the last answer"}};

static void apply(
    struct rpc_call *call, const json_t *params, const struct service_def *def, const char *source)
{
	bool dry = param_bool(params, "dry_run", false);
	struct daemon *d = ops_daemon(call);
	const struct contribution in = {def, source, CONTRIBUTE_ACTION};
	struct registry_outcome out = {0};
	struct diags diags = {0};
	struct error e = {0};

	if (registration_apply(d->change, &in, 1, dry ? REGISTRY_DRY_RUN : 0, &out, &diags, &e)) {
		ops_fail_diags(call, &e, &diags, &out.chain);
	} else {
		json_t *o = json_pack("{s:s, s:s, s:o}", "name", def->actions.v[0].name, "change",
		    out.n ? change_kind_str(out.v[0].kind) : "unchanged", "warnings",
		    diags_json(&diags, DIAG_WARNING));

		if (dry) {
			json_object_set_new(o, "dry_run", json_true());
			rpc_answer(call, o);
		} else {
			ops_note_one(call, "action", def->actions.v[0].name, o);
			submission_resolve_again(d->change);
			perform_effects(d->supervision);
			ops_answer_committed(call, o);
		}
	}
	registry_outcome_release(&out);
	diags_release(&diags);
}

/* The service is said, or it is the one that has an action of that name. */
static const char *owner_of(struct rpc_call *call, const json_t *params, const struct action_def *a)
{
	const struct service_def *s = NULL;
	const struct action_def *known = NULL;
	struct error e = {0};
	const char *said = param_text(params, "service");

	if (said)
		return said;
	if (registry_find_action(
		ops_daemon(call)->registry, a->context, NULL, a->name, &s, &known, NULL, &e))
		return NULL;
	return s->name;
}

static void set(struct rpc_call *call, json_t *params)
{
	auto_free char *uid = ops_who(call);
	auto_free char *who = text_fmt("rpc action.set (%s)", uid);
	struct service_def def = {0};
	struct action_def action = {0};
	struct diags diags = {0};
	struct error e = {0};

	service_def_init(&def);
	if (!action_def_read_json(json_object_get(params, "action"), who, &diags, &action)) {
		error_set(&e, ERR_INVALID, "%s", diags.n ? diags.v[0].message : "action");
		ops_fail_diags(call, &e, &diags, NULL);
	} else {
		const char *owner = owner_of(call, params, &action);
		auto_free char *source = text_fmt("rpc:action:%s", action.name);

		text_set(&def.name, owner);
		text_set(&def.context, action.context);
		*vec_push(&def.actions) = action;
		apply(call, params, &def, source);
	}
	service_def_release(&def);
	diags_release(&diags);
}

static bool find(struct rpc_call *call, const json_t *params, const struct service_def **s,
    const struct action_def **a)
{
	struct strv candidates = {0};
	struct error e = {0};

	if (registry_find_action(ops_daemon(call)->registry, param_text(params, "context"),
		param_text(params, "service"), param_text(params, "name"), s, a, &candidates, &e))
		rpc_fail(call, &e, json_pack("{s:o}", "candidates", strv_json(&candidates)));
	strv_release(&candidates);
	return e.code == ERR_OK;
}

static void get(struct rpc_call *call, json_t *params)
{
	const struct service_def *s;
	const struct action_def *a;

	if (!find(call, params, &s, &a))
		return;
	json_t *o = action_def_shown(a);
	json_object_set_new(o, "service", s->name ? json_string(s->name) : json_null());
	rpc_answer(call, o);
}

static void add_actions(const struct service_def *s, json_t *into)
{
	for (size_t i = 0; i < s->actions.n; i++)
		json_array_append_new(
		    into, json_pack("{s:s, s:s, s:s, s:b, s:b}", "name", s->actions.v[i].name,
			      "service", s->name, "context",
			      s->actions.v[i].context ? s->actions.v[i].context : "default",
			      "is_process", s->actions.v[i].is_process, "started",
			      action_is_started(&s->actions.v[i])));
}

static void list(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *name = param_text(params, "service");
	int64_t left = param_int(params, "limit", 1000);
	json_t *actions = json_array();
	const struct service_def *s =
	    name ? registry_find(d->registry, name)
		 : registry_next(d->registry, param_text(params, "cursor"));
	const char *last = NULL;

	if (name && !s) {
		json_decref(actions);
		ops_fail_unknown(call, name);
		return;
	}
	for (; s && left-- > 0; s = name ? NULL : registry_next(d->registry, last)) {
		last = s->name;
		add_actions(s, actions);
	}
	rpc_answer(
	    call, json_pack("{s:o, s:s?}", "actions", actions, "next", s && !name ? last : NULL));
}

static void delete_it(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	struct registry_outcome out = {0};
	struct error e = {0};
	const struct service_def *s;
	const struct action_def *a;

	if (!find(call, params, &s, &a))
		return;
	auto_free char *service = text_dup(s->name), *name = text_dup(a->name);
	json_t *o = json_pack("{s:s, s:s?}", "deleted", name, "service", service);

	if (param_bool(params, "dry_run", false)) {
		json_object_set_new(o, "dry_run", json_true());
		rpc_answer(call, o);
	} else if (registration_delete_action(
		       d->change, service, param_text(params, "context"), name, &out, &e)) {
		json_decref(o);
		ops_fail_chain(call, &e, &out.chain);
	} else {
		ops_note_one(call, "action", name, o);
		perform_effects(d->supervision);
		ops_answer_committed(call, o);
	}
	registry_outcome_release(&out);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("action.set", "Create or replace an action", set_params, set, true),
    OPS_METHOD("action.get", "Its definition, every edge resolved", name_params, get, false),
    OPS_METHOD("action.list", "Actions, by service", list_params, list, false),
    OPS_METHOD("action.delete", "Forget an action", delete_params, delete_it, true),
};
const struct rpc_group ops_action = OPS_GROUP(methods);
