/*
 * tree.h - what needs what, as a tree of nodes (scene.h) in JSON.
 *
 * A node: {name, state, needs: [...]} (reverse: needed_by).  One of an action has `service` and
 * `action`, too; what nobody here provides has `external` and no state.  Below another node it
 * says how: kind, condition, gate, status; the actions of a composite stand below it without
 * these, each below what needs it.  `repeated`: its branch is shown elsewhere.  `more`: too
 * deep, ask for this one.
 *
 * Depends on: server/explain/scene.h, jansson.
 */
#ifndef HP_SERVER_EXPLAIN_TREE_H
#define HP_SERVER_EXPLAIN_TREE_H

#include "server/explain/scene.h"

#include <jansson.h>

json_t *tree_json(const struct engine *en, const struct scene *s, uint32_t node, bool reverse);

/* First what nothing needs; then what is only in circles of `wants`. */
json_t *tree_all_json(const struct engine *en, const struct scene *s, bool reverse);

/* "running" of a service, "ready" of an action, "missing"; NULL: of what is outside. */
const char *scene_state_str(const struct engine *en, const struct scene_node *n);

#endif
