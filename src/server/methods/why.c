/* why.c - why it is where it is: now, or at an instant of the past. */
#include "server/methods/methods.h"

#include "server/explain/account.h"
#include "server/explain/status.h"

static const struct rpc_param why_params[] = {
    {"name", RPC_STRING, true, "a service, `service/action`, or a run"},
    {"at", RPC_STRING_OR_INT, false, "then: ISO 8601, \"-5m\", or an event (\"#123\")"},
    {"full", RPC_BOOL, false, "the text tells everything"}};

struct answer {
	struct rpc_call *call;
	json_t *answer;
};

static void answer_account(void *ctx, json_t *take_account)
{
	struct answer *a = ctx;

	json_object_update(a->answer, take_account);
	json_object_del(a->answer, "output"); /* it stands in the text */
	json_decref(take_account);
	rpc_answer(a->call, a->answer);
	free(a);
}

static void explain(struct rpc_call *call, const json_t *params, json_t *take_chain,
    json_t *take_answer, const struct instant *at)
{
	struct answer *a = mem_new(sizeof(*a));

	*a = (struct answer){call, take_answer};
	account_give(ops_daemon(call)->explain, take_chain, at, param_bool(params, "full", false),
	    answer_account, a);
}

/* ---- why, then: events that are queued count, too ---------------------------------- */

struct why_then {
	struct rpc_call *call;
	json_t *params;
	struct instant at;
};

static json_t *state_then(struct daemon *d, const char *name, const struct instant *at)
{
	const char *slash = strchr(name, '/');
	auto_free char *service = text_dup_n(name, slash ? (size_t)(slash - name) : strlen(name));
	json_t *p = picture_of(d->explain, service, at), *state = json_object_get(p, "state"), *j;
	size_t i;

	json_array_foreach (json_object_get(p, "jobs"), i, j)
		if (slash && text_eq(param_text(j, "action"), slash + 1))
			state = json_object_get(j, "state");
	json_incref(state);
	json_decref(p);
	return state;
}

static void answer_then(bool durable, void *ctx)
{
	struct why_then *t = ctx;
	struct daemon *d = ops_daemon(t->call);
	const char *name = param_text(t->params, "name");
	json_t *chain = why_chain(d->explain, name, &t->at), *at = json_object_get(t->params, "at");
	(void)durable;

	if (chain)
		explain(t->call, t->params, chain,
		    json_pack("{s:s, s:o, s:O}", "name", name, "state", state_then(d, name, &t->at),
			"at", at ? at : json_null()),
		    &t->at);
	else if (param_text(t->params, "at") || param_int(t->params, "at", 0))
		ops_fail(t->call, ERR_NOT_FOUND, "nothing is recorded of `%s` at that time", name);
	else
		ops_fail_unknown(t->call, name);
	store_relax(d->store);
	json_decref(t->params);
	free(t);
}

/* "#123" and small numbers are events, the rest is a time. */
static bool parse_instant(const json_t *v, struct instant *out)
{
	const char *text = json_string_value(v);
	char *end;

	if (json_is_integer(v)) {
		int64_t n = json_integer_value(v);

		*(n < 1000000000000 ? &out->event : &out->time) = n;
		return n > 0;
	}
	if (!text)
		return false;
	if (*text != '#')
		return clock_parse(text, &out->time) && out->time > 0;
	out->event = strtoll(text + 1, &end, 10);
	return !*end && out->event > 0;
}

/* ---- why, now ------------------------------------------------------------------------ */

static json_t *waits_of(struct daemon *d, unit_id unit, const char *action)
{
	json_t *all = status_waiting_on(d->explain, unit), *mine = json_array(), *e;
	size_t i;

	json_array_foreach (all, i, e)
		if (!action || text_eq(param_text(e, "action"), action))
			json_array_append(mine, e);
	json_decref(all);
	return mine;
}

static void answer_now(
    struct rpc_call *call, const json_t *params, unit_id unit, const char *service, job_id job)
{
	struct daemon *d = ops_daemon(call);
	const struct instant now = {0};
	struct unit_view u = {0};
	struct job_view j = {0};
	bool one = job != ID_NONE && engine_job(d->engine, job, &j, NULL);
	const char *name = param_text(params, "name");

	engine_unit(d->engine, unit, &u);
	json_t *chain = why_chain(d->explain, name, &now);
	explain(call, params, chain ? chain : why_chain(d->explain, service, &now),
	    json_pack("{s:s, s:s, s:o}", "name", name, "state",
		one ? job_state_str(j.core.state) : service_state_str(u.state), "waiting_on",
		waits_of(d, unit, one ? j.name : NULL)),
	    &now);
}

static void why(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const json_t *at = json_object_get(params, "at");
	const char *name = param_text(params, "name");
	auto_free char *service = text_dup_n(name, strcspn(name, "/"));
	struct instant when = {0};
	job_id job;

	if (at && !json_is_null(at) && !parse_instant(at, &when)) {
		ops_fail(call, ERR_INVALID, "at: ISO 8601, \"-5m\", or an event (#123)");
		return;
	}
	if (!when.time && !when.event && engine_find(d->engine, service) != ID_NONE) {
		unit_id unit = ops_find_node(call, name, true, &job);

		if (unit != ID_NONE)
			answer_now(call, params, unit, service, job);
		return;
	}
	if (!when.time && !when.event)
		when.time = clock_wall(); /* a run that is over, a service that was removed */
	struct why_then *t = mem_new(sizeof(*t));
	*t = (struct why_then){call, json_incref(params), when};
	store_barrier(d->store, answer_then, t);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("service.why", "Why it is where it is, down to the root", why_params, why, false),
};
const struct rpc_group ops_why = OPS_GROUP(methods);
