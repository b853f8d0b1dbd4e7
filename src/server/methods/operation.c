/* operation.c - operations: looked up, watched, called off. */
#include "server/methods/methods.h"

#include "server/explain/progress.h"
#include "server/operation/operations.h"
#include "server/supervise/perform.h"

#define LIST_MAX     1000
#define LIST_DEFAULT 100

static const struct rpc_param get_params[] = {{"operation", RPC_STRING_OR_INT, true, "its number"},
    {"limit", RPC_INT, false, "tell at most so many services (200)"}};
static const struct rpc_param watch_params[] = {
    {"operation", RPC_STRING_OR_INT, true, "its number"},
    {"after_step", RPC_INT, false, "answer at the first step beyond so many; absent: at its end"},
    {"after_change", RPC_INT, false,
	"answer as soon as something is otherwise than at that `change` (0: now)"},
    {"limit", RPC_INT, false, "tell at most so many services (200)"},
    {"explain", RPC_BOOL, false, "when the wait is over: what `why` says"},
    {"timeout_ms", RPC_INT, false, "bounds the wait only"}};
static const struct rpc_param cancel_params[] = {
    {"operation", RPC_STRING_OR_INT, true, "its number"},
    {"dry_run", RPC_BOOL, false, "check only"}};
static const struct rpc_param list_params[] = {
    {"state", RPC_STRING, false, "active, done, failed or cancelled"},
    {"kind", RPC_STRING, false, "start, stop, restart, run, boot ..."},
    {"name", RPC_STRING, false, "about that service or run"},
    {"since", RPC_STRING_OR_INT, false, "ISO 8601, or microseconds since 1970"},
    {"limit", RPC_INT, false, "at most so many (100)"},
    {"count", RPC_BOOL, false, "say how many more there are (`more`)"},
    {"cursor", RPC_INT, false, "`next` of the last answer"}};

/* ---- one that is over: asked of the store, after a commit of what is queued ---------- */

struct question {
	struct rpc_call *call;
	json_t *params;
	void (*answer)(struct rpc_call *call, struct daemon *d, const json_t *params);
};

static void asked(bool durable, void *ctx)
{
	struct question *q = ctx;
	struct daemon *d = ops_daemon(q->call); /* a call is gone once it was answered */
	(void)durable;

	q->answer(q->call, d, q->params);
	store_relax(d->store);
	json_decref(q->params);
	free(q);
}

static void ask(struct rpc_call *call, json_t *params,
    void (*answer)(struct rpc_call *, struct daemon *, const json_t *))
{
	struct question *q = mem_new(sizeof(*q));

	*q = (struct question){call, json_incref(params), answer};
	store_barrier(ops_daemon(call)->store, asked, q);
}

static bool take_row(const struct store_operation *r, void *ctx)
{
	*(json_t **)ctx = operation_row_json(r);
	return true;
}

static json_t *stored(struct daemon *d, int64_t id)
{
	json_t *o = NULL;
	struct error e = {0};

	if (id > 0)
		store_find_operation(d->store, id, take_row, &o, &e);
	return o;
}

static void answer_stored(struct rpc_call *call, struct daemon *d, const json_t *params)
{
	int64_t id = param_int(params, "operation", 0);
	json_t *o = stored(d, id);

	if (o)
		rpc_answer(call, o);
	else
		ops_fail(call, ERR_NOT_FOUND, "no operation %lld", (long long)id);
}

static size_t limit_of(const json_t *params)
{
	int64_t limit = param_int(params, "limit", PROGRESS_LIMIT);

	return limit > 0 ? (size_t)limit : 1;
}

static void answer_now(void *ctx, json_t *take_operation)
{
	rpc_answer(ctx, take_operation);
}

static void get(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	json_t *o = operation_json(d->operations, (op_id)param_int(params, "operation", 0));

	if (o)
		progress_give(d->explain, o, limit_of(params), answer_now, call);
	else
		ask(call, params, answer_stored);
}

/* ---- watch ----------------------------------------------------------------------------- */

struct watch {
	struct rpc_call *call;
	size_t limit;
	bool explain;
};

static void answer_committed(void *ctx, json_t *take_operation)
{
	ops_answer_committed(ctx, take_operation);
}

static bool has_failed(const json_t *operation)
{
	return text_eq(param_text(operation, "operation_state"), op_state_str(OP_FAILED));
}

static bool goes_on(const json_t *operation)
{
	return text_eq(param_text(operation, "operation_state"), op_state_str(OP_ACTIVE));
}

/* Its end is an answer here, whatever it was; only the wait can fail. */
static void watched(void *ctx, const struct error *e, json_t *take_answer)
{
	struct watch *w = ctx;
	struct rpc_call *call = w->call;

	if (e->code == ERR_TIMEOUT && goes_on(take_answer)) {
		progress_add(ops_daemon(call)->explain,
		    (op_id)param_int(take_answer, "operation", 0), w->limit, take_answer);
		if (w->explain)
			ops_explain_operation(call, e, take_answer);
		else
			rpc_fail(call, e, take_answer);
	} else {
		json_object_del(take_answer, "chain"); /* it stands in its error */
		if (goes_on(take_answer))
			progress_give(ops_daemon(call)->explain, take_answer, w->limit,
			    answer_committed, call);
		else if (has_failed(take_answer))
			ops_explain_operation(call, NULL, take_answer);
		else
			ops_answer_committed(call, take_answer);
	}
	free(w);
}

static void watch_in_flight(struct rpc_call *call, const json_t *params, op_id id)
{
	struct watch *w = mem_new(sizeof(*w));
	int64_t after = param_int(params, "after_step", INT64_MAX);
	const struct operations_watch until = {.after_step = after < 0 ? 0 : (size_t)after,
	    .after_change = param_int(params, "after_change", -1),
	    .progress = limit_of(params),
	    .timeout = param_int(params, "timeout_ms", 0)};

	*w = (struct watch){call, limit_of(params), param_bool(params, "explain", false)};
	operations_watch(ops_daemon(call)->operations, id, &until, watched, w);
}

/* It was over before the wait began. */
static void answer_watched(struct rpc_call *call, struct daemon *d, const json_t *params)
{
	json_t *o = stored(d, param_int(params, "operation", 0));

	if (has_failed(o)) {
		ops_explain_operation(call, NULL, o);
	} else {
		json_decref(o);
		answer_stored(call, d, params);
	}
}

static void watch(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	op_id id = (op_id)param_int(params, "operation", 0);
	int64_t step = param_int(params, "after_step", INT64_MAX),
		change = param_int(params, "after_change", -1);
	const struct operation_about *about = operations_about(d->operations, id);
	struct op_view v = {0};

	if (!about || (!about->own && !engine_op(d->engine, id, &v)))
		ask(call, params, answer_watched);
	else if ((step >= 0 && step < (int64_t)v.n_steps) ||
		 (change >= 0 && change < progress_change(d->explain, id)))
		progress_give(d->explain, operation_json(d->operations, id), limit_of(params),
		    answer_committed, call);
	else
		watch_in_flight(call, params, id);
}

/* ---- cancel ---------------------------------------------------------------------------- */

static void answer_over(struct rpc_call *call, struct daemon *d, const json_t *params)
{
	int64_t id = param_int(params, "operation", 0);
	json_t *o = stored(d, id);

	if (o)
		ops_fail(call, ERR_INVALID_STATE, "operation %lld is over: %s", (long long)id,
		    param_text(o, "operation_state"));
	else
		ops_fail(call, ERR_NOT_FOUND, "no operation %lld", (long long)id);
	json_decref(o);
}

static void cancel(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	op_id id = (op_id)param_int(params, "operation", 0);
	auto_free char *who = ops_who(call);
	struct error e = {0};
	struct op_view v;

	const struct operation_about *about = operations_about(d->operations, id);

	if (about && about->own) {
		ops_fail(call, ERR_INVALID_STATE,
		    "operation %llu can not be called off, those in its `operations` can",
		    (unsigned long long)id);
	} else if (!engine_op(d->engine, id, &v) || v.state != OP_ACTIVE) {
		ask(call, params, answer_over);
	} else if (param_bool(params, "dry_run", false) && v.kind != OP_STOP) {
		json_t *o = operation_json(d->operations, id);

		json_object_set_new(o, "dry_run", json_true());
		rpc_answer(call, o);
	} else if (engine_op_cancel(d->engine, clock_mono(), id, who, &e)) {
		rpc_fail(call, &e, operation_json(d->operations, id));
	} else {
		perform_effects(d->supervision);
		ask(call, params, answer_stored);
	}
}

/* ---- list ------------------------------------------------------------------------------ */

struct listing {
	struct daemon *d;
	const char *state, *kind, *name;
	usec_wall since;
	int64_t limit, last;
	json_t *out;
	bool count;
	int64_t more; /* beyond the limit; 1 is enough unless they are counted */
};

static bool is_about(const json_t *o, const char *name)
{
	json_t *v;
	size_t i;

	json_array_foreach (json_object_get(o, "names"), i, v) {
		if (text_eq(json_string_value(v), name))
			return true;
	}
	return false;
}

static bool list_row(const struct store_operation *r, void *ctx)
{
	struct listing *l = ctx;

	if ((l->state && strcmp(l->state, r->state) != 0) ||
	    (l->kind && strcmp(l->kind, r->kind) != 0) || r->started < l->since)
		return true;
	if (l->count && !l->name && (int64_t)json_array_size(l->out) == l->limit)
		return ++l->more > 0;
	json_t *live = operation_json(l->d->operations, (op_id)r->id);
	json_t *o = live ? live : operation_row_json(r);

	if (l->name && !is_about(o, l->name)) {
		json_decref(o);
		return true;
	}
	if ((int64_t)json_array_size(l->out) == l->limit) {
		json_decref(o);
		l->more++;
		return l->count;
	}
	l->last = r->id;
	json_array_append_new(l->out, o);
	return true;
}

static void answer_list(struct rpc_call *call, struct daemon *d, const json_t *params)
{
	int64_t limit = param_int(params, "limit", LIST_DEFAULT);
	struct error e = {0};
	struct listing l = {.d = d,
	    .state = param_text(params, "state"),
	    .kind = param_text(params, "kind"),
	    .name = param_text(params, "name"),
	    .limit = limit < 1		? 1
		     : limit > LIST_MAX ? LIST_MAX
					: limit,
	    .count = param_bool(params, "count", false),
	    .out = json_array()};

	if (!param_time(params, "since", &l.since))
		error_set(&e, ERR_INVALID, "since is not understood");
	else
		store_list_operations(d->store, param_int(params, "cursor", 0), list_row, &l, &e);
	if (e.code != ERR_OK) {
		json_decref(l.out);
		rpc_fail(call, &e, NULL);
		return;
	}
	json_t *o = json_pack(
	    "{s:o, s:o}", "operations", l.out, "next", l.more ? json_integer(l.last) : json_null());
	if (l.count)
		json_object_set_new(o, "more", json_integer(l.more));
	rpc_answer(call, o);
}

static void list(struct rpc_call *call, json_t *params)
{
	ask(call, params, answer_list);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("op.get", "An operation, in flight or over; while it goes on with all it waits for",
	get_params, get, false),
    OPS_METHOD("op.list", "Operations, the newest first", list_params, list, false),
    OPS_METHOD("op.watch",
	"Wait for its end, its next step or its next change; the operation is the answer",
	watch_params, watch, false),
    OPS_METHOD("op.cancel",
	"Call it off: it ends cancelled for everybody who waits; what it was about to start, was "
	"not "
	"executed yet and nothing else demands is not started, and is wanted as before; what was "
	"executed goes on; a stop can not be taken back",
	cancel_params, cancel, true),
};
const struct rpc_group ops_operation = OPS_GROUP(methods);
