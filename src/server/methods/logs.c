/* logs.c - what jobs wrote; files are read beside the loop. */
#include "server/methods/methods.h"

#include "logs/query.h"
#include "server/explain/status.h"
#include "server/history/background.h"
#include "server/operation/operations.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     10000

#define P_FILTER                                                                         \
	{"action", RPC_STRING, false, "of that action"},                                 \
	    {"attempt", RPC_INT, false, "of that attempt"},                              \
	    {"stream", RPC_STRING, false, "stdout, stderr, inserted or any"},            \
	    {"since", RPC_STRING_OR_INT, false, "ISO 8601, or microseconds since 1970"}, \
	    {"until", RPC_STRING_OR_INT, false, "likewise, inclusive"},                  \
	    {"limit", RPC_INT, false, "at most so many (1000)"},                         \
	    {"tail", RPC_INT, false, "the last so many"},                                \
	    {"grep", RPC_STRING, false, "lines with that text"},                         \
	    {"regex", RPC_STRING, false, "lines that match (PCRE2)"},                    \
	{                                                                                \
		"cursor", RPC_STRING, false, "`next` of the last answer"                 \
	}

static const struct rpc_param query_params[] = {
    {"service", RPC_STRING_OR_ARRAY, false, "of these; absent: all"},
    {"run", RPC_STRING, false, "of that run"}, {"job", RPC_INT, false, "of that job"},
    {"with_deps", RPC_BOOL, false, "and of all that the service needs"}, P_FILTER};
static const struct rpc_param job_params[] = {{"id", RPC_INT, true, "a job"}, P_FILTER};
static const struct rpc_param insert_params[] = {{"service", RPC_STRING, true, "whose log"},
    {"action", RPC_STRING, false, "which action"}, {"line", RPC_STRING, true, "without a newline"}};

struct query {
	struct rpc_call *call;
	char *dir, *action, *run, *grep, *regex, *cursor;
	struct strv services;
	struct log_filter filter;
	json_t *lines;
	struct str next;
	struct error e;
};

static void query_free(struct query *q)
{
	free(q->dir);
	free(q->action);
	free(q->run);
	free(q->grep);
	free(q->regex);
	free(q->cursor);
	strv_release(&q->services);
	json_decref(q->lines);
	str_release(&q->next);
	free(q);
}

static json_t *base64(const char *bytes, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	auto_str out = {0};

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)(unsigned char)bytes[i] << 16;

		v |= i + 1 < n ? (unsigned)(unsigned char)bytes[i + 1] << 8 : 0;
		v |= i + 2 < n ? (unsigned)(unsigned char)bytes[i + 2] : 0;
		str_add_char(&out, digits[v >> 18]);
		str_add_char(&out, digits[v >> 12 & 63]);
		str_add_char(&out, i + 1 < n ? digits[v >> 6 & 63] : '=');
		str_add_char(&out, i + 2 < n ? digits[v & 63] : '=');
	}
	return json_string(str_text(&out));
}

/* The text with U+FFFD for what is no UTF-8, and then the exact bytes beside it. */
static void add_text(json_t *o, const char *bytes, size_t n)
{
	json_t *whole = json_stringn(bytes, n);
	auto_str clean = {0};

	if (whole) {
		json_object_set_new(o, "line", whole);
		return;
	}
	for (size_t i = 0; i < n;) {
		size_t len = 1;

		while (len < 4 && i + len < n && ((unsigned char)bytes[i + len] & 0xc0) == 0x80)
			len++;
		json_t *one = json_stringn(bytes + i, len);
		if (one)
			str_add_n(&clean, bytes + i, len);
		else
			str_add(&clean, "\xef\xbf\xbd");
		i += one ? len : 1;
		json_decref(one);
	}
	json_object_set_new(o, "line", json_stringn(clean.s, clean.n));
	json_object_set_new(o, "line_b64", base64(bytes, n));
}

static bool take_line(const struct log_line *l, void *ctx)
{
	struct query *q = ctx;
	json_t *o = json_pack("{s:o, s:s?, s:s?, s:s?, s:I, s:i, s:s}", "time",
	    status_time(l->time), "service", l->service, "action", l->action, "run", l->run, "job",
	    (json_int_t)l->job, "attempt", (int)l->attempt, "stream", log_stream_str(l->stream));

	add_text(o, l->bytes ? l->bytes : "", l->n);
	if (l->truncated)
		json_object_set_new(o, "truncated", json_true());
	if (l->dropped)
		json_object_set_new(o, "dropped", json_integer((json_int_t)l->dropped));
	json_array_append_new(q->lines, o);
	return true;
}

static void work(void *ctx)
{
	struct query *q = ctx;

	logs_query(q->dir, &q->filter, take_line, q, &q->next, &q->e);
}

/* Registered and silent so far is no error. */
static bool is_known(const struct query *q)
{
	struct daemon *d = ops_daemon(q->call);

	return q->e.code == ERR_NOT_FOUND && q->services.n &&
	       registry_find(d->registry, q->services.v[0]);
}

static void done(void *ctx)
{
	struct query *q = ctx;

	if (q->e.code == ERR_OK || is_known(q))
		rpc_answer(q->call, json_pack("{s:O, s:s?}", "lines", q->lines, "next",
					q->next.n ? q->next.s : NULL));
	else
		rpc_fail(q->call, &q->e, NULL);
	query_free(q);
}

static void add_cone(struct daemon *d, struct strv *names)
{
	struct job_view j;
	struct edge_view e;
	struct unit_view u;

	for (size_t n = 0; n < names->n; n++) {
		unit_id id = engine_find(d->engine, names->v[n]);

		for (size_t i = 0; id != ID_NONE && engine_job_at(d->engine, id, i, &j); i++)
			for (size_t k = 0; engine_edge_at(d->engine, j.id, k, &e); k++)
				if (e.to_unit != ID_NONE && engine_unit(d->engine, e.to_unit, &u) &&
				    !strv_has(names, u.name))
					strv_add(names, u.name);
	}
}

static bool read_filter(struct query *q, const json_t *params)
{
	struct log_filter *f = &q->filter;
	const char *stream = param_text(params, "stream");
	int64_t limit = param_int(params, "limit", LIMIT_DEFAULT);

	q->action = text_dup(param_text(params, "action"));
	q->run = text_dup(param_text(params, "run"));
	q->grep = text_dup(param_text(params, "grep"));
	q->regex = text_dup(param_text(params, "regex"));
	q->cursor = text_dup(param_text(params, "cursor"));
	*f = (struct log_filter){.action = q->action,
	    .run = q->run,
	    .job = param_int(params, "job", 0),
	    .attempt = (uint32_t)param_int(params, "attempt", 0),
	    .grep = q->grep,
	    .regex = q->regex,
	    .cursor = q->cursor,
	    .limit = (size_t)(limit < 1		  ? 1
			      : limit > LIMIT_MAX ? LIMIT_MAX
						  : limit),
	    .tail = (size_t)param_int(params, "tail", 0)};
	if (f->tail)
		f->limit = 0;
	if (stream && !log_stream_parse(stream, &f->stream))
		return false;
	return param_time(params, "since", &f->since) && param_time(params, "until", &f->until);
}

static struct query *query_new(struct rpc_call *call)
{
	struct query *q = mem_new(sizeof(*q));

	q->call = call;
	q->dir = text_dup(ops_daemon(call)->paths.logs);
	q->lines = json_array();
	return q;
}

static void run_query(struct query *q)
{
	if (q->services.n) {
		q->filter.services = (const char *const *)q->services.v;
		q->filter.n_services = q->services.n;
	}
	background_run(ops_daemon(q->call)->background, work, done, q);
}

static void query(struct rpc_call *call, json_t *params)
{
	struct query *q = query_new(call);

	param_names(params, "service", &q->services);
	if (param_bool(params, "with_deps", false))
		add_cone(ops_daemon(call), &q->services);
	if (!read_filter(q, params)) {
		ops_fail(call, ERR_INVALID, "stream, since or until is not understood");
		query_free(q);
		return;
	}
	run_query(q);
}

static bool note_job(const struct store_job *row, void *ctx)
{
	struct query *q = ctx;

	q->filter.job = row->id;
	if (row->service)
		strv_add(&q->services, row->service);
	return true;
}

static void job_logs(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	struct query *q = query_new(call);
	int64_t id = param_int(params, "id", 0);

	if (!read_filter(q, params)) {
		ops_fail(call, ERR_INVALID, "stream, since or until is not understood");
		query_free(q);
	} else if (store_find_job(d->store, id, note_job, q, &q->e) || !q->filter.job) {
		ops_fail(call, ERR_NOT_FOUND, "no job %lld", (long long)id);
		query_free(q);
	} else {
		run_query(q);
	}
}

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
    OPS_METHOD("logs.insert", "A line from the outside", insert_params, insert, true),
    OPS_METHOD_0("logs.sources", "Names with stored lines", sources, false),
    OPS_METHOD("job.logs", "What a job wrote", job_params, job_logs, false),
};
const struct rpc_group ops_logs = OPS_GROUP(methods);
