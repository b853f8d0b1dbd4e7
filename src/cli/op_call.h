/*
 * op_call.h - questions about an operation, which outlives the server that was asked.
 *
 * Depends on: call.h, outcome.h.
 */
#ifndef HP_CLI_OP_CALL_H
#define HP_CLI_OP_CALL_H

#include "cli/call.h"

/* A call that a server left behind is asked of the next one.  On ERR_TIMEOUT the operation is
 * taken from the error.  NULL: the error was printed, *status. */
json_t *op_call(struct cli *c, const char *method, json_t *take_params, int *status);

bool op_is_active(const json_t *op);

/* Until its end, at most c->timeout, where nobody sees what is between.  Exit status. */
int op_wait(struct cli *c, int64_t operation, const json_t *names);

#endif
