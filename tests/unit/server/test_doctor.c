/* test_doctor.c - checks of the doctor over real processes, with a belief made for the test. */
#include "server/doctor/look.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <cmocka.h>

/* A process that has `fd` open as `number`, and beside it so many of /dev/null. */
static pid_t holder(int fd, int number, int more)
{
	int ready[2];
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int kept = fcntl(ready[1], F_DUPFD, 200),
		    mine = fd < 0 ? -1 : fcntl(fd, F_DUPFD, 201);
		for (int i = 0; i < 200; i++)
			close(i);
		if (mine >= 0)
			dup2(mine, number);
		close(mine);
		for (int i = 0; i < more; i++)
			open("/dev/null", O_RDONLY);
		if (write(kept, "r", 1) == 1)
			close(kept);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void output_that_the_keeper_holds_and_the_server_does_not_read_is_found(void **state)
{
	int p[2];
	(void)state;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid_t leader = holder(p[1], 1, 0), keeper = holder(p[0], 9, 0), reads = holder(p[0], 9, 0),
	      does_not = holder(-1, 0, 0);
	struct claim claim = {.token = 1,
	    .pid = leader,
	    .executed = true,
	    .service = text_dup("web"),
	    .action = text_dup("web")};
	struct look l = {.belief = {.claims = {&claim, 1, 1}, .keeper = keeper, .server = reads}};

	look_capture(&l);
	assert_int_equal(l.found.n, 0);
	l.belief.server = does_not;
	look_capture(&l);
	assert_int_equal(l.found.n, 1);
	assert_int_equal(l.found.v[0].check, CHECK_CAPTURE);
	assert_int_equal(l.found.v[0].pid, leader);
	assert_string_equal(l.found.v[0].ours, "its stdout is captured");
	findings_release(&l.found);
	pid_t all[] = {leader, keeper, reads, does_not};
	for (size_t i = 0; i < countof(all); i++)
		end(all[i]);
	close(p[0]);
	close(p[1]);
	free(claim.service);
	free(claim.action);
}

static void a_keeper_that_holds_more_than_its_attempts_need_is_found(void **state)
{
	(void)state;
	pid_t keeper = holder(-1, 0, 100), server = holder(-1, 0, 0);
	struct claim claims[20] = {{0}};
	struct look l = {
	    .belief = {.claims = {claims, 20, 20}, .keeper = keeper, .server = server}};

	look_descriptors(&l);
	assert_int_equal(l.found.n, 0);
	l.belief.claims.n = 0;
	look_descriptors(&l);
	assert_int_equal(l.found.n, 1);
	assert_int_equal(l.found.v[0].check, CHECK_DESCRIPTORS);
	assert_int_equal(l.found.v[0].pid, keeper);
	findings_release(&l.found);
	end(keeper);
	end(server);
}

static void seen(struct look *l, const char *what)
{
	look_add(l, CHECK_STRAYS, SEVERITY_ERROR, "%s", what);
}

static void only_what_both_looks_saw_is_kept(void **state)
{
	struct look first = {0}, second = {0};
	(void)state;

	seen(&first, "a");
	seen(&first, "b");
	seen(&second, "b");
	seen(&second, "c");
	findings_keep_common(&first.found, &second.found);
	assert_int_equal(first.found.n, 1);
	assert_string_equal(first.found.v[0].key, "strays b");
	assert_int_equal(second.found.n, 0);
	findings_release(&first.found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(output_that_the_keeper_holds_and_the_server_does_not_read_is_found),
	    cmocka_unit_test(a_keeper_that_holds_more_than_its_attempts_need_is_found),
	    cmocka_unit_test(only_what_both_looks_saw_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
