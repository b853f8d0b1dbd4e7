/*
 * failure_line.h - `fail = {log = "regex"}`: a line of output that ends an attempt (SPEC 2.9).
 *
 * Before the attempt is ready a line that matches ends it by engine_probe_failed(), and the
 * line is the reason.  A process that writes the line and ends by itself has failed for the
 * same reason: its exit waits until what it wrote was read.  Afterwards no line counts.
 *
 * Depends on: server/supervise/attempt.h, logs.
 */
#ifndef HP_SERVER_SUPERVISE_FAILURE_LINE_H
#define HP_SERVER_SUPERVISE_FAILURE_LINE_H

#include "server/supervise/attempt.h"

/* Before the spawn, or before its pipes are read again: nothing where no `fail` is declared. */
enum err failure_line_prepare(struct supervision *d, const struct action_def *a, uint64_t token,
    struct error *e) attr_must_use;
void failure_line_forget(struct supervision *d, uint64_t token); /* no line counts any more */
/* It was executed: acts on a line that was faster than that news.  The attempt may be gone. */
void failure_line_executed(struct attempt *at);
void failure_line_end(struct attempt *at); /* with the attempt; safe twice */

/* True: the exit is told again, by attempt_on_exited(), when its output was read. */
bool failure_line_delays_exit(struct attempt *at, const struct keeper_exit_info *how, bool empty);
/* True: its set is empty, and the exit is still to be told. */
bool failure_line_delays_empty(struct attempt *at);

#endif
