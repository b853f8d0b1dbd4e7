/*
 * records.h - the rows of runs and jobs, as they are now.
 *
 * Called after the processes of a pass were asked for, never before.  Nothing
 * here fails or waits: the store queues.  Ids of rows, tokens, operations and
 * events never repeat, also after a SIGKILL: counters are reserved in blocks.
 *
 * Depends on: server/history/history.h.
 */
#ifndef HP_SERVER_HISTORY_RECORDS_H
#define HP_SERVER_HISTORY_RECORDS_H

#include "server/history/history.h"

/* clang-format off */
#define COUNTER_LIST(X)                                           \
	X(COUNTER_TOKEN, "token", "of an attempt")                \
	X(COUNTER_OP,    "op",    "of an operation")              \
	X(COUNTER_RUN,   "run",   "of a run")                     \
	X(COUNTER_JOB,   "job",   "row of a job")                 \
	X(COUNTER_EVENT, "event", "of an event")                  \
	X(COUNTER_KEEPER,"keeper","boot of the last keeper")
ENUM_DECLARE(counter, COUNTER_LIST, COUNTER_COUNT);
/* clang-format on */

struct history *hecords_new(struct history *h);
void records_free(struct history *h);

/* Read the counters of the store. */
enum err records_load(struct history *h, struct error *e);
void records_store(struct history *h); /* into the store, which has lost them */
uint64_t records_counter(const struct history *h, enum counter c);   /* the next value */
uint64_t records_take(struct history *h, enum counter c);	     /* and count it up */
void records_saw(struct history *h, enum counter c, uint64_t value); /* `value` is in use */
void records_set(struct history *h, enum counter c, uint64_t value); /* COUNTER_KEEPER */
uint64_t records_stored(const struct history *h, enum counter c);    /* as it was read */

/* The record of a job, with the id of its row in the present run. */
struct job_record *records_job(struct history *h, job_id job);
/* The row of a job as it is now; made at its first change in a run. */
void records_put_job(struct history *h, job_id job);
/* The row of a unit's run as it is now. */
void records_put_run(struct history *h, unit_id unit);

void records_job_changed(struct history *h, const struct effect *fx);
void records_wanted_changed(struct history *h, const struct effect *fx);

/* "web#12": how people call a run. */
char *run_name(const struct unit_view *u);

#endif
