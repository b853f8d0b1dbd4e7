/*
 * A program of somebody else: it has a str_add and an error_set of its own, and
 * links the installed library in either form.  Only <hero_proc.h> is known here.
 */
#include "hero_proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

int str_add(int a, int b);
int error_set(void);

static int called;

int str_add(int a, int b)
{
	called++;
	return a + b;
}

int error_set(void)
{
	called++;
	return 0;
}

static void names_of_the_program_and_of_the_library_do_not_meet(void **state)
{
	hp_client *c = hp_client_new("/nonexistent/rpc.sock");
	hp_service *s = hp_service_new("web");
	struct hp_error e;

	(void)state;
	assert_int_equal(hp_service_define(c, s, &e), -32014);
	assert_string_equal(e.name, "no_daemon");
	assert_int_equal(called, 0);
	assert_int_equal(str_add(1, 2) + error_set(), 3);
	hp_error_release(&e);
	hp_service_free(s);
	hp_client_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_the_program_and_of_the_library_do_not_meet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
