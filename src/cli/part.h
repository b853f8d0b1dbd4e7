/*
 * part.h - one part of an operation that is followed: an action of a service, or a service that
 * executes nothing.  Its state, what it waits for, how its last attempt ended, in words.
 *
 * Depends on: base, model/signals.h, jansson.
 */
#ifndef HP_CLI_PART_H
#define HP_CLI_PART_H

#include "base/str.h"

#include <jansson.h>

/* What a state means for who waits for the operation. */
enum part_is { PART_IDLE, PART_WAITS, PART_BUSY, PART_READY, PART_FAILED, PART_GONE };

struct part {
	char *key;		/* "service/action"; "service" when it executes nothing */
	char *service, *action; /* action: NULL likewise */
	char *state;		/* of the job, or of the service */
	int64_t since;		/* of the state; times are microseconds since 1970 */
	int64_t began, reached; /* what was asked for: its first step, and its end; 0: not yet */
	int64_t attempt;
	int64_t again_ms; /* until the next attempt, from `since` on; -1: none */
	char *trouble;	  /* how the last attempt ended that did not succeed, or NULL */
	char *waits;	  /* what for, or NULL */
	char *heard;	  /* what its readiness waits for, a probe heard, or it says; or NULL */
	char *last_line;  /* of the output of the attempt that failed, or NULL */
	bool touched;	  /* the operation changed it */
	bool fell;	  /* its attempt failed, and the next one follows at once */
};

struct part *part_new(const char *service, const char *action);
void part_free(struct part *p);

/* It is in that state since then: of an event of its job, or of a status.  `facts` has attempt,
 * reason, why, exit_code, signal. */
void part_set_state(struct part *p, const char *state, int64_t at, const json_t *facts);

enum part_is part_is(const struct part *p);
const char *part_name(const struct part *p); /* as people call it */
/* "waits 0.4 s: db is starting".  `now` 0: without clocks that run, for lines that stay. */
char *part_text(const struct part *p, int64_t now);
int64_t part_time(const struct part *p); /* to reach what was asked for; 0: not timed */

#endif
