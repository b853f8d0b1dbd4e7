/*
 * schedule_read.h - `schedule_policy` of an action: when it is run by itself.
 *
 * A table, or a cron expression alone.  Depends on: base, model, schedule, schema.h.
 */
#ifndef HP_MANIFEST_SCHEDULE_READ_H
#define HP_MANIFEST_SCHEDULE_READ_H

#include "manifest/schema.h"

void schedule_read(struct reader *r, void *action_def, const struct node *n);
json_t *schedule_write(const void *action_def);

#endif
