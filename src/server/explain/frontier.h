/*
 * frontier.h - what a start waits for at this moment: the one job that holds it up.
 *
 * From a service down the edge that explains most (what can not hold before what does
 * not hold yet), action by action, to a job that does something, failed, or waits for a
 * gate.  Only reads.
 *
 * Depends on: engine.
 */
#ifndef HP_SERVER_EXPLAIN_FRONTIER_H
#define HP_SERVER_EXPLAIN_FRONTIER_H

#include "engine/engine.h"

struct frontier {
	unit_id unit;
	job_id job;
	bool gate; /* its condition holds, and the gate does not answer */
};

/* False: nothing holds it up, or what holds it up is not registered. */
bool frontier_find(const struct engine *en, unit_id unit, struct frontier *out);

/* The edge that explains most of why a job waits; `job` ID_NONE: any of the unit's. */
bool frontier_edge(const struct engine *en, unit_id unit, job_id job, struct edge_view *out);

#endif
