/*
 * unit_spec.h - a resolved definition, as the engine wants it told.
 *
 * Only started actions become jobs; edges come from the `depends_on` of each
 * action, or from the service itself when it starts nothing (a target).
 *
 * Depends on: base, model, engine/engine.h.
 */
#ifndef HP_SERVER_CHANGE_UNIT_SPEC_H
#define HP_SERVER_CHANGE_UNIT_SPEC_H

#include "engine/engine.h"
#include "model/definition.h"

struct unit_spec {
	struct engine_unit_spec is;
	struct strv texts; /* gates and keys that are made here */
	struct engine_edge_spec **lists;
	size_t n_lists;
};

/* Borrows from `def`. */
void unit_spec_init(struct unit_spec *u, const struct service_def *def, uint64_t revision);
void unit_spec_release(struct unit_spec *u);

/* "unix:/x/rpc.sock health", as gates.h reads it; NULL: the condition alone.  The caller frees. */
char *gate_text_of(const struct dep *dep);

void job_policy_of(const struct action_def *a, struct job_policy *out);

#endif
