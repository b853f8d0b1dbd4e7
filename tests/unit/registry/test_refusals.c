#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void the_registration_that_closes_a_cycle_is_refused_with_the_whole_path(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	define(&w, needs("a", DEP_REQUIRES, "b", "a.toml", 4));
	define(&w, needs("b", DEP_AFTER, "c", "b.toml", 7));
	assert_int_equal(
	    give(&w, needs("c", DEP_REQUIRES, "a", "c.toml", 2), "c.toml", CONTRIBUTE_REGISTER),
	    ERR_CYCLE);
	assert_told(&w, DIAG_ERROR,
	    "a requires b (a.toml:4) -> b after c (b.toml:7) -> c requires a (c.toml:2)");
	assert_int_equal(w.out.chain.n, 3);
	assert_string_equal(w.out.culprit, "c");
	assert_null(registry_find(w.reg, "c"));
	assert_int_equal(dep_at(&w, "b", "b", 0)->resolved.rule, RESOLVED_NOTHING);
	define(&w, needs("c", DEP_WANTS, "a", "c.toml", 2)); /* wants alone makes no order */
	world_release(&w);
}

static void a_cycle_among_actions_of_one_service_is_refused(void **state)
{
	struct world w;
	struct service_def *s = service("s");

	(void)state;
	world_init(&w);
	edge(&action(s, "one")->depends_on, DEP_REQUIRES, "two", "s.toml", 1);
	edge(&action(s, "two")->depends_on, DEP_WANTS | DEP_AFTER, "one", "s.toml", 2);
	assert_int_equal(give(&w, s, "s.toml", CONTRIBUTE_REGISTER), ERR_CYCLE);
	assert_told(&w, DIAG_ERROR, "s/one requires s/two (s.toml:1) -> s/two wants+after s/one");
	world_release(&w);
}

static void an_action_that_waits_for_a_dependent_of_its_service_is_a_cycle(void **state)
{
	struct world w;
	struct service_def *s = service("s");

	(void)state;
	world_init(&w);
	action(s, "one");
	edge(&action(s, "two")->depends_on, DEP_REQUIRES, "web", "s.toml", 2);
	define(&w, s);
	assert_int_equal(give(&w, needs("web", DEP_REQUIRES, "s", "web.toml", 3), "web.toml",
			     CONTRIBUTE_REGISTER),
	    ERR_CYCLE);
	assert_told(&w, DIAG_ERROR, "s/two requires web (s.toml:2) -> web requires s (web.toml:3)");
	world_release(&w);
}

static void a_conflict_inside_a_hard_closure_is_refused_with_both_paths(void **state)
{
	struct world w;
	struct service_def *x = simple("x");

	(void)state;
	world_init(&w);
	strv_add(&x->conflicts, "y");
	define(&w, x);
	define(&w, simple("y"));
	define(&w, needs("mid", DEP_REQUIRES, "y", "mid.toml", 5));
	struct service_def *top = needs("top", DEP_REQUIRES, "x", "top.toml", 1);

	edge(&top->dependencies, DEP_REQUIRES, "mid", "top.toml", 2);
	assert_int_equal(give(&w, top, "top.toml", CONTRIBUTE_REGISTER), ERR_CONFLICT);
	assert_told(&w, DIAG_ERROR,
	    "`x` conflicts with `y`, and `top` needs both: "
	    "top requires x (top.toml:1); top requires mid (top.toml:2) -> "
	    "mid requires y (mid.toml:5)");
	define(&w, needs("top", DEP_REQUIRES, "x", "top.toml", 1));
	world_release(&w);
}

static void malformed_names_and_self_references_are_refused_all_at_once(void **state)
{
	struct world w;
	struct service_def *s = service("s");

	(void)state;
	world_init(&w);
	edge(&action(s, "bad name")->depends_on, DEP_REQUIRES, "s", "s.toml", 3);
	strv_add(&s->conflicts, "s");
	edge_bin(&s->actions.v[0].depends_on, NULL, "t", "../x.sock", "s.toml", 4);
	assert_int_equal(give(&w, s, "s.toml", CONTRIBUTE_REGISTER), ERR_INVALID);
	assert_told(&w, DIAG_ERROR, "action `bad name`: malformed name");
	assert_told(&w, DIAG_ERROR, "`bad name` depends on itself (s.toml:3)");
	assert_told(&w, DIAG_ERROR, "`s` conflicts with itself");
	assert_told(&w, DIAG_ERROR, "the socket `../x.sock` leads upwards");
	assert_int_equal(give(&w, simple("a/b"), "x", CONTRIBUTE_REGISTER), ERR_INVALID);
	assert_int_equal(registry_count(w.reg), 0);
	world_release(&w);
}

static void an_action_without_a_command_is_refused(void **state)
{
	struct world w;
	struct service_def *s = service("s");

	(void)state;
	world_init(&w);
	action_running(s, "s", NULL);
	assert_int_equal(give(&w, s, "s.toml", CONTRIBUTE_REGISTER), ERR_INVALID);
	assert_told(&w, DIAG_ERROR, "`s` has nothing to execute");
	world_release(&w);
}

/* Without service b the edge of a would lead to action b of c, which needs a. */
static void a_removal_that_would_close_a_circle_is_refused(void **state)
{
	struct world w;
	struct service_def *c = service("c");

	(void)state;
	world_init(&w);
	define(&w, simple("b"));
	define(&w, needs("a", DEP_REQUIRES, "b", "a.toml", 1));
	edge(&action_running(c, "b", "sleep")->depends_on, DEP_REQUIRES, "a", "c.toml", 2);
	define(&w, c);
	assert_int_equal(registry_delete(w.reg, "b", &w.out, &w.e), ERR_CYCLE);
	assert_non_null(strstr(w.e.msg, "a requires c (a.toml:1) -> c requires a (c.toml:2)"));
	assert_int_equal(dep_at(&w, "a", "a", 0)->resolved.rule, RESOLVED_SERVICE);
	assert_non_null(registry_find(w.reg, "b"));
	world_release(&w);
}

static void healthy_needs_a_probe(void **state)
{
	struct world w;
	struct service_def *s = needs("web", DEP_REQUIRES, "db", "web.toml", 1);

	(void)state;
	world_init(&w);
	define(&w, simple("db"));
	s->dependencies.v[0].condition = COND_HEALTHY;
	assert_int_equal(give(&w, s, "web.toml", CONTRIBUTE_REGISTER), ERR_INVALID);
	assert_told(&w, DIAG_ERROR, "`web` waits for `db` to be healthy, which has no probe");
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_registration_that_closes_a_cycle_is_refused_with_the_whole_path),
	    cmocka_unit_test(a_cycle_among_actions_of_one_service_is_refused),
	    cmocka_unit_test(an_action_that_waits_for_a_dependent_of_its_service_is_a_cycle),
	    cmocka_unit_test(a_conflict_inside_a_hard_closure_is_refused_with_both_paths),
	    cmocka_unit_test(malformed_names_and_self_references_are_refused_all_at_once),
	    cmocka_unit_test(an_action_without_a_command_is_refused),
	    cmocka_unit_test(a_removal_that_would_close_a_circle_is_refused),
	    cmocka_unit_test(healthy_needs_a_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
