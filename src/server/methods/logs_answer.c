/* logs_answer.c - lines and counts as JSON; no thread is the loop's here but where it says so. */
#include "base/utf8.h"
#include "server/host/json_time.h"
#include "server/methods/logs_request.h"

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

/* With U+FFFD for what is no UTF-8. */
static json_t *text_json(const char *s, size_t n, bool *whole)
{
	json_t *text = json_stringn(s, n);
	auto_str clean = {0};

	*whole = text != NULL;
	if (text)
		return text;
	utf8_repair(&clean, s, n);
	return json_stringn(str_text(&clean), clean.n);
}

/* The exact bytes stand beside a text that was repaired. */
static void add_text(json_t *o, const char *bytes, size_t n)
{
	bool whole;

	json_object_set_new(o, "line", text_json(bytes, n, &whole));
	if (!whole)
		json_object_set_new(o, "line_b64", base64(bytes, n));
}

static void add_fields(struct logs_request *q, json_t *o, const struct log_line *l)
{
	struct query_text found[RECORD_FIELDS_MAX];
	json_t *fields = json_object();
	bool whole;

	query_fields_of(q->fields, l, found);
	for (size_t i = 0; i < q->field_names.n; i++)
		if (found[i].s)
			json_object_set_new(
			    fields, q->field_names.v[i], text_json(found[i].s, found[i].n, &whole));
	json_object_set_new(o, "fields", fields);
}

static bool take_line(const struct log_line *l, void *ctx)
{
	struct logs_request *q = ctx;
	json_t *o = json_pack("{s:o, s:s?, s:s?, s:s?, s:I, s:i, s:s}", "time", json_time(l->time),
	    "service", l->service, "action", l->action, "run", l->run, "job", (json_int_t)l->job,
	    "attempt", (int)l->attempt, "stream", log_stream_str(l->stream));

	add_text(o, l->bytes ? l->bytes : "", l->n);
	if (l->truncated)
		json_object_set_new(o, "truncated", json_true());
	if (l->dropped) {
		json_object_set_new(o, "dropped", json_integer((json_int_t)l->dropped));
		json_object_set_new(o, "why", json_string(log_gap_str(l->gap)));
	}
	if (l->context)
		json_object_set_new(o, "context", json_true());
	if (q->fields && !l->dropped)
		add_fields(q, o, l);
	json_array_append_new(q->lines, o);
	return true;
}

/* ---- counts ------------------------------------------------------------------------------ */

static struct log_bucket *bucket_of(struct logs_request *q, usec_wall time)
{
	usec_wall begin = q->bucket > 0 ? time - time % q->bucket : 0;
	struct log_bucket *b;

	for (size_t i = q->buckets.n; i-- > 0;)
		if (q->buckets.v[i].time == begin)
			return &q->buckets.v[i];
	if (q->buckets.n == LOGS_BUCKETS_MAX)
		return NULL;
	b = vec_push(&q->buckets);
	b->time = begin;
	return b;
}

/* As a text without zero bytes: `-` for an absent value, else `=` and the value, each before \x1f.
 */
static void group_key(struct logs_request *q, const struct log_line *l, struct str *out)
{
	struct query_text found[RECORD_FIELDS_MAX];

	query_fields_of(q->fields, l, found);
	for (size_t i = 0; i < q->field_names.n; i++) {
		size_t n = found[i].n < 1024 ? found[i].n : 1024;

		str_add_char(out, found[i].s ? '=' : '-');
		for (size_t k = 0; found[i].s && k < n; k++)
			str_add_char(
			    out, found[i].s[k] && found[i].s[k] != '\x1f' ? found[i].s[k] : ' ');
		str_add_char(out, '\x1f');
	}
}

static void count_group(struct logs_request *q, struct log_bucket *b, const struct log_line *l)
{
	auto_str key = {0};
	struct log_group *g;

	group_key(q, l, &key);
	g = map_get(&b->groups, str_text(&key));
	if (!g && q->n_groups == LOGS_GROUPS_MAX) {
		q->beyond++;
		return;
	}
	if (!g) {
		g = mem_new(sizeof(*g));
		g->n = key.n;
		g->key = str_take(&key);
		map_put(&b->groups, g->key, g);
		q->n_groups++;
	}
	g->count++;
}

static bool count_line(const struct log_line *l, void *ctx)
{
	struct logs_request *q = ctx;
	struct log_bucket *b;

	if (l->dropped)
		return true;
	q->matched++;
	b = bucket_of(q, l->time);
	if (!b) {
		q->beyond++;
		return true;
	}
	b->count++;
	b->bytes += l->n + 1;
	if (q->fields)
		count_group(q, b, l);
	return true;
}

void logs_request_work(struct logs_request *q)
{
	logs_query(q->dir, &q->filter, q->counts ? count_line : take_line, q, &q->next, &q->e);
	if (q->e.code == ERR_OK && q->query && query_gave_up(q->query))
		error_set(&q->e, ERR_LIMIT,
		    "where: a regular expression gave up on a line, it needs too many steps");
}

/* ---- answers ----------------------------------------------------------------------------- */

static json_t *group_json(const struct logs_request *q, const struct log_group *g)
{
	json_t *values = json_object();
	const char *at = g->key;
	bool whole;

	for (size_t i = 0; i < q->field_names.n; i++) {
		size_t n = strcspn(at, "\x1f");

		json_object_set_new(values, q->field_names.v[i],
		    *at == '-' ? json_null() : text_json(at + 1, n - 1, &whole));
		at += n + 1;
	}
	return json_pack("{s:o, s:I}", "values", values, "count", (json_int_t)g->count);
}

static int more_first(const void *a, const void *b)
{
	const struct log_group *x = *(struct log_group *const *)a,
			       *y = *(struct log_group *const *)b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->key, y->key);
}

static json_t *groups_json(const struct logs_request *q, const struct map *groups)
{
	struct log_group **sorted = mem_new((groups->n + 1) * sizeof(struct log_group *));
	json_t *out = json_array();
	size_t n = 0;
	const char *key;
	void *value;

	for (size_t i = 0; map_next(groups, &i, &key, &value);)
		sorted[n++] = value;
	qsort(sorted, n, sizeof(*sorted), more_first);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, group_json(q, sorted[i]));
	free(sorted);
	return out;
}

static int earlier_first(const void *a, const void *b)
{
	const struct log_bucket *x = a, *y = b;

	return (x->time > y->time) - (x->time < y->time);
}

static json_t *buckets_json(struct logs_request *q)
{
	json_t *out = json_array();

	if (q->buckets.n)
		qsort(q->buckets.v, q->buckets.n, sizeof(*q->buckets.v), earlier_first);
	for (size_t i = 0; i < q->buckets.n; i++) {
		const struct log_bucket *b = &q->buckets.v[i];
		json_t *o = json_pack(
		    "{s:I, s:I}", "count", (json_int_t)b->count, "bytes", (json_int_t)b->bytes);

		if (q->bucket > 0)
			json_object_set_new(o, "time", json_time(b->time));
		if (q->fields)
			json_object_set_new(o, "by", groups_json(q, &b->groups));
		json_array_append_new(out, o);
	}
	return out;
}

static json_t *result_of(struct logs_request *q)
{
	json_t *out = json_object();

	if (strcmp(rpc_call_method(q->call), "logs.stats") == 0)
		json_object_set_new(out, "buckets", buckets_json(q));
	else if (q->counts)
		json_object_set_new(out, "counts",
		    q->buckets.n ? groups_json(q, &q->buckets.v[0].groups) : json_array());
	else
		json_object_set(out, "lines", q->lines);
	if (q->counts) {
		json_object_set_new(out, "matched", json_integer((json_int_t)q->matched));
		json_object_set_new(out, "beyond", json_integer((json_int_t)q->beyond));
	}
	json_object_set_new(out, "next", q->next.n ? json_string(q->next.s) : json_null());
	json_object_set_new(
	    out, "segments_opened", json_integer((json_int_t)q->cost.segments_opened));
	json_object_set_new(out, "bytes_read", json_integer((json_int_t)q->cost.bytes_read));
	return out;
}

/* Registered and silent so far is no error; on the loop. */
static bool is_known(const struct logs_request *q)
{
	struct daemon *d = ops_daemon(q->call);

	return q->e.code == ERR_NOT_FOUND && q->selects.n &&
	       registry_find(d->registry, q->selects.v[0].service);
}

void logs_request_answer(struct logs_request *q)
{
	if (q->e.code == ERR_OK || is_known(q))
		rpc_answer(q->call, result_of(q));
	else
		rpc_fail(q->call, &q->e, NULL);
}
