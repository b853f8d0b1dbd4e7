/* logs.c - what jobs wrote; files are read beside the loop. */
#include "server/host/background.h"
#include "server/methods/logs_request.h"
#include "server/operation/operations.h"

#include <event2/event.h>

#define FOLLOW_DEFAULT_MS 20000
#define FOLLOW_MAX_MS	  60000

#define P_NAMES                                                                                \
	{"name", RPC_STRING_OR_ARRAY, false,                                                   \
	    "services, SERVICE/ACTION, RUN#NUMBER or numbers of jobs; * and ? are patterns"},  \
	    {"service", RPC_STRING_OR_ARRAY, false, "the same; without any: all"},             \
	    {"run", RPC_STRING, false, "of that run"}, {"job", RPC_INT, false, "of that job"}, \
	{                                                                                      \
		"with_deps", RPC_BOOL, false, "and of all that the services need"              \
	}

#define P_FILTER                                                                               \
	{"action", RPC_STRING, false, "of that action"},                                       \
	    {"attempt", RPC_INT, false, "of that attempt"},                                    \
	    {"stream", RPC_STRING, false, "stdout, stderr, inserted or any"},                  \
	    {"since", RPC_STRING_OR_INT, false, "ISO 8601, -10m, or microseconds since 1970"}, \
	    {"until", RPC_STRING_OR_INT, false, "likewise, inclusive"},                        \
	    {"grep", RPC_STRING, false, "lines with that text"},                               \
	    {"regex", RPC_STRING, false, "lines that match (PCRE2)"},                          \
	{                                                                                      \
		"where", RPC_STRING, false, "lines for which that holds: docs/query.md"        \
	}

#define P_PAGE                                                                                \
	{"limit", RPC_INT, false, "at most so many (1000; 10000 at most)"},                   \
	    {"tail", RPC_INT, false, "the last so many"},                                     \
	    {"order", RPC_STRING, false, "asc, or desc: the newest first"},                   \
	    {"context", RPC_INT, false, "so many lines around each, marked `context`"},       \
	    {"fields", RPC_STRING_OR_ARRAY, false, "these fields of each line, as `fields`"}, \
	{                                                                                     \
		"cursor", RPC_STRING, false, "`next` of the last answer in the same order"    \
	}

static const struct rpc_param query_params[] = {P_NAMES, P_FILTER, P_PAGE,
    {"count_by", RPC_STRING_OR_ARRAY, false, "how many lines have which values of these fields"}};
static const struct rpc_param follow_params[] = {P_NAMES, P_FILTER, P_PAGE,
    {"timeout_ms", RPC_INT, false, "how long to wait for the first line (20000)"}};
static const struct rpc_param stats_params[] = {P_NAMES, P_FILTER,
    {"bucket_ms", RPC_INT, false, "length of a bucket; absent: one for all"},
    {"by", RPC_STRING_OR_ARRAY, false, "counts for each value of these fields"}};
static const struct rpc_param job_params[] = {{"id", RPC_INT, true, "a job"}, P_FILTER, P_PAGE};
static const struct rpc_param insert_params[] = {{"service", RPC_STRING, true, "whose log"},
    {"action", RPC_STRING, false, "which action"}, {"line", RPC_STRING, true, "without a newline"}};

static void work(void *ctx)
{
	logs_request_work(ctx);
}

static void done(void *ctx)
{
	logs_request_answer(ctx);
	logs_request_free(ctx);
}

static void run_request(struct logs_request *q)
{
	background_run(ops_daemon(q->call)->background, work, done, q);
}

static void query(struct rpc_call *call, json_t *params)
{
	struct logs_request *q = logs_request_new(call, params);

	if (q)
		run_request(q);
}

static bool note_job(const struct store_job *row, void *ctx)
{
	logs_request_job(ctx, row->service, row->id);
	return true;
}

static void job_logs(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	struct logs_request *q = logs_request_new(call, params);
	int64_t id = param_int(params, "id", 0);

	if (!q)
		return;
	if (store_find_job(d->store, id, note_job, q, &q->e) || !q->selects.n) {
		ops_fail(call, ERR_NOT_FOUND, "no job %lld", (long long)id);
		logs_request_free(q);
	} else {
		run_request(q);
	}
}

/* ---- follow ------------------------------------------------------------------------------ */

/* A query that is made again at each news until it finds a line or its time is over. */
struct follower {
	struct logs_request *q;
	struct daemon *d;
	uint64_t follow;
	struct event *timer;
	bool working; /* beside the loop */
	bool news, over;
};

static void follow_work(void *ctx)
{
	struct follower *f = ctx;

	logs_request_work(f->q);
}

static void follow_step(struct follower *f);

static void follow_free(struct follower *f)
{
	logs_unfollow(f->d->logs, f->follow);
	event_free(f->timer);
	logs_request_free(f->q);
	free(f);
}

static void follow_done(void *ctx)
{
	struct follower *f = ctx;
	bool silent = f->q->e.code == ERR_NOT_FOUND;

	f->working = false;
	if (json_array_size(f->q->lines) || (f->q->e.code && !silent) || f->over) {
		if (silent)
			f->q->e.code = ERR_OK;
		logs_request_answer(f->q);
		follow_free(f);
		return;
	}
	f->q->e.code = ERR_OK;
	if (f->q->next.n) {
		text_set(&f->q->cursor, str_text(&f->q->next));
		f->q->filter.cursor = f->q->cursor;
		f->q->filter.tail = 0;
		f->q->filter.limit = LOGS_LINES_MAX;
	}
	follow_step(f);
}

static void follow_step(struct follower *f)
{
	if (f->working || !(f->news || f->over))
		return;
	f->news = false;
	f->working = true;
	background_run(f->d->background, follow_work, follow_done, f);
}

static void on_news(void *ctx)
{
	struct follower *f = ctx;

	f->news = true;
	follow_step(f);
}

static void on_over(evutil_socket_t fd, short events, void *ctx)
{
	struct follower *f = ctx;

	(void)fd, (void)events;
	f->over = true;
	follow_step(f);
}

/* One service by its name is told alone; of any other selection everything is. */
static const char *only_service(const struct logs_request *q)
{
	const char *name = q->selects.n == 1 ? q->selects.v[0].service : NULL;

	return name && !strpbrk(name, "*?[") ? name : NULL;
}

static void follow(struct rpc_call *call, json_t *params)
{
	struct logs_request *q = logs_request_new(call, params);
	int64_t wait = param_int(params, "timeout_ms", FOLLOW_DEFAULT_MS);
	struct follower *f;

	if (!q)
		return;
	wait = wait < 0 ? 0 : wait > FOLLOW_MAX_MS ? FOLLOW_MAX_MS : wait;
	f = mem_new(sizeof(*f));
	f->q = q;
	f->d = ops_daemon(call);
	f->timer = evtimer_new(f->d->base, on_over, f);
	const struct timeval until = {.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};

	evtimer_add(f->timer, &until);
	/* Before the first look: what comes after it is news. */
	f->follow = logs_follow(f->d->logs, only_service(q), on_news, f);
	f->news = true;
	follow_step(f);
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void sources(struct rpc_call *call, json_t *params)
{
	struct strv names = {0};
	(void)params;

	logs_sources(ops_daemon(call)->paths.logs, &names);
	rpc_answer(call, json_pack("{s:o}", "sources", strv_json(&names)));
	strv_release(&names);
}

static void insert(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *service = param_text(params, "service"), *action = param_text(params, "action");
	struct error e = {0};

	if (!registry_find(d->registry, service)) {
		ops_fail_unknown(call, service);
		return;
	}
	if (logs_insert(
		d->logs, service, action ? action : service, param_text(params, "line"), &e))
		rpc_fail(call, &e, NULL);
	else
		rpc_answer(call, json_pack("{s:b}", "inserted", 1));
}

static const struct rpc_method methods[] = {
    OPS_METHOD("logs.query", "Lines of services, merged by time", query_params, query, false),
    OPS_METHOD("logs.follow", "The same; waits for a line when there is none", follow_params,
	follow, false),
    OPS_METHOD("logs.stats", "How many lines, by time and field", stats_params, query, false),
    OPS_METHOD("logs.insert", "A line from the outside", insert_params, insert, true),
    OPS_METHOD_0("logs.sources", "Names with stored lines", sources, false),
    OPS_METHOD("job.logs", "What a job wrote", job_params, job_logs, false),
};
const struct rpc_group ops_logs = OPS_GROUP(methods);
