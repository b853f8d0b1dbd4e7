/*
 * digraph.h - a directed graph of small integers: cycles, ranks, paths.
 *
 * Nodes are 0..n_nodes-1; an edge carries a payload, an index that means
 * something to the caller.  Add all edges, then digraph_seal() once, then ask.
 * Nothing recurses; everything is linear in nodes plus edges (a chain of
 * 10,000 and 100,000 edges are ordinary).  Answers depend only on the order in
 * which edges were added.
 *
 * Pure; memory is the only resource.  Depends on: base.
 */
#ifndef HP_GRAPH_DIGRAPH_H
#define HP_GRAPH_DIGRAPH_H

#include "base/base.h"

#define DIGRAPH_NONE UINT32_MAX

struct digraph_edge {
	uint32_t from, to, payload;
};
struct digraph {
	uint32_t n_nodes;
	struct digraph_edge *v; /* in the order of adding */
	size_t n, cap;
	uint32_t
	    *first;    /* sealed: out-edges of node i are out[first[i]] .. out[first[i + 1] - 1] */
	uint32_t *out; /* sealed: indices into v */
};

/* Indices into digraph.v, in the order of walking. */
struct digraph_path {
	uint32_t *v;
	size_t n, cap;
};

void digraph_init(struct digraph *g); /* no nodes, no edges */
void digraph_release(struct digraph *g);
uint32_t digraph_add_node(struct digraph *g); /* its number */
void digraph_add_edge(struct digraph *g, uint32_t from, uint32_t to, uint32_t payload);
void digraph_seal(struct digraph *g);

void digraph_path_release(struct digraph_path *p);

/* Is there a circle?  *out gets the edges of one, each beginning where the
 * former ends, the last ending where the first begins.  A self-loop is one. */
bool digraph_find_cycle(const struct digraph *g, struct digraph_path *out);

/* The shortest walk from one node to another; false when there is none.
 * from == to is the empty walk. */
bool digraph_find_path(
    const struct digraph *g, uint32_t from, uint32_t to, struct digraph_path *out);

/* marks[node] is set for everything reachable from `from`, itself included.
 * marks has n_nodes places; what is set already is not walked again. */
void digraph_reach(const struct digraph *g, uint32_t from, bool *marks);

/* ranks[node] = length of the longest walk that leaves the node: whatever it
 * points at has a smaller rank.  False (ranks undefined) when there is a circle. */
bool digraph_find_ranks(const struct digraph *g, uint32_t *ranks);

#endif
