/*
 * attempt_label.h - what the keeper remembers of an attempt for the next server, so that
 * nothing depends on a row that was not committed yet.  Depends on: base.
 */
#ifndef HP_SERVER_SUPERVISE_ATTEMPT_LABEL_H
#define HP_SERVER_SUPERVISE_ATTEMPT_LABEL_H

#include "base/str.h"

struct attempt_label {
	char *unit, *action;
	uint64_t run;
	int64_t row;
	uint32_t attempt, restarts;
	usec_wall created;
	msec since;		  /* when it was asked for, on CLOCK_MONOTONIC; 0: not known */
	uint32_t tries, failures; /* as of struct job_core; with `since` only */
	bool is_run, aux;
};

void attempt_label_write(const struct attempt_label *l, struct str *out);
bool attempt_label_read(struct attempt_label *l, const void *bytes, size_t n); /* false: not ours */
void attempt_label_release(struct attempt_label *l);

#endif
