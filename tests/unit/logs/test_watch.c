/* Lines that are waited for: what counts as a line, when, and in which order it is told. */
#include "logs_helper.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>

struct heard {
	struct str text; /* NAME<line>, in the order of telling */
};

static void told(struct heard *h, char name, const char *line, size_t n)
{
	str_fmt(&h->text, "%c<", name);
	str_add_n(&h->text, line, n);
	str_add_char(&h->text, '>');
}

static void on_a(uint64_t token, const char *line, size_t n, void *ctx)
{
	assert_int_equal(token, 101);
	told(ctx, 'a', line, n);
}

static void on_b(uint64_t token, const char *line, size_t n, void *ctx)
{
	assert_int_equal(token, 101);
	told(ctx, 'b', line, n);
}

static void watch(struct fixture *f, const char *regex, log_match_fn fn, struct heard *h)
{
	struct error e;

	assert_int_equal(logs_watch(f->logs, 101, regex, fn, h, &e), ERR_OK);
}

static void wait_captured(struct fixture *f, uint64_t n)
{
	wait_until(logs_stats(f->logs).captured == n);
}

/* Everything that is told within `ms`. */
static void listen_for(struct fixture *f, int ms)
{
	struct pollfd p = {.fd = logs_event_fd(f->logs), .events = POLLIN};

	if (poll(&p, 1, ms) == 1)
		logs_dispatch(f->logs);
}

static msec now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void F83_a_line_matches_without_its_escape_sequences(void **state)
{
	static const char *const said[] = {"\033[32mrea\033[0mdy\n",
	    "\033[1;38;5;208mready\033[m\n", "\033]0;a title\aready\n",
	    "\033]8;;http://x\033\\ready\033]8;;\033\\\n", "\033(Bre\033[Kady\n",
	    "\033[32mready\r\n", "99 %\rready\r", "\033[2K\r\033[Gready\n"};

	for (size_t i = 0; i < countof(said); i++) {
		struct fixture *f;
		struct heard h = {0};
		int fd;

		fixture_setup(state);
		f = *state;
		fixture_open(f, NULL);
		watch(f, "^ready$", on_a, &h);
		fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
		write_text(fd, said[i]);
		listen_for(f, 60); /* at once, not because it stood still */
		if (!h.text.s || strcmp(h.text.s, "a<ready>") != 0)
			fail_msg("%zu: %s", i, str_text(&h.text));
		str_release(&h.text);
		close(fd);
		fixture_teardown(state);
	}
	fixture_setup(state);
}

static void F83_a_line_without_an_end_matches_once_it_stood_still(void **state)
{
	struct fixture *f = *state;
	struct heard h = {0};

	fixture_open(f, NULL);
	watch(f, "ready", on_a, &h);
	int fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	msec at = now_ms();
	write_text(fd, "rea");
	listen_for(f, 60);
	write_text(fd, "dy"); /* it moved: its time begins anew */
	msec moved = now_ms();
	listen_for(f, 2000);
	assert_string_equal(h.text.s, "a<ready>");
	assert_in_range(now_ms() - moved, 90, 400);
	assert_true(now_ms() - at >= 150);
	logs_watch_again(f->logs, 101, on_a);
	write_text(fd, "\n"); /* the end of the same line is no other match */
	listen_for(f, 200);
	assert_string_equal(h.text.s, "a<ready>");
	write_text(fd, "ready again\n");
	listen_for(f, 2000);
	assert_string_equal(h.text.s, "a<ready>a<ready again>");
	str_release(&h.text);
	close(fd);
}

static void an_unfinished_line_is_no_match_before_that(void **state)
{
	struct fixture *f = *state;
	struct heard h = {0};

	fixture_open(f, NULL);
	watch(f, "^not$", on_a, &h);
	int fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_text(fd, "not");
	wait_captured(f, 3);
	write_text(fd, " ready\n");
	listen_for(f, 300);
	assert_int_equal(h.text.n, 0);
	close(fd);
}

static void several_watches_tell_in_the_order_of_their_lines(void **state)
{
	struct fixture *f = *state;
	struct heard h = {0};

	fixture_open(f, NULL);
	watch(f, "^two$", on_b, &h);
	watch(f, "^one$", on_a, &h);
	int fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_text(fd, "one\ntwo\n");
	wait_captured(f, 8);
	listen_for(f, 2000);
	assert_string_equal(h.text.s, "a<one>b<two>");
	str_release(&h.text);
	close(fd);
}

/* A server is killed when half of the line is stored; the next one sees the other half. */
static void F83_a_line_matches_over_a_kill_of_the_server(void **state)
{
	struct fixture *f = *state;
	struct heard h = {0};
	const char *services[] = {"web"};
	const struct log_filter of = {
	    .services = services, .n_services = 1, .job = 1, .attempt = 1};

	fixture_open(f, NULL);
	int fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_text(fd, "\033[32mready\033[0m\rhalf of \033[");
	wait_captured(f, 25);
	watch(f, "^ready$", on_a, &h);
	watch(f, "^half of a line$", on_b, &h);
	logs_watch_stored(f->logs, 101, f->dir, &of);
	listen_for(f, 2000);
	assert_string_equal(h.text.s, "a<ready>");
	write_text(fd, "1ma line");
	listen_for(f, 2000);
	assert_string_equal(h.text.s, "a<ready>b<half of a line>");
	str_release(&h.text);
	close(fd);
}

static void what_is_stored_of_another_attempt_counts_for_nothing(void **state)
{
	struct fixture *f = *state;
	struct heard h = {0};
	const char *services[] = {"web"};
	const struct log_filter of = {
	    .services = services, .n_services = 1, .job = 1, .attempt = 2};

	fixture_open(f, NULL);
	int fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_text(fd, "ready\nready");
	wait_captured(f, 11);
	watch(f, "ready", on_a, &h);
	logs_watch_stored(f->logs, 101, f->dir, &of);
	listen_for(f, 300);
	assert_int_equal(h.text.n, 0);
	close(fd);
}

static void a_long_line_is_matched_in_pieces_and_told_short(void **state)
{
	struct fixture *f = *state;
	struct heard h = {0};
	size_t n = 200 << 10;
	char *line = mem_new(n + 1);

	memset(line, 'x', n);
	line[n - 1] = '\n';
	fixture_open(f, NULL);
	watch(f, "xxx", on_a, &h);
	int fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_all(fd, line, n);
	listen_for(f, 2000);
	assert_int_equal(h.text.n, LOG_MATCH_TEXT_MAX + 3);
	str_release(&h.text);
	free(line);
	close(fd);
}

static void F89_a_NUL_byte_ends_no_line(void **state)
{
	struct fixture *f = *state;
	struct heard h = {0};

	fixture_open(f, NULL);
	watch(f, "ready$", on_a, &h);
	int fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_all(fd, "x\0is ready\n", 11);
	listen_for(f, 2000);
	assert_int_equal(h.text.n, 13);
	assert_memory_equal(h.text.s, "a<x\0is ready>", 13);
	str_release(&h.text);
	close(fd);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(F83_a_line_matches_without_its_escape_sequences),
	    TEST(F83_a_line_without_an_end_matches_once_it_stood_still),
	    TEST(an_unfinished_line_is_no_match_before_that),
	    TEST(several_watches_tell_in_the_order_of_their_lines),
	    TEST(F83_a_line_matches_over_a_kill_of_the_server),
	    TEST(what_is_stored_of_another_attempt_counts_for_nothing),
	    TEST(a_long_line_is_matched_in_pieces_and_told_short),
	    TEST(F89_a_NUL_byte_ends_no_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
