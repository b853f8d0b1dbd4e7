/*
 * failures.h - the attempts of a job that failed in this run, the last few of them, in memory.
 *
 * For those who watch a start: which attempt, when, how it ended, and the last line of its
 * output.  The line is read when somebody asks (explain/progress.h); what is stored of
 * attempts for ever are the events.  A server that is started again begins without.
 *
 * Depends on: server/history/history.h.
 */
#ifndef HP_SERVER_HISTORY_FAILURES_H
#define HP_SERVER_HISTORY_FAILURES_H

#include "server/history/history.h"

#define FAILURES_KEPT 5 /* of a job */

struct attempt_failure {
	uint64_t token;
	uint32_t attempt;
	usec_wall time;
	enum reason reason;
	int code, signal; /* as in job_exit */
	char *why;	  /* what went wrong beside its exit status, or NULL */
	bool line_read;	  /* `line` is what there is */
	char *line;	  /* the last one of its output; any bytes without NUL; NULL: none */
};

struct failures {
	struct attempt_failure v[FAILURES_KEPT]; /* the oldest first */
	size_t n;
	uint64_t ever; /* in this run, with those that are not kept */
};

/* An attempt is over with this change of its job, well or not. */
bool failures_is_end(const struct effect *fx);
/* It failed, and another follows or does not: as it is told of, EFFECT_JOB. */
bool failures_is_failure(const struct effect *fx);
void failures_add(struct job_record *s, const struct job_view *j, const struct effect *fx);
void failures_drop(struct job_record *s); /* a new run */
/* The one of that attempt; NULL: not kept. */
struct attempt_failure *failures_find(const struct job_record *s, uint64_t token);

#endif
