/*
 * Request to main(), in microseconds: through the keeper, with and without
 * cgroups, against posix_spawn from here.  The child writes its clock to a pipe.
 * Not a test: run by hand (KEEPER_EXE and FAKE_SERVER_EXE set).
 */
#include "bed.h"

#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>

#define ROUNDS 300

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void show(const char *what, int64_t *ns)
{
	qsort(ns, ROUNDS, sizeof(*ns), compare);
	printf("%-22s p50 %4lld us  p95 %4lld us\n", what, (long long)ns[ROUNDS / 2] / 1000,
	    (long long)ns[ROUNDS * 95 / 100] / 1000);
}

static void through_keeper(const char *self, bool cgroups)
{
	static struct bed b;
	static int64_t ns[ROUNDS];
	const char *const argv[] = {self, "child", NULL};
	bed_open(&b, cgroups);
	for (size_t i = 0; i < ROUNDS; i++) {
		int p[2];
		int64_t at = 0, from;
		assert_int_equal(pipe2(p, O_CLOEXEC), 0);
		struct spawn_fd out = {p[1], 1};
		struct spawn_spec s = {.argv = argv, .fds = &out, .n_fds = 1};
		from = now();
		uint64_t t = bed_exec(&b, &s);
		close(p[1]);
		assert_int_equal(read(p[0], &at, sizeof(at)), sizeof(at));
		close(p[0]);
		ns[i] = at - from;
		assert_true(bed_until_empty(&b, t));
		spawner_ack(b.spawner, t);
		b.n_seen = 0;
	}
	show(cgroups ? "keeper, cgroup" : "keeper, no cgroup", ns);
	char cmd[96];
	snprintf(cmd, sizeof(cmd), "grep -E '^(Rss|Pss):' /proc/%d/smaps_rollup", (int)b.keeper);
	assert_int_equal(system(cmd), 0);
	bed_close(&b);
}

static void directly(const char *self)
{
	static int64_t ns[ROUNDS];
	for (size_t i = 0; i < ROUNDS; i++) {
		int p[2], status;
		int64_t at = 0, from;
		pid_t pid;
		char arg0[] = "child", arg1[] = "child", *argv[] = {arg0, arg1, NULL},
		     *envp[] = {NULL};
		posix_spawn_file_actions_t fa;
		assert_int_equal(pipe2(p, O_CLOEXEC), 0);
		from = now();
		posix_spawn_file_actions_init(&fa);
		posix_spawn_file_actions_adddup2(&fa, p[1], 1);
		assert_int_equal(posix_spawn(&pid, self, &fa, NULL, argv, envp), 0);
		posix_spawn_file_actions_destroy(&fa);
		close(p[1]);
		assert_int_equal(read(p[0], &at, sizeof(at)), sizeof(at));
		close(p[0]);
		waitpid(pid, &status, 0);
		ns[i] = at - from;
	}
	show("posix_spawn from here", ns);
}

int main(int argc, char **argv)
{
	int64_t at = now();
	if (argc > 1)
		return write(1, &at, sizeof(at)) != sizeof(at);
	directly(argv[0]);
	through_keeper(argv[0], false);
	through_keeper(argv[0], true);
	return 0;
}
