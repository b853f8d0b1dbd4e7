/*
 * apply.h - manifests become the definitions, in one operation.
 *
 * Depends on: diff.h, follow.h, steps.h.
 */
#ifndef HP_CLI_APPLY_H
#define HP_CLI_APPLY_H

#include "cli/call.h"

/* take_params: manifests, and how.  What differs is shown first, and much of it has to be
 * confirmed.  Exit status. */
int apply_manifests(struct cli *c, json_t *take_params);
/* The same without a word before it: `up`. */
int apply_up(struct cli *c, json_t *take_params);
/* The options of an apply that were given. */
void apply_add_options(const struct cli *c, json_t *params);

#endif
