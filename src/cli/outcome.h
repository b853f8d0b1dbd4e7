/*
 * outcome.h - how an operation ended, in words: done, failed and why, or not within the time.
 *
 * Depends on: call.h.
 */
#ifndef HP_CLI_OUTCOME_H
#define HP_CLI_OUTCOME_H

#include "cli/call.h"

/* `op`: op.get of one that is over; `summary`: one line, or NULL: nothing was touched.  Exit
 * status. */
int outcome_print(struct cli *c, const json_t *op, const char *summary);

/* The caller's wait is over and the operation is not: what it waits for at present. */
int outcome_print_late(struct cli *c, const json_t *op, const json_t *names);

/* "web: nothing to do", or how many there are. */
void outcome_print_nothing(const struct strv *names);

/* "operation 3 goes on; `hero_proc op watch 3` follows it ..."; the caller frees. */
char *outcome_goes_on(const json_t *op);

#endif
