#include "http/http.h"

#include "base/limits.h"
#include "base/str.h"
#include "http/door.h"
#include "http/listen.h"
#include "http/peer.h"
#include "sys/urgent.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

struct http_server {
	struct http_config cfg;
	char *path;
	struct event_base *base;
	struct evhttp *http;
	struct evhttp_bound_socket *bound;
	struct listening listening; /* its descriptor is evhttp's */
	struct http_stream *streams;
	struct pending *pending;
	struct door *door;
};

/* A request that waits for its answer; the connection may go first. */
struct pending {
	struct http_server *s;
	struct evhttp_request *req; /* NULL: the client is gone */
	struct pending *next, *prev;
};

struct http_stream {
	struct http_server *s;
	struct evhttp_request *req;
	struct evhttp_connection *con;
	struct event *dying; /* set: too slow, or ended */
	int farewells;	     /* how often to look whether the last events have left */
	struct http_stream *next, *prev;
};

/* An ended stream has two seconds to take what waits for it. */
#define FAREWELL_MS 10
#define FAREWELLS   200

static const struct timeval request_time = {LIMIT_REQUEST_SECONDS, 0};

/* ---- answers ------------------------------------------------------------------- */

static void reply(struct evhttp_request *req, int status, const char *reason, const char *type,
    const char *body, size_t n)
{
	struct evbuffer *out = evbuffer_new();

	evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
	if (out && n)
		evbuffer_add(out, body, n);
	evhttp_send_reply(req, status, reason, out);
	if (out)
		evbuffer_free(out);
}

static void reply_json(
    struct evhttp_request *req, int status, const char *reason, json_t *take_body)
{
	char *text = json_dumps(take_body, JSON_COMPACT);

	reply(req, status, reason, "application/json", text ? text : "{}", text ? strlen(text) : 2);
	free(text);
	json_decref(take_body);
}

static void refuse(struct evhttp_request *req, int status, const char *reason)
{
	reply_json(req, status, reason, json_pack("{s:s}", "error", reason));
}

static struct bufferevent *bev_of(struct evhttp_request *req)
{
	return evhttp_connection_get_bufferevent(evhttp_request_get_connection(req));
}

/* ---- RPC ------------------------------------------------------------------------- */

/* libevent detaches a request whose client left before the whole answer was given, and
 * leaves it to us; one that is still attached goes with its connection. */
static void request_gone(struct evhttp_request *req)
{
	if (!evhttp_request_get_connection(req))
		evhttp_request_free(req);
}

static void pending_gone(struct evhttp_connection *con, void *ctx)
{
	struct pending *p = ctx;

	(void)con;
	request_gone(p->req);
	p->req = NULL;
}

static void pending_free(struct pending *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		p->s->pending = p->next;
	if (p->next)
		p->next->prev = p->prev;
	free(p);
}

static void rpc_done(void *ctx, char *take_text, size_t n)
{
	struct pending *p = ctx;
	struct evhttp_request *req = p->req;

	if (req) {
		evhttp_connection_set_closecb(evhttp_request_get_connection(req), NULL, NULL);
		bufferevent_set_timeouts(bev_of(req), &request_time, &request_time);
		if (take_text)
			reply(req, HTTP_OK, "OK", "application/json", take_text, n);
		else
			evhttp_send_reply(req, HTTP_NOCONTENT, "No Content", NULL);
	}
	free(take_text);
	if (p->s)
		pending_free(p);
	else
		free(p); /* the server went first */
}

static void handle_rpc(
    struct http_server *s, struct evhttp_request *req, const struct rpc_peer *peer)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t n = evbuffer_get_length(in);
	const char *body = n ? (const char *)evbuffer_pullup(in, -1) : "";
	struct pending *p = mem_new(sizeof(*p));

	p->s = s;
	p->req = req;
	p->next = s->pending;
	if (s->pending)
		s->pending->prev = p;
	s->pending = p;
	bufferevent_set_timeouts(bev_of(req), NULL, NULL); /* a call may wait for minutes */
	evhttp_connection_set_closecb(evhttp_request_get_connection(req), pending_gone, p);
	rpc_dispatch(s->cfg.rpc, body, n, peer, rpc_done, p);
}

/* ---- event streams ------------------------------------------------------------------ */

static void stream_unlink(struct http_stream *st)
{
	if (st->prev)
		st->prev->next = st->next;
	else
		st->s->streams = st->next;
	if (st->next)
		st->next->prev = st->prev;
}

static void stream_gone(struct evhttp_connection *con, void *ctx)
{
	struct http_stream *st = ctx;

	(void)con;
	stream_unlink(st);
	st->s->cfg.unsubscribe(st->s->cfg.ctx, st);
	if (st->dying)
		event_free(st->dying);
	request_gone(st->req);
	free(st);
}

/* Freeing a connection calls stream_gone, so it happens outside of any sender. */
static void stream_die(evutil_socket_t fd, short what, void *ctx)
{
	struct http_stream *st = ctx;

	(void)fd;
	(void)what;
	if (st->farewells > 0 && evbuffer_get_length(bufferevent_get_output(bev_of(st->req))) > 0) {
		st->farewells--; /* the last events are still on their way */
		event_add(st->dying, &(struct timeval){.tv_usec = FAREWELL_MS * 1000});
		return;
	}
	evhttp_connection_free(st->con);
}

static void stream_drop(struct http_stream *st)
{
	if (st->dying)
		return;
	st->dying = event_new(st->s->base, -1, 0, stream_die, st);
	if (st->dying)
		event_active(st->dying, EV_TIMEOUT, 1);
}

void http_stream_end(struct http_stream *st)
{
	static const char last_chunk[] = "0\r\n\r\n";

	if (st->dying)
		return;
	bufferevent_write(bev_of(st->req), last_chunk, sizeof(last_chunk) - 1);
	st->farewells = FAREWELLS;
	stream_drop(st);
}

static void send_chunk(struct http_stream *st, const char *fmt, ...) attr_fmt(2, 3);

static void send_chunk(struct http_stream *st, const char *fmt, ...)
{
	struct evbuffer *out = evbuffer_new();
	va_list ap;

	if (!out)
		return;
	va_start(ap, fmt);
	evbuffer_add_vprintf(out, fmt, ap);
	va_end(ap);
	evhttp_send_reply_chunk(st->req, out);
	evbuffer_free(out);
}

bool http_stream_send(struct http_stream *st, const char *event, const char *data)
{
	if (st->dying)
		return false;
	struct evbuffer *waiting = bufferevent_get_output(bev_of(st->req));
	if (evbuffer_get_length(waiting) > LIMIT_SSE_QUEUE_BYTES) {
		send_chunk(st, ": too slow, %u bytes were waiting\n\n", LIMIT_SSE_QUEUE_BYTES);
		http_stream_end(st);
		return false;
	}
	send_chunk(st, "event: %s\ndata: %s\n\n", event, data);
	return true;
}

static void handle_events(struct http_server *s, struct evhttp_request *req)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req));
	struct http_stream *st = mem_new(sizeof(*st));

	st->s = s;
	st->req = req;
	st->con = evhttp_request_get_connection(req);
	st->next = s->streams;
	if (s->streams)
		s->streams->prev = st;
	s->streams = st;
	evhttp_add_header(headers, "Content-Type", "text/event-stream");
	evhttp_add_header(headers, "Cache-Control", "no-store");
	bufferevent_set_timeouts(bev_of(req), NULL, NULL);
	evhttp_connection_set_closecb(st->con, stream_gone, st);
	evhttp_send_reply_start(req, HTTP_OK, "OK");
	s->cfg.subscribe(s->cfg.ctx, st, query ? query : "");
}

/* ---- routes --------------------------------------------------------------------------- */

static bool peer_of(struct http_server *s, struct evhttp_request *req, struct rpc_peer *out)
{
	int fd = bufferevent_getfd(bev_of(req));

	return peer_read(fd, out) && peer_may_call(fd, out, s->cfg.group);
}

/* libevent takes the first of several lengths, and an encoding that it does not know for
 * none: where the body ends is then a matter of opinion, which is how requests are smuggled. */
static bool has_doubtful_end(struct evhttp_request *req)
{
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(req);
	int lengths = 0, encodings = 0;

	for (const struct evkeyval *h = headers->tqh_first; h; h = h->next.tqe_next) {
		lengths += evutil_ascii_strcasecmp(h->key, "Content-Length") == 0;
		if (evutil_ascii_strcasecmp(h->key, "Transfer-Encoding") != 0)
			continue;
		if (evutil_ascii_strcasecmp(h->value, "chunked") != 0)
			return true;
		encodings++;
	}
	return lengths + encodings > 1;
}

/* What follows on the connection is not looked at. */
static void refuse_for_good(struct evhttp_request *req, int status, const char *reason)
{
	evhttp_add_header(evhttp_request_get_output_headers(req), "Connection", "close");
	refuse(req, status, reason);
}

static void handle_get(struct http_server *s, struct evhttp_request *req, const char *path)
{
	if (strcmp(path, "/health") == 0) {
		json_t *h = s->cfg.health(s->cfg.ctx);
		bool ok = !json_is_false(json_object_get(h, "ok"));

		reply_json(
		    req, ok ? HTTP_OK : HTTP_SERVUNAVAIL, ok ? "OK" : "Service Unavailable", h);
	} else if (strcmp(path, "/openrpc.json") == 0) {
		reply_json(req, HTTP_OK, "OK", rpc_openrpc(s->cfg.rpc));
	} else if (strcmp(path, "/.well-known/heroservice.json") == 0) {
		reply_json(req, HTTP_OK, "OK", s->cfg.wellknown(s->cfg.ctx));
	} else if (strcmp(path, "/metrics") == 0) {
		auto_free char *text = s->cfg.metrics(s->cfg.ctx);

		reply(req, HTTP_OK, "OK",
		    "application/openmetrics-text; version=1.0.0; charset=utf-8", text,
		    strlen(text));
	} else if (strcmp(path, "/events") == 0) {
		handle_events(s, req);
	} else {
		refuse(req, HTTP_NOTFOUND, "Not Found");
	}
}

/* A browser says where its page is from, and no page has business here: whatever relays to this
 * socket (a proxy, a forwarded port) must not let it run commands. */
static bool is_of_a_browser(struct evhttp_request *req)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(req);

	return evhttp_find_header(headers, "Origin") ||
	       evhttp_find_header(headers, "Sec-Fetch-Site");
}

static void handle(struct evhttp_request *req, void *ctx)
{
	struct http_server *s = ctx;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	enum evhttp_cmd_type verb = evhttp_request_get_command(req);
	struct rpc_peer peer;

	if (s->cfg.urgent)
		urgent_turn(s->cfg.urgent);
	if (!path || !*path)
		path = "/";
	bool is_rpc = strcmp(path, "/rpc") == 0 || strcmp(path, "/") == 0;
	if (!peer_of(s, req, &peer) || is_of_a_browser(req))
		refuse_for_good(req, 403, "Forbidden");
	else if (has_doubtful_end(req))
		refuse_for_good(req, HTTP_BADREQUEST, "Bad Request");
	else if (verb == EVHTTP_REQ_POST && is_rpc)
		handle_rpc(s, req, &peer);
	else if (verb == EVHTTP_REQ_GET && !is_rpc)
		handle_get(s, req, path);
	else
		refuse(req, is_rpc || verb != EVHTTP_REQ_GET ? HTTP_BADMETHOD : HTTP_NOTFOUND,
		    is_rpc || verb != EVHTTP_REQ_GET ? "Method Not Allowed" : "Not Found");
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Called for each accepted connection; NULL asks for the usual kind. */
static struct bufferevent *came_in(struct event_base *base, void *ctx)
{
	(void)base;
	door_came_in(ctx);
	return NULL;
}

static enum err listen_or_take(struct http_server *s, struct error *e)
{
	const struct listening *held = s->cfg.held;

	if (held && listen_is_at(s->path, &held->file)) {
		s->listening = *held;
		return ERR_OK;
	}
	if (held)
		close(held->fd);
	return listen_unix(s->path, &s->listening, e);
}

static enum err serve(struct http_server *s, struct error *e)
{
	size_t limit = s->cfg.max_connections ? s->cfg.max_connections : LIMIT_CONNECTIONS;

	s->http = evhttp_new(s->base);
	if (s->http)
		s->bound = evhttp_accept_socket_with_handle(s->http, s->listening.fd);
	if (!s->bound) {
		close(s->listening.fd);
		return error_sys(e, ENOMEM, "http");
	}
	if (door_new(s->base, evhttp_bound_socket_get_listener(s->bound), limit, &s->door, e))
		return e->code;
	evhttp_set_bevcb(s->http, came_in, s->door);
	evhttp_set_max_body_size(s->http, LIMIT_REQUEST_BYTES);
	evhttp_set_max_headers_size(s->http, 16 << 10);
	evhttp_set_timeout_tv(s->http, &request_time);
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
						EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
						EVHTTP_REQ_OPTIONS);
	evhttp_set_gencb(s->http, handle, s);
	return ERR_OK;
}

enum err http_server_new(struct event_base *base, const struct http_config *cfg,
    struct http_server **out, struct error *e)
{
	struct http_server *s = mem_new(sizeof(*s));

	s->cfg = *cfg;
	s->base = base;
	s->path = text_dup(cfg->socket_path);
	enum err code = listen_or_take(s, e);
	if (!code)
		code = serve(s, e);
	if (!code && cfg->group)
		code = listen_share(s->path, *cfg->group, e);
	if (code) {
		http_server_free(s);
		return code;
	}
	*out = s;
	return ERR_OK;
}

/* Clients that came by the former socket stay. */
static enum err change_socket(struct http_server *s, struct listening *now, struct error *e)
{
	struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(s->http, now->fd);

	if (!bound) {
		close(now->fd);
		return error_sys(e, ENOMEM, "http");
	}
	if (door_listen(s->door, evhttp_bound_socket_get_listener(bound), e)) {
		evhttp_del_accept_socket(s->http, bound);
		return e->code;
	}
	evhttp_del_accept_socket(s->http, s->bound);
	s->bound = bound;
	s->listening = *now;
	return ERR_OK;
}

enum err http_server_bind_again(struct http_server *s, bool *changed, struct error *e)
{
	struct listening now;

	*changed = false;
	if (listen_is_at(s->path, &s->listening.file))
		return ERR_OK;
	if (listen_unix(s->path, &now, e))
		return e->code;
	if (s->cfg.group && listen_share(s->path, *s->cfg.group, e)) {
		close(now.fd);
		return e->code;
	}
	*changed = change_socket(s, &now, e) == ERR_OK;
	return *changed ? ERR_OK : e->code;
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	listen_remove(s->path, &s->listening.file);
	for (struct pending *p = s->pending, *next; p; p = next) {
		next = p->next;
		if (p->req)
			evhttp_connection_set_closecb(
			    evhttp_request_get_connection(p->req), NULL, NULL);
		p->s = NULL;
		p->req = NULL;
	}
	while (s->streams)
		evhttp_connection_free(s->streams->con);
	door_free(s->door);
	if (s->http)
		evhttp_free(s->http);
	free(s->path);
	free(s);
}

void http_server_leave(struct http_server *s)
{
	s->listening.file = (struct listen_id){0};
	http_server_free(s);
}

struct listening http_server_listening(const struct http_server *s)
{
	return s->listening;
}

void http_server_pause(struct http_server *s)
{
	door_lock(s->door);
}
