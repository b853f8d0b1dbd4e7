/*
 * registration.h - definitions on their way in: registry, store, engine, in one step.
 *
 * The one place that calls registry_apply().  What it accepted is stored and
 * told to the engine before it returns; effects are the caller's to perform.
 *
 * Depends on: server/change/change.h, manifest.
 */
#ifndef HP_SERVER_CHANGE_REGISTRATION_H
#define HP_SERVER_CHANGE_REGISTRATION_H

#include "server/change/change.h"

/* One transaction.  REGISTRY_DRY_RUN: nothing changes.  Refused: diags and *e. */
enum err registration_apply(struct change *d, const struct contribution *in, size_t n,
    unsigned flags, struct registry_outcome *out, struct diags *diags, struct error *e);

/* registry_restore(), stored and told. */
enum err registration_restore(struct change *d, const struct registry_former *in, size_t n,
    struct registry_outcome *out, struct diags *diags, struct error *e);

/* Gone from registry and store, and from the engine once it is not active any more: the
 * caller has it stopped. */
enum err registration_delete(struct change *d, const char *name, struct error *e);
enum err registration_delete_action(struct change *d, const char *service, const char *context,
    const char *action, struct registry_outcome *out, struct error *e);

/* At the start: everything stored, then the engine is told of every service. */
enum err registration_load(struct change *d, struct error *e);

/* Every contribution into the store, which has lost them. */
void registration_store(struct change *d);

/* A unit changed its state: is it one that waits to be removed? */
void registration_unit_changed(struct change *d, unit_id unit);

#endif
