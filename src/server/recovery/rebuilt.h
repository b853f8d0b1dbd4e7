/*
 * rebuilt.h - runs whose rows are lost: the database was made anew from definitions/ (store.h,
 * store_was_rebuilt), and only what the keeper knows of their processes is left.
 *
 * For recover_place.c only.
 */
#ifndef HP_SERVER_RECOVERY_REBUILT_H
#define HP_SERVER_RECOVERY_REBUILT_H

#include "server/recovery/recovery.h"

/* What its row must have said, as far as it follows from what the keeper holds. */
struct job_row rebuilt_row_of(struct daemon *d, const struct survivor *s);

/* Jobs that have no process: those that a living one waited for have succeeded; of an ad-hoc run
 * none is executed, since it may have been. */
void rebuilt_place_rest(struct recovery *r);

#endif
