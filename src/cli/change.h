/*
 * change.h - start, stop, restart of services, with everything around it.
 *
 * Depends on: follow.h, steps.h.
 */
#ifndef HP_CLI_CHANGE_H
#define HP_CLI_CHANGE_H

#include "cli/call.h"

/* `take_names` NULL: the method chooses.  Exit status. */
int change_services(struct cli *c, const char *method, json_t *take_names);

/* The options of a request that were given: replace, no_deps ... */
void change_add_options(const struct cli *c, json_t *params);

#endif
