/*
 * previous_definition.h - what a process was executed from, after its definition was replaced or
 * removed.
 *
 * A process is stopped, probed and judged by the definition it was executed from: its stop
 * signal, its readiness, its exit codes.  So an attempt that is alive when its service is
 * redefined holds the former definition until it is over.  That is also what tells that,
 * and how, a running service differs from its definition.  It stands in the row of the run, so
 * that a server that starts again knows it, too.
 *
 * Depends on: server/supervise/supervision.h.
 */
#ifndef HP_SERVER_SUPERVISE_PREVIOUS_DEFINITION_H
#define HP_SERVER_SUPERVISE_PREVIOUS_DEFINITION_H

#include "server/supervise/supervision.h"

struct previous_definition {
	uint32_t refs;
	struct service_def def;
};

/* Live attempts of a service that know of no former definition hold this one (copied). */
void previous_definition_keep(
    struct supervision *d, const char *service, const struct service_def *before);
void previous_definition_drop(struct previous_definition **f);

/* Of the live attempt of this action; NULL: it runs what is defined, or does not run. */
const struct previous_definition *previous_definition_of(
    const struct supervision *d, unit_id unit, const char *action);

/* What differs between that and the definition, a sentence each; false: it executes the same. */
bool previous_definition_differences(struct supervision *d, unit_id unit, struct strv *out);

/* For the row of the run: JSON, NULL without any; and back, when the server starts again. */
char *previous_definition_json(const struct supervision *d, unit_id unit);
struct previous_definition *previous_definition_read(const char *json);
struct previous_definition *previous_definition_hold(
    struct previous_definition *f); /* f may be NULL */

#endif
