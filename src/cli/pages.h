/*
 * pages.h - a list of the supervisor, whole or bounded; never cut in silence.
 *
 * Depends on: call.h.
 */
#ifndef HP_CLI_PAGES_H
#define HP_CLI_PAGES_H

#include "cli/call.h"

#define PAGES_HISTORY 100 /* entries of a history that are shown if nothing else is asked for */

/* Follows `next` until `key` holds every entry, or `most` of them (0: no bound).  The answer is
 * that of one call: `key` complete, `next` null unless it is bounded, `more` how many are left
 * out.  NULL: the error was printed. */
json_t *pages_read(struct cli *c, const char *method, json_t *take_params, const char *key,
    int64_t most, int *status);

/* -n of a list that is bounded by itself. */
int64_t pages_bound(const struct cli *c, int64_t otherwise);
/* On standard error: what was left out, and `all`, the words that show it.  Says nothing where
 * -n was given: who bounds a list knows it. */
void pages_tell(const struct cli *c, const json_t *answer, const char *what, const char *all);

#endif
