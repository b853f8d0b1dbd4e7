#include "logs_helper.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

enum { LINES = 100000 };

struct writer {
	int fd;
	char tag;
};

static void *write_lines(void *arg)
{
	struct writer *w = arg;
	char line[64];

	for (int i = 0; i < LINES; i++) {
		int n =
		    snprintf(line, sizeof(line), "%c %d some text of a usual length\n", w->tag, i);

		write_all(w->fd, line, (size_t)n);
	}
	close(w->fd);
	return NULL;
}

struct order {
	int next[2];
	size_t wrong;
};

static bool check_order(const struct log_line *l, void *ctx)
{
	struct order *o = ctx;
	int k = l->bytes[0] - 'a';

	if (k < 0 || k > 1 || atoi(l->bytes + 2) != o->next[k]++)
		o->wrong++;
	return true;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void two_writers_of_one_service_keep_every_line_in_order(void **state)
{
	struct fixture *f = *state;
	struct writer w[2] = {{.tag = 'a'}, {.tag = 'b'}};
	pthread_t t[2];
	struct order o = {0};
	struct error e;
	double start = seconds();

	fixture_open(f, NULL);
	for (size_t i = 0; i < 2; i++) {
		w[i].fd = fixture_pipe(f, "web", 1, 1, i ? LOG_STDERR : LOG_STDOUT, LOG_BLOCK);
		pthread_create(&t[i], NULL, write_lines, &w[i]);
	}
	for (size_t i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	fixture_wait_closed(f, 2);
	printf("captured %.0f lines/s\n", 2 * LINES / (seconds() - start));
	start = seconds();
	assert_int_equal(
	    logs_query(f->dir, &(struct log_filter){0}, check_order, &o, NULL, &e), ERR_OK);
	printf("read %.0f lines/s\n", 2 * LINES / (seconds() - start));
	assert_int_equal(o.wrong, 0);
	assert_int_equal(o.next[0], LINES);
	assert_int_equal(o.next[1], LINES);
}

static void a_quota_drops_the_oldest_segments_and_counts_their_bytes(void **state)
{
	struct fixture *f = *state;
	struct got g = {0};
	struct error e;
	char line[128];
	uint64_t written = 0;
	int fd;

	fixture_open(
	    f, &(struct logs_options){.segment_bytes = 64 << 10, .service_bytes = 256 << 10});
	fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	for (int i = 0; i < 40000; i++) {
		int n = snprintf(line, sizeof(line), "%06d and some more text to fill it\n", i);

		write_all(fd, line, (size_t)n);
		written += (uint64_t)n;
	}
	close(fd);
	fixture_wait_closed(f, 1);
	/* One turn of a pipe may exceed a small segment by what the pipe held. */
	assert_true(logs_stats(f->logs).stored < 3 * (256 << 10));
	assert_int_equal(
	    logs_query(f->dir, &(struct log_filter){0}, got_line, &g, NULL, &e), ERR_OK);
	assert_true(g.dropped > 0);
	assert_int_equal(g.text.n + g.dropped, written);
	assert_non_null(strstr(g.text.s, "039999 and some"));
	str_release(&g.text);
}

static void the_total_quota_takes_from_the_service_with_the_oldest_bytes(void **state)
{
	struct fixture *f = *state;
	char *block = mem_new(200 << 10);
	int a, b;

	memset(block, 'x', 200 << 10);
	block[(200 << 10) - 1] = '\n';
	fixture_open(
	    f, &(struct logs_options){.segment_bytes = 64 << 10, .total_bytes = 300 << 10});
	a = fixture_pipe(f, "a", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_all(a, block, 200 << 10);
	close(a);
	fixture_wait_closed(f, 1);
	b = fixture_pipe(f, "b", 2, 1, LOG_STDOUT, LOG_BLOCK);
	write_all(b, block, 200 << 10);
	close(b);
	fixture_wait_closed(f, 2);
	assert_true(logs_stats(f->logs).stored <= 300 << 10);
	assert_true(logs_stats(f->logs).dropped > 0);
	free(block);
}

static void bytes_that_are_not_utf8_survive(void **state)
{
	struct fixture *f = *state;
	static const char bytes[] = {'a', '\0', (char)0xff, (char)0xfe, 'z', '\n'};
	struct got g = {0};
	struct error e;
	int fd;

	fixture_open(f, NULL);
	fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_all(fd, bytes, sizeof(bytes));
	close(fd);
	fixture_wait_closed(f, 1);
	logs_query(f->dir, &(struct log_filter){0}, got_line, &g, NULL, &e);
	assert_int_equal(g.text.n, sizeof(bytes));
	assert_memory_equal(g.text.s, bytes, sizeof(bytes));
	str_release(&g.text);
}

static void a_partial_line_is_shown_at_the_end_of_its_stream_only(void **state)
{
	struct fixture *f = *state;
	struct log_filter q = {0};
	int fd;
	char *s;

	fixture_open(f, NULL);
	fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_text(fd, "whole\npart");
	wait_until(logs_stats(f->logs).captured == 10);
	s = fixture_read(f, &q, NULL);
	assert_string_equal(s, "whole\n");
	free(s);
	close(fd);
	fixture_wait_closed(f, 1);
	s = fixture_read(f, &q, NULL);
	assert_string_equal(s, "whole\npart\n");
	free(s);
}

static void what_the_former_attempt_left_is_shown_before_the_next(void **state)
{
	struct fixture *f = *state;
	struct log_filter q = {0};
	int first, second;
	char *s;

	fixture_open(f, NULL);
	first = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_text(first, "left");
	wait_until(logs_stats(f->logs).captured == 4);
	second = fixture_pipe(f, "web", 1, 2, LOG_STDOUT, LOG_BLOCK);
	write_text(second, "right\n");
	wait_until(logs_stats(f->logs).captured == 10);
	s = fixture_read(f, &q, NULL);
	assert_string_equal(s, "left\nright\n");
	free(s);
	close(first);
	close(second);
}

/* A full disk leaves pipes full, and when there is room again, the later one may come first. */
static void a_former_attempt_that_comes_back_is_not_torn(void **state)
{
	struct fixture *f = *state;
	struct log_filter q = {0};
	int first, second;
	char *s;

	fixture_open(f, NULL);
	first = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_text(first, "le");
	wait_until(logs_stats(f->logs).captured == 2);
	second = fixture_pipe(f, "web", 1, 2, LOG_STDOUT, LOG_BLOCK);
	write_text(second, "right\n");
	wait_until(logs_stats(f->logs).captured == 8);
	write_text(first, "ft\n");
	wait_until(logs_stats(f->logs).captured == 11);
	s = fixture_read(f, &q, NULL);
	assert_string_equal(s, "right\nleft\n");
	free(s);
	close(first);
	close(second);
}

static void a_chunk_of_another_stream_does_not_tear_a_line(void **state)
{
	struct fixture *f = *state;
	struct log_filter q = {0};
	int out, err;
	char *s;

	fixture_open(f, NULL);
	out = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	err = fixture_pipe(f, "web", 1, 1, LOG_STDERR, LOG_BLOCK);
	write_text(out, "one ");
	wait_until(logs_stats(f->logs).captured == 4);
	write_text(err, "error\n");
	wait_until(logs_stats(f->logs).captured == 10);
	write_text(out, "line\n");
	wait_until(logs_stats(f->logs).captured == 15);
	s = fixture_read(f, &q, NULL);
	assert_string_equal(s, "error\none line\n");
	free(s);
	close(out);
	close(err);
}

static void count_call(void *ctx)
{
	++*(int *)ctx;
}

static void count_match(uint64_t token, const char *line, size_t n, void *ctx)
{
	(void)line, (void)n;
	assert_int_equal(token, 101);
	++*(int *)ctx;
}

static void readiness_matches_one_line_once_even_when_it_came_in_pieces(void **state)
{
	struct fixture *f = *state;
	struct pollfd p;
	struct error e;
	int matched = 0, fd;

	fixture_open(f, NULL);
	p = (struct pollfd){.fd = logs_event_fd(f->logs), .events = POLLIN};
	assert_int_equal(
	    logs_watch(f->logs, 101, "^listening on \\d+", count_match, &matched, &e), ERR_OK);
	assert_int_equal(logs_watch(f->logs, 102, "(", count_match, &matched, &e), ERR_INVALID);
	fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_text(fd, "starting\nnot listening on 1\nlisten");
	wait_until(logs_stats(f->logs).captured == 34);
	logs_dispatch(f->logs);
	assert_int_equal(matched, 0);
	write_text(fd, "ing on 80\nlistening on 81\n");
	assert_int_equal(poll(&p, 1, 10000), 1);
	logs_dispatch(f->logs);
	assert_int_equal(matched, 1);
	logs_unwatch(f->logs, 101, count_match);
	close(fd);
}

static void a_follower_is_told_of_new_bytes_of_its_service_only(void **state)
{
	struct fixture *f = *state;
	struct pollfd p;
	int web = 0, db = 0, fd;
	uint64_t id;

	fixture_open(f, NULL);
	p = (struct pollfd){.fd = logs_event_fd(f->logs), .events = POLLIN};
	id = logs_follow(f->logs, "web", count_call, &web);
	logs_follow(f->logs, "db", count_call, &db);
	fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_text(fd, "one\n");
	assert_int_equal(poll(&p, 1, 10000), 1);
	logs_dispatch(f->logs);
	assert_int_equal(web, 1);
	assert_int_equal(db, 0);
	logs_unfollow(f->logs, id);
	close(fd);
}

static void an_inserted_line_is_stored_like_any_other(void **state)
{
	struct fixture *f = *state;
	struct log_filter q = {.stream = LOG_INSERTED, .action = "note"};
	struct error e;
	char *s;

	fixture_open(f, NULL);
	assert_int_equal(logs_insert(f->logs, "web", "note", "hello", &e), ERR_OK);
	assert_int_equal(logs_insert(f->logs, "web", "note", "again", &e), ERR_OK);
	logs_close(f->logs);
	f->logs = NULL;
	s = fixture_read(f, &q, NULL);
	assert_string_equal(s, "hello\nagain\n");
	free(s);
}

struct trickle {
	int fd;
	volatile bool stop;
};

static void *write_trickle(void *arg)
{
	struct trickle *t = arg;

	while (!t->stop)
		write_text(t->fd, "a line among many, each in a write of its own\n");
	return NULL;
}

static void note_time(uint64_t token, const char *line, size_t n, void *ctx)
{
	(void)token, (void)line, (void)n;
	*(double *)ctx = seconds();
}

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Nobody is woken for each line, and a line is seen as fast as before. */
static void a_line_of_a_busy_pipe_is_seen_within_ten_milliseconds(void **state)
{
	struct fixture *f = *state;
	double delays[40], seen = 0;
	struct trickle t = {0};
	struct pollfd p;
	pthread_t thread;
	struct error e;

	fixture_open(f, NULL);
	p = (struct pollfd){.fd = logs_event_fd(f->logs), .events = POLLIN};
	assert_int_equal(logs_watch(f->logs, 101, "MARK", note_time, &seen, &e), ERR_OK);
	t.fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	pthread_create(&thread, NULL, write_trickle, &t);
	for (size_t i = 0; i < countof(delays); i++) {
		double began;

		usleep(3000);
		seen = 0;
		logs_watch_again(f->logs, 101, note_time);
		began = seconds();
		write_text(t.fd, "MARK\n");
		while (seen == 0) {
			assert_int_equal(poll(&p, 1, 10000), 1);
			logs_dispatch(f->logs);
		}
		delays[i] = seen - began;
	}
	t.stop = true;
	pthread_join(thread, NULL);
	qsort(delays, countof(delays), sizeof(*delays), by_number);
	printf("seen after %.2f ms, %.2f ms at most\n", delays[countof(delays) / 2] * 1e3,
	    delays[countof(delays) - 1] * 1e3);
	assert_true(delays[countof(delays) / 4] < 0.01);
	close(t.fd); /* its end is seen as well */
	fixture_wait_closed(f, 1);
	logs_unwatch(f->logs, 101, note_time);
}

#define rule(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    rule(two_writers_of_one_service_keep_every_line_in_order),
	    rule(a_quota_drops_the_oldest_segments_and_counts_their_bytes),
	    rule(the_total_quota_takes_from_the_service_with_the_oldest_bytes),
	    rule(bytes_that_are_not_utf8_survive),
	    rule(a_partial_line_is_shown_at_the_end_of_its_stream_only),
	    rule(what_the_former_attempt_left_is_shown_before_the_next),
	    rule(a_former_attempt_that_comes_back_is_not_torn),
	    rule(a_chunk_of_another_stream_does_not_tear_a_line),
	    rule(readiness_matches_one_line_once_even_when_it_came_in_pieces),
	    rule(a_follower_is_told_of_new_bytes_of_its_service_only),
	    rule(an_inserted_line_is_stored_like_any_other),
	    rule(a_line_of_a_busy_pipe_is_seen_within_ten_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
