#include "server/methods/methods.h"
#include "rpc/json_out.h"
#include "server/history/definitions.h"

#include "base/map.h"
#include "server/explain/account.h"
#include "server/operation/operations.h"
#include "server/supervise/perform.h"

#include <stdio.h>

struct daemon *ops_daemon(const struct rpc_call *call)
{
	return rpc_call_ctx(call);
}

char *ops_who(const struct rpc_call *call)
{
	struct rpc_peer p = rpc_call_peer(call);

	return text_fmt("uid %u pid %d", (unsigned)p.uid, (int)p.pid);
}

/* ---- parameters ----------------------------------------------------------------- */

const char *param_text(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

bool param_bool(const json_t *params, const char *key, bool otherwise)
{
	const json_t *v = json_object_get(params, key);

	return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

int64_t param_int(const json_t *params, const char *key, int64_t otherwise)
{
	const json_t *v = json_object_get(params, key);

	if (json_is_string(v)) {
		char *end;
		long long n = strtoll(json_string_value(v), &end, 10);

		return *end ? otherwise : n;
	}
	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

void param_names(const json_t *params, const char *key, struct strv *out)
{
	const json_t *v = json_object_get(params, key);
	struct map seen = {0};
	size_t i;
	json_t *name;

	for (i = 0; i < out->n; i++)
		map_put(&seen, out->v[i], out);
	if (json_is_string(v))
		strv_add_once(out, &seen, json_string_value(v));
	json_array_foreach (v, i, name)
		if (json_is_string(name))
			strv_add_once(out, &seen, json_string_value(name));
	map_release(&seen);
}

bool param_time(const json_t *params, const char *key, usec_wall *out)
{
	const json_t *v = json_object_get(params, key);

	if (json_is_integer(v)) {
		*out = json_integer_value(v);
		return true;
	}
	return !json_is_string(v) || clock_parse(json_string_value(v), out);
}

/* ---- answers ---------------------------------------------------------------------- */

struct later {
	struct rpc_call *call;
	json_t *result;
};

/* A disk that refuses stops no call, but what was done is in memory only then. */
static void tell_unstored(struct rpc_call *call, json_t *result)
{
	auto_str why = {0};

	if (json_is_object(result) && store_refuses(ops_daemon(call)->store, &why))
		json_object_set_new(result, "unstored", json_string(str_text(&why)));
}

static void committed(bool durable, void *ctx)
{
	struct later *l = ctx;

	if (!durable)
		tell_unstored(l->call, l->result);
	rpc_answer(l->call, l->result);
	free(l);
}

void ops_answer_committed(struct rpc_call *call, json_t *take_result)
{
	struct later *l = mem_new(sizeof(*l));

	*l = (struct later){call, take_result};
	store_barrier(ops_daemon(call)->store, committed, l);
}

void ops_fail(struct rpc_call *call, enum err code, const char *fmt, ...)
{
	struct error e = {0};
	auto_str text = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(&text, fmt, ap);
	va_end(ap);
	error_set(&e, code, "%s", str_text(&text));
	rpc_fail(call, &e, NULL);
}

void ops_fail_chain(struct rpc_call *call, const struct error *e, const struct strv *chain)
{
	json_t *data = json_object();

	if (chain && chain->n)
		json_object_set_new(data, "chain", strv_json(chain));
	rpc_fail(call, e, data);
}

void ops_fail_diags(struct rpc_call *call, const struct error *e, const struct diags *diags,
    const struct strv *chain)
{
	json_t *data = json_object();

	json_object_set_new(data, "errors", diags_json(diags, DIAG_ERROR));
	json_object_set_new(data, "warnings", diags_json(diags, DIAG_WARNING));
	if (chain && chain->n)
		json_object_set_new(data, "chain", strv_json(chain));
	for (size_t i = 0; i < diags->n; i++)
		if (diags->v[i].severity == DIAG_ERROR && diags->v[i].hint) {
			json_object_set_new(data, "hint", json_string(diags->v[i].hint));
			break;
		}
	rpc_fail(call, e, data);
}

void ops_fail_unknown(struct rpc_call *call, const char *name)
{
	const char *near = registry_suggest(ops_daemon(call)->registry, name);
	struct error e = {0};
	json_t *data = json_object(), *candidates = json_array();

	error_set(&e, ERR_NOT_FOUND, "no service `%s` is registered", name);
	if (near) {
		auto_free char *hint = text_fmt("did you mean `%s`?", near);

		json_array_append_new(candidates, json_string(near));
		json_object_set_new(data, "hint", json_string(hint));
	}
	json_object_set_new(data, "candidates", candidates);
	rpc_fail(call, &e, data);
}

unit_id ops_find_unit(struct rpc_call *call, const char *name, bool runs)
{
	struct daemon *d = ops_daemon(call);

	if (registry_find(d->registry, name) || (runs && run_definition_find(d->history, name)))
		return engine_find(d->engine, name);
	ops_fail_unknown(call, name);
	return ID_NONE;
}

bool ops_has_action(struct rpc_call *call, unit_id unit, const char *action)
{
	struct daemon *d = ops_daemon(call);
	struct job_view j;
	struct unit_view u;
	json_t *candidates = json_array();
	struct error e = {0};

	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++) {
		if (!j.virtual && (!action || strcmp(action, j.name) == 0)) {
			json_decref(candidates);
			return true;
		}
		if (!j.virtual)
			json_array_append_new(candidates, json_string(j.name));
	}
	engine_unit(d->engine, unit, &u);
	if (action)
		error_set(&e, ERR_NOT_FOUND, "%s has no action `%s`", u.name, action);
	else
		error_set(&e, ERR_NOT_FOUND, "%s executes nothing", u.name);
	rpc_fail(call, &e, json_pack("{s:o}", "candidates", candidates));
	return false;
}

unit_id ops_find_node(struct rpc_call *call, const char *name, bool runs, job_id *job)
{
	const char *slash = strchr(name, '/');
	auto_free char *service = text_dup_n(name, slash ? (size_t)(slash - name) : strlen(name));
	unit_id unit = ops_find_unit(call, service, runs);
	struct job_view j;

	*job = ID_NONE;
	if (unit == ID_NONE || !slash)
		return unit;
	if (!ops_has_action(call, unit, slash + 1))
		return ID_NONE;
	for (size_t i = 0; *job == ID_NONE && engine_job_at(ops_daemon(call)->engine, unit, i, &j);
	     i++)
		if (strcmp(j.name, slash + 1) == 0)
			*job = j.id;
	return unit;
}

/* ---- what failed, explained ---------------------------------------------------------- */

struct explained {
	struct rpc_call *call;
	struct error e; /* ERR_OK: an answer */
	json_t *answer;
};

static void give_explained(void *ctx, json_t *take_account)
{
	struct explained *x = ctx;
	auto_free char *headline = account_headline(take_account);
	auto_free char *said = text_dup(x->e.msg);
	json_t *output = json_object_get(take_account, "output");

	json_object_set(x->answer, "why", json_object_get(take_account, "text"));
	if (output)
		json_object_set(x->answer, "output", output);
	json_decref(take_account);
	if (x->e.code == ERR_OK) {
		ops_answer_committed(x->call, x->answer);
	} else {
		if (headline)
			error_set(&x->e, x->e.code, "%s: %s", said, headline);
		rpc_fail(x->call, &x->e, x->answer);
	}
	free(x);
}

static bool is_well(enum service_state s)
{
	return s == SERVICE_RUNNING || s == SERVICE_EXITED;
}

/* The first that is not well; else the first. */
static unit_id unit_to_explain(struct daemon *d, const struct strv *names)
{
	unit_id first = ID_NONE;
	struct unit_view u;

	for (size_t i = 0; i < names->n; i++) {
		unit_id id = engine_find(d->engine, names->v[i]);

		if (id == ID_NONE || !engine_unit(d->engine, id, &u))
			continue;
		if (!is_well(u.state))
			return id;
		if (first == ID_NONE)
			first = id;
	}
	return first;
}

void ops_explain(
    struct rpc_call *call, const struct error *e, const struct strv *names, json_t *take_answer)
{
	struct daemon *d = ops_daemon(call);
	unit_id unit = unit_to_explain(d, names);
	const struct instant now = {0};
	struct unit_view u;

	if (unit == ID_NONE || !engine_unit(d->engine, unit, &u) ||
	    (!e && is_well(u.state))) { /* that was before */
		if (e)
			rpc_fail(call, e, take_answer);
		else
			ops_answer_committed(call, take_answer);
		return;
	}
	if (e && !json_object_get(take_answer, "chain"))
		json_object_set_new(take_answer, "chain", why_lines(d->explain, unit));
	struct explained *x = mem_new(sizeof(*x));
	*x = (struct explained){call, e ? *e : (struct error){0}, take_answer};
	account_give(
	    d->explain, why_chain(d->explain, u.name, &now), &now, false, give_explained, x);
}

void ops_explain_operation(struct rpc_call *call, const struct error *e, json_t *take_answer)
{
	struct strv names = {0};

	param_names(take_answer, "names", &names);
	ops_explain(call, e, &names, take_answer);
	strv_release(&names);
}

/* ---- operations -------------------------------------------------------------------- */

struct follow {
	struct rpc_call *call;
	struct strv names;
	json_t *extra;
};

static void follow_free(struct follow *f)
{
	strv_release(&f->names);
	json_decref(f->extra);
	free(f);
}

static json_t *states_of(struct daemon *d, const struct strv *names)
{
	json_t *a = json_array();
	struct unit_view u;

	for (size_t i = 0; i < names->n; i++) {
		unit_id id = engine_find(d->engine, names->v[i]);

		if (id != ID_NONE && engine_unit(d->engine, id, &u))
			json_array_append_new(
			    a, json_pack("{s:s, s:s, s:s}", "name", u.name, "state",
				   service_state_str(u.state), "wanted", wanted_str(u.wanted)));
	}
	return a;
}

/* The operation, the state of what was asked for, and what the method adds. */
static json_t *complete(struct daemon *d, const struct follow *f, json_t *take_op)
{
	json_t *o = take_op ? take_op : json_object();
	json_t *states = states_of(d, &f->names);
	json_t *first = json_array_get(states, 0);

	if (first)
		json_object_set(o, "state", json_object_get(first, "state"));
	json_object_set_new(o, "results", states);
	if (f->extra)
		json_object_update(o, f->extra);
	return o;
}

static void ended(void *ctx, const struct error *e, json_t *take_answer)
{
	struct follow *f = ctx;
	json_t *o = complete(ops_daemon(f->call), f, take_answer);

	tell_unstored(f->call, o);
	if (e->code == ERR_OK)
		rpc_answer(f->call, o);
	else
		ops_explain(f->call, e, &f->names, o);
	follow_free(f);
}

void ops_follow(struct rpc_call *call, const json_t *params, op_id op, const struct strv *names,
    json_t *take_extra)
{
	struct daemon *d = ops_daemon(call);
	struct follow *f = mem_new(sizeof(*f));

	*f = (struct follow){.call = call, .extra = take_extra};
	strv_copy(&f->names, names);
	if (param_bool(params, "wait", true)) {
		operations_wait(d->operations, op, param_int(params, "timeout_ms", 0), ended, f);
		perform_effects(d->supervision);
		return;
	}
	json_t *now = operation_json(d->operations, op); /* before it may be over and forgotten */
	perform_effects(d->supervision);
	ops_answer_committed(call, complete(d, f, now));
	follow_free(f);
}

void ops_answer_plan(struct rpc_call *call, const struct engine *en,
    const struct engine_request *rq, json_t *take_extra)
{
	struct op_plan plan = {0};
	struct strv chain = {0}, names = {0};
	struct error e = {0};

	for (size_t i = 0; i < rq->n_names; i++)
		strv_add(&names, rq->names[i]);
	if (engine_plan(en, clock_mono(), rq, &plan, &chain, &e)) {
		ops_fail_chain(call, &e, &chain);
	} else {
		const struct follow f = {.call = call, .names = names, .extra = take_extra};
		struct str out = {0};
		json_t *o = complete(ops_daemon(call), &f,
		    json_pack("{s:b, s:b, s:s, s:o, s:[]}", "dry_run", 1, "changed", plan.n > 0,
			"kind", op_kind_str(rq->kind), "names", strv_json(&names), "started"));

		json_out_open(&out, NULL, '{');
		json_out_members(&out, o);
		steps_out(&out, "steps", plan.v, plan.n, NULL);
		json_out_close(&out, '}');
		json_decref(o);
		rpc_answer_text(call, &out);
	}
	json_decref(take_extra);
	op_plan_release(&plan);
	strv_release(&chain);
	strv_release(&names);
}

void ops_request(struct rpc_call *call, const json_t *params, enum op_kind kind,
    const struct strv *names, json_t *take_extra)
{
	struct daemon *d = ops_daemon(call);
	auto_free char *who = ops_who(call);
	struct strv chain = {0};
	struct error e = {0};
	op_id op;
	const struct engine_request rq = {.kind = kind,
	    .names = (const char *const *)names->v,
	    .n_names = names->n,
	    .replace = param_bool(params, "replace", false),
	    .no_deps = param_bool(params, "no_deps", false),
	    .with_unneeded = param_bool(params, "with_unneeded", false),
	    .with_deps = param_bool(params, "with_deps", false),
	    .who = who};

	if (param_bool(params, "dry_run", false)) {
		ops_answer_plan(call, d->engine, &rq, take_extra);
	} else if (d->shutting_down && kind != OP_STOP) {
		ops_fail(call, ERR_INVALID_STATE, "the supervisor is shutting down");
		json_decref(take_extra);
	} else if (engine_request(d->engine, clock_mono(), &rq, &op, &chain, &e)) {
		ops_fail_chain(call, &e, &chain);
		json_decref(take_extra);
		perform_effects(d->supervision);
	} else {
		json_t *extra = take_extra ? take_extra : json_object();

		json_object_set_new(extra, "joined",
		    json_boolean(!operations_begin(d->operations, op, who, rpc_call_method(call))));
		ops_follow(call, params, op, names, extra);
	}
	strv_release(&chain);
}

void ops_note(struct rpc_call *call, const char *kind, const struct strv *names, json_t *answer)
{
	auto_free char *who = ops_who(call);
	op_id id =
	    operations_note(ops_daemon(call)->operations, kind, names, who, rpc_call_method(call));

	json_object_set_new(answer, "operation", json_integer((json_int_t)id));
}

void ops_note_one(struct rpc_call *call, const char *kind, const char *name, json_t *answer)
{
	struct strv names = {0};

	strv_add(&names, name);
	ops_note(call, kind, &names, answer);
	strv_release(&names);
}
