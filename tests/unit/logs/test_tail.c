/* Pages of every kind are cut from one and the same list of lines. */
#include "noise.h"

#include <stdio.h>

static void expect_page(const struct strv *all, size_t from, const struct lines *got)
{
	for (size_t i = 0; i < got->text.n; i++)
		assert_string_equal(got->text.v[i], all->v[from + i]);
}

static void tail_gives_exactly_so_many(void **state)
{
	static const size_t wants[] = {1, 2, 3, 10, 100, 1000, 3333, 1000000};
	struct fixture *f = *state;
	struct lines all = {0};

	fixture_open(f, &(struct logs_options){.segment_bytes = 24 << 10});
	write_noise(f, 6000);
	read_lines(f, &(struct log_filter){0}, &all, NULL);
	assert_true(all.text.n > 8000 && all.marked.n > 5);
	for (size_t i = 0; i < countof(wants); i++) {
		struct lines got = {0}, marked = {0};
		size_t n = wants[i] < all.text.n ? wants[i] : all.text.n;
		size_t m = wants[i] < all.marked.n ? wants[i] : all.marked.n;

		read_lines(f, &(struct log_filter){.tail = wants[i]}, &got, NULL);
		assert_int_equal(got.text.n, n);
		expect_page(&all.text, all.text.n - n, &got);
		read_lines(
		    f, &(struct log_filter){.tail = wants[i], .grep = "needle"}, &marked, NULL);
		assert_int_equal(marked.text.n, m);
		expect_page(&all.marked, all.marked.n - m, &marked);
		lines_release(&got);
		lines_release(&marked);
	}
	lines_release(&all);
}

static void pages_in_both_directions_join_without_gap_or_double(void **state)
{
	struct fixture *f = *state;
	struct lines all = {0}, web = {0};
	const struct log_select select = {.service = "w*"};

	fixture_open(f, &(struct logs_options){.segment_bytes = 24 << 10});
	write_noise(f, 6000);
	read_lines(f, &(struct log_filter){0}, &all, NULL);
	page_through(f, &all.text, (struct log_filter){0}, 501);
	page_through(f, &all.text, (struct log_filter){.backwards = true}, 501);
	page_through(f, &all.marked, (struct log_filter){.grep = "needle"}, 2);
	page_through(f, &all.marked, (struct log_filter){.grep = "needle", .backwards = true}, 2);
	read_lines(f, &(struct log_filter){.selects = &select, .n_selects = 1}, &web, NULL);
	assert_true(web.text.n > 1000 && web.text.n < all.text.n);
	page_through(f, &web.text, (struct log_filter){.selects = &select, .n_selects = 1}, 301);
	lines_release(&all);
	lines_release(&web);
}

/* A stream that ends without a newline ends its line where another line ended already. */
static void a_line_that_ends_where_another_did_is_not_lost_to_a_cursor(void **state)
{
	struct fixture *f = *state;
	struct str next = {0};
	int out, err;

	fixture_open(f, NULL);
	out = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	err = fixture_pipe(f, "web", 1, 1, LOG_STDERR, LOG_BLOCK);
	write_text(err, "no end");
	wait_until(logs_stats(f->logs).captured == 6);
	write_text(out, "whole\n");
	wait_until(logs_stats(f->logs).captured == 12);
	char *first = fixture_read(f, &(struct log_filter){0}, &next);
	assert_string_equal(first, "whole\n");
	close(err);
	fixture_wait_closed(f, 1);
	char *second = fixture_read(f, &(struct log_filter){.cursor = str_text(&next)}, &next);
	assert_string_equal(second, "no end\n");
	char *third = fixture_read(f, &(struct log_filter){.cursor = str_text(&next)}, &next);
	assert_string_equal(third, "");
	close(out);
	free(first);
	free(second);
	free(third);
	str_release(&next);
}

static void context_is_given_around_what_matches(void **state)
{
	struct fixture *f = *state;
	struct log_filter q = {.grep = "hit", .context = 2};
	int fd;

	fixture_open(f, NULL);
	fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	write_text(fd, "1\n2\n3\n4 hit\n5\n6 hit\n7\n8\n9\n10\n11\n12 hit\n");
	close(fd);
	fixture_wait_closed(f, 1);
	char *got = fixture_read(f, &q, NULL);
	assert_string_equal(got, "2\n3\n4 hit\n5\n6 hit\n7\n8\n10\n11\n12 hit\n");
	free(got);
	q.tail = 2;
	got = fixture_read(f, &q, NULL);
	assert_string_equal(got, "11\n12 hit\n");
	free(got);
}

/* The last lines of much are read from its end. */
static void a_tail_reads_little_of_much(void **state)
{
	struct fixture *f = *state;
	struct log_cost cost = {0};
	struct lines got = {0};
	char block[4096];
	int fd;

	fixture_open(f, &(struct logs_options){.segment_bytes = 1 << 20});
	fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	memset(block, 'x', sizeof(block));
	for (size_t i = 63; i < sizeof(block); i += 64)
		block[i] = '\n';
	for (int i = 0; i < 4096; i++)
		write_all(fd, block, sizeof(block));
	close(fd);
	fixture_wait_closed(f, 1);
	read_lines(f, &(struct log_filter){.tail = 100, .cost = &cost}, &got, NULL);
	assert_int_equal(got.text.n, 100);
	assert_in_range(cost.bytes_read, 1, 3 << 20);
	assert_in_range(cost.segments_opened, 1, 3);
	lines_release(&got);
}

#define rule(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    rule(tail_gives_exactly_so_many),
	    rule(pages_in_both_directions_join_without_gap_or_double),
	    rule(a_line_that_ends_where_another_did_is_not_lost_to_a_cursor),
	    rule(context_is_given_around_what_matches),
	    rule(a_tail_reads_little_of_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
