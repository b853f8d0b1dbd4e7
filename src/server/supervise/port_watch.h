/*
 * port_watch.h - wait until a process of an attempt listens on a TCP port (SPEC 2.9).
 *
 * On any loopback or wildcard address, IPv4 or IPv6.  Who else listens there counts for
 * nothing, so nobody is connected to: the kernel lists the listeners, and /proc says who holds
 * them.  Looked at after 1 ms, doubling to 100 ms, as a gate; no event tells.
 *
 * What it says meanwhile names what is there instead: another port or address of the set,
 * another process on this port.
 *
 * Depends on: server/supervise/process_set.h, sys/listeners.h.
 */
#ifndef HP_SERVER_SUPERVISE_PORT_WATCH_H
#define HP_SERVER_SUPERVISE_PORT_WATCH_H

#include "server/supervise/attempt.h"

struct port_watch;

/* From the loop, once; may free the watch.  `text`: each time it changes; must not free it. */
typedef void (*port_open_fn)(void *ctx);
typedef void (*port_news_fn)(void *ctx, const char *text);

struct port_watch *port_watch_new(
    struct attempt *at, unsigned port, port_open_fn fn, port_news_fn news, void *ctx);
void port_watch_free(struct port_watch *w);		 /* NULL does nothing */
const char *port_watch_last(const struct port_watch *w); /* "" before the first look; borrowed */

#endif
