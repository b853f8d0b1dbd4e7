/*
 * http.h - HTTP/1.1 on a Unix socket: the RPC endpoint, a few documents, event streams.
 *
 *	POST /rpc and /                      JSON-RPC (204 when there is nothing to answer)
 *	GET /health /metrics /openrpc.json /.well-known/heroservice.json
 *	GET /events                          server-sent events, until the client goes
 *
 * The folder is made 0750, the socket 0660; a peer other than the owner and root
 * is refused (SO_PEERCRED, unix(7)), unless it is a member of the configured group; so is what a
 * page in a browser asks (Origin, Sec-Fetch-Site).  A stale socket file is removed only when nobody
 * answers on it.  Bodies, headers and time are bounded by base/limits.h.  Belongs to the thread of
 *its event loop.  The process must ignore SIGPIPE: a client may leave while it is written to, and
 *writev(2) has no MSG_NOSIGNAL.
 *
 * Depends on: base, sys/urgent.h, rpc, libevent.
 */
#ifndef HP_HTTP_HTTP_H
#define HP_HTTP_HTTP_H

#include "http/listen.h"
#include "rpc/rpc.h"

struct event_base;
struct http_server;
struct http_stream;
struct urgent;

struct http_config {
	const char *socket_path; /* absolute */
	/* Listens there already: its descriptor is taken, and used unless another file stands at
	 * the path by now.  NULL: a socket is made. */
	const struct listening *held;
	const struct rpc_service *rpc;
	void *ctx;			 /* of the callbacks */
	struct urgent *urgent;		 /* has its turn before each request; or NULL */
	json_t *(*health)(void *ctx);	 /* a new object; its `ok` false makes 503 */
	json_t *(*wellknown)(void *ctx); /* a new object */
	char *(*metrics)(void *ctx);	 /* OpenMetrics text, freed by us */
	/* A client follows events; `query` is the text behind "?", or "". */
	void (*subscribe)(void *ctx, struct http_stream *s, const char *query);
	void (*unsubscribe)(void *ctx, struct http_stream *s); /* it is gone; once per subscribe */
	/* Its members may call too; NULL: the owner and root only.  Borrowed as long as the server.
	 */
	const gid_t *group;
	size_t max_connections; /* 0: LIMIT_CONNECTIONS; who comes beyond is answered 503 */
};

/* ERR_CONFLICT: somebody answers on the socket. */
enum err http_server_new(struct event_base *base, const struct http_config *cfg,
    struct http_server **out, struct error *e) attr_must_use;
/* Closes the socket, removes its file, drops every client (unsubscribe is called). */
void http_server_free(struct http_server *s);
/* The same, but the file stays, for who holds a duplicate of the socket. */
void http_server_leave(struct http_server *s);
/* Whoever comes now waits for who listens next. */
void http_server_pause(struct http_server *s);
/* Is the socket's file not there any more, or another one's?  Then a new socket is bound, in a
 * folder that is made again where it has to be.  ERR_CONFLICT: somebody else answers there. */
enum err http_server_bind_again(
    struct http_server *s, bool *changed, struct error *e) attr_must_use;
/* The socket, borrowed. */
struct listening http_server_listening(const struct http_server *s);

/* One event; `data` is one line of text.  A client with more than LIMIT_SSE_QUEUE_BYTES waiting is
 * dropped: a comment behind what waits says so, and it has two seconds to take it.  False: it is
 * on its way out, do not bother. */
bool http_stream_send(struct http_stream *s, const char *event, const char *data);
/* No more events will come: the stream ends when all is sent. */
void http_stream_end(struct http_stream *s);

#endif
