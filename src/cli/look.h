/*
 * look.h - asks the supervisor for what a picture of an operation is made of.
 *
 * Depends on: call.h, progress.h.
 */
#ifndef HP_CLI_LOOK_H
#define HP_CLI_LOOK_H

#include "cli/call.h"
#include "cli/progress.h"

#define LOOK_PARTS 40 /* at most so many are asked for one by one */

/* Statuses of the services that became known by their name only. */
void look_at_unknown(struct cli *c, struct progress *p);
/* What the parts that wait or begin wait for, now. */
void look_at_waits(struct cli *c, struct progress *p);
/* The last line of output of those that failed. */
void look_at_output(struct cli *c, struct progress *p);

#endif
