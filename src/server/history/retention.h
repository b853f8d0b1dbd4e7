/*
 * retention.h - how much history and how many logs are kept: `--keep`, or the defaults.
 *
 * `--keep WORD=AMOUNT[,WORD=AMOUNT...]`, more than once if you like; a later word wins:
 *
 *   runs, jobs, operations, events   how many; open ones are not counted out
 *   state, logs, service-logs        bytes: 64K, 256M, 1G
 *   age                              of all of them: 12h, 30d
 *
 * Depends on: base, store, logs.
 */
#ifndef HP_SERVER_HISTORY_RETENTION_H
#define HP_SERVER_HISTORY_RETENTION_H

#include "logs/logs.h"
#include "store/store.h"

struct retention { /* 0: the default of store.h, logs.h */
	struct store_options store;
	struct logs_options logs;
};

/* ERR_INVALID names the word; *k may then be changed in part. */
enum err retention_parse(struct retention *k, const char *text, struct error *e);

#endif
