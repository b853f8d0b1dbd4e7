/*
 * definitions.h - the definition that a unit is made from: of a service in the registry, of an
 * ad-hoc run here, where it stays until the run is over (change/submission.h).
 *
 * Depends on: server/history/history.h, model.
 */
#ifndef HP_SERVER_HISTORY_DEFINITIONS_H
#define HP_SERVER_HISTORY_DEFINITIONS_H

#include "server/history/history.h"

/* What the next attempt of a unit is made from; NULL: gone. */
const struct service_def *definition_find(const struct history *h, const char *unit);

struct run_definition {
	char *name;
	char *json; /* for the row of the run */
	struct service_def def;
	bool is_committed; /* with def.commit_first: its row is in the store */
};

/* Named as its definition is, which is moved. */
struct run_definition *run_definition_add(struct history *h, struct service_def *take_def);
struct run_definition *run_definition_find(const struct history *h, const char *name);
void run_definition_remove(struct history *h, const char *name); /* and free */
struct run_definition *run_definition_next(
    const struct history *h, size_t *i); /* from 0; NULL: end */
size_t run_definition_count(const struct history *h);
void run_definitions_release(struct history *h);

#endif
