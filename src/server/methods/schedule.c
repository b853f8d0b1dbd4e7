/* schedule.c - what runs by itself: its due times, and the words about them. */
#include "server/methods/methods.h"

#include "server/host/clock.h"
#include "server/schedule/schedules.h"

#define NEXT_DEFAULT 10
#define NEXT_MOST    1000

static const struct rpc_param list_params[] = {
    {"name", RPC_STRING, false, "that one: an action, service/action or context:action"},
    {"service", RPC_STRING, false, "those of this service"},
    {"state", RPC_STRING, false, "active, paused, overdue or failed"}};
static const struct rpc_param one_params[] = {
    {"name", RPC_STRING, true, "an action, service/action or context:action"}};
static const struct rpc_param next_params[] = {
    {"schedule", RPC_STRING, false, "an action, service/action or context:action"},
    {"name", RPC_STRING, false, "the same"}, {"cron", RPC_STRING, false, "or an expression"},
    {"timezone", RPC_STRING, false, "of the expression; IANA, default: the machine's"},
    {"after", RPC_STRING, false, "ISO 8601; default: now"},
    {"count", RPC_INT, false, "how many (10, at most 1,000)"}};

static struct scheduled *find(struct rpc_call *call, const char *name)
{
	struct scheduled *x = NULL;
	struct strv candidates = {0};
	struct error e = {0};

	if (schedules_find(ops_daemon(call)->schedules, name, &x, &candidates, &e)) {
		json_t *data = json_object(), *list = json_array();
		for (size_t i = 0; i < candidates.n; i++)
			json_array_append_new(list, json_string(candidates.v[i]));
		json_object_set_new(data, "candidates", list);
		rpc_fail(call, &e, data);
		x = NULL;
	}
	strv_release(&candidates);
	return x;
}

static bool is_meant(const json_t *row, const char *key, const char *word)
{
	return !word || text_eq(json_string_value(json_object_get(row, key)), word);
}

static void list(struct rpc_call *call, json_t *params)
{
	struct schedules *s = ops_daemon(call)->schedules;
	const char *name = param_text(params, "name");
	json_t *chosen = json_array(), *all, *row;
	size_t i;

	if (name) {
		const struct scheduled *x = find(call, name);
		if (!x) {
			json_decref(chosen);
			return;
		}
		all = json_pack("[o]", schedule_json(s, x));
	} else {
		all = schedules_list(s);
	}
	json_array_foreach (all, i, row)
		if (is_meant(row, "service", param_text(params, "service")) &&
		    is_meant(row, "state", param_text(params, "state")))
			json_array_append(chosen, row);
	json_decref(all);
	rpc_answer(call, json_pack("{s:o}", "schedules", chosen));
}

static void answer_change(struct rpc_call *call, const struct scheduled *x, bool changed)
{
	json_t *o = schedule_json(ops_daemon(call)->schedules, x);

	json_object_set_new(o, "changed", json_boolean(changed));
	ops_answer_committed(call, o);
}

static void pause_schedule(struct rpc_call *call, json_t *params)
{
	struct scheduled *x = find(call, param_text(params, "name"));

	if (x)
		answer_change(call, x, schedule_pause(ops_daemon(call)->schedules, x, true));
}

static void resume_schedule(struct rpc_call *call, json_t *params)
{
	struct scheduled *x = find(call, param_text(params, "name"));

	if (x)
		answer_change(call, x, schedule_pause(ops_daemon(call)->schedules, x, false));
}

static void trigger(struct rpc_call *call, json_t *params)
{
	struct scheduled *x = find(call, param_text(params, "name"));
	auto_free char *run = NULL;
	struct error e = {0};

	if (!x)
		return;
	if (schedule_trigger(ops_daemon(call)->schedules, x, &run, &e))
		rpc_fail(call, &e, NULL);
	else
		ops_answer_committed(call, json_pack("{s:s}", "run", run));
}

static void fail_expression(
    struct rpc_call *call, const char *cron, size_t column, const struct error *e)
{
	json_t *one =
	    json_pack("{s:s, s:s}", "key", column ? "cron" : "timezone", "message", e->msg);

	if (column)
		json_object_set_new(one, "column", json_integer((json_int_t)column));
	struct error invalid = {0};
	if (column)
		error_set(&invalid, ERR_INVALID, "cron `%s`, column %zu: %s", cron, column, e->msg);
	else
		error_set(&invalid, ERR_INVALID, "%s", e->msg);
	rpc_fail(call, &invalid, json_pack("{s:[o]}", "errors", one));
}

/* What is asked, or false after it was answered. */
struct next_question {
	const char *name, *cron, *timezone;
	usec_wall after;
	size_t count;
};

static bool read_question(struct rpc_call *call, const json_t *params, struct next_question *q)
{
	const int64_t count = param_int(params, "count", NEXT_DEFAULT);

	*q = (struct next_question){.name = param_text(params, "schedule"),
	    .cron = param_text(params, "cron"),
	    .timezone = param_text(params, "timezone"),
	    .after = clock_wall(),
	    .count = (size_t)count};
	q->name = q->name ? q->name : param_text(params, "name");
	if (!q->cron == !q->name)
		ops_fail(call, ERR_INVALID, "write `schedule` or `cron`, one of them");
	else if (!param_time(params, "after", &q->after))
		ops_fail(call, ERR_INVALID, "`after` is no time: ISO 8601, or `-5m`");
	else if (count < 1 || count > NEXT_MOST)
		ops_fail(call, ERR_INVALID, "`count` is 1 to %d", NEXT_MOST);
	else
		return true;
	return false;
}

static void next_of_expression(struct rpc_call *call, const struct next_question *q)
{
	json_t *times = json_array();
	struct error e = {0};
	size_t column;

	if (schedules_next_of(ops_daemon(call)->schedules, q->cron, q->timezone, q->after / 1000,
		q->count, times, &column, &e)) {
		fail_expression(call, q->cron, column, &e);
		json_decref(times);
	} else {
		rpc_answer(call, json_pack("{s:o}", "times", times));
	}
}

static void next_of_schedule(struct rpc_call *call, const struct next_question *q)
{
	const struct scheduled *x = find(call, q->name);
	json_t *times = json_array();
	struct error e = {0};

	if (x && schedules_next(ops_daemon(call)->schedules, x, q->after / 1000, q->count, times,
		     &e) == ERR_OK)
		rpc_answer(call, json_pack("{s:O}", "times", times));
	else if (x)
		rpc_fail(call, &e, NULL);
	json_decref(times);
}

static void next(struct rpc_call *call, json_t *params)
{
	struct next_question q;

	if (!read_question(call, params, &q))
		return;
	if (q.cron)
		next_of_expression(call, &q);
	else
		next_of_schedule(call, &q);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("schedule.list", "What runs by itself, with its due times and what became of them",
	list_params, list, false),
    OPS_METHOD("schedule.next", "The next due times of a schedule or of an expression", next_params,
	next, false),
    OPS_METHOD("schedule.pause", "Its due times are skipped from now on", one_params,
	pause_schedule, true),
    OPS_METHOD("schedule.resume", "Its due times are run again", one_params, resume_schedule, true),
    OPS_METHOD("schedule.trigger", "Run it now, beside its due times", one_params, trigger, true),
};
const struct rpc_group ops_schedule = OPS_GROUP(methods);
