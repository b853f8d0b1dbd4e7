/*
 * event_stream.h - who follows what happens: GET /events (SPEC 7.1).
 *
 * A follower gets a snapshot, then every change in order, each once it is
 * committed.  With `operation=ID` only what concerns that operation, with `snapshot=0` the
 * changes alone.
 *
 * Depends on: server/explain/explain.h, http.
 */
#ifndef HP_SERVER_EXPLAIN_EVENT_STREAM_H
#define HP_SERVER_EXPLAIN_EVENT_STREAM_H

#include "http/http.h"
#include "server/explain/explain.h"

struct event_stream;
struct event_stream *event_stream_new(struct explain *d);
void event_stream_free(struct event_stream *h);

/* `fact` is a JSON object; `operation` may stand in it. */
void event_stream_publish(struct explain *d, int64_t id, int64_t cause, usec_wall time,
    const char *kind, const char *fact);

/* Somebody of this process, told of each event as it happens, before its commit; one at most. */
typedef void (*event_stream_fn)(void *ctx);
void event_stream_listen(struct event_stream *h, event_stream_fn fn, void *ctx);

void event_stream_subscribe(struct explain *d, struct http_stream *s, const char *query);
void event_stream_unsubscribe(struct explain *d, struct http_stream *s);
size_t event_stream_followers(const struct explain *d);

#endif
