/*
 * timeline.h - where the time of a start went, from recorded events (SPEC 2.8).
 *
 * The critical chain is the chain of causes (events.h), from the end back to
 * the operation that asked: every stretch of time between an event and its cause
 * belongs to one service and one phase, so the parts add up to the whole.
 *
 * A row is one action of one service.  Phases: wait (for its turn), exec (from the
 * spawn to execve(2)), readiness (from there until it was ready, or ended), backoff
 * (between two attempts), gate (its target held, and the gate did not answer yet), run
 * (it was ready, until it ended), stop (from the stop signal until nothing of it was
 * left).  Microseconds.
 *
 * One that goes on is told up to now: the chain begins at what it waits for.
 *
 * What was recorded survives a SIGKILL of the server.  Depends on: server/explain/explain.h,
 * jansson.
 */
#ifndef HP_SERVER_EXPLAIN_TIMELINE_H
#define HP_SERVER_EXPLAIN_TIMELINE_H

#include "server/explain/explain.h"

#include <jansson.h>

/* What an operation in flight waits for, at the moment of timeline_look(). */
struct timeline_now {
	int64_t operation;
	char *service, *action; /* NULL: it is over */
	const char *state;
	bool at_gate;
	int64_t event; /* the last about it */
	usec_wall time;
};

/* What is asked about: an operation (0: none), else the last start of a service or run, else
 * (NULL) the last operation that started something. */
struct timeline_of {
	const char *name;
	int64_t operation;
	struct timeline_now now;
};

/* Fills `now` if it goes on.  Before a commit, so that every event it leads to is in the store
 * when the chain is read. */
void timeline_look(struct explain *d, struct timeline_of *of);
void timeline_forget(struct timeline_of *of);

/* {operation, method, who, started, ended, total_us, chain: [{service, action, wait_us, exec_us,
 * readiness_us, backoff_us, gate_us, run_us, stop_us, total_us, at_us}], truncated?}; `at_us`: when
 * it ended, from the beginning; `ended` is null while it goes on.  NULL: nothing is recorded. */
json_t *timeline_chain(struct explain *d, const struct timeline_of *of);

/* The same head, and `services`: each action with its phases, what took longest first.  Neither
 * waiting nor running well counts in its total. */
json_t *timeline_blame(struct explain *d, const struct timeline_of *of);

#endif
