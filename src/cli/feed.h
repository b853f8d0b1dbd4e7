/*
 * feed.h - the events of the supervisor as they happen, instead of asking again and again.
 *
 * Open it, ask for the state, wait, ask again where something happened: what happens between
 * the first two comes as an event, too, so nothing is missed.  A feed that breaks off (the
 * server was replaced) is opened anew by feed_wait(), which says so: what happened meanwhile
 * has to be asked for.  Depends on: client, cli.h.
 */
#ifndef HP_CLI_FEED_H
#define HP_CLI_FEED_H

#include "cli/cli.h"
#include "client/http.h"

struct feed {
	const char *socket; /* borrowed */
	struct http_conn conn;
	bool is_open;
	bool once;	       /* one that breaks off is not opened anew */
	bool ends_with_output; /* for output without end: a reader of it that left is noticed */
	struct str text;       /* received, not looked through yet */
};

/* One event, as JSON text. */
typedef void (*feed_fn)(const char *event, void *ctx);

enum feed_news {
	FEED_EVENTS,  /* at least one was given to fn */
	FEED_QUIET,   /* the deadline, a signal, or out_is_broken() */
	FEED_RENEWED, /* it broke off and is there again */
	FEED_LOST,    /* nobody is there any more: *e */
};

/* ERR_NO_DAEMON, ERR_DENIED.  Release also when it failed. */
enum err feed_init(struct feed *f, const struct cli *c, struct error *e) attr_must_use;
void feed_release(struct feed *f);

/* Until something comes, at most to `deadline` (http_deadline()).  All that is there by then is
 * given at once.  fn may be NULL. */
enum feed_news feed_wait(struct feed *f, msec deadline, feed_fn fn, void *ctx, struct error *e);

#endif
