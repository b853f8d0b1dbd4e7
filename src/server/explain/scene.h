/*
 * scene.h - everything as nodes and edges, for the pictures: tree, graph.
 *
 * An action is a node.  A service that executes one thing, or nothing, is one node of its
 * name; one of several actions ("composite") is a node of its own and one for each action,
 * `service/action`.  What nobody here provides (a socket, a port, a flag) is a node, too.
 * An edge leads from the action that waits to what it waits for; what every action of a
 * composite needs is one edge, of the service.
 *
 * Nodes stand in order of units; a service stands before its actions, which follow at
 * once.  A snapshot: good until the engine changes.
 *
 * Depends on: base, engine.
 */
#ifndef HP_SERVER_EXPLAIN_SCENE_H
#define HP_SERVER_EXPLAIN_SCENE_H

#include "engine/engine.h"

enum scene_kind { SCENE_SERVICE, SCENE_ACTION, SCENE_OUTSIDE };

#define SCENE_NONE UINT32_MAX

struct scene_node {
	enum scene_kind kind;
	char *name;
	unit_id unit;	    /* ID_NONE: outside */
	job_id job;	    /* of an action */
	uint32_t service;   /* of an action: its node */
	uint32_t n_actions; /* of a composite: so many nodes follow; else 0 */
	bool top;	    /* of an action: no other action of its service needs it */
	uint32_t first_out, first_in;
};

struct scene_edge {
	uint32_t from, to;	 /* nodes */
	edge_id id;		 /* engine_edge(); of several that are one: the first */
	enum edge_status status; /* of several: the worst */
	uint32_t next_out, next_in;
};

struct scene {
	struct {
		struct scene_node *v;
		size_t n, cap;
	} nodes;
	struct {
		struct scene_edge *v;
		size_t n, cap;
	} edges;
	uint32_t *by_unit, *by_job; /* the node of each; a single action is its service's */
};

void scene_init(struct scene *s, const struct engine *en);
void scene_release(struct scene *s);

/* Edges in order of declaration. */
#define scene_each_out(s, node, e)                                       \
	for (uint32_t e = (s)->nodes.v[node].first_out; e != SCENE_NONE; \
	     e = (s)->edges.v[e].next_out)
#define scene_each_in(s, node, e) \
	for (uint32_t e = (s)->nodes.v[node].first_in; e != SCENE_NONE; e = (s)->edges.v[e].next_in)

#endif
