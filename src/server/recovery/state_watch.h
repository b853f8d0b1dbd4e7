/*
 * state_watch.h - reports what happens to the state folder and the files in it, by inotify(7).
 *
 * Nothing is looked at while nothing happens.  The folders above are watched for being moved, the
 * one just above for the folder's name, the folder for the names in it, definitions/ for what is
 * not done by ourselves.  It may report too much, never too little: who hears it has a look.
 *
 * Depends on: base, libevent.
 */
#ifndef HP_SERVER_RECOVERY_STATE_WATCH_H
#define HP_SERVER_RECOVERY_STATE_WATCH_H

#include "base/error.h"

struct event_base;
struct state_watch;

enum {
	STATE_STORE = 1u,  /* the folder, the database, definitions/ as a whole */
	STATE_FILES = 2u,  /* a file below definitions/ */
	STATE_KEEPER = 4u, /* the folder, or a file of the keeper's in it */
	STATE_LOGS = 8u,   /* the folder, or logs/ */
};
typedef void (*state_watch_fn)(unsigned what, void *ctx);

struct state_watch_config {
	struct event_base *base;
	const char *dir; /* absolute */
	/* How many files below definitions/ we removed ourselves so far; counted before it is
	 * done. */
	unsigned (*removed)(void *ctx);
	state_watch_fn changed;
	void *ctx;
};

/* Never NULL; an error says why nothing will be reported. */
struct state_watch *state_watch_new(const struct state_watch_config *cfg, struct error *e);
/* The folders may be others than they were. */
void state_watch_renew(struct state_watch *w);
void state_watch_free(struct state_watch *w);

#endif
