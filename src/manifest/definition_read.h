/*
 * definition_read.h - services and actions from a tree, and back to JSON.
 *
 * service.define, action.set, run.submit and the store come in through
 * service_def_read() and friends; manifests use the same rows (manifest.h).
 *
 * Depends on: base, model, schema.h.
 */
#ifndef HP_MANIFEST_DEFINITION_READ_H
#define HP_MANIFEST_DEFINITION_READ_H

#include "manifest/schema.h"
#include "model/definition.h"

extern const struct schema action_schema, service_schema;

/* An ActionSpec.  `extra` (may be NULL schema) shares the table.  With
 * `needs_command` an action that says nothing gets ${PATH_ROOT}/bin/<name>. */
bool action_def_read(struct reader *r, const struct node *n, struct part extra, bool needs_command,
    struct action_def *out);

/* `sockets`, appended to the action `obj`. */
/* Nothing is written: looked for in the places of SPEC 3.1 when it is started. */
void action_exec_default(struct action_def *a);
void action_exec_read(struct reader *r, struct action_def *a, const struct node *n);
void action_sockets_read(struct reader *r, void *obj, const struct node *n);

/* The shape of service.define: {name, ..., dependencies: {requires, wants, after,
 * conflicts}, actions: [ActionSpec], sockets}.  Errors stand in r->diags. */
bool service_def_read(struct reader *r, const struct node *n, struct service_def *out);

/* Convenience over JSON: `who` names the caller in sources; stored: our own writing. */
bool service_def_read_json(
    const json_t *j, const char *who, bool stored, struct diags *diags, struct service_def *out);
bool action_def_read_json(
    const json_t *j, const char *who, struct diags *diags, struct action_def *out);

/* run.submit: {name?, context?, actions: [ActionSpec or {action, context?, inputs?,
 * depends_on?}], depends_on?}; is_run is set, references have no command. */
bool run_def_read_json(
    const json_t *params, const char *who, struct diags *diags, struct service_def *out);

/* What service_def_read_json(stored) reads back to the same definition. */
json_t *service_def_stored(const struct service_def *s);
/* What people and callers see (SPEC 10 service.get); secrets are left out. */
json_t *service_def_shown(const struct service_def *s);
json_t *action_def_shown(const struct action_def *a);

/* The meaning alone, without sources and resolution: equal texts mean equal
 * definitions.  The caller frees. */
char *service_def_meaning(const struct service_def *s);

#endif
