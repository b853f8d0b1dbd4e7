/*
 * submission.h - ad-hoc runs: one unit of the engine from submission to end.
 *
 * Depends on: server/change/change.h.
 */
#ifndef HP_SERVER_CHANGE_SUBMISSION_H
#define HP_SERVER_CHANGE_SUBMISSION_H

#include "server/change/change.h"

/* Resolve, define, begin.  Effects are the caller's to perform, the wait too.
 * `name`: the run's own, "build#12"; borrowed until the run ended. */
enum err submission_begin(struct change *d, struct service_def *take_def, const char *who,
    op_id *out, const char **name, struct diags *diags, struct strv *chain, struct error *e);

/* The steps that it would take; nothing begins, `def` stays the caller's. */
enum err submission_plan(struct change *d, struct service_def *def, struct op_plan *out,
    struct diags *diags, struct strv *chain, struct error *e);

/* Put back a run that the store calls open; its unit is defined, not begun. */
bool submission_restore(struct change *d, const char *name, const char *definition_json);

void submission_run_ended(struct change *d, unit_id unit);
/* Runs that ended leave the engine; after the books of a pass. */
void submission_sweep(struct change *d);
/* A waiting run follows the registry (SPEC 2.2 resolution). */
void submission_resolve_again(struct change *d);

#endif
