/*
 * progress.h - an operation while it goes on: everything that it touches and waits for, now.
 *
 * Added to the operation as JSON (operation_json.h):
 *
 *	change    grows with each change of what is told here; op.watch takes it as `after_change`
 *	progress  [{name state wanted since reason?
 *	            actions: [{name state since attempt pid? next? note?
 *	                       waiting_on: [edges as in service.status]
 *	                       failures: [{attempt time reason exit_code signal why line}]
 *	                       failures_before?}]
 *	            waiting_on?  of a service without actions}]
 *	more      services that are not told, if there are
 *
 * Told are the services that were asked for, in that order, then what it started and what these
 * wait for; where not all are told, those at rest are left out first.  `line` is the last line
 * of output of the attempt.  It stands in a segment file and is read beside the loop, once, so the
 * answer may come later.
 *
 * Depends on: server/operation/operations.h, logs/query.h, history/failures.h.
 */
#ifndef HP_SERVER_EXPLAIN_PROGRESS_H
#define HP_SERVER_EXPLAIN_PROGRESS_H

#include "engine/engine.h"

#include <jansson.h>

struct explain;

/* Listens to the events, for those who wait for a change; after operations and event stream. */
struct progress *progress_new(struct explain *d);
void progress_free(struct progress *p); /* before them */

#define PROGRESS_LIMIT 200 /* services told, if nobody wants more */

typedef void (*progress_fn)(void *ctx, json_t *take_operation);

/* `take_operation`: as operation_json() made it; given back at once when it is over. */
void progress_give(
    struct explain *d, json_t *take_operation, size_t limit, progress_fn fn, void *ctx);

/* The same without reading: lines that nobody asked for yet are missing. */
void progress_add(struct explain *d, op_id id, size_t limit, json_t *operation);

/* The present `change` of an operation in flight; 0: of none. */
int64_t progress_change(struct explain *d, op_id id);

#endif
