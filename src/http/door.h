/*
 * door.h - no more clients on a listening Unix socket than a limit; who comes beyond
 * it is told so and harms nobody.
 *
 * libevent 2.1 neither bounds the connections of its HTTP server nor tells when one
 * ends, so they are looked at instead of counted along: an accepted socket bears the
 * address of its listener (getsockname(2)).  That costs a walk over our descriptors,
 * done only when as many came as there was room for at the last look.
 *
 * While there are no descriptors left nobody is accepted, and that is looked at again
 * after 100 ms.
 *
 * Belongs to the thread of its event loop, as all doors of the process.  Depends on: base,
 * libevent.
 */
#ifndef HP_HTTP_DOOR_H
#define HP_HTTP_DOOR_H

#include "base/error.h"

struct event_base;
struct evconnlistener;
struct door;

/* `listener` must outlive the door. */
enum err door_new(struct event_base *base, struct evconnlistener *listener, size_t limit,
    struct door **out, struct error *e) attr_must_use;
void door_free(struct door *d); /* NULL does nothing */

/* From now on it is the door of that listener, which outlives it likewise.  On failure nothing
 * has changed. */
enum err door_listen(
    struct door *d, struct evconnlistener *listener, struct error *e) attr_must_use;

/* Nobody is accepted or refused any more. */
void door_lock(struct door *d);

/* The listener has accepted one more.  With the last one that there is room for the
 * door closes: the next ones are answered 503 until somebody leaves. */
void door_came_in(struct door *d);

#endif
