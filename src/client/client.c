#include "client/client.h"

#include <stdio.h>

char *path_from_env(const char *name)
{
	const char *v = getenv(name), *home = getenv("HOME");

	if (!v || !*v)
		return NULL;
	if (v[0] == '~' && (v[1] == '/' || !v[1]))
		return text_fmt("%s%s", home ? home : "", v + 1);
	return text_dup(v);
}

char *hp_default_socket(void)
{
	const char *home = getenv("HOME");
	auto_free char *root = path_from_env("PATH_ROOT");
	auto_free char *var = path_from_env("PATH_VAR");
	auto_free char *sockets = path_from_env("HERO_SOCKET_DIR");

	if (!root)
		root = text_fmt("%s/hero", home ? home : "");
	if (!var)
		var = text_fmt("%s/var", root);
	if (!sockets)
		sockets = text_fmt("%s/sockets", var);
	return text_fmt("%s/hero_proc/rpc.sock", sockets);
}

struct hp_client *hp_client_new(const char *socket_path)
{
	struct hp_client *c = mem_new(sizeof(*c));

	c->socket = socket_path ? text_dup(socket_path) : hp_default_socket();
	return c;
}

void hp_client_free(struct hp_client *c)
{
	if (!c)
		return;
	free(c->socket);
	free(c);
}

const char *hp_client_socket(const struct hp_client *c)
{
	return c->socket;
}

void hp_client_set_timeout(struct hp_client *c, long long timeout_ms)
{
	c->timeout = timeout_ms > 0 ? timeout_ms : 0;
}

/* ---- calls --------------------------------------------------------------------- */

static enum err exchange(struct http_conn *http, const char *body, msec deadline, struct str *out,
    struct error *e)
{
	if (http_send(http, "POST", "/rpc", body, deadline, e) || http_receive_head(http, deadline, e) ||
	    http_receive_all(http, deadline, out, e))
		return e->code;
	if (http->status == 401 || http->status == 403)
		return error_set(e, ERR_DENIED, "the supervisor refuses this user (HTTP %d)", http->status);
	if (http->status != 200)
		return error_set(e, ERR_SYSTEM, "HTTP status %d: %.200s", http->status, str_text(out));
	return ERR_OK;
}

struct hp_answer *client_call(struct hp_client *c, const char *method, json_t *take_params)
{
	struct error e = { 0 };
	struct http_conn http;
	auto_str answer = { 0 };
	json_t *request = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", 1, "method", method,
	    "params", take_params ? take_params : json_object());
	auto_free char *body = request ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	if (!body)
		return answer_of_failure(err_rpc_code(ERR_INVALID), "the parameters are not UTF-8", NULL);
	if (http_open(&http, c->socket, &e) == ERR_OK)
		exchange(&http, body, http_deadline(c->timeout), &answer, &e);
	http_close(&http);
	return e.code ? answer_of_error(&e) : answer_of_response(str_text(&answer), answer.n);
}

struct hp_answer *hp_call(struct hp_client *c, const char *method, const char *params)
{
	json_error_t je;
	json_t *p = params ? json_loads(params, JSON_REJECT_DUPLICATES, &je) : NULL;
	struct error e = { 0 };

	if (params && !p) {
		error_set(&e, ERR_INVALID, "parameters: %s at column %d", je.text, je.column);
		return answer_of_error(&e);
	}
	return client_call(c, method, p);
}
