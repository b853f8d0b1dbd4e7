/* config.c - apply and diff: a set of manifests against what is stored and what runs. */
#include "base/map.h"
#include "server/apply.h"
#include "server/background.h"
#include "server/events.h"
#include "server/manifest_files.h"
#include "server/operations.h"
#include "server/ops/intake.h"
#include "server/perform.h"
#include "server/registration.h"
#include "server/rehearsal.h"
#include "server/submission.h"

#define LIMIT_DEFAULT 10 /* services that are stopped or restarted without being asked */

#define CONFIG_PARAMS                                                                              \
	{"manifests", RPC_ARRAY, false, "[{path, text}]"},                                         \
	    {"paths", RPC_ARRAY, false,                                                            \
		"files and folders; with `manifests`: what those were found in"},                  \
	    {"start", RPC_BOOL, false, "start all that they define"},                              \
	    {"replace", RPC_BOOL, false, "stop what conflicts first"},                             \
	    {"no_deps", RPC_BOOL, false, "pull nothing in; every hard edge must hold"},            \
	    {"prune", RPC_BOOL, false, "these are all the manifests: others are withdrawn"},       \
	{                                                                                          \
		"force", RPC_BOOL, false, "remove what others need, beyond any limit"              \
	}

static const struct rpc_param apply_params[] = {CONFIG_PARAMS,
    {"limit", RPC_INT, false, "refused if more services are stopped or restarted (10)"},
    {"rollback_after_ms", RPC_INT, false,
	"what changed must be ready by then, or everything is as before"},
    {"wait", RPC_BOOL, false, "answer at the end (default), not at once"},
    {"timeout_ms", RPC_INT, false, "bounds the wait only"},
    {"dry_run", RPC_BOOL, false, "what would change, and the steps; nothing changes"}};
static const struct rpc_param diff_params[] = {CONFIG_PARAMS};

/* One call: what it brings, and what that means for what runs. */
struct config {
	struct intake in;
	const json_t *params;
	bool dry, start, force;
	struct strv gone;   /* manifests that are not there any more */
	struct strv stop;   /* removed, and active */
	struct strv go;	    /* to be restarted or started */
	struct strv wanted; /* start: all of these are wanted */
	bool restarts;
	json_t *touched; /* name -> {stop, start, reason}, by the plan */
	json_t *steps;
	struct strv broken; /* "web needs db" */
};

static void config_release(struct config *c)
{
	strv_release(&c->gone);
	strv_release(&c->stop);
	strv_release(&c->go);
	strv_release(&c->wanted);
	strv_release(&c->broken);
	json_decref(c->touched);
	json_decref(c->steps);
	intake_release(&c->in);
}

/* ---- which manifests are not there any more -------------------------------------------- */

static bool is_given(const struct intake *t, const char *source)
{
	return strv_has(&t->sources, source);
}

static bool is_gone(const struct config *c, const char *source)
{
	const json_t *paths = json_object_get(c->params, "paths"), *folder;
	size_t i;

	if (*source != '/' || is_given(&c->in, source))
		return false;
	if (param_bool(c->params, "prune", false))
		return true;
	json_array_foreach(paths, i, folder)
	{
		if (json_is_string(folder) &&
		    manifest_file_is_of(json_string_value(folder), source))
			return true;
	}
	return false;
}

static void withdraw_gone(struct config *c)
{
	struct intake *t = &c->in;
	struct strv sources = {0};

	registry_sources(t->d->registry, &sources);
	for (size_t i = 0; i < sources.n; i++) {
		if (!is_gone(c, sources.v[i]))
			continue;
		strv_add(&c->gone, sources.v[i]);
		*vec_push(&t->in) =
		    (struct contribution){NULL, c->gone.v[c->gone.n - 1], CONTRIBUTE_REGISTER};
	}
	strv_release(&sources);
}

/* ---- what that means for what runs ------------------------------------------------------ */

static bool find_unit(const struct config *c, const char *name, struct unit_view *out)
{
	unit_id id = engine_find(c->in.d->engine, name);

	return id != ID_NONE && engine_unit(c->in.d->engine, id, out);
}

static const struct service_def *given_def(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->in.in.n; i++)
		if (c->in.in.v[i].def && text_eq(c->in.in.v[i].def->name, name))
			return c->in.in.v[i].def;
	return NULL;
}

/* Changed: what is up is restarted, what had ended and is wanted gets another try. */
static bool should_go_on(const struct unit_view *u)
{
	return apply_is_up(u) || (u->run_live && u->wanted == WANTED_START &&
				     (u->state == SERVICE_FAILED || u->state == SERVICE_EXITED));
}

static bool should_start(const struct config *c, const struct registry_change *ch)
{
	const struct service_def *def = given_def(c, ch->name);
	struct unit_view old;

	if (ch->renamed_from)
		return find_unit(c, ch->renamed_from, &old) && should_go_on(&old);
	return def && def->status == WANTED_START;
}

static void take_change(struct config *c, const struct registry_change *ch)
{
	struct unit_view u;
	bool known = *ch->name != '/' && find_unit(c, ch->name, &u);

	if (ch->kind == CHANGE_REMOVED && known && u.run_live && u.state != SERVICE_EXITED)
		strv_add(&c->stop, ch->name);
	if (ch->kind == CHANGE_CREATED && should_start(c, ch))
		strv_add(&c->go, ch->name);
	if (ch->kind == CHANGE_UPDATED && ch->restarts && known && should_go_on(&u)) {
		c->restarts = c->restarts || apply_is_up(&u);
		strv_add(&c->go, ch->name);
	}
}

/* Those that run already stay as they are: a start leaves them alone, a restart would not. */
static void take_started(struct config *c, const struct registry *registry)
{
	struct map seen = {0};
	struct unit_view u;

	intake_names(&c->in, registry, &c->wanted);
	for (size_t i = 0; i < c->go.n; i++)
		map_put(&seen, c->go.v[i], c);
	for (size_t i = 0; i < c->wanted.n; i++)
		if (!c->restarts || !find_unit(c, c->wanted.v[i], &u) ||
		    !(apply_is_up(&u) || u.state == SERVICE_EXITED))
			strv_add_once(&c->go, &seen, c->wanted.v[i]);
	map_release(&seen);
}

/* ---- the plan ---------------------------------------------------------------------------- */

static char *reason_for(const struct config *c, const char *name, const char *said)
{
	const struct registry_change *ch = registry_outcome_find(&c->in.out, name);

	if (ch && ch->kind == CHANGE_REMOVED)
		return text_dup("it is not defined any more");
	if (ch && ch->kind == CHANGE_CREATED)
		return text_dup(ch->renamed_from ? "renamed" : "added");
	if (ch && ch->kind == CHANGE_UPDATED && ch->differences.n)
		return text_fmt("%s%s", ch->differences.v[0], ch->differences.n > 1 ? " ..." : "");
	return text_dup(said);
}

static void take_step(struct config *c, const struct op_step *s)
{
	json_t *o = json_object_get(c->touched, s->service);

	if (!o) {
		auto_free char *reason = reason_for(c, s->service, s->reason);

		o = json_pack("{s:s?}", "reason", reason);
		json_object_set_new(c->touched, s->service, o);
	} else if (strcmp(s->step, "stop") == 0 && json_object_get(o, "gone")) {
		return; /* it was stopped with what was removed */
	}
	json_object_set_new(o, s->step, json_true());
}

static enum err plan_one(struct config *c, const struct engine *en, enum op_kind kind,
    const struct strv *names, struct error *e)
{
	struct op_plan plan = {0};
	struct strv chain = {0};
	const struct engine_request rq = {.kind = kind,
	    .names = (const char *const *)names->v,
	    .n_names = names->n,
	    .replace = kind != OP_STOP && param_bool(c->params, "replace", false),
	    .no_deps = kind != OP_STOP && param_bool(c->params, "no_deps", false),
	    .keep_wanted = kind == OP_STOP};
	enum err code = names->n ? engine_plan(en, clock_mono(), &rq, &plan, &chain, e) : ERR_OK;

	for (size_t i = 0; i < plan.n; i++)
		take_step(c, &plan.v[i]);
	json_t *steps = steps_json(plan.v, plan.n, NULL);
	json_array_extend(c->steps, steps);
	json_decref(steps);
	op_plan_release(&plan);
	strv_release(&chain);
	return code;
}

static void mark_gone(struct config *c)
{
	const char *name;
	json_t *o;

	json_object_foreach(c->touched, name, o) json_object_set_new(o, "gone", json_true());
}

static void drop(struct strv *names, const char *name)
{
	uint32_t kept = 0;

	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->v[i], name) == 0)
			free(names->v[i]);
		else
			names->v[kept++] = names->v[i];
	}
	names->n = kept;
}

static void find_broken(struct config *c, const struct registry *after)
{
	for (size_t i = 0; i < c->in.out.n; i++) {
		const struct registry_change *ch = &c->in.out.v[i];
		struct strv users = {0};

		if (ch->kind != CHANGE_REMOVED)
			continue;
		registry_missed_by(after, ch->name, &users);
		for (size_t k = 0; k < users.n; k++) {
			strv_take(&c->broken, text_fmt("%s needs %s", users.v[k], ch->name));
			drop(&c->go, users.v[k]); /* its start would be refused, and all with it */
		}
		strv_release(&users);
	}
}

/* On a registry and an engine of their own: nobody has accepted these definitions yet. */
static enum err plan(struct config *c, struct error *e)
{
	struct rehearsal r;
	enum err code = plan_one(c, c->in.d->engine, OP_STOP, &c->stop, e);

	mark_gone(c);
	if (!code)
		code = rehearsal_init(&r, c->in.d, c->in.in.v, c->in.in.n, e);
	if (code)
		return code;
	if (c->start)
		take_started(c, r.registry);
	find_broken(c, r.registry);
	code = plan_one(c, r.engine, c->restarts ? OP_RESTART : OP_START, &c->go, e);
	rehearsal_release(&r);
	return code;
}

static bool is_removed(const struct config *c)
{
	for (size_t i = 0; i < c->in.out.n; i++)
		if (c->in.out.v[i].kind == CHANGE_REMOVED)
			return true;
	return false;
}

static bool needs_plan(const struct config *c)
{
	return c->dry || c->restarts || is_removed(c);
}

/* ---- the answer -------------------------------------------------------------------------- */

static json_t *touched_json(const struct config *c, bool stop, bool start)
{
	json_t *list = json_array(), *o;
	const char *name;

	json_object_foreach(c->touched, name, o)
	{
		if ((json_object_get(o, "stop") != NULL) == stop &&
		    (json_object_get(o, "start") != NULL) == start)
			json_array_append_new(list, json_pack("{s:s, s:O}", "name", name, "reason",
							json_object_get(o, "reason")));
	}
	return list;
}

static json_t *change_json(const struct config *c, const struct registry_change *ch)
{
	json_t *reasons = json_array();
	json_t *o = json_pack("{s:s, s:o}", "name", ch->name, "reasons", reasons);

	for (size_t i = 0; i < ch->differences.n; i++)
		json_array_append_new(reasons, json_string(ch->differences.v[i]));
	for (size_t i = 0; ch->kind == CHANGE_REMOVED && i < ch->dropped.n; i++) {
		auto_free char *text = text_fmt("%s %s", ch->dropped.v[i],
		    is_given(&c->in, ch->dropped.v[i]) ? "does not define it any more"
						       : "is not there any more");

		json_array_append_new(reasons, json_string(text));
	}
	if (ch->kind == CHANGE_CREATED && !ch->renamed_from)
		json_array_append_new(reasons, json_string("it was not defined"));
	if (ch->kind == CHANGE_UPDATED)
		json_object_set_new(o, "restart", json_boolean(ch->restarts));
	if (ch->owners.n)
		json_object_set_new(o, "owners", strv_json(&ch->owners));
	if (ch->renamed_from) {
		auto_free char *text = text_fmt("it was called %s", ch->renamed_from);

		json_array_append_new(reasons, json_string(text));
		json_object_set_new(o, "from", json_string(ch->renamed_from));
	}
	return o;
}

static bool became_another(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->in.out.n; i++)
		if (text_eq(c->in.out.v[i].renamed_from, name))
			return true;
	return false;
}

static const char *list_of(const struct config *c, const struct registry_change *ch)
{
	switch (ch->kind) {
	case CHANGE_CREATED: return ch->renamed_from ? "renamed" : "added";
	case CHANGE_UPDATED: return "changed";
	case CHANGE_REMOVED: return became_another(c, ch->name) ? NULL : "removed";
	case CHANGE_UNCHANGED: return "unchanged";
	case CHANGE_RESOLVED:
	case CHANGE_KIND_COUNT: break;
	}
	return NULL;
}

static json_t *answer_json(const struct config *c)
{
	json_t *o = json_pack("{s:[], s:[], s:[], s:[], s:[], s:o, s:b}", "added", "removed",
	    "renamed", "changed", "unchanged", "warnings", diags_json(&c->in.diags, DIAG_WARNING),
	    "dry_run", c->dry);

	for (size_t i = 0; i < c->in.out.n; i++) {
		const char *list = list_of(c, &c->in.out.v[i]);

		if (list)
			json_array_append_new(
			    json_object_get(o, list), change_json(c, &c->in.out.v[i]));
	}
	if (c->broken.n)
		json_object_set_new(o, "broken", strv_json(&c->broken));
	if (!c->touched)
		return o;
	json_object_set_new(o, "stops", touched_json(c, true, false));
	json_object_set_new(o, "restarts", touched_json(c, true, true));
	json_object_set_new(o, "starts", touched_json(c, false, true));
	if (c->dry)
		json_object_set(o, "steps", c->steps);
	return o;
}

static size_t count_stopped(const struct config *c)
{
	const char *name;
	json_t *o;
	size_t n = 0;

	json_object_foreach(c->touched, name, o) n += json_object_get(o, "stop") != NULL;
	return n;
}

/* Refused before anything changed; what would have happened is in the data. */
static bool refuse(struct config *c, enum err code, const char *hint, const char *text)
{
	json_t *data = answer_json(c);
	struct error e = {0};

	error_set(&e, code, "%s", text);
	json_object_set_new(data, "hint", json_string(hint));
	rpc_fail(c->in.call, &e, data);
	return true;
}

static bool is_refused(struct config *c)
{
	size_t n = count_stopped(c), limit = (size_t)param_int(c->params, "limit", LIMIT_DEFAULT);
	op_id pending = apply_pending(c->in.d);
	auto_str text = {0};

	if (pending) {
		str_fmt(&text, "operation %llu may still take its definitions back",
		    (unsigned long long)pending);
		return refuse(c, ERR_BUSY, "op.watch tells when it is over", str_text(&text));
	}
	for (size_t i = 0; i < c->broken.n; i++)
		str_fmt(&text, "%s%s", i ? ", " : "", c->broken.v[i]);
	if (c->broken.n && !c->force) {
		str_add(&text, ", which would be removed");
		return refuse(c, ERR_CONFLICT, "`force` removes it all the same", str_text(&text));
	}
	if (n <= limit || c->force)
		return false;
	str_fmt(&text, "%zu services would be stopped or restarted, more than %zu", n, limit);
	return refuse(c, ERR_INVALID_STATE,
	    "look at them with diff, then say so: --yes, or `limit`", str_text(&text));
}

/* ---- carried out -------------------------------------------------------------------------- */

static void want(struct daemon *d, const char *name, enum wanted wanted)
{
	struct error e = {0};

	if (engine_set_wanted(d->engine, clock_mono(), name, wanted, &e))
		report(REPORT_WARN, "apply: %s", e.msg);
}

/* The new name takes over the operator's word, and says where its history is. */
static void take_over(struct config *c, const struct registry_change *ch, const enum wanted *words)
{
	events_definition(c->in.d, ch->name, "renamed", ch->renamed_from);
	events_definition(c->in.d, ch->renamed_from, "renamed", ch->name);
	want(c->in.d, ch->name, words[ch - c->in.out.v]);
}

static void about(const struct config *c, struct strv *names, struct strv *before)
{
	struct map seen = {0};
	const char *name;
	json_t *o;

	strv_copy(names, &c->go);
	strv_copy(names, &c->stop);
	for (size_t i = 0; i < c->in.out.n; i++) {
		const struct registry_change *ch = &c->in.out.v[i];

		if (ch->kind == CHANGE_UNCHANGED || ch->kind == CHANGE_RESOLVED)
			continue;
		strv_add_once(before, &seen, ch->name);
		if (!c->go.n && !c->stop.n)
			strv_add(names, ch->name);
	}
	json_object_foreach(c->touched, name, o) strv_add_once(before, &seen, name);
	map_release(&seen);
}

static enum err change_definitions(struct config *c)
{
	struct intake *t = &c->in;
	struct registry_outcome out = {0};
	struct diags again = {0}; /* the same warnings */
	auto_free enum wanted *words = mem_new((t->out.n + 1) * sizeof(*words));
	struct unit_view u;

	for (size_t i = 0; i < t->out.n; i++)
		words[i] = t->out.v[i].renamed_from && find_unit(c, t->out.v[i].renamed_from, &u)
			       ? u.wanted
			       : WANTED_IGNORE;
	t->d->applying = true;
	enum err code = registration_apply(t->d, t->in.v, t->in.n, 0, &out, &again, &t->e);
	t->d->applying = false;
	for (size_t i = 0; !code && i < t->out.n; i++)
		if (t->out.v[i].renamed_from)
			take_over(c, &t->out.v[i], words);
	for (size_t i = 0; !code && i < c->wanted.n; i++)
		want(t->d, c->wanted.v[i], WANTED_START);
	registry_outcome_release(&out);
	diags_release(&again);
	return code;
}

/* Without a wait the operations of the engine are under way when the answer is made. */
static void follow(struct config *c, struct apply *a, op_id op, const struct strv *names)
{
	struct rpc_call *call = c->in.call;
	struct daemon *d = c->in.d;
	json_t *answer = answer_json(c);

	json_object_set_new(answer, "operation", json_integer((json_int_t)op));
	if (param_bool(c->params, "wait", true)) {
		ops_follow(call, c->params, op, names, answer);
		apply_run(a);
		perform_effects(d);
		return;
	}
	apply_run(a);
	ops_follow(call, c->params, op, names, answer);
}

static void carry_out(struct config *c)
{
	struct intake *t = &c->in;
	struct strv names = {0}, before = {0};
	struct apply_order order = {.who = t->who,
	    .method = rpc_call_method(t->call),
	    .restarts = c->restarts,
	    .replace = param_bool(c->params, "replace", false),
	    .no_deps = param_bool(c->params, "no_deps", false),
	    .rollback_after = param_int(c->params, "rollback_after_ms", 0),
	    .before = &before};
	op_id op;

	about(c, &names, &before);
	if (!names.n) { /* nothing differs, and nothing is to be started */
		json_t *answer = answer_json(c);

		ops_note(t->call, "apply", &names, answer);
		ops_answer_committed(t->call, answer);
		strv_release(&before);
		return;
	}
	order.names = names; /* borrowed */
	order.stop = c->stop;
	order.go = c->go;
	struct apply *a = apply_open(t->d, &order, &op);
	if (change_definitions(c))
		report(REPORT_ERROR, "apply: accepted and then refused: %s", t->e.msg);
	submission_resolve_again(t->d);
	follow(c, a, op, &names);
	strv_release(&names);
	strv_release(&before);
}

static void decide(struct config *c)
{
	struct intake *t = &c->in;
	struct error e = {0};

	if (registration_apply(
		t->d, t->in.v, t->in.n, REGISTRY_DRY_RUN, &t->out, &t->diags, &t->e)) {
		diags_sort(&t->diags);
		ops_fail_diags(t->call, &t->e, &t->diags, &t->out.chain);
		return;
	}
	diags_sort(&t->diags);
	for (size_t i = 0; i < t->out.n; i++)
		take_change(c, &t->out.v[i]);
	if (needs_plan(c)) {
		c->touched = json_object();
		c->steps = json_array();
		if (plan(c, &e)) {
			json_t *data = answer_json(c);

			rpc_fail(t->call, &e, data);
			return;
		}
	} else if (c->start) {
		take_started(c, NULL);
	}
	if (c->dry)
		rpc_answer(t->call, answer_json(c));
	else if (!is_refused(c))
		carry_out(c);
}

static void config(struct rpc_call *call, const json_t *params, bool dry)
{
	struct config c = {.params = params,
	    .dry = dry,
	    .start = param_bool(params, "start", false),
	    .force = param_bool(params, "force", false)};

	intake_init(&c.in, call);
	if (!dry && c.in.d->shutting_down) {
		ops_fail(call, ERR_INVALID_STATE, "the supervisor is shutting down");
	} else if ((json_array_size(json_object_get(params, "manifests")) ||
		       !json_array_size(json_object_get(params, "paths"))) &&
		   intake_read_all(&c.in, params)) {
		ops_fail_diags(call, &c.in.e, &c.in.diags, NULL);
	} else {
		withdraw_gone(&c);
		decide(&c);
	}
	config_release(&c);
}

/* ---- manifests that the server reads itself ------------------------------------------------ */

struct reading {
	struct manifest_files files;
	struct rpc_call *call;
	json_t *params;
	bool dry;
};

static void have_read(void *ctx)
{
	struct reading *r = ctx;

	if (r->files.e.code != ERR_OK) {
		rpc_fail(r->call, &r->files.e, NULL);
	} else {
		json_object_set(r->params, "manifests", r->files.list);
		config(r->call, r->params, r->dry);
	}
	json_decref(r->files.list);
	json_decref(r->params);
	strv_release(&r->files.paths);
	free(r);
}

static void read_and_config(struct rpc_call *call, json_t *params, bool dry)
{
	struct reading *r;

	if (json_object_get(params, "manifests") || !json_object_get(params, "paths")) {
		config(call, params, dry);
		return;
	}
	r = mem_new(sizeof(*r));
	*r = (struct reading){.call = call, .params = json_copy(params), .dry = dry};
	param_names(params, "paths", &r->files.paths);
	background_run(ops_daemon(call)->background, manifest_files_read, have_read, r);
}

static void apply(struct rpc_call *call, json_t *params)
{
	read_and_config(call, params, param_bool(params, "dry_run", false));
}

static void diff(struct rpc_call *call, json_t *params)
{
	read_and_config(call, params, true);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("config.apply",
	"Make manifests the definitions, as one transaction; what is unchanged is not touched, "
	"what changed and runs is restarted",
	apply_params, apply, true),
    OPS_METHOD("config.diff", "What config.apply would change, stop, restart and start",
	diff_params, diff, false),
};
const struct rpc_group ops_config = OPS_GROUP(methods);
