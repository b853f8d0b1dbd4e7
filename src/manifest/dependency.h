/*
 * dependency.h - edges as people write them (SPEC 2.2, 2.3).
 *
 * Depends on: base, model, schema.h.
 */
#ifndef HP_MANIFEST_DEPENDENCY_H
#define HP_MANIFEST_DEPENDENCY_H

#include "manifest/schema.h"
#include "model/definition.h"

extern const struct schema dependency_schema;

/* One entry: a name, or the full object.  false after an error. */
bool dependency_read(struct reader *r, const struct node *n, unsigned kinds, struct dep *out);

/* Append a list of names or objects, each with `kinds` unless it says its own. */
void dependencies_read(
    struct reader *r, const struct node *list, unsigned kinds, struct dep_list *out);

/* Append, unless the same edge is there; takes d. */
void dependencies_take(struct dep_list *l, struct dep *take_d);

/* A group becomes an edge to each of its members (`any` names all of them), else it is taken as it
 * is. */
void dependency_expand(struct dep_list *out, struct dep *take_d);
/* Of a group one entry is written, that of the first name. */
bool dependency_is_written(const struct dep *d);

json_t *dependency_stored(const struct dep *d); /* reads back to the same edge */
json_t *dependency_shown(const struct dep *d);	/* the shape of SPEC 10 */

/* "socket rpc.sock", "unix:/x", or NULL without a gate; the caller frees. */
char *gate_text(const struct gate_def *g);

#endif
