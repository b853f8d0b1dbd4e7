#include "shape.h"

#include "base/str.h"

#include <math.h>

ENUM_DEFINE(shape, SHAPE_LIST, SHAPE_COUNT)

static uint32_t draw(uint64_t *rng, uint32_t below) /* splitmix64 */
{
	uint64_t z = *rng += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) % below);
}

static void add(struct shape_graph *g, uint32_t from, uint32_t to, unsigned kinds)
{
	for (size_t i = g->edges.n; i-- > 0 && g->edges.v[i].from == from;)
		if (g->edges.v[i].to == to)
			return;
	*vec_push(&g->edges) = (struct shape_edge){from, to, kinds};
}

/* Rows of `width`; each node needs `k` of the row before it, its own column first. */
static void add_rows(struct shape_graph *g, uint32_t width, uint32_t k)
{
	for (uint32_t i = width; i < g->n; i++)
		for (uint32_t d = 0; d < k; d++)
			add(g, i, (i / width - 1) * width + (i + d) % width, DEP_REQUIRES);
}

static void add_random(struct shape_graph *g, uint32_t each, uint64_t *rng)
{
	static const unsigned kinds[] = {DEP_REQUIRES, DEP_REQUIRES, DEP_REQUIRES, DEP_REQUIRES,
	    DEP_REQUIRES, DEP_REQUIRES, DEP_REQUIRES, DEP_WANTS, DEP_AFTER, DEP_WANTS | DEP_AFTER};

	for (uint32_t i = 1; i < g->n; i++)
		for (uint32_t d = 0, k = 1 + draw(rng, 2 * each - 1); d < k; d++)
			add(g, i, draw(rng, i), kinds[draw(rng, countof(kinds))]);
}

void shape_graph_init(struct shape_graph *g, enum shape shape, uint32_t n, uint64_t seed)
{
	uint32_t side = (uint32_t)sqrt((double)n);

	*g = (struct shape_graph){.n = n};
	switch (shape) {
	case SHAPE_CHAIN: add_rows(g, 1, 1); break;
	case SHAPE_LAYER:
		for (uint32_t i = 0; i + 1 < n; i++)
			*vec_push(&g->edges) = (struct shape_edge){n - 1, i, DEP_REQUIRES};
		break;
	case SHAPE_STAR:
		for (uint32_t i = 1; i < n; i++)
			add(g, i, 0, DEP_REQUIRES);
		break;
	case SHAPE_LATTICE: add_rows(g, side, 2); break;
	case SHAPE_LAYERS: add_rows(g, n / 10, 10); break;
	case SHAPE_SPARSE: add_random(g, 2, &seed); break;
	case SHAPE_DENSE: add_random(g, 10, &seed); break;
	case SHAPE_COUNT: break;
	}
}

void shape_graph_release(struct shape_graph *g)
{
	free(g->edges.v);
	*g = (struct shape_graph){0};
}
