/*
 * upgrade.h - another server program takes over (docs/adr/0019).
 *
 * The candidate is asked who it is, in a process of its own, and refused while nothing has
 * changed yet.  Then an operation is recorded, the keeper is told, and this server ends; the next
 * one recovers as after a SIGKILL.  It is on trial until it serves (keeper_protocol.h,
 * "Upgrades"): a server that fails before is followed by the former one, which takes up the same
 * operation and ends it as failed.
 *
 * Depends on: server/daemon.h, jansson.
 */
#ifndef HP_SERVER_RECOVERY_UPGRADE_H
#define HP_SERVER_RECOVERY_UPGRADE_H

#include "server/daemon.h"

#include <jansson.h>

/* What this program answers to --version-json; a new object. */
json_t *upgrade_identity(void);

/* What the keeper told of the last upgrade. */
struct upgrade_outcome {
	enum upgrade_state { UPGRADE_NEVER, UPGRADE_ON_TRIAL, UPGRADE_DONE, UPGRADE_BACK } state;
	op_id operation;
	const char *why; /* borrowed from `text`; of UPGRADE_BACK */
};
struct upgrade_outcome upgrade_outcome_read(const char *text); /* KEEPER_UPGRADE_ENV, or NULL */
json_t *upgrade_json(const struct daemon *d); /* for system.info; null: there was none */

struct upgrade_request {
	const char *server; /* NULL: the path that this server was started from */
	msec trial;	    /* 0: the keeper's 30 s */
	bool dry_run;
	const char *who;
};
/* Once: refused, or what was found (taken), with its `operation` unless it is a dry run.  After
 * that this server ends. */
typedef void (*upgrade_done_fn)(void *ctx, const struct error *e, json_t *take_found);
void upgrade_ask(struct daemon *d, const struct upgrade_request *rq, upgrade_done_fn fn, void *ctx);

/* An operation that a former server left open. */
void upgrade_adopt(struct daemon *d, const struct store_operation *row);
/* Everything is in place: tell the keeper, end the operation.  Before anything is done. */
void upgrade_serve(struct daemon *d);
void upgrade_free(struct daemon *d);

#endif
