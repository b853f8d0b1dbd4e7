#include "logs_helper.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void store(struct fixture *f, const char *service, int64_t job, const char *text)
{
	size_t closed = f->closed;
	int fd = fixture_pipe(f, service, job, 1, LOG_STDOUT, LOG_BLOCK);

	write_text(fd, text);
	close(fd);
	fixture_wait_closed(f, closed + 1);
}

static void expect(struct fixture *f, struct log_filter q, const char *text)
{
	char *s = fixture_read(f, &q, NULL);

	assert_string_equal(s, text);
	free(s);
}

static void filters_select_by_text_expression_job_and_number(void **state)
{
	struct fixture *f = *state;
	const char *const web[] = {"web"};

	fixture_open(f, NULL);
	store(f, "web", 1, "alpha 1\nbeta 2\nalpha 3\n");
	store(f, "db", 2, "alpha 4\n");
	expect(f, (struct log_filter){.grep = "alpha"}, "alpha 1\nalpha 3\nalpha 4\n");
	expect(f, (struct log_filter){.regex = "[23]$"}, "beta 2\nalpha 3\n");
	expect(f, (struct log_filter){.services = web, .n_services = 1, .limit = 2},
	    "alpha 1\nbeta 2\n");
	expect(f, (struct log_filter){.job = 2}, "alpha 4\n");
	expect(f, (struct log_filter){.tail = 2}, "alpha 3\nalpha 4\n");
	expect(f, (struct log_filter){.tail = 1, .grep = "beta"}, "beta 2\n");
	expect(f, (struct log_filter){.stream = LOG_STDERR}, "");
	expect(f, (struct log_filter){.action = "other"}, "");
}

static void store_run(struct fixture *f, const char *service, const char *run, const char *text)
{
	static char action[] = "main";
	struct log_ident id = {
	    .service = service, .action = action, .run = run, .job = 1, .token = 7, .attempt = 1};
	size_t closed = f->closed;
	struct error e = {0};
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(logs_attach(f->logs, &id, fds[0], &e), ERR_OK);
	write_text(fds[1], text);
	close(fds[1]);
	fixture_wait_closed(f, closed + 1);
}

static void lines_of_a_run_are_found_whether_it_is_of_a_service_or_not(void **state)
{
	struct fixture *f = *state;

	fixture_open(f, NULL);
	store_run(f, "web", "web#1", "first\n");
	store_run(f, "web", "web#2", "second\n");
	store_run(f, NULL, "web#3", "a run that is called as a service is\n");
	store_run(f, NULL, "a#b#4", "odd\n");
	expect(f, (struct log_filter){.run = "web#1"}, "first\n");
	expect(f, (struct log_filter){.run = "web#3"}, "a run that is called as a service is\n");
	expect(f, (struct log_filter){.run = "a#b#4"}, "odd\n");
	expect(f, (struct log_filter){.run = "../logs/web#1"}, "");
	expect(f, (struct log_filter){.run = "web"}, "");
}

static void since_and_until_are_bounds_of_time(void **state)
{
	struct fixture *f = *state;
	struct got g = {0};
	struct error e;

	fixture_open(f, NULL);
	store(f, "web", 1, "early\n");
	logs_query(f->dir, &(struct log_filter){0}, got_line, &g, NULL, &e);
	store(f, "web", 2, "late\n");
	expect(f, (struct log_filter){.since = g.last + 1}, "late\n");
	expect(f, (struct log_filter){.until = g.last}, "early\n");
	str_release(&g.text);
}

static void a_cursor_goes_on_after_the_last_line_with_none_lost_or_doubled(void **state)
{
	struct fixture *f = *state;
	struct str next = {0}, all = {0};
	char *cursor = NULL;
	int out, err;
	char *whole;

	fixture_open(f, &(struct logs_options){.segment_bytes = 512});
	out = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	err = fixture_pipe(f, "web", 1, 1, LOG_STDERR, LOG_BLOCK);
	for (int i = 0; i < 300; i++) {
		char text[64];
		uint64_t want = logs_stats(f->logs).captured;

		/* Every write ends inside a line of its stream. */
		snprintf(text, sizeof(text), "%d\nhead of %d ", i, i + 1);
		write_text(i % 2 ? out : err, text);
		wait_until(logs_stats(f->logs).captured > want);
		store(f, "db", 2 + i, "x\n");
	}
	close(out);
	close(err);
	fixture_wait_closed(f, 302);
	for (size_t n = 1; n > 0;) {
		struct log_filter q = {.limit = 7, .cursor = cursor};
		char *s = fixture_read(f, &q, &next);

		n = strlen(s);
		str_add(&all, s);
		free(s);
		text_set(&cursor, str_text(&next));
	}
	whole = fixture_read(f, &(struct log_filter){0}, NULL);
	assert_string_equal(str_text(&all), whole);
	assert_true(strlen(whole) > 4000);
	free(whole);
	free(cursor);
	str_release(&next);
	str_release(&all);
}

static void a_long_line_is_cut_between_characters_and_marked(void **state)
{
	struct fixture *f = *state;
	struct str text = {0};
	struct got g = {0};
	struct error e;
	int fd;

	fixture_open(f, NULL);
	str_add(&text, "x");
	while (text.n < 200000)
		str_add(&text, "\xe2\x82\xac");
	str_add_char(&text, '\n');
	fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_all(fd, text.s, text.n);
	close(fd);
	fixture_wait_closed(f, 1);
	logs_query(f->dir, &(struct log_filter){0}, got_line, &g, NULL, &e);
	assert_int_equal(g.n, 4);
	assert_int_equal(g.truncated, 3);
	for (size_t i = 0; i + 1 < g.text.n; i++)
		if (g.text.s[i] == '\n')
			assert_int_equal((unsigned char)g.text.s[i + 1], 0xe2);
	assert_int_equal(g.text.n, text.n + 3);
	str_release(&g.text);
	str_release(&text);
}

static void an_expression_that_runs_away_is_refused_in_time(void **state)
{
	struct fixture *f = *state;
	struct log_filter q = {.regex = "^(a+)+$"};
	struct got g = {0};
	struct error e;

	fixture_open(f, NULL);
	store(f, "web", 1, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n");
	assert_int_equal(logs_query(f->dir, &q, got_line, &g, NULL, &e), ERR_LIMIT);
	q.regex = "(";
	assert_int_equal(logs_query(f->dir, &q, got_line, &g, NULL, &e), ERR_INVALID);
}

static void a_name_without_logs_is_not_found(void **state)
{
	struct fixture *f = *state;
	const char *const names[] = {"nobody"};
	struct log_filter q = {.services = names, .n_services = 1};
	struct got g = {0};
	struct strv sources = {0};
	struct error e;

	fixture_open(f, NULL);
	assert_int_equal(logs_query(f->dir, &q, got_line, &g, NULL, &e), ERR_NOT_FOUND);
	store(f, "web", 1, "x\n");
	store(f, NULL, 2, "y\n");
	logs_sources(f->dir, &sources);
	assert_int_equal(sources.n, 1);
	assert_string_equal(sources.v[0], "web");
	strv_release(&sources);
	expect(f, (struct log_filter){.job = 2}, "y\n");
}

#define rule(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    rule(lines_of_a_run_are_found_whether_it_is_of_a_service_or_not),
	    rule(filters_select_by_text_expression_job_and_number),
	    rule(since_and_until_are_bounds_of_time),
	    rule(a_cursor_goes_on_after_the_last_line_with_none_lost_or_doubled),
	    rule(a_long_line_is_cut_between_characters_and_marked),
	    rule(an_expression_that_runs_away_is_refused_in_time),
	    rule(a_name_without_logs_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
