/*
 * why.h - the answer to "why is it not running": causes, down to the root.
 *
 * Depends on: server/daemon.h, jansson.
 */
#ifndef HP_SERVER_WHY_H
#define HP_SERVER_WHY_H

#include "server/daemon.h"

#include <jansson.h>

/* [{subject, fact, since, because: [...]}]; shared causes are told once. */
json_t *why_chain(struct daemon *d, unit_id unit);

/* One line a cause, the root cause last; empty when all is well. */
json_t *why_lines(struct daemon *d, unit_id unit);

/* At most five lines for people.  `culprit_*` (may be NULL) name what failed at
 * the root, for its last words; NULL when it is no process. */
char *why_text(
    struct daemon *d, unit_id unit, const char **culprit_service, const char **culprit_action);

#endif
