/* Builders: the first mistake is told, and nothing is sent. */
#include "hero_proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Nobody listens there: whatever is sent ends with `no_daemon`. */
#define NOWHERE "/nonexistent/rpc.sock"

static void expect(hp_service *s, const char *name, const char *part)
{
	hp_client *c = hp_client_new(NOWHERE);
	struct hp_error e;

	assert_int_not_equal(hp_service_define(c, s, &e), 0);
	assert_string_equal(e.name, name);
	assert_non_null(strstr(e.message, part));
	hp_error_release(&e);
	hp_service_free(s);
	hp_client_free(c);
}

static void a_good_definition_is_sent(void **state)
{
	const char *const argv[] = {"/bin/true", NULL};
	hp_service *s = hp_service_new("web");
	hp_action *a = hp_service_action(s, "web"), *b = hp_service_action(s, "prepare");

	(void)state;
	hp_action_exec(a, argv);
	hp_action_script(b, "exit 0");
	hp_action_one_shot(b);
	hp_action_depends_on(a, "prepare", "succeeded", NULL);
	hp_action_needs_binary(a, "o/db", "db", "rpc.sock");
	hp_service_requires(s, "db");
	expect(s, "no_daemon", NOWHERE);
}

static void a_bad_name_is_refused(void **state)
{
	(void)state;
	expect(hp_service_new("a b"), "invalid", "`a b` is not a name");
	expect(hp_service_new(".."), "invalid", "not a name");
	hp_service *s = hp_service_new("web");
	hp_service_wants(s, "");
	expect(s, "invalid", "not a name");
}

static void two_actions_of_one_name_are_refused(void **state)
{
	hp_service *s = hp_service_new("web");

	(void)state;
	hp_service_action(s, "main");
	hp_service_action(s, "main");
	expect(s, "invalid", "two actions are named `main`");
}

static void a_circle_of_actions_is_refused(void **state)
{
	hp_service *s = hp_service_new("web");
	hp_action *a = hp_service_action(s, "a"), *b = hp_service_action(s, "b");

	(void)state;
	hp_action_depends_on(a, "b", NULL, NULL);
	hp_action_depends_on(b, "a", NULL, NULL);
	expect(s, "invalid", "circle");
}

static void a_service_that_needs_itself_is_refused(void **state)
{
	hp_service *s = hp_service_new("web");

	(void)state;
	hp_service_requires(s, "web");
	expect(s, "invalid", "depends on itself");
}

/* An argument that JSON can not carry was once left out, and the rest was executed. */
static void text_that_is_not_utf8_is_refused(void **state)
{
	const char *const argv[] = {"/bin/rm", "\xff", "/tmp/x", NULL};
	hp_service *s = hp_service_new("a");

	(void)state;
	hp_action_exec(hp_service_action(s, "a"), argv);
	expect(s, "invalid", "an argument of `exec` is not UTF-8");
	s = hp_service_new("a");
	hp_action_script(hp_service_action(s, "a"), "\xfe");
	expect(s, "invalid", "a script is not UTF-8");
	s = hp_service_new("a");
	hp_action_env(hp_service_action(s, "a"), "A", "\xfe");
	expect(s, "invalid", "the value of a variable is not UTF-8");
	expect(hp_service_new("\xfe"), "invalid", "not a name");
}

static void what_is_missing_is_refused(void **state)
{
	const char *const nothing[] = {NULL};
	hp_service *s = hp_service_new("a");

	(void)state;
	hp_action_exec(hp_service_action(s, "a"), nothing);
	expect(s, "invalid", "`a` executes nothing");
	s = hp_service_new("a");
	hp_action_env(hp_service_action(s, "a"), "A=B", "c");
	expect(s, "invalid", "not the name of a variable");
	s = hp_service_new("a");
	hp_action_script(hp_service_action(s, "a"), NULL);
	expect(s, "invalid", "a script is missing");
	expect(hp_service_new(NULL), "invalid", "not a name");
}

/* Without them a call might act on everything. */
static void parameters_that_are_not_json_are_not_sent(void **state)
{
	hp_client *c = hp_client_new(NOWHERE);
	struct hp_error e;

	(void)state;
	assert_int_equal(hp_call(c, "service.stop_all", "{\"class\":", NULL, &e), -32602);
	assert_non_null(strstr(e.message, "not JSON"));
	hp_error_release(&e);
	hp_client_free(c);
}

static void a_run_is_checked_like_a_service(void **state)
{
	hp_client *c = hp_client_new(NOWHERE);
	hp_run *r = hp_run_new(NULL);
	hp_action *a = hp_run_action(r, "a");
	struct hp_error e;

	(void)state;
	hp_run_depends_on(r, "db");
	assert_int_equal(hp_run_submit(c, r, 1, NULL, &e), -32014);
	hp_error_release(&e);
	hp_action_depends_on(a, "a", "succeeded", NULL);
	assert_int_equal(hp_run_submit(c, r, 1, NULL, &e), -32602);
	assert_non_null(strstr(e.message, "circle"));
	hp_error_release(&e);
	hp_run_free(r);
	hp_client_free(c);
}

static void exit_statuses_are_those_of_the_specification(void **state)
{
	const struct {
		int code, status;
	} rows[] = {{0, 0}, {-32001, 3}, {-32002, 4}, {-32003, 4}, {-32004, 4}, {-32005, 5},
	    {-32006, 6}, {-32007, 8}, {-32011, 5}, {-32602, 4}, {-32014, 7}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct hp_error e = {.code = rows[i].code};

		assert_int_equal(hp_error_exit_status(&e), rows[i].status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_good_definition_is_sent),
	    cmocka_unit_test(a_bad_name_is_refused),
	    cmocka_unit_test(two_actions_of_one_name_are_refused),
	    cmocka_unit_test(a_circle_of_actions_is_refused),
	    cmocka_unit_test(a_service_that_needs_itself_is_refused),
	    cmocka_unit_test(text_that_is_not_utf8_is_refused),
	    cmocka_unit_test(what_is_missing_is_refused),
	    cmocka_unit_test(parameters_that_are_not_json_are_not_sent),
	    cmocka_unit_test(a_run_is_checked_like_a_service),
	    cmocka_unit_test(exit_statuses_are_those_of_the_specification),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
