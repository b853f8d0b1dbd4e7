#include "rpc/rpc.h"

#include "base/limits.h"
#include "base/str.h"
#include "rpc/json_out.h"

#include <assert.h>

ENUM_DEFINE(rpc_type, RPC_TYPE_LIST, RPC_TYPE_COUNT)

/* One HTTP body: a single request or a batch of them. */
struct exchange {
	const struct rpc_service *svc;
	struct rpc_peer peer;
	rpc_done_fn done;
	void *ctx;
	bool is_batch;
	bool reading; /* calls are still being made: do not finish yet */
	size_t open;
	struct str *answers; /* in order of the requests; empty: none */
	size_t n;
};

struct rpc_call {
	struct exchange *x;
	size_t at;
	json_t *id; /* NULL: a notification */
	const char *method;
	bool answered;
};

void *rpc_call_ctx(const struct rpc_call *call)
{
	return call->x->svc->ctx;
}

struct rpc_peer rpc_call_peer(const struct rpc_call *call)
{
	return call->x->peer;
}

const char *rpc_call_method(const struct rpc_call *call)
{
	return call->method;
}

/* ---- answers ---------------------------------------------------------------- */

static void join(const struct exchange *x, struct str *out)
{
	for (size_t i = 0; i < x->n; i++) {
		if (!x->answers[i].n)
			continue;
		str_add_char(out, out->n ? ',' : '[');
		str_add_n(out, x->answers[i].s, x->answers[i].n);
	}
	if (out->n)
		str_add_char(out, ']');
}

static void finish(struct exchange *x)
{
	struct str out = {0};

	if (x->open || x->reading)
		return;
	if (x->is_batch)
		join(x, &out);
	else {
		out = x->answers[0];
		x->answers[0] = (struct str){0};
	}
	x->done(x->ctx, out.s, out.n);
	for (size_t i = 0; i < x->n; i++)
		str_release(&x->answers[i]);
	free(x->answers);
	free(x);
}

static void envelope(struct str *out, const char *key, const struct str *value, const json_t *id)
{
	static const char begin[] = "{\"jsonrpc\":\"2.0\",\"";

	str_reserve(out, value->n + 80);
	str_add_n(out, begin, sizeof(begin) - 1);
	str_add(out, key);
	str_add_n(out, "\":", 2);
	str_add_n(out, value->s, value->n);
	if (json_is_integer(id))
		json_out_int(out, "id", json_integer_value(id));
	else
		json_out_tree(out, "id", id);
	json_out_close(out, '}');
}

static void settle(struct rpc_call *call, const char *key, struct str *take_value)
{
	struct exchange *x = call->x;

	assert(!call->answered);
	call->answered = true;
	if (call->id)
		envelope(&x->answers[call->at], key, take_value, call->id);
	str_release(take_value);
	json_decref(call->id);
	free(call);
	x->open--;
	finish(x);
}

void rpc_answer(struct rpc_call *call, json_t *take_result)
{
	struct str text = {0};

	json_out_tree(&text, NULL, take_result);
	json_decref(take_result);
	settle(call, "result", &text);
}

void rpc_answer_text(struct rpc_call *call, struct str *take_result)
{
	settle(call, "result", take_result);
}

/* A message may quote a path or a command, which are bytes. */
static void error_out(struct str *out, const struct error *e, json_t *take_data)
{
	json_t *data = take_data ? take_data : json_object();

	json_object_set_new(data, "name", json_string(err_str(e->code)));
	json_out_open(out, NULL, '{');
	json_out_int(out, "code", err_rpc_code(e->code));
	json_out_text(out, "message", e->msg);
	json_out_tree(out, "data", data);
	json_out_close(out, '}');
	json_decref(data);
}

void rpc_fail(struct rpc_call *call, const struct error *e, json_t *take_data)
{
	struct str text = {0};

	error_out(&text, e, take_data);
	settle(call, "error", &text);
}

/* ---- parameters -------------------------------------------------------------- */

static bool has_type(const json_t *v, enum rpc_type t)
{
	switch (t) {
	case RPC_STRING: return json_is_string(v);
	case RPC_INT: return json_is_integer(v);
	case RPC_BOOL: return json_is_boolean(v);
	case RPC_OBJECT: return json_is_object(v);
	case RPC_ARRAY: return json_is_array(v);
	case RPC_STRING_OR_ARRAY: return json_is_string(v) || json_is_array(v);
	case RPC_STRING_OR_INT: return json_is_string(v) || json_is_integer(v);
	case RPC_ANY:
	case RPC_TYPE_COUNT: break;
	}
	return true;
}

static const struct rpc_param *find_param(const struct rpc_method *m, const char *name)
{
	for (size_t i = 0; i < m->n_params; i++)
		if (strcmp(m->params[i].name, name) == 0)
			return &m->params[i];
	return NULL;
}

static void add_error(json_t *errors, const char *key, const char *hint, const char *fmt, ...)
    attr_fmt(4, 5);

static void add_error(json_t *errors, const char *key, const char *hint, const char *fmt, ...)
{
	auto_str text = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(&text, fmt, ap);
	va_end(ap);
	json_array_append_new(errors,
	    json_pack("{s:s, s:s, s:s?}", "key", key, "message", str_text(&text), "hint", hint));
}

static void check_known(const struct rpc_method *m, json_t *params, json_t *errors)
{
	const char *names[32];
	const char *k;
	json_t *v;
	size_t n = 0;

	for (size_t i = 0; i < m->n_params && n < countof(names); i++)
		names[n++] = m->params[i].name;
	json_object_foreach (params, k, v) {
		const struct rpc_param *p = find_param(m, k);

		if (!p) {
			const char *near = text_nearest(k, names, n);
			auto_free char *hint = near ? text_fmt("did you mean `%s`?", near) : NULL;

			add_error(errors, k, hint, "%s has no parameter `%s`", m->name, k);
		} else if (!json_is_null(v) && !has_type(v, p->type)) {
			add_error(errors, k, NULL, "`%s` must be %s", k, rpc_type_str(p->type));
		}
	}
}

static json_t *check_params(const struct rpc_method *m, json_t *params)
{
	json_t *errors = json_array();

	check_known(m, params, errors);
	for (size_t i = 0; i < m->n_params; i++) {
		json_t *v = json_object_get(params, m->params[i].name);

		if (m->params[i].required && (!v || json_is_null(v)))
			add_error(errors, m->params[i].name, NULL, "%s needs `%s`", m->name,
			    m->params[i].name);
	}
	return errors;
}

/* By position: the names come from the table.  A new object, or NULL when there are too many. */
static json_t *named_params(const struct rpc_method *m, json_t *params)
{
	json_t *named = json_object();

	if (json_is_object(params)) {
		json_object_update(named, params);
		return named;
	}
	for (size_t i = 0; i < json_array_size(params); i++) {
		if (i == m->n_params) {
			json_decref(named);
			return NULL;
		}
		json_object_set(named, m->params[i].name, json_array_get(params, i));
	}
	return named;
}

/* ---- methods -------------------------------------------------------------------- */

static void discover(struct rpc_call *call, json_t *params)
{
	(void)params;
	rpc_answer(call, rpc_openrpc(call->x->svc));
}
static const struct rpc_method builtin[] = {
    {"rpc.discover", "The OpenRPC document of this service", NULL, 0, discover, false},
};

static bool is_alias(const char *given, const char *name)
{
	for (; *given && *name; given++, name++)
		if (*given != *name && !(*given == '_' && *name == '.'))
			return false;
	return *given == *name;
}

static const struct rpc_method *find_method(const struct rpc_service *svc, const char *name)
{
	for (size_t g = 0; g < svc->n_groups; g++)
		for (size_t i = 0; i < svc->groups[g].n; i++)
			if (is_alias(name, svc->groups[g].methods[i].name))
				return &svc->groups[g].methods[i];
	return is_alias(name, builtin[0].name) ? &builtin[0] : NULL;
}

static char *suggest_method(const struct rpc_service *svc, const char *name)
{
	const char *names[256];
	size_t n = 0;

	for (size_t g = 0; g < svc->n_groups; g++)
		for (size_t i = 0; i < svc->groups[g].n && n < countof(names); i++)
			names[n++] = svc->groups[g].methods[i].name;
	const char *near = text_nearest(name, names, n);
	return near ? text_fmt("did you mean `%s`?", near) : NULL;
}

static void fail_method(struct rpc_call *call, const char *name)
{
	auto_free char *hint = suggest_method(call->x->svc, name);
	struct error e;

	error_set(&e, ERR_METHOD, "no method `%.200s`", name);
	rpc_fail(call, &e, hint ? json_pack("{s:s}", "hint", hint) : NULL);
}

static void fail_params(struct rpc_call *call, json_t *take_errors)
{
	struct error e;
	json_t *first = json_array_get(take_errors, 0);
	json_t *hint = json_object_get(first, "hint");

	error_set(&e, ERR_INVALID, "%s", json_string_value(json_object_get(first, "message")));
	json_t *data = json_pack("{s:o}", "errors", take_errors);
	if (json_is_string(hint))
		json_object_set(data, "hint", hint);
	rpc_fail(call, &e, data);
}

static void run(struct rpc_call *call, const char *name, json_t *params)
{
	const struct rpc_method *m = find_method(call->x->svc, name);
	struct error e;

	if (!m) {
		fail_method(call, name);
		return;
	}
	call->method = m->name;
	json_t *named = named_params(m, params);
	if (!named) {
		error_set(&e, ERR_INVALID, "%s takes at most %zu parameters", m->name, m->n_params);
		rpc_fail(call, &e, NULL);
		return;
	}
	json_t *errors = check_params(m, named);
	if (json_array_size(errors)) {
		fail_params(call, errors);
	} else {
		json_decref(errors);
		m->handler(call, named);
	}
	json_decref(named);
}

/* ---- requests --------------------------------------------------------------------- */

static bool id_is_valid(const json_t *id)
{
	return !id || json_is_string(id) || json_is_number(id) || json_is_null(id);
}

static const char *what_is_wrong(const json_t *rq)
{
	const json_t *version = json_object_get(rq, "jsonrpc"),
		     *params = json_object_get(rq, "params");

	if (!json_is_object(rq))
		return "a request is an object";
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return "`jsonrpc` must be \"2.0\"";
	if (!json_is_string(json_object_get(rq, "method")))
		return "`method` must be a string";
	if (!id_is_valid(json_object_get(rq, "id")))
		return "`id` must be a string, a number or null";
	if (params && !json_is_object(params) && !json_is_array(params) && !json_is_null(params))
		return "`params` must be an object or an array";
	return NULL;
}

static void handle(struct exchange *x, size_t at, json_t *rq)
{
	struct rpc_call *call = mem_new(sizeof(*call));
	const char *wrong = what_is_wrong(rq);
	json_t *id = json_object_get(rq, "id");

	x->open++;
	call->x = x;
	call->at = at;
	if (wrong) {
		struct error e;

		call->id = id_is_valid(id) && id ? json_incref(id) : json_null();
		error_set(&e, ERR_REQUEST, "%s", wrong);
		rpc_fail(call, &e, NULL);
		return;
	}
	call->id = id ? json_incref(id) : NULL;
	run(call, json_string_value(json_object_get(rq, "method")), json_object_get(rq, "params"));
}

static void fail_all(struct exchange *x, enum err code, const char *fmt, ...) attr_fmt(3, 4);

static void fail_all(struct exchange *x, enum err code, const char *fmt, ...)
{
	auto_str text = {0};
	struct error e;
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(&text, fmt, ap);
	va_end(ap);
	error_set(&e, code, "%s", str_text(&text));
	x->is_batch = false;
	x->answers = mem_new(sizeof(*x->answers));
	x->n = 1;
	str_clear(&text);
	error_out(&text, &e, NULL);
	envelope(&x->answers[0], "error", &text, NULL);
	x->reading = false;
	finish(x);
}

/* jansson's own bound is 2,048 levels; ours is tighter, and looked at before it parses. */
static bool nests_too_deep(const char *body, size_t n)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < n; i++) {
		char c = body[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '[' || c == '{')) {
			if (++depth > LIMIT_NESTING)
				return true;
		} else if (!in_string && (c == ']' || c == '}') && depth)
			depth--;
	}
	return false;
}

void rpc_dispatch(const struct rpc_service *svc, const char *body, size_t n,
    const struct rpc_peer *peer, rpc_done_fn done, void *ctx)
{
	struct exchange *x = mem_new(sizeof(*x));
	json_error_t je;

	*x =
	    (struct exchange){.svc = svc, .peer = *peer, .done = done, .ctx = ctx, .reading = true};
	if (memchr(
		body, '\0', n)) { /* jansson takes one for the end, and what follows for nothing */
		fail_all(x, ERR_PARSE, "not JSON: a NUL byte");
		return;
	}
	if (nests_too_deep(body, n)) {
		fail_all(x, ERR_PARSE, "nested deeper than %d", LIMIT_NESTING);
		return;
	}
	json_t *root = json_loadb(body, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
	if (!root) {
		fail_all(
		    x, ERR_PARSE, "not JSON: line %d, column %d: %s", je.line, je.column, je.text);
		return;
	}
	x->is_batch = json_is_array(root);
	size_t count = x->is_batch ? json_array_size(root) : 1;
	if (!count)
		fail_all(x, ERR_REQUEST, "an empty batch");
	else if (count > LIMIT_BATCH)
		fail_all(
		    x, ERR_LIMIT, "a batch of %zu requests; %d is the limit", count, LIMIT_BATCH);
	else {
		x->answers = mem_new(count * sizeof(*x->answers));
		x->n = count;
		for (size_t i = 0; i < count; i++)
			handle(x, i, x->is_batch ? json_array_get(root, i) : root);
		x->reading = false;
		finish(x);
	}
	json_decref(root);
}

/* ---- OpenRPC ------------------------------------------------------------------------ */

static json_t *type_schema(enum rpc_type t)
{
	if (t == RPC_ANY)
		return json_object();
	if (t == RPC_STRING_OR_ARRAY)
		return json_pack("{s:[s,s]}", "type", "string", "array");
	if (t == RPC_STRING_OR_INT)
		return json_pack("{s:[s,s]}", "type", "string", "integer");
	return json_pack("{s:s}", "type", rpc_type_str(t));
}

static json_t *describe(const struct rpc_method *m)
{
	json_t *params = json_array();

	for (size_t i = 0; i < m->n_params; i++)
		json_array_append_new(
		    params, json_pack("{s:s, s:s, s:b, s:o}", "name", m->params[i].name,
				"description", m->params[i].doc ? m->params[i].doc : "", "required",
				m->params[i].required, "schema", type_schema(m->params[i].type)));
	return json_pack("{s:s, s:s, s:o, s:s, s:{s:s, s:{}}}", "name", m->name, "summary",
	    m->summary, "params", params, "paramStructure", "either", "result", "name", "result",
	    "schema");
}

json_t *rpc_openrpc(const struct rpc_service *svc)
{
	json_t *methods = json_array(), *errors = json_object();

	for (size_t g = 0; g < svc->n_groups; g++)
		for (size_t i = 0; i < svc->groups[g].n; i++)
			json_array_append_new(methods, describe(&svc->groups[g].methods[i]));
	json_array_append_new(methods, describe(&builtin[0]));
	for (size_t i = 1; i < ERR_COUNT; i++)
		json_object_set_new(errors, err_str((enum err)i),
		    json_pack("{s:i, s:s}", "code", err_rpc_code((enum err)i), "message",
			err_meaning((enum err)i)));
	return json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:o}}", "openrpc", "1.3.2", "info", "title",
	    svc->title, "version", svc->version, "methods", methods, "components", "errors",
	    errors);
}
