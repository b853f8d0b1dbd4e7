/* test_compare.c - what changed is told in words, from the rows that read the keys. */
#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* What of `to` differs from `from`, one sentence a line. */
static void assert_said(struct service_def *take_from, struct service_def *take_to,
    const char *said, bool executes_same)
{
	struct world w;
	auto_str text = {0};

	world_init(&w);
	assert_int_equal(give(&w, take_from, "a.toml", CONTRIBUTE_REGISTER), ERR_OK);
	assert_int_equal(give(&w, take_to, "a.toml", CONTRIBUTE_REGISTER), ERR_OK);
	const struct registry_change *c = registry_outcome_find(&w.out, "web");
	assert_non_null(c);
	for (size_t i = 0; i < c->differences.n; i++)
		str_fmt(&text, "%s\n", c->differences.v[i]);
	assert_string_equal(str_text(&text), said);
	assert_int_equal(c->kind, *said ? CHANGE_UPDATED : CHANGE_UNCHANGED);
	assert_int_equal(c->restarts, !executes_same);
	world_release(&w);
}

static void what_is_equal_has_no_differences(void **state)
{
	(void)state;
	assert_said(simple("web"), simple("web"), "", true);
}

static void a_line_that_moved_is_no_difference(void **state)
{
	(void)state;
	assert_said(needs("web", DEP_REQUIRES, "db", "a.toml", 3),
	    needs("web", DEP_REQUIRES, "db", "a.toml", 9), "", true);
}

static void a_command_is_told_with_both_values(void **state)
{
	struct service_def *from = service("web"), *to = service("web");

	(void)state;
	action_running(from, "web", "/opt/a");
	action_running(to, "web", "/opt/b");
	assert_said(from, to, "exec: [\"/opt/a\"] -> [\"/opt/b\"]\n", false);
}

static void each_variable_is_told_and_a_secret_is_not_shown(void **state)
{
	struct service_def *from = simple("web"), *to = simple("web");

	(void)state;
	env(&from->actions.v[0], "GONE", "1");
	env(&from->actions.v[0], "KEY", "old");
	env(&from->actions.v[0], "PORT", "8080");
	env(&to->actions.v[0], "KEY", "new");
	env(&to->actions.v[0], "PORT", "8081");
	env(&to->actions.v[0], "MORE", "2");
	to->actions.v[0].env.v[0].secret = true;
	assert_said(from, to,
	    "environment GONE removed: 1\nenvironment KEY changed\nenvironment PORT: 8080 -> 8081\n"
	    "environment MORE added: 2\n",
	    false);
}

static void an_edge_is_told_with_its_line(void **state)
{
	(void)state;
	assert_said(simple("web"), needs("web", DEP_REQUIRES, "db", "a.toml", 12),
	    "edge to db added (a.toml:12)\n", false);
	assert_said(needs("web", DEP_REQUIRES, "db", "a.toml", 12), simple("web"),
	    "edge to db removed (a.toml:12)\n", false);
}

static void a_policy_of_an_edge_is_told_with_both_values(void **state)
{
	struct service_def *from = needs("web", DEP_REQUIRES, "db", "a.toml", 3);
	struct service_def *to = needs("web", DEP_REQUIRES, "db", "a.toml", 3);

	(void)state;
	from->dependencies.v[0].timeout = 60000;
	to->dependencies.v[0].timeout = 5000;
	assert_said(from, to, "edge to db changed: timeout_ms: 60000 -> 5000 (a.toml:3)\n", false);
}

static void of_several_actions_the_one_that_changed_is_named(void **state)
{
	struct service_def *from = service("web"), *to = service("web");

	(void)state;
	action_running(from, "one", "/opt/a");
	action(from, "gone");
	action_running(to, "one", "/opt/a");
	text_set(&to->actions.v[0].cwd, "/srv");
	action(to, "two");
	assert_said(
	    from, to, "action gone removed\none: cwd added: /srv\naction two added\n", false);
}

static void what_only_tells_people_needs_no_restart(void **state)
{
	struct service_def *to = simple("web");

	(void)state;
	text_set(&to->description, "the door");
	to->status = WANTED_START;
	assert_said(
	    simple("web"), to, "description added: the door\nstatus: ignore -> start\n", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_equal_has_no_differences),
	    cmocka_unit_test(a_line_that_moved_is_no_difference),
	    cmocka_unit_test(a_command_is_told_with_both_values),
	    cmocka_unit_test(each_variable_is_told_and_a_secret_is_not_shown),
	    cmocka_unit_test(an_edge_is_told_with_its_line),
	    cmocka_unit_test(a_policy_of_an_edge_is_told_with_both_values),
	    cmocka_unit_test(of_several_actions_the_one_that_changed_is_named),
	    cmocka_unit_test(what_only_tells_people_needs_no_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
