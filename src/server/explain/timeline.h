/*
 * timeline.h - where the time of a start went, from recorded events (SPEC 2.8).
 *
 * The critical chain is the chain of causes (events.h), from the end back to
 * the operation that asked: every stretch of time between an event and its cause
 * belongs to one service and one phase, so the parts add up to the whole.
 *
 * Phases: wait (for its turn), exec (from the spawn to execve(2)), readiness
 * (from there until it was ready, or ended), backoff (between two attempts), gate
 * (its target held, and the gate did not answer yet).  Microseconds.
 *
 * What was recorded survives a SIGKILL of the server.  Depends on: server/daemon.h, jansson.
 */
#ifndef HP_SERVER_EXPLAIN_TIMELINE_H
#define HP_SERVER_EXPLAIN_TIMELINE_H

#include "server/daemon.h"

#include <jansson.h>

/* What is asked about: an operation (0: none), else the last start of a service or run, else
 * (NULL) the last operation that started something. */
struct timeline_of {
	const char *name;
	int64_t operation;
};

/* {operation, method, who, started, ended, total_us, chain: [{service, action, wait_us, exec_us,
 * readiness_us, backoff_us, gate_us, total_us, at_us}], truncated?}; `at_us`: when it ended, from
 * the beginning.  NULL: nothing is recorded. */
json_t *timeline_chain(struct daemon *d, const struct timeline_of *of);

/* The same head, and `services`: each with its phases, the longest first. */
json_t *timeline_blame(struct daemon *d, const struct timeline_of *of);

#endif
