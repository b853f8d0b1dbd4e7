/*
 * toy_server.c - an HTTP server with a few methods, to be asked from outside.
 *
 *	toy_server SOCKET      until SIGTERM; exit 0
 *
 * /events?flood sends more than any client may have waiting.
 */
#include "http/http.h"

#include "base/str.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>

struct toy {
	struct event_base *base;
	struct http_server *server;
};

static void ping(struct rpc_call *call, json_t *params)
{
	(void)params;
	rpc_answer(call, json_string("pong"));
}

static void echo(struct rpc_call *call, json_t *params)
{
	rpc_answer(call, json_incref(json_object_get(params, "value")));
}

static const struct rpc_param echo_params[] = {{"value", RPC_ANY, true, "comes back"}};
static const struct rpc_method methods[] = {
    {"ping", "Say pong", NULL, 0, ping, false},
    {"echo", "Say the same", echo_params, countof(echo_params), echo, false},
};
static const struct rpc_group groups[] = {{methods, countof(methods)}};
static const struct rpc_service service = {groups, 1, NULL, "toy", "1"};

static json_t *health(void *ctx)
{
	(void)ctx;
	return json_pack("{s:b}", "ok", 1);
}

static json_t *wellknown(void *ctx)
{
	(void)ctx;
	return json_object();
}

static char *metrics(void *ctx)
{
	(void)ctx;
	return text_dup("# EOF\n");
}

static void subscribe(void *ctx, struct http_stream *s, const char *query)
{
	(void)ctx;
	do {
	} while (http_stream_send(s, "snapshot", query) && strncmp(query, "flood", 5) == 0);
}

static void unsubscribe(void *ctx, struct http_stream *s)
{
	(void)ctx;
	(void)s;
}

static void on_term(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(ctx);
}

int main(int argc, char **argv)
{
	struct toy t = {.base = event_base_new()};
	struct error e = {0};

	if (argc != 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	const struct http_config cfg = {.socket_path = argv[1],
	    .rpc = &service,
	    .ctx = &t,
	    .health = health,
	    .wellknown = wellknown,
	    .metrics = metrics,
	    .subscribe = subscribe,
	    .unsubscribe = unsubscribe};
	if (http_server_new(t.base, &cfg, &t.server, &e)) {
		fprintf(stderr, "toy_server: %s\n", e.msg);
		return 1;
	}
	struct event *term = evsignal_new(t.base, SIGTERM, on_term, t.base);
	event_add(term, NULL);
	event_base_dispatch(t.base);
	event_free(term);
	http_server_free(t.server);
	event_base_free(t.base);
	return 0;
}
