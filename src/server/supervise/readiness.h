/*
 * readiness.h - watch for what an action declared as its readiness (SPEC 2.4).
 *
 * Begins when the attempt was executed and tells the engine once, by
 * engine_ready().  Late news dies with the watch.  notify and manual are not
 * watched: the keeper and the caller speak for them.
 *
 * Depends on: server/supervise/attempt.h, probe.
 */
#ifndef HP_SERVER_SUPERVISE_READINESS_H
#define HP_SERVER_SUPERVISE_READINESS_H

#include "server/supervise/attempt.h"

/* Before the spawn: what must exist by then (the expression over the output). */
enum err readiness_prepare(struct supervision *d, const struct action_def *a, uint64_t token,
    struct error *e) attr_must_use;
/* There was no spawn after all. */
void readiness_forget(struct supervision *d, uint64_t token);
void readiness_begin(struct attempt *at);
void readiness_end(struct attempt *at);
/* What is waited for, for people: "connect /x/rpc.sock: Connection refused", "a line that
 * matches `ready`"; NULL: nothing, or nothing is known.  Borrowed. */
const char *readiness_text(const struct attempt *at);
/* The reading end of the declared descriptor; kept until the newline was seen.  The keeper's
 * duplicate is let go with the attempt, so a service that writes again gets no SIGPIPE. */
void readiness_take_fd(struct attempt *at, int take_fd);
/* It is not read here any more; -1: there is none. */
int readiness_give_fd(struct attempt *at);

#endif
