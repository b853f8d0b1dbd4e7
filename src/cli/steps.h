/* steps.h - the steps of an operation, planned or done.  Depends on: out.h, jansson. */
#ifndef HP_CLI_STEPS_H
#define HP_CLI_STEPS_H

#include "cli/cli.h"

#include <jansson.h>

void steps_print(const json_t *steps);
/* The answer of a dry run; exit status. */
int steps_print_plan(const struct cli *c, json_t *take_answer);

#endif
