/* register.c - definitions in and out: register, define, set, delete. */
#include "server/methods/intake.h"

#include "base/map.h"
#include "manifest/definition_read.h"
#include "server/change/registration.h"
#include "server/change/rehearsal.h"
#include "server/change/submission.h"
#include "server/operation/operations.h"
#include "server/supervise/perform.h"

#define MANY 100 /* so many contributions leave holes in the heap that are worth giving back */

#define P_START                                                                     \
	{                                                                           \
		"start", RPC_BOOL, false, "start what it defines, as one operation" \
	}
#define P_WAIT                                                                     \
	{                                                                          \
		"wait", RPC_BOOL, false, "with start: answer at the end (default)" \
	}
#define P_TIMEOUT                                                    \
	{                                                            \
		"timeout_ms", RPC_INT, false, "bounds the wait only" \
	}
#define P_DRY                                                                            \
	{                                                                                \
		"dry_run", RPC_BOOL, false, "check, and plan the start; nothing changes" \
	}

static const struct rpc_param register_params[] = {
    {"manifest", RPC_STRING, false, "the text of a service.toml"},
    {"path", RPC_STRING, false, "where it is from: its source, and for messages"},
    {"manifests", RPC_ARRAY, false, "several, [{path, text}], as one transaction"},
    {"for", RPC_STRING, false, "the binary that the caller speaks for"},
    {"exec", RPC_STRING, false, "the executable of that binary"},
    {"shape", RPC_STRING, false, "auto, composite or per_binary"}, P_START, P_WAIT, P_TIMEOUT,
    P_DRY};
static const struct rpc_param define_params[] = {
    {"service", RPC_OBJECT, true, "the definition"}, P_START, P_WAIT, P_TIMEOUT, P_DRY};
static const struct rpc_param delete_params[] = {{"name", RPC_STRING, true, "a service"},
    {"force", RPC_BOOL, false, "although others need it"},
    {"with_dependents", RPC_BOOL, false, "and everything that needs it"},
    {"wait", RPC_BOOL, false, "answer when it has stopped (default: at once)"}, P_TIMEOUT,
    {"dry_run", RPC_BOOL, false, "the steps, nothing changes"}};

static json_t *change_json(const struct registry_change *c)
{
	json_t *o = json_pack("{s:s, s:s}", "name", c->name, "change", change_kind_str(c->kind));

	if (c->owners.n == 1)
		json_object_set_new(o, "owner", json_string(c->owners.v[0]));
	if (c->owners.n)
		json_object_set_new(o, "owners", strv_json(&c->owners));
	return o;
}

static json_t *outcome_json(const struct intake *t)
{
	json_t *services = json_array();

	for (size_t i = 0; i < t->out.n; i++)
		if (t->out.v[i].kind != CHANGE_RESOLVED)
			json_array_append_new(services, change_json(&t->out.v[i]));
	return json_pack(
	    "{s:o, s:o}", "services", services, "warnings", diags_json(&t->diags, DIAG_WARNING));
}

/* On definitions that nobody has accepted yet. */
static void plan_start(struct intake *t, json_t *take_answer)
{
	struct rehearsal r;
	struct strv names = {0};

	if (rehearsal_init(&r, t->d->change, t->in.v, t->in.n, &t->e)) {
		json_decref(take_answer);
		rpc_fail(t->call, &t->e, NULL);
		return;
	}
	intake_names(t, r.registry, &names);
	const struct engine_request rq = {
	    .kind = OP_START, .names = (const char *const *)names.v, .n_names = names.n};
	ops_answer_plan(t->call, r.engine, &rq, take_answer);
	strv_release(&names);
	rehearsal_release(&r);
}

static void finish(struct intake *t, const json_t *params)
{
	struct strv names = {0};
	json_t *answer = outcome_json(t);
	bool dry = param_bool(params, "dry_run", false), start = param_bool(params, "start", false);

	if (dry && start) {
		plan_start(t, answer);
	} else if (dry) {
		json_object_set_new(answer, "dry_run", json_true());
		json_object_set_new(answer, "steps", json_array());
		rpc_answer(t->call, answer);
	} else if (start) {
		intake_names(t, t->d->registry, &names);
		perform_effects(t->d->supervision);
		ops_request(t->call, params, OP_START, &names, answer);
	} else {
		for (size_t i = 0; i < t->out.n; i++)
			if (t->out.v[i].kind != CHANGE_RESOLVED)
				strv_add(&names, t->out.v[i].name);
		ops_note(t->call, "register", &names, answer);
		perform_effects(t->d->supervision);
		ops_answer_committed(t->call, answer);
	}
	strv_release(&names);
}

static void apply(struct intake *t, const json_t *params)
{
	unsigned flags = param_bool(params, "dry_run", false) ? REGISTRY_DRY_RUN : 0;

	if (registration_apply(t->d->change, t->in.v, t->in.n, flags, &t->out, &t->diags, &t->e)) {
		diags_sort(&t->diags);
		ops_fail_diags(t->call, &t->e, &t->diags, &t->out.chain);
		return;
	}
	diags_sort(&t->diags);
	submission_resolve_again(t->d->change);
	t->trim = t->in.n >= MANY;
	finish(t, params);
}

static void register_it(struct rpc_call *call, json_t *params)
{
	struct intake t;

	intake_init(&t, call);
	if (intake_read_all(&t, params))
		ops_fail_diags(call, &t.e, &t.diags, NULL);
	else
		apply(&t, params);
	intake_release(&t);
}

/* Edges of the text for actions of the object: {actions, manifest} says both. */
static void take_over_edges(struct service_def *def, const struct manifest *m)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < m->v[i].actions.n; k++) {
			const struct action_def *from = &m->v[i].actions.v[k];
			struct action_def *to = service_find_action(def, from->name);

			for (size_t e = 0; to && e < from->depends_on.n; e++) {
				dep_copy(vec_push(&to->depends_on), &from->depends_on.v[e]);
				to->depends_on_given = true;
			}
		}
}

static enum err read_both(struct intake *t, const json_t *service, const char *text,
    const char *who, struct service_def *def)
{
	json_t *object = json_copy((json_t *)(uintptr_t)service);
	const char *path = param_text(service, "path");
	struct strv names = {0};
	struct manifest m = {0};

	json_object_del(object, "manifest");
	json_object_del(object, "path");
	bool ok = service_def_read_json(object, who, false, &t->diags, def);
	for (size_t i = 0; i < def->actions.n; i++)
		if (def->actions.v[i].name)
			strv_add(&names, def->actions.v[i].name);
	if (!ok)
		error_set(&t->e, ERR_INVALID, "%s", t->diags.n ? t->diags.v[0].message : "service");
	else if (manifest_read(text, strlen(text),
		     &(struct manifest_options){.path = path, .binaries = &names}, &m, &t->diags,
		     &t->e))
		ok = false;
	else
		take_over_edges(def, &m);
	manifest_release(&m);
	strv_release(&names);
	json_decref(object);
	return ok ? ERR_OK : t->e.code;
}

/* `service.manifest`: TOML in place of JSON, or beside it; else the JSON reader. */
static enum err read_service(
    struct intake *t, const json_t *params, struct service_def *def, enum contribution_mode mode)
{
	const json_t *service = json_object_get(params, "service");
	const char *text = param_text(service, "manifest");
	auto_free char *who = text_fmt("rpc %s (%s)", rpc_call_method(t->call), t->who);

	t->manifests = mem_new(sizeof(*t->manifests));
	if (text && json_object_get(service, "actions")) {
		if (read_both(t, service, text, who, def))
			return t->e.code;
	} else if (text) {
		if (intake_read_one(t, text, param_text(service, "path"), service))
			return t->e.code;
		for (size_t i = 0; i < t->in.n; i++)
			t->in.v[i].mode = mode;
		return ERR_OK;
	}
	if (!text && !service_def_read_json(service, who, false, &t->diags, def))
		return error_set(
		    &t->e, ERR_INVALID, "%s", t->diags.n ? t->diags.v[0].message : "service");
	strv_take(&t->sources, text_fmt("rpc:%s", def->name ? def->name : ""));
	*vec_push(&t->in) = (struct contribution){def, t->sources.v[0], mode};
	return ERR_OK;
}

static void take_service(struct rpc_call *call, json_t *params, enum contribution_mode mode)
{
	struct intake t;
	struct service_def def = {0};

	intake_init(&t, call);
	if (read_service(&t, params, &def, mode))
		ops_fail_diags(call, &t.e, &t.diags, NULL);
	else
		apply(&t, params);
	service_def_release(&def);
	intake_release(&t);
}

static void define(struct rpc_call *call, json_t *params)
{
	take_service(call, params, CONTRIBUTE_DEFINE);
}

static void set(struct rpc_call *call, json_t *params)
{
	take_service(call, params, CONTRIBUTE_SET);
}

/* ---- delete --------------------------------------------------------------------- */

static void refuse_delete(struct rpc_call *call, const char *name, const struct strv *dependents)
{
	struct error e = {0};
	auto_str list = {0};

	for (size_t i = 0; i < dependents->n; i++)
		str_fmt(&list, "%s%s", i ? ", " : "", dependents->v[i]);
	error_set(&e, ERR_CONFLICT, "%s is needed by %s", name, str_text(&list));
	rpc_fail(call, &e,
	    json_pack("{s:o, s:s}", "dependents", strv_json(dependents), "hint",
		"with_dependents deletes them too, force leaves them blocked"));
}

/* What needs it, and what needs that: dependents first. */
static void closure_of(struct daemon *d, const char *name, struct strv *out)
{
	struct map seen = {0};

	strv_add_once(out, &seen, name);
	for (size_t i = 0; i < out->n; i++) {
		struct strv more = {0};

		registry_dependents(d->registry, out->v[i], &more);
		for (size_t k = 0; k < more.n; k++)
			strv_add_once(out, &seen, more.v[k]);
		strv_release(&more);
	}
	map_release(&seen);
}

/* One stop of all of them, the one that was asked for last; then they are forgotten. */
static void delete_all(struct rpc_call *call, const json_t *params, const struct strv *names)
{
	struct daemon *d = ops_daemon(call);
	auto_free char *who = ops_who(call);
	struct error e = {0};
	struct strv chain = {0};
	json_t *deleted = strv_json(names), *how = json_copy((json_t *)(uintptr_t)params);
	op_id op = 0;
	const struct engine_request rq = {.kind = OP_STOP,
	    .names = (const char *const *)names->v,
	    .n_names = names->n,
	    .keep_wanted = true,
	    .who = who};

	if (!json_object_get(how, "wait"))
		json_object_set_new(how, "wait", json_false());
	if (param_bool(params, "dry_run", false)) {
		ops_answer_plan(call, d->engine, &rq, json_pack("{s:o}", "deleted", deleted));
	} else if (engine_request(d->engine, clock_mono(), &rq, &op, &chain, &e)) {
		json_decref(deleted);
		ops_fail_chain(call, &e, &chain);
	} else {
		operations_begin(d->operations, op, who, rpc_call_method(call));
		for (size_t i = names->n; i-- > 0 && e.code == ERR_OK;)
			registration_delete(d->change, names->v[i], &e);
		if (e.code == ERR_OK) {
			ops_follow(call, how, op, names, json_pack("{s:o}", "deleted", deleted));
		} else {
			json_decref(deleted);
			rpc_fail(call, &e, json_pack("{s:I}", "operation", (json_int_t)op));
			perform_effects(d->supervision);
		}
	}
	json_decref(how);
	strv_release(&chain);
}

static void delete_it(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *name = param_text(params, "name");
	bool with = param_bool(params, "with_dependents", false);
	struct strv dependents = {0}, names = {0};

	if (!registry_find(d->registry, name)) {
		ops_fail_unknown(call, name);
		return;
	}
	registry_dependents(d->registry, name, &dependents);
	if (dependents.n && !with && !param_bool(params, "force", false)) {
		refuse_delete(call, name, &dependents);
	} else {
		if (with)
			closure_of(d, name, &names);
		else
			strv_add(&names, name);
		delete_all(call, params, &names);
	}
	strv_release(&dependents);
	strv_release(&names);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("service.register", "Take in manifests, as one transaction", register_params,
	register_it, true),
    OPS_METHOD("service.define", "Create a service; refused if it exists otherwise", define_params,
	define, true),
    OPS_METHOD("service.set", "Create or replace a service", define_params, set, true),
    OPS_METHOD("service.delete", "Forget a service", delete_params, delete_it, true),
};
const struct rpc_group ops_register = OPS_GROUP(methods);
