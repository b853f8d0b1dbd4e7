/*
 * status.h - what is, as JSON: the shapes of SPEC 10.
 *
 * Read from the engine at the moment of the question; nothing is cached.
 *
 * Depends on: server/explain/explain.h, jansson.
 */
#ifndef HP_SERVER_EXPLAIN_STATUS_H
#define HP_SERVER_EXPLAIN_STATUS_H

#include "rpc/json_out.h"
#include "server/explain/explain.h"

#include <jansson.h>

/* {name state wanted since reason waiting_on[] cause[] run actions[]}; false: no such unit.
 * `demanded`: of all units, by engine_demanded_all(), where many are shown; NULL: it is asked. */
bool status_out(struct str *out, struct explain *d, unit_id unit, const bool *demanded);

/* The edges that a job waits for; nothing of one that does not wait. */
void status_add_waits(struct explain *d, const struct job_view *j, json_t *into);
/* The edges that a unit's waiting jobs wait for. */
json_t *status_waiting_on(struct explain *d, unit_id unit);

/* Kinds of an edge as people write them: "requires", or ["wants", "after"]. */
json_t *status_kinds(unsigned kinds);

#endif
