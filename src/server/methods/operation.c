/* operation.c - operations: looked up, watched, called off. */
#include "server/methods/methods.h"

#include "server/operation/operations.h"
#include "server/supervise/perform.h"

#define LIST_MAX     1000
#define LIST_DEFAULT 100

static const struct rpc_param op_params[] = {{"operation", RPC_STRING_OR_INT, true, "its number"}};
static const struct rpc_param watch_params[] = {
    {"operation", RPC_STRING_OR_INT, true, "its number"},
    {"after_step", RPC_INT, false, "answer at the first step beyond so many; absent: at its end"},
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

static void get(struct rpc_call *call, json_t *params)
{
	json_t *o = operation_json(ops_daemon(call), (op_id)param_int(params, "operation", 0));

	if (o)
		rpc_answer(call, o);
	else
		ask(call, params, answer_stored);
}

/* ---- watch ----------------------------------------------------------------------------- */

/* Its end is an answer here, whatever it was; only the wait can fail. */
static void watched(void *ctx, const struct error *e, json_t *take_answer)
{
	struct rpc_call *call = ctx;

	if (e->code == ERR_TIMEOUT) {
		rpc_fail(call, e, take_answer);
		return;
	}
	json_object_del(take_answer, "chain"); /* it stands in its error */
	ops_answer_committed(call, take_answer);
}

static void watch(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	op_id id = (op_id)param_int(params, "operation", 0);
	int64_t after = param_int(params, "after_step", INT64_MAX);
	struct op_view v;

	const struct operation_about *about = operations_about(d, id);

	if (about && about->own) /* it has no steps */
		operations_wait(d, id, param_int(params, "timeout_ms", 0), watched, call);
	else if (!about || !engine_op(d->engine, id, &v))
		ask(call, params, answer_stored);
	else if (after >= 0 && (size_t)after < v.n_steps)
		ops_answer_committed(call, operation_json(d, id));
	else
		operations_watch(d, id, after < 0 ? 0 : (size_t)after,
		    param_int(params, "timeout_ms", 0), watched, call);
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

	const struct operation_about *about = operations_about(d, id);

	if (about && about->own) {
		ops_fail(call, ERR_INVALID_STATE,
		    "operation %llu can not be called off, those in its `operations` can",
		    (unsigned long long)id);
	} else if (!engine_op(d->engine, id, &v) || v.state != OP_ACTIVE) {
		ask(call, params, answer_over);
	} else if (param_bool(params, "dry_run", false) && v.kind != OP_STOP) {
		json_t *o = operation_json(d, id);

		json_object_set_new(o, "dry_run", json_true());
		rpc_answer(call, o);
	} else if (engine_op_cancel(d->engine, clock_mono(), id, who, &e)) {
		rpc_fail(call, &e, operation_json(d, id));
	} else {
		perform_effects(d);
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
	json_t *live = operation_json(l->d, (op_id)r->id);
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
    OPS_METHOD("op.get", "An operation, in flight or over", op_params, get, false),
    OPS_METHOD("op.list", "Operations, the newest first", list_params, list, false),
    OPS_METHOD("op.watch", "Wait for its end, or its next step; the operation is the answer",
	watch_params, watch, false),
    OPS_METHOD("op.cancel",
	"Call it off: it ends cancelled for everybody who waits; what it was about to start, was "
	"not "
	"executed yet and nothing else demands is not started, and is wanted as before; what was "
	"executed goes on; a stop can not be taken back",
	cancel_params, cancel, true),
};
const struct rpc_group ops_operation = OPS_GROUP(methods);
