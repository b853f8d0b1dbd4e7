/* Gates: only an answer opens one, and nobody has to ask all the time. */
#include "probe/gate.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cmocka.h>

struct bed {
	struct event_base *base;
	struct gate_hub *hub;
	char dir[64];
	int opened;
};

static int setup(void **state)
{
	struct bed *b = mem_new(sizeof(*b));
	struct error e;

	/* Where files cost least: some tests make thousands. */
	strcpy(b->dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/gate-XXXXXX" : "/tmp/gate-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->base = event_base_new();
	assert_int_equal(gate_hub_new(b->base, &b->hub, &e), ERR_OK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;
	auto_free char *rm = text_fmt("rm -rf '%s'", b->dir);

	gate_hub_free(b->hub);
	event_base_free(b->base);
	assert_int_equal(system(rm), 0);
	free(b);
	return 0;
}

static void count(void *ctx)
{
	((struct bed *)ctx)->opened++;
}

static void set_true(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	*(bool *)ctx = true;
}

/* Turn the loop until it opened, or for so long.  A timer of its own: one that is left in the
 * loop would end a later wait. */
static bool open_within(struct bed *b, int ms)
{
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};
	bool over = false;
	struct event *timer = event_new(b->base, -1, 0, set_true, &over);
	int before = b->opened;

	event_add(timer, &tv);
	while (b->opened == before && !over)
		event_base_loop(b->base, EVLOOP_ONCE);
	event_free(timer);
	return b->opened > before;
}

static struct gate_watch *watch(struct bed *b, const char *text)
{
	struct gate_watch *w = NULL;
	struct error e;

	assert_int_equal(gate_watch_new(b->hub, text, count, b, &w, &e), ERR_OK);
	assert_int_equal(b->opened, 0); /* never from within */
	return w;
}

static int listen_at(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(un.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void a_listener_opens_it(void **state)
{
	struct bed *b = *state;
	auto_free char *path = text_fmt("%s/a.sock", b->dir),
		       *text = text_fmt("unix:%s connect", path);
	int fd = listen_at(path);
	struct gate_watch *w = watch(b, text);

	assert_true(open_within(b, 1000));
	assert_int_equal(b->opened, 1);
	gate_watch_free(w);
	close(fd);
}

static void a_file_without_a_listener_does_not(void **state)
{
	struct bed *b = *state;
	auto_free char *path = text_fmt("%s/a.sock", b->dir),
		       *text = text_fmt("unix:%s connect", path);
	close(listen_at(path));
	struct gate_watch *w = watch(b, text);

	assert_false(open_within(b, 60));
	assert_non_null(strstr(gate_watch_last(w), "refused"));
	unlink(path);
	int fd = listen_at(path); /* a new one in its place */
	assert_true(open_within(b, 1000));
	gate_watch_free(w);
	close(fd);
}

static void a_folder_that_comes_later_is_seen(void **state)
{
	struct bed *b = *state;
	auto_free char *outer = text_fmt("%s/x", b->dir), *inner = text_fmt("%s/x/y", b->dir);
	auto_free char *path = text_fmt("%s/x/y/a.sock", b->dir),
		       *text = text_fmt("unix:%s connect", path);
	struct gate_watch *w = watch(b, text);

	assert_false(open_within(b, 20));
	assert_non_null(strstr(gate_watch_last(w), "no such file"));
	assert_int_equal(mkdir(outer, 0700), 0);
	assert_false(open_within(b, 20));
	assert_int_equal(mkdir(inner, 0700), 0);
	assert_false(open_within(b, 20));
	int fd = listen_at(path);
	assert_true(open_within(b, 1000));
	gate_watch_free(w);
	close(fd);
}

struct server {
	struct event *ev;
	int fd, hits;
	const char *get; /* what must be asked for */
	const char *answers[4];
};

/* Asked: over TCP that is later than the connection. */
static void answer(evutil_socket_t c, short what, void *ctx)
{
	struct server *s = ctx;
	const char *text = s->answers[s->hits < 3 ? s->hits : 3];
	char buf[512];

	(void)what;
	s->hits++;
	assert_true(read(c, buf, sizeof(buf)) > 0);
	if (s->get)
		assert_memory_equal(buf, s->get, strlen(s->get));
	if (*text)
		assert_true(write(c, text, strlen(text)) > 0);
	close(c);
}

static void serve(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;
	int c = accept(fd, NULL, NULL);

	(void)what;
	if (c >= 0)
		event_base_once(event_get_base(s->ev), c, EV_READ, answer, s, NULL);
}

static void only_a_whole_2xx_is_health(void **state)
{
	struct bed *b = *state;
	auto_free char *path = text_fmt("%s/rpc.sock", b->dir),
		       *text = text_fmt("unix:%s health", path);
	struct server s = {.fd = listen_at(path),
	    .get = "GET /health HTTP/1.1\r\n",
	    .answers = {"HTTP/1.1 503 No\r\n\r\n", "", "HTTP/1.1 200 OK\r\nConte",
		"HTTP/1.1 204 Fine\r\n\r\n"}};
	s.ev = event_new(b->base, s.fd, EV_READ | EV_PERSIST, serve, &s);
	event_add(s.ev, NULL);
	struct gate_watch *w = watch(b, text);

	assert_true(open_within(b, 2000));
	assert_int_equal(s.hits, 4);
	gate_watch_free(w);
	event_free(s.ev);
	close(s.fd);
}

static int listen_on_loopback(int *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static void an_http_gate_asks_for_its_path_over_tcp(void **state)
{
	struct bed *b = *state;
	int port;
	struct server s = {.fd = listen_on_loopback(&port),
	    .get = "GET /up?x=1 HTTP/1.1\r\nHost: localhost:",
	    .answers = {"HTTP/1.1 302 Elsewhere\r\nLocation: /\r\n\r\n", "200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "HTTP/1.0 200 OK\r\n\r\n"}};
	auto_free char *text = text_fmt("http://localhost:%d/up?x=1", port);
	s.ev = event_new(b->base, s.fd, EV_READ | EV_PERSIST, serve, &s);
	event_add(s.ev, NULL);
	struct gate_watch *w = watch(b, text);

	assert_true(open_within(b, 2000));
	assert_int_equal(s.hits, 4);
	gate_watch_free(w);
	event_free(s.ev);
	close(s.fd);
}

static void an_http_gate_over_a_socket_says_what_it_heard(void **state)
{
	struct bed *b = *state;
	auto_free char *path = text_fmt("%s/a.sock", b->dir);
	auto_free char *text = text_fmt("http+unix:%s:/live", path);
	struct gate_watch *w = watch(b, text);

	assert_false(open_within(b, 20));
	assert_non_null(strstr(gate_watch_last(w), "no such file"));
	struct server s = {.fd = listen_at(path),
	    .get = "GET /live HTTP/1.1\r\nHost: localhost\r\n",
	    .answers = {"HTTP/1.1 500 No\r\n\r\n", "HTTP/1.1 500 No\r\n\r\n",
		"HTTP/1.1 500 No\r\n\r\n", "HTTP/1.1 500 No\r\n\r\n"}};
	s.ev = event_new(b->base, s.fd, EV_READ | EV_PERSIST, serve, &s);
	event_add(s.ev, NULL);
	assert_false(open_within(b, 60));
	assert_non_null(strstr(gate_watch_last(w), "GET /live"));
	assert_non_null(strstr(gate_watch_last(w), "status 500"));
	s.answers[3] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell";
	assert_true(open_within(b, 2000));
	gate_watch_free(w);
	event_free(s.ev);
	close(s.fd);
}

/* A renamed folder keeps its watch and says nothing: what comes at the old path is another one. */
static void a_folder_that_was_renamed_away_and_made_again_is_noticed(void **state)
{
	struct bed *b = *state;
	auto_free char *top = text_fmt("%s/top", b->dir), *away = text_fmt("%s/away", b->dir);
	auto_free char *low = text_fmt("%s/top/low", b->dir);
	auto_free char *path = text_fmt("%s/top/low/flag", b->dir);
	auto_free char *text = text_fmt("file:%s", path);

	assert_int_equal(mkdir(top, 0700) | mkdir(low, 0700), 0);
	struct gate_watch *w = watch(b, text);
	assert_false(open_within(b, 20));
	assert_int_equal(rename(top, away), 0);
	assert_int_equal(mkdir(top, 0700) | mkdir(low, 0700), 0);
	fclose(fopen(path, "w"));
	assert_true(open_within(b, 6000));
	gate_watch_free(w);
}

static void a_folder_that_was_removed_and_made_again_is_noticed(void **state)
{
	struct bed *b = *state;
	auto_free char *low = text_fmt("%s/low", b->dir), *path = text_fmt("%s/low/flag", b->dir);
	auto_free char *text = text_fmt("file:%s", path);

	assert_int_equal(mkdir(low, 0700), 0);
	struct gate_watch *w = watch(b, text);
	assert_false(open_within(b, 20));
	assert_int_equal(rmdir(low) | mkdir(low, 0700), 0);
	assert_false(open_within(b, 20));
	fclose(fopen(path, "w"));
	assert_true(open_within(b, 1000));
	gate_watch_free(w);
}

static void a_file_gate_follows_the_file(void **state)
{
	struct bed *b = *state;
	auto_free char *path = text_fmt("%s/flag", b->dir);
	auto_free char *is = text_fmt("file:%s", path), *no = text_fmt("!file:%s", path);
	struct gate_watch *w = watch(b, is);

	assert_false(open_within(b, 20));
	fclose(fopen(path, "w"));
	assert_true(open_within(b, 1000));
	gate_watch_free(w);
	b->opened = 0;
	w = watch(b, no);
	assert_false(open_within(b, 20));
	unlink(path);
	assert_true(open_within(b, 1000));
	gate_watch_free(w);
}

/* A loop of links can not be watched, as nothing can when inotify's watches are used up. */
static void what_can_not_be_watched_is_looked_at(void **state)
{
	struct bed *b = *state;
	auto_free char *loop = text_fmt("%s/loop", b->dir),
		       *text = text_fmt("file:%s/loop/flag", b->dir);
	auto_free char *path = text_fmt("%s/loop/flag", b->dir);

	assert_int_equal(symlink(loop, loop), 0);
	struct gate_watch *w = watch(b, text);
	assert_false(open_within(b, 20));
	assert_int_equal(unlink(loop), 0);
	assert_int_equal(mkdir(loop, 0700), 0);
	fclose(fopen(path, "w"));
	assert_true(open_within(b, 2000));
	gate_watch_free(w);
}

static void *make_path(void *ctx)
{
	char *path = ctx;

	for (char *p = strstr(path, "/deep") + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	fclose(fopen(path, "w"));
	return NULL;
}

/* A folder made between a look at it and a watch on its parent has no event to come. */
static void folders_that_come_while_a_watch_is_placed_are_seen(void **state)
{
	struct bed *b = *state;

	for (int i = 0; i < 300; i++) {
		auto_free char *path = text_fmt("%s/deep%d/a/b/c/d/e/f/flag", b->dir, i);
		auto_free char *text = text_fmt("file:%s", path), *mine = text_dup(path);
		pthread_t maker;

		b->opened = 0;
		assert_int_equal(pthread_create(&maker, NULL, make_path, mine), 0);
		struct gate_watch *w = watch(b, text);
		bool came = open_within(b, 2000);
		pthread_join(maker, NULL);
		gate_watch_free(w);
		if (!came)
			fail_msg("round %d", i);
	}
}

struct many {
	struct bed *b;
	struct gate_watch *w;
};

static void free_itself(void *ctx)
{
	struct many *m = ctx;

	m->b->opened++;
	gate_watch_free(m->w);
	m->w = NULL;
}

static void a_thousand_watches_on_one_name_may_free_themselves(void **state)
{
	struct bed *b = *state;
	auto_free char *path = text_fmt("%s/a.sock", b->dir),
		       *text = text_fmt("unix:%s connect", path);
	static struct many all[1000];
	struct error e;

	for (size_t i = 0; i < countof(all); i++) {
		all[i] = (struct many){.b = b};
		assert_int_equal(
		    gate_watch_new(b->hub, text, free_itself, &all[i], &all[i].w, &e), ERR_OK);
	}
	assert_false(open_within(b, 20));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	strcpy(un.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 4096), 0);
	for (int i = 0; i < 2000 && b->opened < 1000; i++)
		open_within(b, 100);
	assert_int_equal(b->opened, 1000);
	close(fd);
}

/* More changes than the kernel keeps for us (max_queued_events, inotify(7)): the news of most
 * files is lost, and only "something was lost" is told. */
static void thousands_of_gates_open_though_events_were_lost(void **state)
{
	enum { MANY = 4000 };
	static struct gate_watch *all[MANY];
	struct bed *b = *state;
	struct error e;

	for (int i = 0; i < MANY; i++) {
		auto_free char *dir = text_fmt("%s/%d", b->dir, i % 1000);
		auto_free char *text = text_fmt("file:%s/%d", dir, i);

		assert_true(i >= 1000 || mkdir(dir, 0700) == 0);
		assert_int_equal(gate_watch_new(b->hub, text, count, b, &all[i], &e), ERR_OK);
	}
	assert_false(open_within(b, 20));
	for (int i = 0; i < MANY; i++) {
		auto_free char *path = text_fmt("%s/%d/%d", b->dir, i % 1000, i);

		fclose(fopen(path, "w"));
		auto_free char *other = text_fmt("%s.other", path); /* five events for each */
		assert_int_equal(rename(path, other) | rename(other, path), 0);
	}
	for (int i = 0; i < 2 * MANY && b->opened < MANY; i++)
		open_within(b, 100);
	assert_int_equal(b->opened, MANY);
	for (int i = 0; i < MANY; i++)
		gate_watch_free(all[i]);
}

static void nonsense_is_refused(void **state)
{
	struct bed *b = *state;
	struct gate_watch *w;
	struct error e;
	static const char *const bad[] = {"", "unix:", "unix:rel connect", "tcp:x", "tcp:h:0",
	    "tcp:1.2.3:80", "ftp:/x", "http://", "http://db.local:80/", "http://1.2.3.4:x/",
	    "http://u@1.2.3.4/", "http://1.2.3.4/a b", "https://127.0.0.1/", "http+unix:rel:/x",
	    "http+unix:"};

	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(gate_watch_new(b->hub, bad[i], count, b, &w, &e), ERR_INVALID);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_listener_opens_it),
	    TEST(a_file_without_a_listener_does_not),
	    TEST(a_folder_that_comes_later_is_seen),
	    TEST(only_a_whole_2xx_is_health),
	    TEST(an_http_gate_asks_for_its_path_over_tcp),
	    TEST(an_http_gate_over_a_socket_says_what_it_heard),
	    TEST(a_folder_that_was_renamed_away_and_made_again_is_noticed),
	    TEST(a_folder_that_was_removed_and_made_again_is_noticed),
	    TEST(what_can_not_be_watched_is_looked_at),
	    TEST(folders_that_come_while_a_watch_is_placed_are_seen),
	    TEST(a_file_gate_follows_the_file),
	    TEST(a_thousand_watches_on_one_name_may_free_themselves),
	    TEST(thousands_of_gates_open_though_events_were_lost),
	    TEST(nonsense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
