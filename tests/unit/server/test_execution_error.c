/* What a person can do about each error of execve(2): no row is missing. */
#include "server/supervise/execution_error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static char path_var[] = "PATH=/usr/bin:/bin";

static struct launch launch_of(const char *program)
{
	struct launch l = {0};

	strv_add(&l.argv, program);
	strv_add(&l.env.vars, path_var);
	return l;
}

static void every_error_of_execve_has_a_sentence(void **state)
{
	static const int errors[] = {E2BIG, EACCES, EAGAIN, EINVAL, EIO, EISDIR, ELIBBAD, ELOOP,
	    EMFILE, ENAMETOOLONG, ENFILE, ENOENT, ENOEXEC, ENOMEM, ENOTDIR, EPERM, ETXTBSY};
	(void)state;

	for (size_t i = 0; i < countof(errors); i++) {
		struct launch l = launch_of("/no/such/program");
		auto_str out = {0};

		if (!execution_error_explain(&l, KEEPER_STEP_EXEC, errors[i], &out) || out.n < 20)
			fail_msg("%s: `%s`", strerrorname_np(errors[i]), str_text(&out));
		launch_release(&l);
	}
}

static void every_step_of_a_child_has_one_for_what_it_mostly_fails_with(void **state)
{
	static const struct {
		enum keeper_step step;
		int sys;
	} cases[] = {{KEEPER_STEP_FORK, EAGAIN}, {KEEPER_STEP_FORK, ENOMEM},
	    {KEEPER_STEP_FDS, EMFILE}, {KEEPER_STEP_OOM, EACCES}, {KEEPER_STEP_NICE, EACCES},
	    {KEEPER_STEP_NICE, EPERM}, {KEEPER_STEP_LIMITS, EPERM}, {KEEPER_STEP_LIMITS, EINVAL},
	    {KEEPER_STEP_GROUPS, EPERM}, {KEEPER_STEP_BOUNDING, EPERM}, {KEEPER_STEP_GID, EPERM},
	    {KEEPER_STEP_UID, EPERM}, {KEEPER_STEP_UID, EAGAIN}, {KEEPER_STEP_UID, EINVAL},
	    {KEEPER_STEP_AMBIENT, EPERM}, {KEEPER_STEP_CHDIR, ENAMETOOLONG},
	    {KEEPER_STEP_NOTIFY, ENFILE}};
	(void)state;

	for (size_t i = 0; i < countof(cases); i++) {
		struct launch l = launch_of("/bin/true");
		auto_str out = {0};

		if (!execution_error_explain(&l, cases[i].step, cases[i].sys, &out))
			fail_msg("%s: %s", keeper_step_str(cases[i].step),
			    strerrorname_np(cases[i].sys));
		launch_release(&l);
	}
}

static void what_hangs_is_not_looked_at(void **state)
{
	struct launch l = launch_of("/no/such/program");
	auto_str out = {0};
	(void)state;

	execution_error_describe(&l, "x", KEEPER_STEP_EXEC, 0, &out);
	assert_string_equal(out.s, "exec `/no/such/program`: hangs (does its file system answer?)");
	launch_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_error_of_execve_has_a_sentence),
	    cmocka_unit_test(every_step_of_a_child_has_one_for_what_it_mostly_fails_with),
	    cmocka_unit_test(what_hangs_is_not_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
