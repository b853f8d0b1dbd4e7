#include "server/methods/logs_request.h"

#include "query/value.h"
#include "server/host/clock.h"

#include <ctype.h>

static void groups_release(struct map *groups)
{
	const char *key;
	void *value;

	for (size_t i = 0; map_next(groups, &i, &key, &value);) {
		struct log_group *g = value;

		free(g->key);
		free(g);
	}
	map_release(groups);
}

void logs_request_free(struct logs_request *q)
{
	free(q->dir);
	free(q->action);
	free(q->run);
	free(q->grep);
	free(q->regex);
	free(q->cursor);
	strv_release(&q->services);
	strv_release(&q->texts);
	strv_release(&q->field_names);
	free(q->selects.v);
	query_free(q->query);
	query_fields_free(q->fields);
	for (size_t i = 0; i < q->buckets.n; i++)
		groups_release(&q->buckets.v[i].groups);
	free(q->buckets.v);
	json_decref(q->lines);
	str_release(&q->next);
	free(q);
}

/* ---- whose lines ------------------------------------------------------------------------ */

static const char *keep_text(struct logs_request *q, const char *s, size_t n)
{
	strv_take(&q->texts, text_dup_n(s, n));
	return q->texts.v[q->texts.n - 1];
}

static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

/* A service, SERVICE/ACTION, RUN#NUMBER, the number of a job; services and actions as patterns. */
static void add_name(struct logs_request *q, const char *name)
{
	const struct daemon *d = ops_daemon(q->call);
	const char *slash = strrchr(name, '/');
	struct log_select *s = vec_push(&q->selects);

	if (strchr(name, '#')) {
		s->run = keep_text(q, name, strlen(name));
	} else if (is_number(name) && !registry_find(d->registry, name)) {
		s->job = strtoll(name, NULL, 10);
	} else {
		s->service = keep_text(q, name, slash ? (size_t)(slash - name) : strlen(name));
		s->action = slash ? keep_text(q, slash + 1, strlen(slash + 1)) : NULL;
	}
}

void logs_request_job(struct logs_request *q, const char *service, int64_t job)
{
	struct log_select *s = vec_push(&q->selects);

	s->job = job;
	s->service = service ? keep_text(q, service, strlen(service)) : NULL;
	q->filter.selects = q->selects.v;
	q->filter.n_selects = q->selects.n;
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

static void read_names(struct logs_request *q, const json_t *params)
{
	struct strv names = {0};

	param_names(params, "name", &names);
	param_names(params, "service", &q->services);
	if (param_bool(params, "with_deps", false)) {
		add_cone(ops_daemon(q->call), &q->services);
		add_cone(ops_daemon(q->call), &names);
	}
	for (size_t i = 0; i < q->services.n; i++)
		add_name(q, q->services.v[i]);
	for (size_t i = 0; i < names.n; i++)
		add_name(q, names.v[i]);
	strv_copy(&q->services, &names);
	strv_release(&names);
	if (q->selects.n) {
		q->filter.selects = q->selects.v;
		q->filter.n_selects = q->selects.n;
	}
}

/* ---- which lines ------------------------------------------------------------------------ */

/* Also "-10m": ten minutes ago. */
static bool read_time(const json_t *params, const char *key, usec_wall *out)
{
	const json_t *v = json_object_get(params, key);
	const char *s = json_string_value(v);

	return (s && value_time(s, json_string_length(v), clock_wall(), out)) ||
	       param_time(params, key, out);
}

static bool match(const struct log_line *l, void *ctx)
{
	return query_match(ctx, l);
}

static bool read_where(struct logs_request *q, const json_t *params)
{
	const char *where = param_text(params, "where");
	struct query_fault fault;

	if (!where)
		return true;
	if (query_new(where, clock_wall(), &q->query, &fault, &q->e)) {
		rpc_fail(q->call, &q->e,
		    json_pack("{s:i, s:i, s:s?}", "column", (int)fault.at + 1, "length",
			(int)fault.n, "hint", *fault.hint ? fault.hint : NULL));
		return false;
	}
	q->filter.match = match;
	q->filter.match_ctx = q->query;
	q->filter.needles = query_needles(q->query);
	return true;
}

static bool read_fields(struct logs_request *q, const json_t *params)
{
	param_names(params, "count_by", &q->field_names);
	param_names(params, "by", &q->field_names);
	q->counts = q->counts || q->field_names.n > 0;
	if (!q->counts)
		param_names(params, "fields", &q->field_names);
	if (!q->field_names.n)
		return true;
	if (query_fields_new((const char *const *)q->field_names.v, q->field_names.n, &q->fields,
		&q->e) == ERR_OK)
		return true;
	rpc_fail(q->call, &q->e, NULL);
	return false;
}

static size_t bounded(const json_t *params, const char *key, int64_t otherwise, int64_t most)
{
	int64_t n = param_int(params, key, otherwise);

	return (size_t)(n < 0 ? 0 : n > most ? most : n);
}

static bool read_filter(struct logs_request *q, const json_t *params)
{
	struct log_filter *f = &q->filter;
	const char *stream = param_text(params, "stream"), *order = param_text(params, "order");

	f->action = q->action = text_dup(param_text(params, "action"));
	f->run = q->run = text_dup(param_text(params, "run"));
	f->grep = q->grep = text_dup(param_text(params, "grep"));
	f->regex = q->regex = text_dup(param_text(params, "regex"));
	f->cursor = q->cursor = text_dup(param_text(params, "cursor"));
	f->job = param_int(params, "job", 0);
	f->attempt = (uint32_t)param_int(params, "attempt", 0);
	f->limit = bounded(params, "limit", LOGS_LINES_DEFAULT, LOGS_LINES_MAX);
	f->limit = f->limit ? f->limit : 1;
	f->tail = bounded(params, "tail", 0, LOGS_TAIL_MAX);
	f->context = bounded(params, "context", 0, LOGS_CONTEXT_MAX);
	f->backwards = order && strcmp(order, "desc") == 0;
	f->cost = &q->cost;
	if (f->tail)
		f->limit = 0;
	if (order && strcmp(order, "asc") != 0 && !f->backwards)
		ops_fail(q->call, ERR_INVALID, "order: `%s`: write asc or desc", order);
	else if (stream && !log_stream_parse(stream, &f->stream))
		ops_fail(q->call, ERR_INVALID,
		    "stream: `%s`: write stdout, stderr, inserted or any", stream);
	else if (!read_time(params, "since", &f->since) || !read_time(params, "until", &f->until))
		ops_fail(q->call, ERR_INVALID,
		    "since, until: write 2024-05-01T12:30:00Z, -10m, or microseconds since 1970");
	else
		return true;
	return false;
}

struct logs_request *logs_request_new(struct rpc_call *call, const json_t *params)
{
	struct logs_request *q = mem_new(sizeof(*q));

	q->call = call;
	q->dir = text_dup(ops_daemon(call)->paths.logs);
	q->lines = json_array();
	q->counts = strcmp(rpc_call_method(call), "logs.stats") == 0;
	q->bucket = param_int(params, "bucket_ms", 0) * 1000;
	if (!read_filter(q, params) || !read_where(q, params) || !read_fields(q, params)) {
		logs_request_free(q);
		return NULL;
	}
	read_names(q, params);
	if (q->counts) {
		q->filter.limit = q->filter.tail = q->filter.context = 0;
		q->filter.backwards = false;
	}
	return q;
}
