/*
 * urgent.h - descriptors that are looked at between two pieces of other work.
 *
 * A turn of the event loop brings everything that is ready, in no order, and ends when all of it is
 * done: news that a service is ready would wait behind the requests of every client.  Priorities of
 * libevent are no answer: who talks without end keeps all lower ones from their turn.  So urgent
 * descriptors have an epoll set of their own.  The loop wakes up for it as for any other
 * descriptor, and who has long work for the loop calls urgent_turn() between its pieces: neither
 * side can starve the other.
 *
 * Belongs to the thread of its event loop.  Source: epoll(7), on a set within a set.
 * Depends on: base, libevent.
 */
#ifndef HP_SYS_URGENT_H
#define HP_SYS_URGENT_H

#include "base/error.h"

struct event_base;
struct urgent;

/* One descriptor, in the storage of who watches it. */
struct urgent_watch {
	struct urgent *set; /* NULL: it is not watched */
	int fd;		    /* borrowed */
	void (*fn)(void *ctx);
	void *ctx;
};

enum err urgent_new(struct event_base *base, struct urgent **out, struct error *e) attr_must_use;
void urgent_free(struct urgent *u);

/* `fn` is called while `fd` is readable or has ended.  It may remove any watch, its own too. */
enum err urgent_add(struct urgent *u, struct urgent_watch *w, int fd, void (*fn)(void *ctx),
    void *ctx, struct error *e) attr_must_use;
/* Before `fd` is closed, for a duplicate elsewhere keeps its registration; safe on {0}, and twice.
 */
void urgent_remove(struct urgent_watch *w);

/* What is ready now, a bounded number of calls.  Never waits. */
void urgent_turn(struct urgent *u);

#endif
