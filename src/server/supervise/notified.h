/*
 * notified.h - what an attempt says of itself on $NOTIFY_SOCKET (sd_notify(3)).
 *
 * The keeper reads the socket, judges the sender and keeps the last word of each kind
 * with its time, so nothing is lost with a server.  Here the words get their meaning:
 * READY, RELOADING, STOPPING, STATUS, MAINPID, EXTEND_TIMEOUT_USEC, WATCHDOG,
 * WATCHDOG_USEC.  All times are the keeper's, so hearing a word twice changes nothing.
 *
 * The watchdog watches an attempt that is ready.  Before it fails one it asks the keeper
 * what was said meanwhile: a server that was away, stopped or busy is no silence.
 *
 * Depends on: server/supervise/attempt.h, server/supervise/launch.h.
 */
#ifndef HP_SERVER_SUPERVISE_NOTIFIED_H
#define HP_SERVER_SUPERVISE_NOTIFIED_H

#include "server/supervise/attempt.h"
#include "server/supervise/launch.h"

#include <jansson.h>

/* Before the spawn: the socket and the watchdog's variables, where they are declared. */
void notified_prepare(const struct action_def *a, struct launch *l);
void notified_begin(struct attempt *at); /* it was executed: the watchdog's clock exists */
void notified_end(struct attempt *at);	 /* safe twice */

/* All that counts of what it said so far, as notified_take() reads it. */
void notified_words(const struct attempt *at, struct str *out);

/* Lines `MS KEY=VALUE`, the newest first.  Performs effects: the attempt may be gone after. */
void notified_take(struct attempt *at, const char *text);
void notified_on_pong(struct supervision *d, uint64_t token, int value); /* spawner_events */

const char *notified_status(const struct attempt *at); /* its STATUS, or NULL; borrowed */
/* `status`, `notified`, `main_pid`, `watchdog_ms` of an action of service.status. */
void notified_show(const struct attempt *at, struct str *action);
bool notified_is_reloading(const struct attempt *at);
/* When READY=1 was said the last time, on CLOCK_MONOTONIC in ms; 0: never. */
msec notified_ready_at(const struct attempt *at);

#endif
