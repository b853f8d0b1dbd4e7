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

static void an_exit_status_is_told_after_the_spawn_and_before_the_empty_set(void **state)
{
	(void)state;
	uint64_t t = bed_sh(&bed, "exit 7", -1, false);
	assert_true(bed_until_empty(&bed, t));
	assert_int_equal(bed_seen(&bed, t)->how.code, CLD_EXITED);
	assert_int_equal(bed_seen(&bed, t)->how.status, 7);
	spawner_ack(bed.spawner, t);
}

static struct seen *fail_with(const char *argv0, const char *cwd)
{
	const char *const argv[] = {argv0, NULL};
	const char *const envp[] = {"PATH=/nowhere:/usr/bin:/bin", NULL};
	struct spawn_spec s = {.argv = argv, .envp = envp, .cwd = cwd};
	uint64_t t = bed_exec(&bed, &s);
	assert_true(bed_until_spawned(&bed, t));
	assert_true(bed_seen(&bed, t)->failed);
	return bed_seen(&bed, t);
}

static void a_failed_spawn_names_its_step_and_errno(void **state)
{
	struct error e;
	(void)state;
	assert_int_equal(fail_with("/nowhere/at/all", NULL)->step, KEEPER_STEP_EXEC);
	assert_int_equal(fail_with("/nowhere/at/all", NULL)->sys, ENOENT);
	assert_int_equal(fail_with("no-such-program", NULL)->sys, ENOENT);
	assert_int_equal(fail_with("/etc/passwd", NULL)->sys, EACCES);
	assert_int_equal(fail_with("true", "/nowhere")->step, KEEPER_STEP_CHDIR);
	spawn_step_error(KEEPER_STEP_EXEC, ENOENT, "/bin/x", NULL, &e);
	assert_string_equal(e.msg, "exec `/bin/x`: No such file or directory");
	assert_true(spawn_is_transient(EAGAIN));
	assert_false(spawn_is_transient(ENOENT));
}

static void a_token_is_used_once(void **state)
{
	(void)state;
	uint64_t t = bed_sh(&bed, "exec sleep 100", -1, false);
	assert_true(bed_until_spawned(&bed, t));
	bed.next_token = t;
	bed_sh(&bed, "true", -1, false);
	assert_true(bed_until_spawned(&bed, t));
	spawner_signal(bed.spawner, t, SIGTERM, KEEPER_SCOPE_LEADER);
	assert_true(bed_until_empty(&bed, t));
	assert_true(bed_seen(&bed, t)->failed);
	assert_int_equal(bed_seen(&bed, t)->sys, EEXIST);
	assert_int_equal(bed_seen(&bed, t)->how.code, CLD_KILLED);
	assert_int_equal(bed_seen(&bed, t)->how.status, SIGTERM);
}

/* A child begins as a login shell would: only what was asked for is open,
 * nothing is blocked or ignored, its session and limits are its own. */
static void a_child_inherits_nothing_that_was_not_asked_for(void **state)
{
	(void)state;
	struct rlimit mine;
	getrlimit(RLIMIT_NOFILE, &mine);
	auto_free char *fds = bed_output(&bed, "exec ls /proc/self/fd");
	assert_string_equal(fds, "0\n1\n19\n2\n3\n"); /* 3 is that of ls itself */
	auto_free char *masks = bed_output(&bed, "exec grep -E '^Sig(Blk|Ign)' /proc/self/status");
	assert_string_equal(masks, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	auto_free char *limit = bed_output(&bed, "ulimit -Sn");
	assert_int_equal(strtoul(limit, NULL, 10), mine.rlim_cur);
	auto_free char *env = bed_output(&bed, "exec env | sort");
	assert_non_null(strstr(env, "HERO_PROC_TOKEN=0000000000001003\n"));
	assert_null(strstr(env, KEEPER_FD_ENV));
	auto_free char *session =
	    bed_output(&bed, "[ $$ = $(ps -o sid= -p $$ | tr -d ' ') ] && echo own");
	assert_string_equal(session, "own\n");
}

static void a_child_runs_as_its_spec_says(void **state)
{
	const char *const argv[] = {"sh", "-c",
	    "id -u; id -g; id -G; umask; pwd; nice; cat /proc/self/oom_score_adj; ulimit -c;"
	    "grep NoNewPrivs /proc/self/status; [ -e /proc/self/fd/8 ] && echo extra",
	    NULL};
	const char *const envp[] = {"PATH=/usr/bin:/bin", NULL};
	const gid_t groups[] = {65534, 7};
	const struct spawn_limit limits[] = {{RLIMIT_CORE, 0, 0}};
	int p[2];
	char buf[512];
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	const struct spawn_fd fds[] = {{p[1], 1}, {p[1], 8}};
	struct spawn_spec s = {.argv = argv,
	    .envp = envp,
	    .cwd = "/usr",
	    .fds = fds,
	    .n_fds = 2,
	    .limits = limits,
	    .n_limits = 1,
	    .has_user = true,
	    .has_groups = true,
	    .uid = 65534,
	    .gid = 65534,
	    .groups = groups,
	    .n_groups = 2,
	    .has_umask = true,
	    .umask = 027,
	    .has_nice = true,
	    .nice = 5,
	    .has_oom = true,
	    .oom_score_adj = 321,
	    .no_new_privs = true};
	uint64_t t = bed_exec(&bed, &s);
	close(p[1]);
	assert_true(bed_until_exited(&bed, t));
	ssize_t n = read(p[0], buf, sizeof(buf) - 1);
	close(p[0]);
	buf[n > 0 ? n : 0] = '\0';
	assert_string_equal(
	    buf, "65534\n65534\n65534 7\n0027\n/usr\n5\n321\n0\nNoNewPrivs:\t1\nextra\n");
}

/* One job lives through it, one ended before, one ends while no server is there. */
static void a_killed_server_costs_no_service_and_no_exit_status(void **state)
{
	int out[2], in[2];
	char buf[16];
	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	const char *const says[] = {"sh", "-c", "echo hello; exec sleep 100", NULL};
	const struct spawn_fd stdout_fd = {out[1], 1};
	const struct spawn_hold held = {out[0], "log/out"};
	struct spawn_spec talker = {.argv = says,
	    .fds = &stdout_fd,
	    .n_fds = 1,
	    .hold = &held,
	    .n_hold = 1,
	    .label = "label of it",
	    .label_bytes = 11};
	uint64_t lives = bed_exec(&bed, &talker);
	uint64_t ended = bed_sh(&bed, "exit 9", -1, false);
	const char *const argv[] = {"sh", "-c", "read x; exit 8", NULL};
	const struct spawn_fd stdin_fd = {in[0], 0};
	struct spawn_spec spec = {.argv = argv, .fds = &stdin_fd, .n_fds = 1};
	uint64_t ends = bed_exec(&bed, &spec);
	assert_true(bed_until_spawned(&bed, ends));
	assert_true(bed_until_exited(&bed, ended));
	close(out[0]);
	close(out[1]);
	close(in[0]);
	pid_t pid = bed_seen(&bed, lives)->pid;
	kill(bed.server, SIGKILL);
	assert_int_equal(
	    read(bed.server_fd, buf, 1), 0); /* it is gone, the next may not be there */
	close(in[1]);
	bed_accept(&bed);
	bed.n_seen = 0;
	assert_true(bed_until_listed(&bed));
	struct seen *s = bed_seen(&bed, lives);
	assert_true(s->listed && !s->listed_exited && s->pidfd >= 0);
	assert_int_equal(s->pid, pid);
	assert_true(s->start_ticks > 0);
	assert_string_equal(s->label, "label of it");
	s = bed_seen(&bed, ended);
	assert_true(s->listed && s->listed_exited && s->listed_empty);
	assert_int_equal(s->how.status, 9);
	assert_true(bed_until_empty(&bed, ends));
	assert_int_equal(bed_seen(&bed, ends)->how.status, 8);
	assert_string_equal(bed.held_name, "log/out");
	assert_int_equal(read(bed.held_fd, buf, 6), 6);
	assert_memory_equal(buf, "hello\n", 6);
}

static void what_was_acknowledged_or_released_is_not_listed_again(void **state)
{
	(void)state;
	uint64_t gone = bed_sh(&bed, "exit 9", -1, false);
	uint64_t lives = bed_sh(&bed, "exec sleep 100", -1, false);
	assert_true(bed_until_empty(&bed, gone));
	assert_true(bed_until_spawned(&bed, lives));
	spawner_hold(bed.spawner, "a", 0);
	spawner_hold(bed.spawner, "b", 0);
	spawner_release(bed.spawner, "b");
	spawner_ack(bed.spawner, gone);
	bed_kill_server(&bed);
	bed.n_seen = 0;
	assert_true(bed_until_listed(&bed));
	assert_true(bed_seen(&bed, lives)->listed);
	assert_false(bed_seen(&bed, gone)->listed);
	assert_string_equal(bed.held_name, "a");
}

/* Whose the last lines in a pipe are: it may be read long after the end. */
static void an_acknowledged_token_is_listed_until_what_came_with_its_spawn_is_released(void **state)
{
	const char *const argv[] = {"/bin/true", NULL};
	const struct spawn_hold hold = {0, "pipe"};
	(void)state;
	uint64_t t = bed_exec(&bed, &(struct spawn_spec){.argv = argv, .hold = &hold, .n_hold = 1});
	assert_true(bed_until_empty(&bed, t));
	spawner_ack(bed.spawner, t);
	for (int i = 0; i < 2; i++) {
		bed_kill_server(&bed);
		bed.n_seen = 0;
		assert_true(bed_until_listed(&bed));
		assert_int_equal(bed_seen(&bed, t)->listed, i == 0);
		spawner_release(bed.spawner, "pipe");
		spawner_hold(bed.spawner, "other", 0); /* sends what was released */
		spawner_release(bed.spawner, "other");
	}
}

/* More than one batch of the list, and more descriptors than may be in flight at once. */
static void a_long_list_comes_in_batches(void **state)
{
	const char *const argv[] = {"/bin/sleep", "100", NULL};
	size_t listed = 0, n = 300;
	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct spawn_spec s = {.argv = argv};
		bed_exec(&bed, &s);
	}
	assert_true(bed_until_spawned(&bed, bed.next_token - 1));
	bed_kill_server(&bed);
	bed.n_seen = 0;
	assert_true(bed_until_listed(&bed));
	for (size_t i = 0; i < bed.n_seen; i++)
		listed += bed.seen[i].listed && bed.seen[i].pidfd >= 0;
	assert_int_equal(listed, n);
}

static bool is_gone(struct bed *b, void *arg)
{
	(void)b;
	return kill(*(pid_t *)arg, 0) < 0;
}

/* Stopped means that the set is empty (F33). */
static void a_set_is_empty_when_the_last_grandchild_is_gone(void **state)
{
	int p[2];
	char buf[64] = "";
	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	uint64_t t = bed_sh(&bed,
	    "(trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 100; done' &) "
	    "; "
	    "exit 3",
	    p[1], false);
	close(p[1]);
	assert_true(read(p[0], buf, sizeof(buf) - 1) > 0);
	pid_t grandchild = (pid_t)strtol(buf, NULL, 10);
	assert_true(bed_until_exited(&bed, t));
	spawner_signal(
	    bed.spawner, t, SIGTERM, KEEPER_SCOPE_SET); /* its sleep dies of it, it does not */
	uint64_t other = bed_sh(&bed, "true", -1, false);
	assert_true(bed_until_empty(&bed, other));
	assert_false(bed_seen(&bed, t)->empty);
	assert_int_equal(kill(grandchild, 0), 0);
	spawner_ack(bed.spawner, t);
	bed_kill_server(&bed);
	assert_true(bed_until_listed(&bed));
	assert_true(bed_seen(&bed, t)->listed && bed_seen(&bed, t)->listed_acked);
	assert_false(bed_seen(&bed, t)->listed_empty);
	spawner_signal(bed.spawner, t, SIGKILL, KEEPER_SCOPE_KILL);
	assert_true(bed_until_empty(&bed, t));
	assert_true(
	    bed_until(&bed, is_gone, &grandchild)); /* without cgroups it is reaped already */
	close(p[0]);
}

static void a_signal_to_the_set_reaches_grandchildren(void **state)
{
	int p[2];
	char buf[8];
	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	uint64_t t = bed_sh(&bed,
	    "sh -c 'sleep 100 & echo a; wait' & (setsid sleep 100 &); echo b; wait", p[1], false);
	close(p[1]);
	for (int i = 0; i < 4; i++)
		assert_int_equal(read(p[0], buf, 1), 1);
	spawner_signal(bed.spawner, t, SIGTERM, KEEPER_SCOPE_SET);
	assert_true(bed_until_empty(&bed, t));
	assert_int_equal(read(p[0], buf, 1), 0);
	close(p[0]);
}

/* A process of ours, which is nobody's job, under a chosen number; -1: not allowed here. */
static pid_t take_number(pid_t number)
{
	struct clone_args args = {
	    .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&number, .set_tid_size = 1};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

/* F64: the leader is gone and acknowledged, what it left behind keeps its token alive, and a
 * stranger gets its number.  Every scope of a signal is for the set, none for the stranger. */
static void F64_who_gets_the_number_of_an_ended_leader_gets_none_of_its_signals(void **state)
{
	char buf[8];
	int p[2], status;
	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	uint64_t t = bed_sh(&bed, "(setsid sh -c 'echo a; exec sleep 100' &); exit 3", p[1], false);
	close(p[1]);
	assert_int_equal(read(p[0], buf, 2), 2);
	assert_true(bed_until_exited(&bed, t));
	pid_t number = bed_seen(&bed, t)->pid;
	assert_int_equal(kill(number, 0), 0); /* a zombie until it is acknowledged */
	assert_int_equal(take_number(number), -1);
	spawner_ack(bed.spawner, t);
	assert_true(bed_until(&bed, is_gone, &number));
	pid_t stranger = take_number(number);
	if (stranger < 0) {
		close(p[0]);
		spawner_signal(bed.spawner, t, SIGKILL, KEEPER_SCOPE_KILL);
		assert_true(bed_until_empty(&bed, t));
		skip();
	}
	assert_int_equal(stranger, number);
	spawner_signal(bed.spawner, t, SIGTERM, KEEPER_SCOPE_LEADER);
	spawner_signal(bed.spawner, t, SIGUSR1, KEEPER_SCOPE_SET);
	spawner_signal(bed.spawner, t, SIGKILL, KEEPER_SCOPE_KILL);
	assert_true(bed_until_empty(&bed, t));
	assert_int_equal(read(p[0], buf, 1), 0); /* who was of the set is gone */
	uint64_t other = bed_sh(&bed, "true", -1, false);
	assert_true(bed_until_empty(&bed, other)); /* whatever was sent before has arrived */
	assert_int_equal(waitpid(stranger, &status, WNOHANG), 0);
	kill(stranger, SIGKILL);
	waitpid(stranger, &status, 0);
	close(p[0]);
}

/* From now on the keeper can open nothing that it has not open. */
static void take_descriptors(const struct bed *b)
{
	char path[64];
	rlim_t highest = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)b->keeper);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		rlim_t fd = (rlim_t)strtoul(e->d_name, NULL, 10);
		highest = fd > highest ? fd : highest;
	}
	closedir(d);
	struct rlimit few;
	assert_int_equal(prlimit(b->keeper, RLIMIT_NOFILE, NULL, &few), 0);
	few.rlim_cur = highest + 1;
	assert_int_equal(prlimit(b->keeper, RLIMIT_NOFILE, &few, NULL), 0);
}

/* Found by bad weather: a stop was lost, and a set that could not be read was called empty. */
static void without_descriptors_a_set_is_signalled_and_never_called_empty(void **state)
{
	int p[2];
	char buf[8];
	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	uint64_t t = bed_sh(&bed,
	    "(trap 'echo c; exit' TERM; echo a; while :; do sleep 0.05; done) & trap 'exit 7' "
	    "TERM; echo b; wait",
	    p[1], false);
	uint64_t left = bed_sh(&bed, "(echo d; exec sleep 100) & exit 0", p[1], false);
	close(p[1]);
	for (int i = 0; i < 6; i++)
		assert_int_equal(read(p[0], buf, 1), 1);
	assert_true(bed_until_exited(&bed, left));
	take_descriptors(&bed);
	spawner_signal(bed.spawner, t, SIGTERM, KEEPER_SCOPE_SET);
	assert_true(bed_until_empty(&bed, t));
	assert_int_equal(bed_seen(&bed, t)->how.status, 7);
	assert_int_equal(read(p[0], buf, 1), 1);
	assert_int_equal(buf[0], 'c');
	assert_false(bed_seen(&bed, left)->empty);
	spawner_signal(bed.spawner, left, SIGKILL, KEEPER_SCOPE_KILL);
	assert_true(bed_until_empty(&bed, left));
	close(p[0]);
}

static bool is_ready(struct bed *b, void *arg)
{
	return strstr(bed_seen(b, *(uint64_t *)arg)->notified, "READY=1") != NULL;
}

/* The socket was bound after the fork, the sender gone before it was looked at (F63). */
static void a_notification_is_heard_though_its_sender_is_gone(void **state)
{
	(void)state;
	uint64_t t = bed_sh(&bed,
	    "exec python3 -c 'import socket,os; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);"
	    "s.sendto(b\"READY=1\\nSTATUS=fine\",\"\\0\"+os.environ[\"NOTIFY_SOCKET\"][1:])'",
	    -1, true);
	assert_true(bed_until(&bed, is_ready, &t));
	assert_true(bed_until_empty(&bed, t));
	bed_kill_server(&bed);
	bed.n_seen = 0;
	assert_true(bed_until_listed(&bed));
	assert_non_null(strstr(bed_seen(&bed, t)->notified, " READY=1\n"));
	assert_non_null(strstr(bed_seen(&bed, t)->notified, " STATUS=fine"));
}

static bool all_empty(struct bed *b, void *arg)
{
	size_t n = 0;
	for (size_t i = 0; i < b->n_seen; i++)
		n += b->seen[i].empty;
	return n == *(size_t *)arg;
}

static void of_a_thousand_immediate_exits_none_is_lost_or_early(void **state)
{
	const char *const argv[] = {"/bin/true", NULL};
	size_t n = 1000;
	(void)state;
	bed_sh(&bed, "true", -1, false);
	assert_true(bed_until_empty(&bed, bed.next_token - 1));
	spawner_ack(bed.spawner, bed.next_token - 1);
	assert_true(bed_until_listed(&bed)); /* so the acknowledgement was read, too */
	size_t before = count_fds(bed.keeper);
	for (size_t i = 0; i < n; i++) {
		struct spawn_spec s = {.argv = argv};
		bed_exec(&bed, &s);
	}
	n++;
	assert_true(bed_until(&bed, all_empty, &n));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(bed.seen[i].how.code, CLD_EXITED);
		assert_int_equal(bed.seen[i].how.status, 0);
		spawner_ack(bed.spawner, bed.seen[i].token);
	}
	uint64_t last = bed_sh(&bed, "true", -1, false);
	assert_true(bed_until_empty(&bed, last));
	spawner_ack(bed.spawner, last);
	assert_true(bed_until_listed(&bed));
	assert_int_equal(count_fds(bed.keeper), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(an_exit_status_is_told_after_the_spawn_and_before_the_empty_set),
	    BOTH(a_failed_spawn_names_its_step_and_errno),
	    WITH(a_token_is_used_once),
	    BOTH(a_child_inherits_nothing_that_was_not_asked_for),
	    WITH(a_child_runs_as_its_spec_says),
	    BOTH(a_killed_server_costs_no_service_and_no_exit_status),
	    WITH(what_was_acknowledged_or_released_is_not_listed_again),
	    WITH(an_acknowledged_token_is_listed_until_what_came_with_its_spawn_is_released),
	    WITH(a_long_list_comes_in_batches),
	    BOTH(a_set_is_empty_when_the_last_grandchild_is_gone),
	    BOTH(a_signal_to_the_set_reaches_grandchildren),
	    BOTH(without_descriptors_a_set_is_signalled_and_never_called_empty),
	    WITH(a_notification_is_heard_though_its_sender_is_gone),
	    BOTH(of_a_thousand_immediate_exits_none_is_lost_or_early),
	    BOTH(F64_who_gets_the_number_of_an_ended_leader_gets_none_of_its_signals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
