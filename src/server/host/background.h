/*
 * background.h - what may wait for a disk, beside the loop.
 *
 * Each piece of work has a thread of its own while it runs (they are few and
 * rare); its end is told on the loop.  Work touches nothing of the daemon.
 *
 * Depends on: base, libevent, pthread.
 */
#ifndef HP_SERVER_HOST_BACKGROUND_H
#define HP_SERVER_HOST_BACKGROUND_H

#include "base/base.h"

struct event_base;
struct background;

typedef void (*background_fn)(void *ctx);

struct background *background_new(struct event_base *base);
/* Waits for nothing: what still runs is never told. */
void background_free(struct background *b);

/* `work` on a thread, then `done` on the loop.  Without a thread both at once. */
void background_run(struct background *b, background_fn work, background_fn done, void *ctx);

#endif
