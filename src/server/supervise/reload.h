/*
 * reload.h - service.reload: say to what runs that its configuration changed (SPEC 4).
 *
 * `reload` of an action is a signal or a command.  A command is over when it ended.  A
 * signal is over when it was sent, except where the action speaks by notifications: then
 * at its next READY=1, and after a command that left it RELOADING, too.
 *
 * Nothing of it is stored: a call dies with its server, the service does not notice.
 * Depends on: server/supervise/attempt.h.
 */
#ifndef HP_SERVER_SUPERVISE_RELOAD_H
#define HP_SERVER_SUPERVISE_RELOAD_H

#include "server/supervise/attempt.h"

#include <jansson.h>

/* `e->code` is ERR_OK when all of it was done; the answer is taken, NULL with an error. */
typedef void (*reload_done_fn)(void *ctx, const struct error *e, json_t *take_answer);

struct reload_request {
	const char *action; /* NULL: all that declare it */
	bool wait;	    /* false: fn is called as soon as everything was sent */
	bool dry_run;	    /* whom it would reach; nothing is sent */
	msec within;	    /* 0: start_timeout_ms of the action, or 90 s */
};

/* Of the ready actions of a unit.  Refused (ERR_INVALID_STATE: none of them declares it):
 * fn is not called. */
enum err reload_begin(struct supervision *d, unit_id unit, const struct reload_request *rq,
    reload_done_fn fn, void *ctx, struct error *e) attr_must_use;

/* News. */
void reload_heard(struct attempt *at); /* it said READY=1 or RELOADING=1 */
void reload_attempt_ended(struct supervision *d, uint64_t token);
void reload_release(struct supervision *d); /* nobody is answered any more */

#endif
