/*
 * event_stream.h - who follows what happens: GET /events (SPEC 7.1).
 *
 * A follower gets a snapshot, then every change in order, each once it is
 * committed.  With `operation=ID` only what concerns that operation.
 *
 * Depends on: server/daemon.h, http.
 */
#ifndef HP_SERVER_EXPLAIN_EVENT_STREAM_H
#define HP_SERVER_EXPLAIN_EVENT_STREAM_H

#include "http/http.h"
#include "server/daemon.h"

struct hub *hub_new(struct daemon *d);
void hub_free(struct hub *h);

/* `fact` is a JSON object; `operation` may stand in it. */
void hub_publish(
    struct hub *h, int64_t id, int64_t cause, usec_wall time, const char *kind, const char *fact);

void hub_subscribe(void *ctx, struct http_stream *s, const char *query);
void hub_unsubscribe(void *ctx, struct http_stream *s);
size_t hub_followers(const struct hub *h);

#endif
