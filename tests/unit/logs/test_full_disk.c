/* A tmpfs of one MiB takes the part of the full disk. */
#include "logs_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mount.h>

static int tmpfs_setup(void **state)
{
	struct fixture *f;

	if (fixture_setup(state))
		return -1;
	f = *state;
	if (mount("none", f->root, "tmpfs", 0, "size=1m") < 0) {
		print_message("skipped: no right to mount a tmpfs\n");
		fixture_teardown(state);
		*state = NULL;
	}
	return 0;
}

static int tmpfs_teardown(void **state)
{
	struct fixture *f = *state;

	if (!f)
		return 0;
	logs_close(take(f->logs));
	umount2(f->root, MNT_DETACH);
	return fixture_teardown(state);
}

static void fill(struct fixture *f, char name[96])
{
	static char block[4096];
	int fd;

	snprintf(name, 96, "%s/filler", f->root);
	fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
}

/* Write what the pipe takes; the number of bytes. */
static size_t write_lines(int fd, size_t bytes)
{
	static const char line[64] =
	    "sixty-three signs and a newline, that is what a line is here..\n";
	size_t n = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (n < bytes && write(fd, line, 63) == 63)
		n += 63;
	return n;
}

static void a_full_disk_blocks_the_writer_and_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct log_filter q = {0};
	struct str why = {0};
	char name[96];
	size_t n;
	char *s;
	int fd;

	if (!f)
		skip();
	fixture_open(f, NULL);
	fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	n = write_lines(fd, 630);
	wait_until(logs_stats(f->logs).captured == n);
	fill(f, name);
	n += write_lines(fd, 40 * 630);
	wait_until(logs_degraded(f->logs, &why));
	assert_non_null(strstr(why.s, "No space left"));
	n += write_lines(fd, 4 * 630);
	unlink(name);
	wait_until(!logs_degraded(f->logs, NULL));
	close(fd);
	fixture_wait_closed(f, 1);
	s = fixture_read(f, &q, NULL);
	assert_int_equal(strlen(s), n);
	free(s);
	str_release(&why);
}

static void with_the_drop_policy_the_writer_goes_on_and_the_loss_is_counted(void **state)
{
	struct fixture *f = *state;
	struct got g = {0};
	struct error e;
	char name[96];
	size_t n;
	int fd;

	if (!f)
		skip();
	fixture_open(f, NULL);
	fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_DROP);
	n = write_lines(fd, 630);
	wait_until(logs_stats(f->logs).captured == n);
	fill(f, name);
	for (int i = 0; i < 100; i++) {
		n += write_lines(fd, 630 * 10);
		wait_until(logs_stats(f->logs).captured + logs_stats(f->logs).dropped == n);
	}
	assert_true(logs_stats(f->logs).dropped > 500000);
	unlink(name);
	do {
		size_t one = write_lines(fd, 63);

		n += one;
		usleep(1000);
	} while (logs_degraded(f->logs, NULL));
	close(fd);
	fixture_wait_closed(f, 1);
	logs_query(f->dir, &(struct log_filter){0}, got_line, &g, NULL, &e);
	assert_true(g.dropped > 0);
	assert_int_equal(g.dropped + logs_stats(f->logs).captured, n);
	str_release(&g.text);
}

#define rule(name) cmocka_unit_test_setup_teardown(name, tmpfs_setup, tmpfs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    rule(a_full_disk_blocks_the_writer_and_loses_nothing),
	    rule(with_the_drop_policy_the_writer_goes_on_and_the_loss_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
