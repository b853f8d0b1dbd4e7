/* The keeper and its server: how each ends, and what follows. */
#include "bed.h"

#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <cmocka.h>

static void a_second_keeper_exits_4_and_names_the_first(void **state)
{
	int p[2], status;
	char buf[256] = "";
	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid_t second = bed_exec_keeper(bed.state, p[1]);
	close(p[1]);
	assert_int_equal(waitpid(second, &status, 0), second);
	assert_true(read(p[0], buf, sizeof(buf) - 1) > 0);
	close(p[0]);
	auto_free char *want =
	    text_fmt("hero_proc_keeper: %s is in use by pid %d\n", bed.state, (int)bed.keeper);
	assert_string_equal(buf, want);
	assert_int_equal(WEXITSTATUS(status), KEEPER_EXIT_LOCKED);
}

static bool is_asked(struct bed *b, void *arg)
{
	return b->shutdown_asked == *(int *)arg;
}

static void terminating_the_keeper_asks_the_server_and_kills_nothing(void **state)
{
	(void)state;
	uint64_t t = bed_sh(&bed, "exec sleep 100", -1, false);
	assert_true(bed_until_spawned(&bed, t));
	kill(bed.keeper, SIGHUP);
	kill(bed.keeper, SIGTERM);
	assert_true(bed_until(&bed, is_asked, &(int){1}));
	kill(bed.keeper, SIGINT);
	assert_true(bed_until(&bed, is_asked, &(int){2}));
	bed.shutdown_asked = 0;
	bed_kill_server(&bed);
	assert_true(bed_until(&bed, is_asked, &(int){2})); /* a later server is told, too */
	assert_true(bed_until_listed(&bed));
	assert_false(bed_seen(&bed, t)->listed_exited);
}

static void five_deaths_in_a_minute_start_the_server_safe(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		bed_kill_server(&bed);
		assert_false(bed.safe);
	}
	bed_kill_server(&bed);
	assert_true(bed.safe);
}

/* ---- upgrades ---------------------------------------------------------------------- */

static bool is_sent(struct bed *b, void *arg)
{
	(void)arg;
	return spawner_is_idle(b->spawner);
}

/* The fake server under another name, which it tells. */
static void upgrade_to(const char *name, int trial_ms)
{
	auto_free char *path = text_fmt("%s/%s", bed.dir, name);
	unlink(path);
	assert_int_equal(symlink(getenv("FAKE_SERVER_EXE"), path), 0);
	spawner_upgrade(bed.spawner, path, 42, trial_ms);
	assert_true(bed_until(&bed, is_sent, NULL));
	bed_end_server(&bed, 0);
	bed_accept(&bed);
	assert_string_equal(bed.server_path, path);
	assert_string_equal(bed.upgrade, "next 42 ");
	unlink(path);
}

static void serve(void)
{
	spawner_serving(bed.spawner);
	assert_true(bed_until_listed(&bed));
}

static void the_next_server_is_told_that_it_is_on_trial_and_stays_once_it_serves(void **state)
{
	(void)state;
	uint64_t t = bed_sh(&bed, "exec sleep 100", -1, false);
	assert_true(bed_until_spawned(&bed, t));
	serve();
	for (int i = 0; i < 6; i++) { /* none of these is a death */
		upgrade_to("next", 60000);
		assert_false(bed.safe);
		serve();
	}
	char path[sizeof(bed.server_path)];
	memcpy(path, bed.server_path, sizeof(path));
	bed_kill_server(&bed); /* its name is gone, its file is held */
	assert_string_equal(bed.server_path, path);
	assert_string_equal(bed.upgrade, "done 42 ");
	assert_true(bed_until_listed(&bed));
	assert_true(bed_seen(&bed, t)->listed && !bed_seen(&bed, t)->exited);
	spawner_signal(bed.spawner, t, SIGKILL, KEEPER_SCOPE_KILL);
	assert_true(bed_until_empty(&bed, t));
	spawner_ack(bed.spawner, t);
}

static void a_next_server_that_ends_on_trial_is_followed_by_the_former_at_once(void **state)
{
	(void)state;
	serve();
	upgrade_to("next", 60000);
	bed_end_server(&bed, KEEPER_EXIT_USAGE); /* of a server that is not on trial: the end */
	bed_accept(&bed);
	assert_string_equal(bed.upgrade, "back 42 it ended with exit status 2 before it served");
	assert_string_equal(bed.server_path, getenv("FAKE_SERVER_EXE"));
	bed_kill_server(&bed);
	assert_string_equal(bed.server_path, getenv("FAKE_SERVER_EXE"));
	serve();
	upgrade_to("second", 60000);
	bed_kill_server(&bed);
	assert_string_equal(bed.upgrade, "back 42 it ended with signal 9 before it served");
}

static void a_next_server_that_does_not_serve_in_time_is_killed(void **state)
{
	(void)state;
	serve();
	upgrade_to("next", 100);
	bed_accept(&bed);
	assert_string_equal(bed.upgrade, "back 42 it did not serve within 100 ms");
	assert_string_equal(bed.server_path, getenv("FAKE_SERVER_EXE"));
}

static void a_next_server_that_can_not_be_executed_is_followed_by_the_former(void **state)
{
	(void)state;
	spawner_upgrade(bed.spawner, "/nowhere/server", 7, 60000);
	assert_true(bed_until(&bed, is_sent, NULL));
	bed_kill_server(&bed);
	assert_string_equal(bed.upgrade, "back 7 it ended with exit status 127 before it served");
}

static void a_clean_exit_ends_the_keeper_only_when_no_job_is_left(void **state)
{
	(void)state;
	uint64_t t = bed_sh(&bed, "exec sleep 100", -1, false);
	assert_true(bed_until_spawned(&bed, t));
	bed_end_server(&bed, 0);
	bed_accept(&bed);
	assert_true(bed_until_listed(&bed));
	spawner_signal(bed.spawner, t, SIGKILL, KEEPER_SCOPE_LEADER);
	assert_true(bed_until_empty(&bed, t));
	spawner_ack(bed.spawner, t);
	assert_true(bed_until_listed(&bed));
	bed_end_server(&bed, KEEPER_EXIT_USAGE);
	assert_int_equal(bed_wait_keeper(&bed), KEEPER_EXIT_USAGE);
}

/* A keeper that was killed: what it had not handed over stands in the journal. */
static void exits_outlive_the_keeper_in_its_journal(void **state)
{
	(void)state;
	uint64_t a = bed_sh(&bed, "exit 5", -1, false), b = bed_sh(&bed, "exit 6", -1, false);
	assert_true(bed_until_empty(&bed, a));
	assert_true(bed_until_empty(&bed, b));
	spawner_ack(bed.spawner, b);
	assert_true(bed_until_listed(&bed));
	kill(bed.keeper, SIGKILL);
	assert_int_equal(bed_wait_keeper(&bed), 128 + SIGKILL);
	kill(bed.server, SIGKILL);
	bed.n_seen = 0;
	bed.keeper = bed_exec_keeper(bed.state, -1);
	bed_accept(&bed);
	assert_true(bed_until_listed(&bed));
	assert_true(bed_seen(&bed, a)->listed && bed_seen(&bed, a)->listed_empty);
	assert_int_equal(bed_seen(&bed, a)->how.status, 5);
	assert_string_equal(bed_seen(&bed, a)->label, "label of it");
	assert_false(bed_seen(&bed, b)->listed);
	spawner_ack(bed.spawner, a);
	/* What the former keeper had made ready for the next one is no job. */
	assert_false(bed_seen(&bed, bed.next_token)->listed);
	uint64_t next = bed_sh(&bed, "exit 4", -1, false);
	assert_true(bed_until_empty(&bed, next));
	assert_int_equal(bed_seen(&bed, next)->how.status, 4);
}

/* clang-format off */

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(a_second_keeper_exits_4_and_names_the_first),
	    WITH(terminating_the_keeper_asks_the_server_and_kills_nothing),
	    WITH(five_deaths_in_a_minute_start_the_server_safe),
	    WITH(the_next_server_is_told_that_it_is_on_trial_and_stays_once_it_serves),
	    WITH(a_next_server_that_ends_on_trial_is_followed_by_the_former_at_once),
	    WITH(a_next_server_that_does_not_serve_in_time_is_killed),
	    WITH(a_next_server_that_can_not_be_executed_is_followed_by_the_former),
	    WITH(a_clean_exit_ends_the_keeper_only_when_no_job_is_left),
	    BOTH(exits_outlive_the_keeper_in_its_journal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
