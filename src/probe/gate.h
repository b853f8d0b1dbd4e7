/*
 * gate.h - wait until something answers, without asking all the time (SPEC 2.2, 2.4).
 *
 *	unix:/path connect      connect(2) succeeds on the path
 *	unix:/path health       and GET /health answers 2xx
 *	tcp:host:port           connect(2) succeeds; host is an address, default 127.0.0.1
 *	http://host:port/path   an answer of 2xx, whole (dial.h); host is an address
 *	http+unix:/path:/path   the same over a socket
 *	file:/path  !file:/path the file is there, is not there
 *
 * A file is awaited by inotify(7) on the nearest folder that exists, shared by
 * all watches, and looked at every 5 s as well: no event tells that a folder higher up
 * was renamed away.  Where nothing can be watched, it is looked at every 100 ms.  While
 * it exists and does not answer it is tried again after 1 ms, doubling to 100 ms,
 * and whenever its folder changes.  A port is tried the same way (there is nothing
 * to watch).  A watch fires once, always from the loop, never from gate_watch_new().
 * A stale file of a socket never opens a gate: what counts is the connection.
 *
 * Belongs to the thread of its loop.  Depends on: base, model/address.h, libevent.
 */
#ifndef HP_PROBE_GATE_H
#define HP_PROBE_GATE_H

#include "base/error.h"

struct event_base;
struct gate_hub;
struct gate_watch;

typedef void (*gate_open_fn)(void *ctx); /* may free the watch, and make others */

enum err gate_hub_new(
    struct event_base *base, struct gate_hub **out, struct error *e) attr_must_use;
void gate_hub_free(struct gate_hub *h); /* after its watches */

/* ERR_INVALID: the text is no gate. */
enum err gate_watch_new(struct gate_hub *h, const char *text, gate_open_fn fn, void *ctx,
    struct gate_watch **out, struct error *e) attr_must_use;
void gate_watch_free(struct gate_watch *w); /* NULL does nothing */

/* Told once for each new text of gate_watch_last(); must not free the watch. */
typedef void (*gate_event_fn)(void *ctx, const char *text);
void gate_watch_on_event(struct gate_watch *w, gate_event_fn fn, void *ctx);

/* The result of the last try, "connect /x: Connection refused"; "" before the first
 * and once it opened; borrowed. */
const char *gate_watch_last(const struct gate_watch *w);

#endif
