/*
 * probes.h - the probes of an attempt (SPEC 4): when they begin, and what they mean.
 *
 * The startup probe comes first; until it has passed the others wait, and nothing makes
 * the attempt ready.  Then readiness and liveness go on for the attempt's life:
 *
 *	startup    over its threshold: engine_probe_failed()
 *	readiness  engine_ready() when it first passes, engine_health() at each change; before
 *	           the first readiness only a threshold that was written counts
 *	liveness   over its threshold: engine_probe_failed() while demanded; with action warn,
 *	           and where there is no readiness probe, engine_health()
 *
 * Each change of a probe's state is an event.  Probes end when the attempt is told to
 * stop, or ends.  A one-shot has no readiness probe: it is ready by its end.
 *
 * Depends on: server/supervise/attempt.h, probe, logs.
 */
#ifndef HP_SERVER_SUPERVISE_PROBES_H
#define HP_SERVER_SUPERVISE_PROBES_H

#include "server/supervise/attempt.h"

#include <jansson.h>

/* Before the spawn: expressions over its output. */
enum err probes_prepare(struct supervision *d, const struct action_def *a, uint64_t token,
    struct error *e) attr_must_use;
/* There was no spawn after all. */
void probes_forget(struct supervision *d, uint64_t token);
/* After the execution; `resumed`: by a former server.  What was ready then is taken to pass. */
void probes_begin(struct attempt *at, bool resumed);
void probes_end(struct attempt *at);

/* True: the startup probe has not passed; the readiness is told when it has. */
bool probes_hold_ready(struct attempt *at);

/* [{probe, kind, state, since, last}], state also `waiting`: not begun; NULL: there are none.
 * `at` may be NULL. */
json_t *probes_status(const struct attempt *at, const struct action_def *a);
/* "readiness probe: GET /health x: status 503" of one that does not pass; false: none. */
bool probes_trouble(const struct attempt *at, struct str *out);

#endif
