/* The supervisor is killed at any instant; its jobs write on. */
#include "logs_helper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { ROUNDS = 50 };

static void writer(int fd, int stop_fd)
{
	char line[64];
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fcntl(stop_fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; read(stop_fd, &c, 1) != 0; i++) {
		int n = snprintf(line, sizeof(line), "line %d of the writer\n", i);

		for (int done = 0; done < n;)
			done += (int)write(fd, line + done, (size_t)(n - done));
	}
	_exit(0);
}

static pid_t fork_capture(struct fixture *f, const int fds[2], bool resumed)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Small segments: the kill meets rotations too. */
	fixture_open(f, &(struct logs_options){.segment_bytes = 1 << 20});
	for (int i = 0; i < 2; i++) {
		struct log_ident id = {.service = "web",
		    .action = "main",
		    .run = "r",
		    .job = 7,
		    .attempt = 1,
		    .stream = i ? LOG_STDERR : LOG_STDOUT,
		    .resumed = resumed};
		struct error e;

		logs_attach(f->logs, &id, dup(fds[i]), &e);
	}
	fixture_wait_closed(f, 2);
	logs_close(f->logs);
	_exit(0);
}

struct count {
	long next[LOG_STREAM_COUNT];
	long lost_or_doubled;
};

static bool check_line(const struct log_line *l, void *ctx)
{
	struct count *c = ctx;
	char want[64];
	int n = snprintf(want, sizeof(want), "line %ld of the writer", c->next[l->stream]++);

	if (l->n != (size_t)n || memcmp(l->bytes, want, l->n) != 0)
		c->lost_or_doubled++;
	return true;
}

static void fifty_kills_of_the_capture_lose_and_double_no_line(void **state)
{
	struct fixture *f = *state;
	struct count c = {0};
	struct error e;
	int fds[2][2], stop[2], status;
	pid_t writers[2], capture;

	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe2(fds[i], O_CLOEXEC), 0);
		writers[i] = fork();
		if (writers[i] == 0) {
			close(stop[1]);
			writer(fds[i][1], stop[0]);
		}
		close(fds[i][1]);
	}
	for (int round = 0; round < ROUNDS; round++) {
		capture = fork_capture(f, (int[]){fds[0][0], fds[1][0]}, round > 0);
		usleep((useconds_t)(3000 + rand() % 20000)); /* the random instant is the test */
		kill(capture, SIGKILL);
		assert_int_equal(waitpid(capture, &status, 0), capture);
	}
	close(stop[1]);
	close(stop[0]);
	capture = fork_capture(f, (int[]){fds[0][0], fds[1][0]}, true);
	for (int i = 0; i < 2; i++)
		assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
	assert_int_equal(waitpid(capture, &status, 0), capture);
	assert_int_equal(status, 0);
	assert_int_equal(
	    logs_query(f->dir, &(struct log_filter){0}, check_line, &c, NULL, &e), ERR_OK);
	printf("%ld lines\n", c.next[LOG_STDOUT] + c.next[LOG_STDERR]);
	assert_int_equal(c.lost_or_doubled, 0);
	assert_true(c.next[LOG_STDOUT] > 1000 && c.next[LOG_STDERR] > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(fifty_kills_of_the_capture_lose_and_double_no_line,
		fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
