/*
 * layout.h - places the nodes of a graph in layers, for a picture.
 *
 * The usual four steps (Sugiyama, Tagawa, Toda 1981): edges that close a cycle
 * are turned, each node gets a layer (longest path), layers are ordered so that few
 * edges cross (barycentres, a few sweeps), nodes are moved towards their neighbours.
 * An edge over several layers bends at a point in each, while there are not too
 * many of them.  What hangs together nowhere is put side by side on shelves.  Linear in points per
 * sweep; no recursion.
 *
 * What an edge leads to stands below where it comes from.  Coordinates are of
 * centres, in the unit of the widths; the picture begins at (0, 0).
 *
 * Depends on: base.
 */
#ifndef HP_GRAPH_LAYOUT_H
#define HP_GRAPH_LAYOUT_H

#include "base/base.h"

#include <stdint.h>

struct layout_node {
	double width, height;
	double x, y; /* results */
};
struct layout_point {
	double x, y;
};
struct layout_edge {
	uint32_t from, to;
	struct layout_point
	    *bends; /* result: between the ends, from `from` on; owned by the layout */
	size_t n_bends;
};
struct layout {
	struct layout_node *nodes; /* the caller's */
	size_t n_nodes;
	struct layout_edge *edges; /* the caller's */
	size_t n_edges;
	double gap_x, gap_y;
	double width, height;	     /* results */
	struct layout_point *points; /* storage of bends */
};

void layout_run(struct layout *l);
void layout_release(struct layout *l); /* what layout_run() made */

#endif
