/*
 * picture.h - what is to be known of one unit to explain it: now, or at an
 * instant of the past.  Both have the same shape, so that `why` has one code.
 *
 *	name known state wanted reason reason_subject since conflict conflict_state
 *	who needed_by[]
 *	jobs[{action state reason why exit_code signal lost attempt max_attempts
 *	      since next note            next: when the next attempt is due, or 0
 *	      before{reason why exit_code signal attempt since}}]   of the attempt before
 *	open[{status condition action target target_action gate_only gate last
 *	      timed_out_ms since text source}]
 *
 * Times are microseconds since 1970.  The past is read from events (events.h): what
 * a definition said then stands in them.  NULL: nothing is known of the name.
 *
 * Depends on: server/explain/explain.h, jansson.
 */
#ifndef HP_SERVER_EXPLAIN_PICTURE_H
#define HP_SERVER_EXPLAIN_PICTURE_H

#include "server/explain/explain.h"

#include <jansson.h>

/* An instant: the state after event `event` (0: by time), or now (both 0). */
struct instant {
	usec_wall time;
	int64_t event;
};

/* What the readiness and the probes of a job said last, and what it says itself; "" when there is
 * nothing to be said.  `a` may be NULL. */
void picture_note(
    struct explain *d, const struct job_view *j, const struct action_def *a, struct str *out);

json_t *picture_of(struct explain *d, const char *name, const struct instant *at);

#endif
