/* events.c - what happened: asked of the store, after a commit of what is queued. */
#include "server/host/json_time.h"
#include "server/methods/methods.h"

#define LIST_MAX 1000
#define LOOK_MAX 100000 /* rows that one question reads */

static const struct rpc_param query_params[] = {
    {"since", RPC_STRING_OR_INT, false, "ISO 8601, or microseconds since 1970"},
    {"until", RPC_STRING_OR_INT, false, "the same"},
    {"after", RPC_INT, false, "ids above; `next` of the last answer"},
    {"id", RPC_INT, false, "this one, and with `chain` what caused it"},
    {"chain", RPC_BOOL, false, "from `id` back to its first cause, newest first"},
    {"subject", RPC_STRING, false, "a service, a run, a flag"},
    {"service", RPC_STRING, false, "the same"},
    {"kind", RPC_STRING, false, "job, unit, edge, wanted, definition, operation, step, done, flag"},
    {"operation", RPC_INT, false, "of that operation"},
    {"tail", RPC_BOOL, false, "the newest, instead of the oldest"},
    {"before", RPC_INT, false, "with `tail`: ids below"},
    {"count", RPC_BOOL, false, "with `tail`: say how many are before these (`more`)"},
    {"limit", RPC_INT, false, "at most so many (1000)"}};

struct query {
	struct rpc_call *call;
	json_t *params;
	json_t *events;
	const char *kind;
	int64_t operation, limit, looked, last;
	bool newest_first, full;
};

static json_t *event_json(const struct store_event *e)
{
	json_t *fact = json_loads(e->fact, 0, NULL);
	json_t *o =
	    json_pack("{s:I, s:o, s:o, s:o}", "id", (json_int_t)e->id, "time", json_time(e->time),
		"cause", e->cause ? json_integer((json_int_t)e->cause) : json_null(), "subject",
		e->subject ? json_string(e->subject) : json_null());

	json_object_update(o, fact);
	if (json_object_get(fact, "kind"))
		json_object_set(o, "operation_kind", json_object_get(fact, "kind"));
	json_object_set(o, "kind", json_object_get(fact, "event"));
	json_decref(fact);
	return o;
}

static bool is_meant(const struct query *q, const json_t *event)
{
	return (!q->kind || text_eq(param_text(event, "kind"), q->kind)) &&
	       (!q->operation ||
		   json_integer_value(json_object_get(event, "operation")) == q->operation);
}

static bool take_event(const struct store_event *e, void *ctx)
{
	struct query *q = ctx;
	json_t *o = event_json(e);

	if ((int64_t)json_array_size(q->events) == q->limit) {
		q->full = true; /* there is one more */
		json_decref(o);
		return false;
	}
	q->last = e->id > q->last ? e->id : q->last;
	if (!is_meant(q, o))
		json_decref(o);
	else if (q->newest_first)
		json_array_insert_new(q->events, 0, o);
	else
		json_array_append_new(q->events, o);
	return ++q->looked < LOOK_MAX;
}

static void read_chain(struct query *q, struct store *s, int64_t id)
{
	struct error e = {0};

	for (; id > 0 && (int64_t)json_array_size(q->events) < q->limit;) {
		size_t n = json_array_size(q->events);

		store_find_event(s, id, take_event, q, &e);
		if (json_array_size(q->events) == n)
			return; /* too old: retention took it */
		int64_t cause =
		    json_integer_value(json_object_get(json_array_get(q->events, n), "cause"));
		id = param_bool(q->params, "chain", false) && cause < id ? cause : 0;
	}
}

static enum err read_list(
    struct query *q, struct store *s, usec_wall since, usec_wall until, struct error *e)
{
	const char *subject = param_text(q->params, "subject");
	int64_t after = param_int(q->params, "after", 0);

	if (!subject)
		subject = param_text(q->params, "service");
	q->newest_first = param_bool(q->params, "tail", false);
	if (q->newest_first)
		return store_last_events(s, subject, until, param_int(q->params, "before", 0),
		    q->kind || q->operation ? 0 : q->limit, take_event, q, e);
	return store_list_events(s, subject, since, until, after, 0, take_event, q, e);
}

/* What is before the first event of the answer. */
static void add_more(struct query *q, struct store *s, json_t *answer)
{
	const json_t *first = json_array_get(q->events, 0);
	const char *subject = param_text(q->params, "subject");
	int64_t more = 0;
	struct error e = {0};

	if (!subject)
		subject = param_text(q->params, "service");
	if (first && param_bool(q->params, "count", false) &&
	    store_count_events(
		s, subject, json_integer_value(json_object_get(first, "id")), &more, &e) == ERR_OK)
		json_object_set_new(answer, "more", json_integer(more));
}

static void answer(bool durable, void *ctx)
{
	struct query *q = ctx;
	struct daemon *d = ops_daemon(q->call);
	int64_t id = param_int(q->params, "id", 0);
	usec_wall since = 0, until = 0;
	struct error e = {0};
	(void)durable;

	param_time(q->params, "since", &since);
	param_time(q->params, "until", &until);
	if (id)
		read_chain(q, d->store, id);
	else
		read_list(q, d->store, since, until, &e);
	if (e.code) {
		ops_fail(q->call, e.code, "%s", e.msg);
		json_decref(q->events);
	} else {
		bool more = (q->full || q->looked >= LOOK_MAX) && !q->newest_first && !id;

		json_t *o = json_pack("{s:o, s:o, s:I}", "events", q->events, "next",
		    more ? json_integer((json_int_t)q->last) : json_null(), "last",
		    (json_int_t)q->last);
		if (q->newest_first)
			add_more(q, d->store, o);
		rpc_answer(q->call, o);
	}
	store_relax(d->store);
	json_decref(q->params);
	free(q);
}

static void query(struct rpc_call *call, json_t *params)
{
	int64_t limit = param_int(params, "limit", LIST_MAX);
	usec_wall t = 0;

	if (!param_time(params, "since", &t) || !param_time(params, "until", &t)) {
		ops_fail(call, ERR_INVALID, "since, until: ISO 8601, or microseconds since 1970");
		return;
	}
	struct query *q = mem_new(sizeof(*q));
	*q = (struct query){.call = call,
	    .params = json_incref(params),
	    .events = json_array(),
	    .kind = param_text(params, "kind"),
	    .operation = param_int(params, "operation", 0),
	    .limit = limit < 1		? 1
		     : limit > LIST_MAX ? LIST_MAX
					: limit};
	store_barrier(ops_daemon(call)->store, answer, q);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("events.query", "What happened, and what caused it", query_params, query, false),
};
const struct rpc_group ops_events = OPS_GROUP(methods);
