/* A sealed segment says what it said before, takes less room, and is not read without need. */
#include "noise.h"

#include "logs/grams.h"
#include "logs/seal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SMALL                                                                      \
	&(struct logs_options)                                                     \
	{                                                                          \
		.segment_bytes = 300 << 10, .seal_delay = -1, .seal_min_bytes = 1, \
		.service_bytes = 1ull << 33, .total_bytes = 1ull << 33             \
	}

static size_t count_files(struct fixture *f, const char *service, const char *suffix)
{
	size_t n = 0;

	for (uint32_t i = 1; i < 2000; i++) {
		char path[256], name[LOG_FILE_NAME_MAX];

		log_file_name(name, i, suffix);
		snprintf(path, sizeof(path), "%s/%s/%s", f->dir, service, name);
		n += access(path, F_OK) == 0;
	}
	return n;
}

/* Every segment but the last of each service. */
static void wait_sealed(struct fixture *f)
{
	static const char *const names[] = {"db", "web", "zoo"};
	for (size_t i = 0; i < countof(names); i++)
		wait_until(count_files(f, names[i], "seg") <= 1);
}

static void same_lines(const struct strv *a, const struct strv *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		assert_string_equal(a->v[i], b->v[i]);
}

static void every_answer_is_the_same_after_sealing(void **state)
{
	struct fixture *f = *state;
	struct lines before = {0}, after = {0};

	fixture_open(f, &(struct logs_options){.segment_bytes = 300 << 10, .no_seal = true});
	write_noise(f, 40000);
	logs_close(take(f->logs));
	read_lines(f, &(struct log_filter){0}, &before, NULL);
	assert_true(before.text.n > 60000 && before.marked.n > 50);
	fixture_open(f, SMALL);
	wait_sealed(f);
	assert_true(count_files(f, "web", "zst") > 1);
	read_lines(f, &(struct log_filter){0}, &after, NULL);
	same_lines(&before.text, &after.text);
	page_through(f, &before.text, (struct log_filter){0}, 5000);
	page_through(f, &before.text, (struct log_filter){.backwards = true}, 5000);
	page_through(f, &before.marked, (struct log_filter){.grep = "needle"}, 3);
	page_through(
	    f, &before.marked, (struct log_filter){.grep = "needle", .backwards = true}, 3);
	lines_release(&before);
	lines_release(&after);
}

/* Each of many texts, a part of a line each, is found exactly where it is. */
static void no_line_is_missed_by_filters_and_times(void **state)
{
	struct fixture *f = *state;
	struct lines all = {0};
	struct got span = {0};
	struct error e;

	fixture_open(f, SMALL);
	write_noise(f, 40000);
	wait_sealed(f);
	read_lines(f, &(struct log_filter){0}, &all, NULL);
	for (size_t i = 0; i < all.text.n; i += 971) {
		const char *line = strchr(all.text.v[i], ' ') + 1;
		auto_free char *part = text_dup_n(line, strcspn(line, "n"));
		struct lines got = {0};
		size_t expected = 0;

		for (size_t k = 0; k < all.text.n; k++)
			expected += strstr(strchr(all.text.v[k], ' ') + 1, part) != NULL;
		read_lines(f, &(struct log_filter){.grep = part}, &got, NULL);
		assert_int_equal(got.text.n, expected);
		lines_release(&got);
	}
	logs_query(f->dir, &(struct log_filter){0}, got_line, &span, NULL, &e);
	for (int part = 0; part < 20; part++) {
		usec_wall step = (span.last - span.first) / 20, from = span.first + part * step;
		struct got some = {0}, rest = {0}, first = {0};

		logs_query(f->dir, &(struct log_filter){.since = from}, got_line, &some, NULL, &e);
		logs_query(
		    f->dir, &(struct log_filter){.until = from - 1}, got_line, &rest, NULL, &e);
		logs_query(f->dir, &(struct log_filter){.tail = 100, .until = from - 1}, got_line,
		    &first, NULL, &e);
		assert_int_equal(some.n + rest.n, span.n);
		assert_int_equal(first.n, rest.n < 100 ? rest.n : 100);
		str_release(&some.text);
		str_release(&rest.text);
		str_release(&first.text);
	}
	str_release(&span.text);
	lines_release(&all);
}

/* Lines of a usual kind, numbered; `word` stands in one of them. */
static void write_segments(struct fixture *f, size_t bytes, size_t word_at, const char *word)
{
	int fd = fixture_pipe(f, "web", 1, 1, LOG_STDOUT, LOG_BLOCK);
	struct str block = {0};

	for (size_t done = 0, n = 0; done < bytes;) {
		str_clear(&block);
		while (block.n < 60000) {
			str_fmt(&block,
			    "2024-05-01T12:%02zu:%02zu.%06zuZ INFO request id=%016llx status=%d "
			    "path=/api/v1/items/%zu took=%zums\n",
			    n / 60000 % 60, n / 1000 % 60, n % 1000 * 997,
			    (unsigned long long)(n * 0x9e3779b97f4a7c15ull), n % 7 ? 200 : 404,
			    n % 1000, n % 300);
			n++;
		}
		if (done <= word_at && done + block.n > word_at)
			str_fmt(&block, "the word is %s\n", word);
		write_all(fd, block.s, block.n);
		done += block.n;
	}
	close(fd);
	str_release(&block);
	fixture_wait_closed(f, f->closed + 1);
	wait_until(count_files(f, "web", "seg") <= 1);
}

static struct log_cost cost_of(struct fixture *f, struct log_filter q, size_t lines)
{
	struct log_cost cost = {0};
	struct lines got = {0};

	q.cost = &cost;
	read_lines(f, &q, &got, NULL);
	assert_int_equal(got.text.n, lines);
	lines_release(&got);
	return cost;
}

/* F100: by the index, counted in segments opened and bytes read. */
static void F100_a_word_in_one_of_200_segments_costs_a_twentieth_of_a_scan(void **state)
{
	struct fixture *f = *state;
	struct log_cost word, scan;

	fixture_open(f, SMALL);
	write_segments(f, 200 * (300 << 10), 77 * (300 << 10), "zanzibar");
	assert_true(count_files(f, "web", "zst") >= 150);
	word = cost_of(f, (struct log_filter){.grep = "zanzibar"}, 1);
	scan = cost_of(f, (struct log_filter){.grep = "XY"}, 0);
	printf("a word: %.2f %% of the bytes of a scan\n",
	    100. * (double)word.bytes_read / (double)scan.bytes_read);
	assert_true(scan.bytes_read >= 190 * (300 << 10));
	assert_true(word.bytes_read * 20 <= scan.bytes_read);
	word = cost_of(f, (struct log_filter){.grep = "zanzibar", .tail = 1}, 1);
	assert_true(word.bytes_read * 10 <= scan.bytes_read);
}

static usec_wall middle;
static size_t seen;
static bool note_middle(const struct log_line *l, void *ctx)
{
	if (++seen == *(size_t *)ctx)
		middle = l->time;
	return true;
}

static void F100_the_first_line_of_a_time_range_opens_two_segments_of_400(void **state)
{
	struct fixture *f = *state;
	struct log_cost cost;
	struct error e;
	size_t half = 400 * (300 << 10) / 2 / 112;

	fixture_open(f, SMALL);
	write_segments(f, 400 * (300 << 10), SIZE_MAX, "");
	logs_query(f->dir, &(struct log_filter){0}, note_middle, &half, NULL, &e);
	cost = cost_of(f, (struct log_filter){.since = middle, .limit = 1}, 1);
	printf("%zu segments, %zu bytes for the first line of a range\n",
	    (size_t)cost.segments_opened, (size_t)cost.bytes_read);
	assert_in_range(cost.segments_opened, 1, 2);
	assert_in_range(cost.bytes_read, 1, 600 << 10);
	cost = cost_of(f, (struct log_filter){.until = middle, .tail = 1}, 1);
	assert_in_range(cost.segments_opened, 1, 12);
	assert_in_range(cost.bytes_read, 1, 2 << 20);
}

static void F100_a_thousand_segments_cost_what_ten_cost(void **state)
{
	struct fixture *f = *state;
	struct log_cost few, many;
	const size_t size = 64 << 10;
	struct logs_options o = {.segment_bytes = size,
	    .seal_delay = -1,
	    .seal_min_bytes = 1,
	    .service_bytes = 1ull << 33,
	    .total_bytes = 1ull << 33};

	fixture_open(f, &o);
	write_segments(f, 10 * size, SIZE_MAX, "");
	few = cost_of(f, (struct log_filter){.tail = 100}, 100);
	write_segments(f, 990 * size, SIZE_MAX, "");
	assert_true(count_files(f, "web", "zst") > 450);
	many = cost_of(f, (struct log_filter){.tail = 100}, 100);
	printf(
	    "last lines: %zu segments opened of few, %zu of many; %zu bytes of few, %zu of many\n",
	    (size_t)few.segments_opened, (size_t)many.segments_opened, (size_t)few.bytes_read,
	    (size_t)many.bytes_read);
	assert_true(many.segments_opened <= few.segments_opened + 1);
	assert_true(many.bytes_read <= few.bytes_read + (160 << 10));
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void filters_take_a_fiftieth_and_all_a_quarter_at_most(void **state)
{
	struct fixture *f = *state;
	uint64_t raw = 0, filters = 0, stored = 0;
	auto_free char *folder = NULL;
	auto_fd int fd = -1;

	fixture_open(f, SMALL);
	write_segments(f, 20 * (300 << 10), SIZE_MAX, "");
	folder = text_fmt("%s/web", f->dir);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (uint32_t n = 1; n < 15; n++) {
		char path[300], name[LOG_FILE_NAME_MAX];
		struct seal_footer foot;

		if (!log_sealed_footer(fd, n, &foot))
			continue;
		log_file_name(name, n, "zst");
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		raw += foot.bytes;
		filters += foot.filters_size;
		stored += size_of(path);
	}
	printf("filters %.2f %%, all %.1f %%\n", 100. * (double)filters / (double)raw,
	    100. * (double)stored / (double)raw);
	assert_true(raw > 0 && filters * 50 <= raw);
	assert_true(stored * 4 <= raw);
	/* Quotas count what is stored. */
	assert_true(logs_stats(f->logs).stored < 10 * (300 << 10));
}

/* Any program that reads zstd gives the bytes as they came. */
static void a_sealed_segment_is_a_zstd_file(void **state)
{
	struct fixture *f = *state;
	char command[400];

	if (system("command -v zstd >/dev/null") != 0) {
		print_message("skipped: no zstd here\n");
		return;
	}
	fixture_open(f, SMALL);
	write_segments(f, 3 * (300 << 10), 1000, "zanzibar");
	snprintf(command, sizeof(command),
	    "zstd -qdc %s/web/00000001.zst | grep -qF 'the word is zanzibar'", f->dir);
	assert_int_equal(system(command), 0);
}

/* ---- kills ------------------------------------------------------------------------------- */

/* Child: capture what the pipe has, seal at once, until killed. */
static void capture(struct fixture *f, int pipe_fd)
{
	struct log_ident id = {.service = "web",
	    .action = "main",
	    .run = "r-1",
	    .job = 1,
	    .token = 1,
	    .attempt = 1,
	    .stream = LOG_STDOUT,
	    .resumed = true};
	struct logs_options o = {.segment_bytes = 32 << 10, .seal_delay = -1, .seal_min_bytes = 1};
	struct error e;

	if (logs_open(f->dir, &o, &f->logs, &e) || logs_attach(f->logs, &id, pipe_fd, &e))
		_exit(1);
	for (;;)
		pause();
}

static bool check_number(const struct log_line *l, void *ctx)
{
	size_t *next = ctx;

	if (strtoull(l->bytes, NULL, 10) != *next)
		fail_msg("line %zu is `%.*s`", *next, (int)l->n, l->bytes);
	++*next;
	return true;
}

static void a_kill_at_any_point_of_sealing_loses_and_doubles_nothing(void **state)
{
	struct fixture *f = *state;
	struct error e;
	size_t number = 0, next = 0;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	for (int round = 0; round < 200; round++) {
		pid_t child = fork();

		if (child == 0)
			capture(f, fds[0]);
		for (int i = 0; i < 40; i++) {
			struct str block = {0};

			for (int k = 0; k < 60; k++)
				str_fmt(&block, "%zu is a line of no great length\n", number++);
			write_all(fds[1], block.s, block.n);
			str_release(&block);
		}
		usleep((useconds_t)(round * 37 % 9000));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	close(fds[1]);
	fixture_open(f, SMALL);
	struct log_ident id = {.service = "web",
	    .action = "main",
	    .run = "r-1",
	    .job = 1,
	    .token = 1,
	    .attempt = 1,
	    .stream = LOG_STDOUT,
	    .resumed = true};
	assert_int_equal(logs_attach(f->logs, &id, fds[0], &e), ERR_OK);
	fixture_wait_closed(f, 1);
	size_t by_then = count_files(f, "web", "zst");
	wait_until(count_files(f, "web", "seg") <= 1); /* what was not done is done now */
	assert_int_equal(
	    logs_query(f->dir, &(struct log_filter){0}, check_number, &next, NULL, &e), ERR_OK);
	printf("%zu lines, %zu segments sealed between kills\n", next, by_then);
	assert_int_equal(next, number);
	assert_true(by_then > 0);
}

/* What is broken is left out; it is no line and no end of the process. */
static void a_broken_segment_breaks_nothing_else(void **state)
{
	struct fixture *f = *state;
	char path[256];
	uint64_t n;

	fixture_open(f, SMALL);
	write_segments(f, 4 * (300 << 10), SIZE_MAX, "");
	snprintf(path, sizeof(path), "%s/web/00000002.zst", f->dir);
	n = size_of(path);
	for (unsigned round = 0; round < 300; round++) {
		auto_fd int fd = open(path, O_RDWR | O_CLOEXEC);
		uint64_t at = round % 3 ? n - 1 - round * 7 % 2000 : round * 4099 % n;
		struct log_filter all = {.grep = round % 2 ? "404" : NULL};
		struct lines got = {0};
		unsigned char was, is;

		assert_int_equal(pread(fd, &was, 1, (off_t)at), 1);
		is = was ^ (unsigned char)(1 + round % 255);
		assert_int_equal(pwrite(fd, &is, 1, (off_t)at), 1);
		read_lines(f, &all, &got, NULL);
		assert_true(got.text.n > 1000);
		assert_int_equal(pwrite(fd, &was, 1, (off_t)at), 1);
		lines_release(&got);
	}
}

#define rule(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    rule(every_answer_is_the_same_after_sealing),
	    rule(no_line_is_missed_by_filters_and_times),
	    rule(F100_a_word_in_one_of_200_segments_costs_a_twentieth_of_a_scan),
	    rule(F100_the_first_line_of_a_time_range_opens_two_segments_of_400),
	    rule(F100_a_thousand_segments_cost_what_ten_cost),
	    rule(filters_take_a_fiftieth_and_all_a_quarter_at_most),
	    rule(a_sealed_segment_is_a_zstd_file),
	    rule(a_kill_at_any_point_of_sealing_loses_and_doubles_nothing),
	    rule(a_broken_segment_breaks_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
