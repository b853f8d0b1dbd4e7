#include "graph/digraph.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void build(struct digraph *g, uint32_t n_nodes, const uint32_t (*edges)[2], size_t n)
{
	digraph_init(g);
	for (uint32_t i = 0; i < n_nodes; i++)
		assert_int_equal(digraph_add_node(g), i);
	for (size_t i = 0; i < n; i++)
		digraph_add_edge(g, edges[i][0], edges[i][1], (uint32_t)(100 + i));
	digraph_seal(g);
}

static void assert_is_circle(const struct digraph *g, const struct digraph_path *p)
{
	assert_true(p->n > 0);
	for (size_t i = 0; i < p->n; i++)
		assert_int_equal(g->v[p->v[i]].to, g->v[p->v[(i + 1) % p->n]].from);
}

static void an_empty_graph_has_no_cycle(void **state)
{
	struct digraph g;
	struct digraph_path p = {0};

	(void)state;
	build(&g, 0, NULL, 0);
	assert_false(digraph_find_cycle(&g, &p));
	digraph_release(&g);
}

static void a_cycle_is_returned_as_its_edges_only(void **state)
{
	static const uint32_t edges[][2] = {{0, 1}, {1, 2}, {2, 3}, {3, 1}, {0, 3}};
	struct digraph g;
	struct digraph_path p = {0};

	(void)state;
	build(&g, 4, edges, countof(edges));
	assert_true(digraph_find_cycle(&g, &p));
	assert_int_equal(p.n, 3);
	assert_is_circle(&g, &p);
	assert_int_equal(g.v[p.v[0]].payload, 101);
	digraph_path_release(&p);
	digraph_release(&g);
}

static void a_self_loop_is_a_cycle(void **state)
{
	static const uint32_t edges[][2] = {{0, 1}, {1, 1}};
	struct digraph g;
	struct digraph_path p = {0};

	(void)state;
	build(&g, 2, edges, 2);
	assert_true(digraph_find_cycle(&g, &p));
	assert_int_equal(p.n, 1);
	digraph_path_release(&p);
	digraph_release(&g);
}

static void a_diamond_is_no_cycle_and_ranks_follow_the_longest_walk(void **state)
{
	static const uint32_t edges[][2] = {{0, 1}, {0, 2}, {1, 3}, {2, 1}};
	struct digraph g;
	struct digraph_path p = {0};
	uint32_t ranks[4];

	(void)state;
	build(&g, 4, edges, countof(edges));
	assert_false(digraph_find_cycle(&g, &p));
	assert_true(digraph_find_ranks(&g, ranks));
	assert_int_equal(ranks[3], 0);
	assert_int_equal(ranks[1], 1);
	assert_int_equal(ranks[2], 2);
	assert_int_equal(ranks[0], 3);
	digraph_release(&g);
}

static void ranks_are_refused_where_there_is_a_cycle(void **state)
{
	static const uint32_t edges[][2] = {{0, 1}, {1, 0}, {2, 0}};
	struct digraph g;
	uint32_t ranks[3];

	(void)state;
	build(&g, 3, edges, countof(edges));
	assert_false(digraph_find_ranks(&g, ranks));
	digraph_release(&g);
}

static void a_path_is_the_shortest_one(void **state)
{
	static const uint32_t edges[][2] = {{0, 1}, {1, 2}, {2, 3}, {1, 3}, {3, 0}};
	struct digraph g;
	struct digraph_path p = {0};

	(void)state;
	build(&g, 5, edges, countof(edges));
	assert_true(digraph_find_path(&g, 0, 3, &p));
	assert_int_equal(p.n, 2);
	assert_int_equal(g.v[p.v[0]].payload, 100);
	assert_int_equal(g.v[p.v[1]].payload, 103);
	assert_true(digraph_find_path(&g, 2, 2, &p));
	assert_int_equal(p.n, 0);
	assert_false(digraph_find_path(&g, 0, 4, &p));
	digraph_path_release(&p);
	digraph_release(&g);
}

static void reach_marks_what_can_be_walked_to(void **state)
{
	static const uint32_t edges[][2] = {{0, 1}, {1, 2}, {3, 0}};
	struct digraph g;
	bool marks[4] = {false};

	(void)state;
	build(&g, 4, edges, countof(edges));
	digraph_reach(&g, 0, marks);
	assert_true(marks[0] && marks[1] && marks[2]);
	assert_false(marks[3]);
	digraph_release(&g);
}

static void a_chain_of_a_million_needs_no_stack(void **state)
{
	const uint32_t n = 1000000;
	struct digraph g;
	struct digraph_path p = {0};
	uint32_t *ranks = mem_new(n * sizeof(*ranks));

	(void)state;
	digraph_init(&g);
	for (uint32_t i = 0; i < n; i++)
		digraph_add_node(&g);
	for (uint32_t i = 0; i + 1 < n; i++)
		digraph_add_edge(&g, i, i + 1, i);
	digraph_seal(&g);
	assert_false(digraph_find_cycle(&g, &p));
	assert_true(digraph_find_ranks(&g, ranks));
	assert_int_equal(ranks[0], n - 1);
	digraph_add_edge(&g, n - 1, 0, n);
	digraph_seal(&g);
	assert_true(digraph_find_cycle(&g, &p));
	assert_int_equal(p.n, n);
	digraph_path_release(&p);
	free(ranks);
	digraph_release(&g);
}

/* The three answers must agree: a cycle is found exactly where ranks do not exist. */
static void cycles_and_ranks_agree_on_random_graphs(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct digraph g;
		struct digraph_path p = {0};
		uint32_t ranks[12];

		digraph_init(&g);
		for (int i = 0; i < 12; i++)
			digraph_add_node(&g);
		for (int i = 0; i < 4 + round % 14; i++) {
			seed = seed * 1664525u + 1013904223u;
			digraph_add_edge(&g, (seed >> 8) % 12, (seed >> 20) % 12, 0);
		}
		digraph_seal(&g);
		bool cyclic = digraph_find_cycle(&g, &p);

		assert_int_equal(cyclic, !digraph_find_ranks(&g, ranks));
		if (cyclic)
			assert_is_circle(&g, &p);
		else
			for (size_t i = 0; i < g.n; i++)
				assert_true(ranks[g.v[i].from] > ranks[g.v[i].to]);
		digraph_path_release(&p);
		digraph_release(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_graph_has_no_cycle),
	    cmocka_unit_test(a_cycle_is_returned_as_its_edges_only),
	    cmocka_unit_test(a_self_loop_is_a_cycle),
	    cmocka_unit_test(a_diamond_is_no_cycle_and_ranks_follow_the_longest_walk),
	    cmocka_unit_test(ranks_are_refused_where_there_is_a_cycle),
	    cmocka_unit_test(a_path_is_the_shortest_one),
	    cmocka_unit_test(reach_marks_what_can_be_walked_to),
	    cmocka_unit_test(a_chain_of_a_million_needs_no_stack),
	    cmocka_unit_test(cycles_and_ranks_agree_on_random_graphs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
