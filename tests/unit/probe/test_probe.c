/* One probe: when it asks, what counts, and that it waits for nobody. */
#include "probe/probe.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <cmocka.h>

struct bed {
	struct event_base *base;
	struct probe *probe;
	char dir[32], told[64]; /* P and F, in order */
	int asked, dropped, under_way;
	const char *answers; /* of exec: + and -, ' ' for none; the last one goes on */
	bool frees;	     /* in `told` */
	int fd;		     /* a listener, or -1 */
	struct event *accepting;
	const char *says; /* to each that connects; NULL: nothing */
};

static int setup(void **state)
{
	struct bed *b = mem_new(sizeof(*b));

	*b = (struct bed){.base = event_base_new(), .fd = -1, .dir = "/tmp/probe-XXXXXX"};
	assert_non_null(mkdtemp(b->dir));
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;
	auto_free char *rm = text_fmt("rm -rf '%s'", b->dir);

	probe_free(b->probe);
	if (b->accepting)
		event_free(b->accepting);
	if (b->fd >= 0)
		close(b->fd);
	event_base_free(b->base);
	assert_int_equal(system(rm), 0);
	free(b);
	return 0;
}

static msec now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void ask(void *ctx)
{
	struct bed *b = ctx;
	size_t i = (size_t)b->asked, n = strlen(b->answers);
	char answer = b->answers[i < n ? i : n - 1];

	b->asked++;
	assert_int_equal(b->under_way, 0); /* never two at once */
	b->under_way = 1;
	if (answer == ' ')
		return;
	b->under_way = 0;
	probe_answer(b->probe, answer == '+', answer == '+' ? "exit code 0" : "exit code 1");
}

static void drop(void *ctx)
{
	struct bed *b = ctx;

	b->dropped++;
	b->under_way = 0;
}

static void told(void *ctx, enum probe_state state)
{
	struct bed *b = ctx;

	strcat(b->told, state == PROBE_PASSING ? "P" : "F");
	if (b->frees)
		probe_free(take(b->probe));
}

static const struct probe_calls calls = {.ask = ask, .drop = drop, .told = told};

static void begin(struct bed *b, const struct probe_spec *spec, const char *address)
{
	struct address to = {0};
	struct error e;

	if (address)
		assert_int_equal(address_parse(&to, address, &e), ERR_OK);
	b->probe = probe_new(b->base, spec, address ? &to : NULL, &calls, b);
	assert_string_equal(b->told, ""); /* never from within */
	assert_int_equal(b->asked, 0);
}

static void over(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	*(bool *)ctx = true;
}

/* Turn the loop until it was told `text` (NULL: for the whole time). */
static bool told_within(struct bed *b, const char *text, int ms)
{
	bool is_over = false;
	struct event *timer = event_new(b->base, -1, 0, over, &is_over);

	event_add(timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
	while (!is_over && !(text && strcmp(b->told, text) == 0))
		event_base_loop(b->base, EVLOOP_ONCE);
	event_free(timer);
	return text && strcmp(b->told, text) == 0;
}

static struct probe_spec spec_of(enum probe_kind kind)
{
	return (struct probe_spec){.kind = kind,
	    .interval = 20,
	    .timeout = 60,
	    .failure_threshold = 3,
	    .success_threshold = 1};
}

static void on_accept(evutil_socket_t fd, short what, void *ctx)
{
	struct bed *b = ctx;
	int c = accept(fd, NULL, NULL);
	(void)what;

	b->asked++;
	if (c < 0 || !b->says)
		return; /* hangs: the descriptor goes with the process */
	assert_true(write(c, b->says, strlen(b->says)) >= 0);
	shutdown(c, SHUT_WR);
	char rest[512];
	while (read(c, rest, sizeof(rest)) == (ssize_t)sizeof(rest))
		;
	close(c);
}

static char *listen_here(struct bed *b)
{
	char *path = text_fmt("%s/x.sock", b->dir);
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	strcpy(un.sun_path, path);
	b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(b->fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(b->fd, 64), 0);
	b->accepting = event_new(b->base, b->fd, EV_READ | EV_PERSIST, on_accept, b);
	event_add(b->accepting, NULL);
	return path;
}

/* ---- counting ------------------------------------------------------------------- */

static void thresholds_count_in_a_row(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_EXEC);

	s.success_threshold = 2;
	b->answers = "+-+--++---+";
	begin(b, &s, NULL);
	/* Two good ones only at the seventh; three bad ones at the tenth. */
	assert_true(told_within(b, "P", 2000));
	assert_int_equal(b->asked, 7);
	assert_true(told_within(b, "PF", 2000));
	assert_int_equal(b->asked, 10);
	assert_string_equal(probe_last(b->probe), "exit code 1");
	assert_true(told_within(b, "PFP", 2000));
	assert_int_equal(probe_state(b->probe), PROBE_PASSING);
	assert_true(probe_since(b->probe) > 0);
}

static void failing_goes_on_being_told(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_EXEC);

	b->answers = "-";
	begin(b, &s, NULL);
	assert_true(told_within(b, "FF", 2000));
	assert_int_equal(b->asked, 6);
}

static void the_owner_may_free_it_when_it_is_told(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_EXEC);

	b->answers = "+";
	b->frees = true;
	begin(b, &s, NULL);
	assert_true(told_within(b, "P", 1000));
	told_within(b, NULL, 60);
	assert_int_equal(b->asked, 1);
}

static void one_that_passed_before_is_told_of_changes_only(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_EXEC);

	s.passing = true;
	b->answers = "++---";
	begin(b, &s, NULL);
	assert_int_equal(probe_state(b->probe), PROBE_PASSING);
	assert_true(told_within(b, "F", 2000));
	assert_int_equal(b->asked, 5);
}

/* ---- time ------------------------------------------------------------------------- */

static void the_first_is_at_once_and_the_next_an_interval_later(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_EXEC);

	s.interval = 200;
	s.failure_threshold = 2;
	b->answers = "-";
	msec at = now_ms();
	begin(b, &s, NULL);
	told_within(b, NULL, 50);
	assert_int_equal(b->asked, 1);
	assert_true(told_within(b, "F", 2000));
	assert_true(now_ms() - at >= 199);
}

static void a_command_past_its_time_is_dropped_and_counts_as_failed(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_EXEC);

	s.failure_threshold = 2;
	b->answers = "  +";
	begin(b, &s, NULL);
	assert_true(told_within(b, "F", 2000));
	assert_int_equal(b->dropped, 2);
	assert_non_null(strstr(probe_last(b->probe), "not over within 60 ms"));
	probe_answer(b->probe, true, "late"); /* nobody waits for it */
	assert_true(told_within(b, "FP", 2000));
}

static void a_freed_probe_drops_its_command(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_EXEC);

	b->answers = " ";
	begin(b, &s, NULL);
	told_within(b, NULL, 20);
	assert_int_equal(b->under_way, 1);
	probe_free(take(b->probe));
	assert_int_equal(b->dropped, 1);
}

/* Ready at once, and yet a threshold is a time: three failures are two intervals. */
static void an_eager_one_looks_more_often_than_it_counts(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_UNIX);
	auto_free char *address = text_fmt("unix:%s/none.sock", b->dir);

	s.interval = 300;
	s.eager = true;
	msec at = now_ms();
	begin(b, &s, address);
	assert_true(told_within(b, "F", 3000));
	assert_true(now_ms() - at >= 600);
	probe_free(take(b->probe));
	b->told[0] = '\0';
	at = now_ms();
	begin(b, &s, address);
	told_within(b, NULL, 15);
	auto_free char *path = listen_here(b);
	auto_free char *there = text_fmt("%s/none.sock", b->dir);
	assert_int_equal(rename(path, there), 0);
	assert_true(told_within(b, "P", 1000));
	assert_true(now_ms() - at < 250); /* before an interval is over */
}

/* pg_isready cost a second where postgres was there after a tenth. */
static void what_is_ready_after_300_ms_is_seen_within_400(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_EXEC);

	s.interval = 1000;
	s.eager = true;
	b->answers = "-";
	msec at = now_ms();
	begin(b, &s, NULL);
	told_within(b, NULL, 300);
	assert_in_range(b->asked, 6, 10); /* often, and less and less so */
	b->answers = "+";
	assert_true(told_within(b, "P", 1000));
	assert_in_range(now_ms() - at, 300, 420);
}

static void after_it_passed_an_eager_one_keeps_to_its_interval(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_EXEC);

	s.interval = 200;
	s.eager = true;
	s.success_threshold = 2;
	s.failure_threshold = 1;
	b->answers = "-++-";
	msec at = now_ms();
	begin(b, &s, NULL);
	assert_true(told_within(b, "FP", 1000)); /* at 0, 20 and 220 */
	assert_in_range(now_ms() - at, 210, 300);
	assert_true(told_within(b, "FPF", 1000));
	assert_in_range(now_ms() - at, 400, 550);
}

/* ---- addresses ------------------------------------------------------------------------ */

static void a_whole_2xx_passes(void **state)
{
	struct bed *b = *state;
	auto_free char *path = listen_here(b), *address = text_fmt("http+unix:%s:/up", path);
	struct probe_spec s = spec_of(PROBE_HTTP);

	b->says = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
	begin(b, &s, address);
	assert_true(told_within(b, "P", 1000));
	assert_non_null(strstr(probe_last(b->probe), "status 200"));
}

static void what_is_no_whole_2xx_fails(void **state)
{
	struct bed *b = *state;
	auto_free char *path = listen_here(b), *address = text_fmt("http+unix:%s:/up", path);
	struct probe_spec s = spec_of(PROBE_HTTP);
	static char endless[8000];
	const struct {
		const char *says, *last;
	} cases[] = {
	    {"", "empty answer"},
	    {"HTTP/1.1 200 OK\r\n", "broken answer"},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal", "broken answer"},
	    {"hello\r\n\r\n", "broken answer"},
	    {"HTTP/1.1 2x0 OK\r\n\r\n", "broken answer"},
	    {"HTTP/1.1 20000 OK\r\n\r\n", "broken answer"},
	    {"HTTP/1.1 199 Almost\r\n\r\n", "status 199"},
	    {"HTTP/1.1 300 Over\r\n\r\n", "status 300"},
	    {endless, "broken answer"},
	    {NULL, "no answer within 60 ms"},
	};

	memset(endless, 'x', sizeof(endless) - 1);
	memcpy(endless, "HTTP/1.1 200 OK\r\nA: ", 20);
	s.failure_threshold = 1;
	for (size_t i = 0; i < countof(cases); i++) {
		b->says = cases[i].says;
		b->told[0] = '\0';
		b->asked = 0;
		begin(b, &s, address);
		assert_true(told_within(b, "F", 1000));
		if (!strstr(probe_last(b->probe), cases[i].last))
			fail_msg("%zu: %s", i, probe_last(b->probe));
		probe_free(take(b->probe));
	}
}

static void a_socket_and_a_port_pass_by_a_connection(void **state)
{
	struct bed *b = *state;
	auto_free char *path = listen_here(b), *address = text_fmt("unix:%s", path);
	struct probe_spec s = spec_of(PROBE_UNIX), t = spec_of(PROBE_TCP);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	s.failure_threshold = t.failure_threshold = 1;
	begin(b, &s, address);
	assert_true(told_within(b, "P", 1000));
	unlink(path);
	assert_true(told_within(b, "PF", 1000)); /* a listener whose file is gone */
	probe_free(take(b->probe));

	b->told[0] = '\0';
	b->asked = 0;
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	auto_free char *port = text_fmt("tcp:127.0.0.1:%d", ntohs(in.sin_port));
	begin(b, &t, port);
	assert_true(told_within(b, "P", 1000));
	close(fd);
	assert_true(told_within(b, "PF", 1000));
	assert_non_null(strstr(probe_last(b->probe), "Connection refused"));
}

/* ---- log -------------------------------------------------------------------------------- */

static void one_line_is_enough_for_good(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_LOG);

	s.once = true;
	begin(b, &s, NULL);
	assert_true(told_within(b, "F", 1000));
	probe_heard(b->probe);
	assert_string_equal(b->told, "FP");
	told_within(b, NULL, 150);
	assert_string_equal(b->told, "FP");
}

static void each_interval_needs_a_line(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_LOG);

	begin(b, &s, NULL);
	probe_heard(b->probe);
	assert_true(told_within(b, "P", 1000));
	assert_true(told_within(b, "PF", 1000));
	assert_string_equal(probe_last(b->probe), "no line matched");
}

static void what_it_heard_is_bounded(void **state)
{
	struct bed *b = *state;
	struct probe_spec s = spec_of(PROBE_EXEC);
	char words[2000];

	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	b->answers = " ";
	begin(b, &s, NULL);
	told_within(b, NULL, 20);
	probe_answer(b->probe, true, words);
	assert_int_equal(strlen(probe_last(b->probe)), PROBE_TEXT_MAX);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(thresholds_count_in_a_row),
	    TEST(failing_goes_on_being_told),
	    TEST(the_owner_may_free_it_when_it_is_told),
	    TEST(one_that_passed_before_is_told_of_changes_only),
	    TEST(the_first_is_at_once_and_the_next_an_interval_later),
	    TEST(a_command_past_its_time_is_dropped_and_counts_as_failed),
	    TEST(a_freed_probe_drops_its_command),
	    TEST(an_eager_one_looks_more_often_than_it_counts),
	    TEST(what_is_ready_after_300_ms_is_seen_within_400),
	    TEST(after_it_passed_an_eager_one_keeps_to_its_interval),
	    TEST(a_whole_2xx_passes),
	    TEST(what_is_no_whole_2xx_fails),
	    TEST(a_socket_and_a_port_pass_by_a_connection),
	    TEST(one_line_is_enough_for_good),
	    TEST(each_interval_needs_a_line),
	    TEST(what_it_heard_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
