/*
 * event_wait.h - to be told that something happened, instead of asking again and again.
 *
 * A bell is GET /events: open it, ask for the state, wait for the bell, ask again.  What
 * happens between the first two rings it too, so nothing is missed.  When the server is
 * replaced the bell is opened anew, and rings.  Depends on: client, cli.h.
 */
#ifndef HP_CLI_EVENT_WAIT_H
#define HP_CLI_EVENT_WAIT_H

#include "cli/cli.h"
#include "client/http.h"

struct event_wait {
	const char *socket; /* borrowed */
	struct http_conn conn;
	bool is_open;
	struct str text; /* received, not looked through yet */
};

/* ERR_NO_DAEMON, ERR_DENIED.  Release also when it failed. */
enum err event_wait_init(struct event_wait *b, const struct cli *c, struct error *e);
void event_wait_release(struct event_wait *b);

/* Until an event that speaks of `word` (NULL: any), or `deadline` (http_deadline()):
 * ERR_TIMEOUT.  ERR_NO_DAEMON when there is nobody any more. */
enum err event_wait_wait(struct event_wait *b, const char *word, msec deadline, struct error *e);

#endif
