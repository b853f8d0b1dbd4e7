/*
 * operations.h - requests in flight, who asked, and who waits for the answer.
 *
 * A client that goes away cancels nothing.  Answers are given once the end of
 * the operation is committed.
 *
 * Depends on: server/daemon.h, jansson.
 */
#ifndef HP_SERVER_OPERATIONS_H
#define HP_SERVER_OPERATIONS_H

#include "server/daemon.h"

#include <jansson.h>

/* The end of a wait: `answer` is the operation as JSON, taken.  `e->code` is
 * ERR_OK when it reached what was asked; ERR_TIMEOUT when the wait was over first. */
typedef void (*operation_done_fn)(void *ctx, const struct error *e, json_t *take_answer);

struct operations *operations_new(struct daemon *d);
void operations_free(struct operations *o);

/* After engine_request() and before perform_effects(). */
void operations_begin(struct daemon *d, op_id id, const char *who);
/* timeout 0: as long as it takes. */
void operations_wait(struct daemon *d, op_id id, msec timeout, operation_done_fn fn, void *ctx);
/* The caller's connection is gone: its function will not be called any more. */
void operations_unwait(struct daemon *d, void *ctx);

void operations_changed(struct daemon *d, const struct effect *fx); /* EFFECT_OP */

const char *operations_who(const struct daemon *d, op_id id); /* NULL: not in flight */
size_t operations_in_flight(const struct daemon *d);

/* operation, kind, names, state, steps, started, changed, notes; NULL: not in
 * memory any more (the store has it). */
json_t *operation_json(const struct daemon *d, op_id id);
json_t *steps_json(const struct op_step *steps, size_t n);
json_t *strv_json(const struct strv *l);

#endif
