#include "hero_proc.h"

#include "client/http.h"

#include <jansson.h>
#include <stdio.h>

struct hp_client {
	char *socket;
	int64_t next_id;
};

void hp_error_release(struct hp_error *e)
{
	free(e->data);
	*e = (struct hp_error){0};
}

int hp_error_exit_status(const struct hp_error *e)
{
	return e->code ? err_exit_status(err_from_rpc_code(e->code)) : 0;
}

hp_client *hp_client_new(const char *socket_path)
{
	hp_client *c = mem_new(sizeof(*c));

	c->socket = socket_path ? text_dup(socket_path) : http_default_socket();
	return c;
}

void hp_client_free(hp_client *c)
{
	if (!c)
		return;
	free(c->socket);
	free(c);
}

const char *hp_client_socket(const hp_client *c)
{
	return c->socket;
}

static int fail(struct hp_error *e, const struct error *why)
{
	if (e) {
		*e = (struct hp_error){.code = err_rpc_code(why->code)};
		snprintf(e->name, sizeof(e->name), "%s", err_str(why->code));
		snprintf(e->message, sizeof(e->message), "%s", why->msg);
	}
	return err_rpc_code(why->code);
}

static int fail_answer(struct hp_error *e, const json_t *error)
{
	int code = (int)json_integer_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *name =
	    json_string_value(json_object_get(json_object_get(error, "data"), "name"));

	if (!code)
		code = err_rpc_code(ERR_BUG);
	if (e) {
		*e = (struct hp_error){.code = code};
		snprintf(
		    e->name, sizeof(e->name), "%s", name ? name : err_str(err_from_rpc_code(code)));
		snprintf(e->message, sizeof(e->message), "%s", message ? message : "no message");
		e->data = json_dumps(json_object_get(error, "data"), JSON_COMPACT);
	}
	return code;
}

/* A connection for each call: on a kept one nobody could tell whether a request that
 * broke off was read, and to send it again might act twice. */
static enum err exchange(
    const hp_client *c, const char *body, int *status, struct str *out, struct error *e)
{
	struct http_conn conn;

	if (http_open(&conn, c->socket, e))
		return e->code;
	enum err code = http_send(&conn, "POST", "/rpc", body, MSEC_NEVER, e);
	if (!code)
		code = http_receive_head(&conn, MSEC_NEVER, e);
	if (!code)
		code = http_receive_all(&conn, MSEC_NEVER, out, e);
	*status = conn.status;
	http_close(&conn);
	return code;
}

/* NULL when the parameters are no JSON: a call without them might act on everything. */
static char *request_text(hp_client *c, const char *method, const char *params)
{
	json_t *p = params ? json_loads(params, JSON_ALLOW_NUL, NULL) : json_object();
	json_t *rq = p ? json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id",
			     (json_int_t)++c->next_id, "method", method, "params", p)
		       : NULL;
	char *text = rq ? json_dumps(rq, JSON_COMPACT) : NULL;

	json_decref(rq);
	return text;
}

int hp_call(hp_client *c, const char *method, const char *params, char **result, struct hp_error *e)
{
	auto_str answer = {0};
	struct error why;
	int status = 0, code = 0;
	auto_free char *body = request_text(c, method, params);

	if (e)
		*e = (struct hp_error){0};
	if (!body) {
		error_set(&why, ERR_INVALID, "%s: the parameters are not JSON", method);
		return fail(e, &why);
	}
	if (exchange(c, body, &status, &answer, &why))
		return fail(e, &why);
	if (status == 403) {
		error_set(&why, ERR_DENIED, "this user may not talk to the supervisor");
		return fail(e, &why);
	}
	json_t *root =
	    json_loadb(str_text(&answer), answer.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	json_t *error = json_object_get(root, "error");
	if (!root || (!error && !json_object_get(root, "result"))) {
		error_set(&why, ERR_BUG, "%s: HTTP %d is no JSON-RPC answer", method, status);
		code = fail(e, &why);
	} else if (error) {
		code = fail_answer(e, error);
	} else if (result) {
		*result =
		    json_dumps(json_object_get(root, "result"), JSON_COMPACT | JSON_ENCODE_ANY);
	}
	json_decref(root);
	return code;
}

static int call_named(
    hp_client *c, const char *method, const char *name, char **result, struct hp_error *e)
{
	json_t *p = json_pack("{s:s}", "name", name);
	auto_free char *text = json_dumps(p, JSON_COMPACT);

	json_decref(p);
	return hp_call(c, method, text, result, e);
}

int hp_service_start(hp_client *c, const char *name, char **result, struct hp_error *e)
{
	return call_named(c, "service.start", name, result, e);
}

int hp_service_stop(hp_client *c, const char *name, char **result, struct hp_error *e)
{
	return call_named(c, "service.stop", name, result, e);
}
