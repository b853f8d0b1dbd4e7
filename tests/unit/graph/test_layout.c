/* The layout of a picture: see graph/layout.h. */
#include "base/str.h"
#include "graph/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define HIGH 30

static struct layout *draw(size_t n, const uint32_t (*edges)[2], size_t n_edges)
{
	struct layout *l = mem_new(sizeof(*l));

	*l = (struct layout){.n_nodes = n, .n_edges = n_edges, .gap_x = 10, .gap_y = 20};
	l->nodes = mem_new((n + 1) * sizeof(*l->nodes));
	l->edges = mem_new((n_edges + 1) * sizeof(*l->edges));
	for (size_t i = 0; i < n; i++)
		l->nodes[i] =
		    (struct layout_node){.width = 40 + (double)(i % 5) * 20, .height = HIGH};
	for (size_t i = 0; i < n_edges; i++)
		l->edges[i] = (struct layout_edge){.from = edges[i][0], .to = edges[i][1]};
	layout_run(l);
	return l;
}

static void done(struct layout *l)
{
	layout_release(l);
	free(l->nodes);
	free(l->edges);
	free(l);
}

static bool overlap(const struct layout_node *a, const struct layout_node *b)
{
	double dx = a->x < b->x ? b->x - a->x : a->x - b->x,
	       dy = a->y < b->y ? b->y - a->y : a->y - b->y;

	return dx < (a->width + b->width) / 2 && dy < (a->height + b->height) / 2;
}

static void assert_clean(const struct layout *l)
{
	for (size_t i = 0; i < l->n_nodes; i++) {
		const struct layout_node *n = &l->nodes[i];

		assert_true(n->x - n->width / 2 > -0.01 && n->x + n->width / 2 < l->width + 0.01);
		assert_true(
		    n->y - n->height / 2 > -0.01 && n->y + n->height / 2 < l->height + 0.01);
		for (size_t k = 0; k < i; k++)
			assert_false(overlap(n, &l->nodes[k]));
	}
}

static void what_an_edge_leads_to_stands_below(void **state)
{
	static const uint32_t edges[][2] = {{0, 1}, {1, 2}, {0, 2}, {3, 2}, {0, 3}};
	struct layout *l = draw(4, edges, countof(edges));
	(void)state;

	for (size_t i = 0; i < countof(edges); i++)
		assert_true(l->nodes[edges[i][0]].y < l->nodes[edges[i][1]].y);
	assert_clean(l);
	done(l);
}

static void an_edge_over_layers_bends_in_each(void **state)
{
	static const uint32_t edges[][2] = {{0, 1}, {1, 2}, {2, 3}, {0, 3}};
	struct layout *l = draw(4, edges, countof(edges));
	(void)state;

	assert_int_equal(l->edges[3].n_bends, 2);
	assert_true(l->edges[3].bends[0].y < l->edges[3].bends[1].y);
	assert_int_equal(l->edges[0].n_bends, 0);
	done(l);
}

static void a_circle_is_drawn_with_one_edge_upwards(void **state)
{
	static const uint32_t edges[][2] = {{0, 1}, {1, 2}, {2, 0}, {1, 1}};
	struct layout *l = draw(3, edges, countof(edges));
	size_t up = 0;
	(void)state;

	for (size_t i = 0; i < 3; i++)
		up += l->nodes[edges[i][0]].y > l->nodes[edges[i][1]].y;
	assert_int_equal(up, 1);
	assert_clean(l);
	done(l);
}

static void what_hangs_together_nowhere_stands_on_shelves(void **state)
{
	struct layout *l = draw(200, NULL, 0);
	(void)state;

	assert_true(l->width < 2000 && l->height > 2 * HIGH);
	assert_clean(l);
	done(l);
}

static void an_empty_graph_has_an_empty_picture(void **state)
{
	struct layout *l = draw(0, NULL, 0);
	(void)state;

	assert_true(l->width < 1 && l->height < 1);
	done(l);
}

static void random_graphs_never_overlap(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 50; seed++) {
		uint32_t edges[120][2];
		size_t n = 2 + seed, n_edges = seed * 2;

		srand(seed);
		for (size_t i = 0; i < n_edges; i++) {
			edges[i][0] = (uint32_t)((size_t)rand() % n);
			edges[i][1] = (uint32_t)((size_t)rand() % n);
		}
		struct layout *l = draw(n, (const uint32_t(*)[2])edges, n_edges);
		assert_clean(l);
		done(l);
	}
}

static void the_largest_graph_is_placed_in_seconds(void **state)
{
	size_t n = 10000, n_edges = 100000;
	uint32_t(*edges)[2] = mem_new(n_edges * sizeof(*edges));
	clock_t began = clock();
	(void)state;

	srand(7);
	for (size_t i = 0; i < n_edges; i++) {
		uint32_t to = (uint32_t)((size_t)rand() % (n - 1));

		edges[i][0] = to + 1 + (uint32_t)((size_t)rand() % (n - 1 - to));
		edges[i][1] = to;
	}
	struct layout *l = draw(n, (const uint32_t(*)[2])edges, n_edges);
	assert_true((double)(clock() - began) / CLOCKS_PER_SEC < 5);
	done(l);
	free(edges);
}

int main(void)
{
	const struct CMUnitTest rules[] = {
	    cmocka_unit_test(what_an_edge_leads_to_stands_below),
	    cmocka_unit_test(an_edge_over_layers_bends_in_each),
	    cmocka_unit_test(a_circle_is_drawn_with_one_edge_upwards),
	    cmocka_unit_test(what_hangs_together_nowhere_stands_on_shelves),
	    cmocka_unit_test(an_empty_graph_has_an_empty_picture),
	    cmocka_unit_test(random_graphs_never_overlap),
	    cmocka_unit_test(the_largest_graph_is_placed_in_seconds),
	};

	return cmocka_run_group_tests(rules, NULL, NULL);
}
