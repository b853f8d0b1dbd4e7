/* config.c - apply and diff: a set of manifests against what is stored and what runs. */
#include "base/map.h"
#include "server/change/apply.h"
#include "server/change/manifest_files.h"
#include "server/change/registration.h"
#include "server/change/submission.h"
#include "server/history/events.h"
#include "server/host/background.h"
#include "server/methods/config_change.h"
#include "server/operation/operations.h"
#include "server/supervise/perform.h"

#define LIMIT_DEFAULT 10 /* services that are stopped or restarted without being asked */

#define CONFIG_PARAMS                                                                        \
	{"manifests", RPC_ARRAY, false, "[{path, text}]"},                                   \
	    {"paths", RPC_ARRAY, false,                                                      \
		"files and folders; with `manifests`: what those were found in"},            \
	    {"start", RPC_BOOL, false, "start all that they define"},                        \
	    {"replace", RPC_BOOL, false, "stop what conflicts first"},                       \
	    {"no_deps", RPC_BOOL, false, "pull nothing in; every hard edge must hold"},      \
	    {"prune", RPC_BOOL, false, "these are all the manifests: others are withdrawn"}, \
	{                                                                                    \
		"force", RPC_BOOL, false, "remove what others need, beyond any limit"        \
	}

static const struct rpc_param apply_params[] = {CONFIG_PARAMS,
    {"limit", RPC_INT, false, "refused if more services are stopped or restarted (10)"},
    {"rollback_after_ms", RPC_INT, false,
	"what changed must be ready by then, or everything is as before"},
    {"wait", RPC_BOOL, false, "answer at the end (default), not at once"},
    {"timeout_ms", RPC_INT, false, "bounds the wait only"},
    {"dry_run", RPC_BOOL, false, "what would change, and the steps; nothing changes"}};
static const struct rpc_param diff_params[] = {CONFIG_PARAMS};

/* Refused before anything changed; what would have happened is in the data. */
static bool refuse(struct config *c, enum err code, const char *hint, const char *text)
{
	json_t *data = config_answer(c);
	struct error e = {0};

	error_set(&e, code, "%s", text);
	json_object_set_new(data, "hint", json_string(hint));
	rpc_fail(c->in.call, &e, data);
	return true;
}

static bool is_refused(struct config *c)
{
	size_t n = config_count_stopped(c),
	       limit = (size_t)param_int(c->params, "limit", LIMIT_DEFAULT);
	op_id pending = apply_pending(c->in.d->change);
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
	events_definition(c->in.d->history, ch->name, "renamed", ch->renamed_from);
	events_definition(c->in.d->history, ch->renamed_from, "renamed", ch->name);
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
	json_object_foreach (c->touched, name, o)
		strv_add_once(before, &seen, name);
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
		words[i] =
		    t->out.v[i].renamed_from && config_find_unit(c, t->out.v[i].renamed_from, &u)
			? u.wanted
			: WANTED_IGNORE;
	change_set_applying(t->d->change, true);
	enum err code = registration_apply(t->d->change, t->in.v, t->in.n, 0, &out, &again, &t->e);
	change_set_applying(t->d->change, false);
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
	json_t *answer = config_answer(c);

	json_object_set_new(answer, "operation", json_integer((json_int_t)op));
	if (param_bool(c->params, "wait", true)) {
		ops_follow(call, c->params, op, names, answer);
		apply_run(a);
		perform_effects(d->supervision);
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
		json_t *answer = config_answer(c);

		ops_note(t->call, "apply", &names, answer);
		ops_answer_committed(t->call, answer);
		strv_release(&before);
		return;
	}
	order.names = names; /* borrowed */
	order.stop = c->stop;
	order.go = c->go;
	struct apply *a = apply_open(t->d->change, &order, &op);
	if (change_definitions(c))
		report(REPORT_ERROR, "apply: accepted and then refused: %s", t->e.msg);
	submission_resolve_again(t->d->change);
	follow(c, a, op, &names);
	strv_release(&names);
	strv_release(&before);
}

static void decide(struct config *c)
{
	struct intake *t = &c->in;
	struct error e = {0};

	if (registration_apply(
		t->d->change, t->in.v, t->in.n, REGISTRY_DRY_RUN, &t->out, &t->diags, &t->e)) {
		diags_sort(&t->diags);
		ops_fail_diags(t->call, &t->e, &t->diags, &t->out.chain);
		return;
	}
	diags_sort(&t->diags);
	if (config_find_change(c, &e)) {
		json_t *data = config_answer(c);

		rpc_fail(t->call, &e, data);
		return;
	}
	if (c->dry)
		rpc_answer(t->call, config_answer(c));
	else if (!is_refused(c))
		carry_out(c);
}

static void warn_of_left_out(struct diags *out, const struct manifest_files *files)
{
	for (size_t i = 0; files && i < files->not_ours.n; i++)
		diag_add(out, DIAG_WARNING, files->not_ours.v[i], 0, 0, NULL, NULL,
		    "left out: it has no [service] and no [[binaries]]");
	for (size_t i = 0; files && i < files->not_regular.n; i++)
		diag_add(out, DIAG_WARNING, NULL, 0, 0, NULL, NULL, "left out: %s",
		    files->not_regular.v[i]);
}

/* `files` may be NULL: what was left out of the folders that the server read itself. */
static void config(
    struct rpc_call *call, const json_t *params, bool dry, const struct manifest_files *files)
{
	struct config c = {.params = params,
	    .dry = dry,
	    .start = param_bool(params, "start", false),
	    .force = param_bool(params, "force", false)};

	intake_init(&c.in, call);
	warn_of_left_out(&c.in.diags, files);
	if (!dry && c.in.d->shutting_down) {
		ops_fail(call, ERR_INVALID_STATE, "the supervisor is shutting down");
	} else if ((json_array_size(json_object_get(params, "manifests")) ||
		       !json_array_size(json_object_get(params, "paths"))) &&
		   intake_read_all(&c.in, params)) {
		ops_fail_diags(call, &c.in.e, &c.in.diags, NULL);
	} else {
		config_withdraw_gone(&c);
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
		config(r->call, r->params, r->dry, &r->files);
	}
	manifest_files_release(&r->files);
	json_decref(r->params);
	free(r);
}

static void read_and_config(struct rpc_call *call, json_t *params, bool dry)
{
	struct reading *r;

	if (json_object_get(params, "manifests") || !json_object_get(params, "paths")) {
		config(call, params, dry, NULL);
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
