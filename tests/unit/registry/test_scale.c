/* test_scale.c - the sizes of SPEC 9; times are printed, not asserted. */
#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct service_def *numbered(uint32_t i)
{
	auto_free char *name = text_fmt("s%05u", i);

	return simple(name);
}

static void add_edge(struct service_def *s, uint32_t to)
{
	auto_free char *name = text_fmt("s%05u", to);

	edge(&s->dependencies, DEP_REQUIRES, name, "m.toml", (int)to);
}

static void ten_thousand_services_with_a_hundred_thousand_edges_are_one_transaction(void **state)
{
	enum { N = 10000, EDGES = 10 };
	struct service_def **set = mem_new(N * sizeof(struct service_def *));
	struct world w;
	double began;

	(void)state;
	world_init(&w);
	for (uint32_t i = 0; i < N; i++) {
		set[i] = numbered(i);
		for (uint32_t k = 1; k <= EDGES; k++)
			if (i + k < N)
				add_edge(set[i], i + k);
	}
	began = now_ms();
	assert_int_equal(give_all(&w, set, N, NULL, CONTRIBUTE_DEFINE, 0), ERR_OK);
	print_message("10,000 services, 100,000 edges: %.0f ms\n", now_ms() - began);
	assert_int_equal(registry_count(w.reg), N);
	began = now_ms();
	set[0] = numbered(N - 1);
	add_edge(set[0], 0);
	assert_int_equal(give_all(&w, set, 1, "x", CONTRIBUTE_SET, 0), ERR_CYCLE);
	print_message("a circle of 10,000 refused: %.0f ms\n", now_ms() - began);
	world_release(&w);
	free(set);
}

/* order: 0 targets first, 1 dependents first, 2 mixed. */
static void register_one_by_one(int order, uint32_t n)
{
	struct world w;
	double spent = 0;

	world_init(&w);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = order == 0 ? n - 1 - i : order == 1 ? i : (i * 617u + 5u) % n;
		struct service_def *s = numbered(at);
		auto_free char *source = text_fmt("m%u.toml", at);
		double began;

		if (at + 1 < n)
			add_edge(s, at + 1);
		began = now_ms();
		assert_int_equal(give(&w, s, source, CONTRIBUTE_REGISTER), ERR_OK);
		spent += now_ms() - began;
	}
	print_message("a chain of %u, one by one, order %d: %.1f ms\n", n, order, spent);
	assert_int_equal(registry_count(w.reg), n);
	world_release(&w);
}

static void a_thousand_registrations_one_by_one_stay_cheap_in_any_order(void **state)
{
	(void)state;
	for (int order = 0; order < 3; order++) {
		register_one_by_one(order, 1000);
		register_one_by_one(order, 4000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		ten_thousand_services_with_a_hundred_thousand_edges_are_one_transaction),
	    cmocka_unit_test(a_thousand_registrations_one_by_one_stay_cheap_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
