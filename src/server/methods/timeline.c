/* timeline.c - where start-up time went: asked of the store, after a commit of what is queued. */
#include "server/methods/methods.h"

#include "server/explain/timeline.h"

static const struct rpc_param timeline_params[] = {
    {"name", RPC_STRING, false, "the last start of that service or run"},
    {"operation", RPC_INT, false, "that operation; neither: the last one that changed something"}};

struct question {
	struct rpc_call *call;
	json_t *params;
	struct timeline_of of;
	json_t *(*make)(struct explain *d, const struct timeline_of *of);
};

static void answer(bool durable, void *ctx)
{
	struct question *q = ctx;
	struct daemon *d = ops_daemon(q->call);
	json_t *o = q->make(d->explain, &q->of);
	(void)durable;

	if (o)
		rpc_answer(q->call, o);
	else
		ops_fail(q->call, ERR_NOT_FOUND, "no start of it is recorded");
	store_relax(d->store);
	timeline_forget(&q->of);
	json_decref(q->params);
	free(q);
}

static void ask(struct rpc_call *call, json_t *params,
    json_t *(*make)(struct explain *, const struct timeline_of *))
{
	struct question *q = mem_new(sizeof(*q));

	*q = (struct question){.call = call,
	    .params = json_incref(params),
	    .of = {.name = param_text(params, "name"),
		.operation = param_int(params, "operation", 0)},
	    .make = make};
	timeline_look(ops_daemon(call)->explain, &q->of);
	store_barrier(ops_daemon(call)->store, answer, q);
}

static void critical_chain(struct rpc_call *call, json_t *params)
{
	ask(call, params, timeline_chain);
}

static void blame(struct rpc_call *call, json_t *params)
{
	ask(call, params, timeline_blame);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("service.critical_chain", "The longest path of a start, and where its time went",
	timeline_params, critical_chain, false),
    OPS_METHOD("service.blame", "What took how long in a start", timeline_params, blame, false),
};
const struct rpc_group ops_timeline = OPS_GROUP(methods);
