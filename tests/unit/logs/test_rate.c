/* An action that writes more than it may is slowed or cut, and what is missing is said. */
#include "logs_helper.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int limited_pipe(struct fixture *f, struct log_ident id)
{
	struct error e = {0};
	int fds[2];

	id.service = "web";
	id.action = "main";
	id.run = "r-1";
	id.job = 1;
	id.token = 1;
	id.attempt = 1;
	id.stream = LOG_STDOUT;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(logs_attach(f->logs, &id, fds[0], &e), ERR_OK);
	return fds[1];
}

static void write_numbers(int fd, size_t n)
{
	char line[32];

	for (size_t i = 0; i < n; i++) {
		int len = snprintf(line, sizeof(line), "%09zu of these\n", i);

		write_all(fd, line, (size_t)len);
	}
}

/* 20,000 lines of 19 bytes: 371 KiB, of which a second's bytes pass at once. */
static void a_writer_over_its_rate_waits_and_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct got g = {0};
	struct error e;
	double began = seconds();
	int fd;

	fixture_open(f, NULL);
	fd = limited_pipe(f, (struct log_ident){.rate = 100 << 10});
	write_numbers(fd, 20000);
	close(fd);
	fixture_wait_closed(f, 1);
	assert_true(seconds() - began > 2);
	logs_query(f->dir, &(struct log_filter){0}, got_line, &g, NULL, &e);
	assert_int_equal(g.n, 20000);
	assert_int_equal(g.dropped, 0);
	str_release(&g.text);
}

struct gaps {
	size_t lines, notes, torn;
	uint64_t bytes, kept;
	enum log_gap why;
	char text[80];
};

static bool note_gap(const struct log_line *l, void *ctx)
{
	struct gaps *g = ctx;

	if (l->dropped) {
		g->notes++;
		g->bytes += l->dropped;
		g->why = l->gap;
		snprintf(g->text, sizeof(g->text), "%.*s", (int)l->n, l->bytes);
		return true;
	}
	g->lines++;
	g->torn += l->truncated;
	g->kept += l->n + 1;
	/* Of two halves no line is made. */
	assert_true(l->truncated || (l->n == 18 && memcmp(l->bytes + 9, " of these", 9) == 0));
	return true;
}

static void what_is_dropped_over_the_rate_is_counted_to_the_byte_and_said(void **state)
{
	struct fixture *f = *state;
	struct gaps g = {0};
	struct error e;
	double began = seconds();
	int fd;

	fixture_open(f, NULL);
	fd = limited_pipe(f, (struct log_ident){.rate = 100 << 10, .policy = LOG_DROP});
	write_numbers(fd, 200000);
	close(fd);
	fixture_wait_closed(f, 1);
	printf("%.1f s\n", seconds() - began);
	logs_query(f->dir, &(struct log_filter){0}, note_gap, &g, NULL, &e);
	assert_true(g.notes > 0 && g.why == LOG_GAP_RATE);
	assert_non_null(strstr(g.text, "bytes dropped: more than its rate"));
	/* A line that was cut has no newline of its own. */
	assert_in_range(g.bytes + g.kept, 200000 * 19, 200000 * 19 + g.torn);
	assert_int_equal(logs_stats(f->logs).dropped_by_rate, g.bytes);
	assert_true(g.notes <= 2 + (size_t)((seconds() - began) * 10));
}

static void a_service_has_the_quota_that_its_action_says(void **state)
{
	struct fixture *f = *state;
	int own, other;

	fixture_open(f, NULL);
	own = limited_pipe(f, (struct log_ident){.max_bytes = 128 << 10});
	other = fixture_pipe(f, "db", 2, 1, LOG_STDOUT, LOG_BLOCK);
	write_numbers(own, 50000);
	write_numbers(other, 50000);
	close(own);
	close(other);
	fixture_wait_closed(f, 2);
	assert_in_range(logs_stats(f->logs).stored, 50000 * 19, 50000 * 19 + (500 << 10));
}

#define rule(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    rule(a_writer_over_its_rate_waits_and_loses_nothing),
	    rule(what_is_dropped_over_the_rate_is_counted_to_the_byte_and_said),
	    rule(a_service_has_the_quota_that_its_action_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
