/*
 * shape.h - large graphs to order: n nodes, their edges, nothing else.
 *
 * Nodes are numbers; an edge goes from the higher number to the lower one, so no shape
 * has a circle.  Same arguments, same graph.  Depends on: base, model/words.h.
 */
#ifndef HP_TESTS_SIM_SHAPE_H
#define HP_TESTS_SIM_SHAPE_H

#include "model/words.h"

/* clang-format off */
#define SHAPE_LIST(X)                                                              \
	X(SHAPE_CHAIN,   "chain",   "each needs the one before")                   \
	X(SHAPE_LAYER,   "layer",   "the last one needs all the others")           \
	X(SHAPE_STAR,    "star",    "all need the first one")                      \
	X(SHAPE_LATTICE, "lattice", "diamond upon diamond: rows, each needs two of the row before") \
	X(SHAPE_LAYERS,  "layers",  "ten rows, each needs ten of the row before")  \
	X(SHAPE_SPARSE,  "sparse",  "at random, two edges each, all kinds")        \
	X(SHAPE_DENSE,   "dense",   "at random, ten edges each, all kinds")
ENUM_DECLARE(shape, SHAPE_LIST, SHAPE_COUNT);
/* clang-format on */

struct shape_edge {
	uint32_t from, to;
	unsigned kinds; /* DEP_* */
};
struct shape_graph {
	uint32_t n;
	struct {
		struct shape_edge *v; /* by `from`, ascending */
		size_t n, cap;
	} edges;
};
void shape_graph_init(struct shape_graph *g, enum shape shape, uint32_t n, uint64_t seed);
void shape_graph_release(struct shape_graph *g);

#endif
