/* HTTP on the RPC socket, from outside: raw bytes. */
#include "http/http.h"

#include "base/limits.h"
#include "base/str.h"
#include "sys/urgent.h"

#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cmocka.h>

struct bed {
	struct event_base *base;
	struct http_server *server;
	char dir[64], path[96];
	bool well;
	struct http_stream *stream;
	int gone;
	size_t max_connections;
	struct rpc_service rpc;
	struct urgent *urgent;
	struct urgent_watch bell;
	int pipe[2], asked, heard_after; /* heard_after: so many requests; 0: not yet */
};

static void ping(struct rpc_call *call, json_t *params)
{
	(void)params;
	rpc_answer(call, json_string("pong"));
}
static struct rpc_call *kept;
static void later(struct rpc_call *call, json_t *params)
{
	(void)params;
	kept = call;
}
static void ring(struct rpc_call *call, json_t *params)
{
	struct bed *b = rpc_call_ctx(call);

	(void)params;
	if (b->asked++ == 0)
		assert_int_equal(write(b->pipe[1], "!", 1), 1);
	rpc_answer(call, json_string("rung"));
}
static const struct rpc_method methods[] = {{"ping", "", NULL, 0, ping, false},
    {"later", "", NULL, 0, later, false}, {"ring", "", NULL, 0, ring, false}};
static const struct rpc_group groups[] = {{methods, countof(methods)}};

static json_t *health(void *ctx)
{
	return json_pack("{s:b}", "ok", ((struct bed *)ctx)->well);
}
static json_t *wellknown(void *ctx)
{
	(void)ctx;
	return json_object();
}
static char *metrics(void *ctx)
{
	(void)ctx;
	return text_dup("# EOF\n");
}
static void subscribe(void *ctx, struct http_stream *s, const char *query)
{
	struct bed *b = ctx;

	b->stream = s;
	assert_true(http_stream_send(s, "snapshot", query));
}
static void unsubscribe(void *ctx, struct http_stream *s)
{
	struct bed *b = ctx;

	assert_ptr_equal(b->stream, s);
	b->stream = NULL;
	b->gone++;
}

static struct http_config config_of(struct bed *b)
{
	return (struct http_config){.socket_path = b->path,
	    .rpc = &b->rpc,
	    .ctx = b,
	    .urgent = b->urgent,
	    .health = health,
	    .wellknown = wellknown,
	    .metrics = metrics,
	    .subscribe = subscribe,
	    .unsubscribe = unsubscribe,
	    .max_connections = b->max_connections};
}

static int setup(void **state)
{
	struct bed *b = mem_new(sizeof(*b));
	struct error e;

	*b = (struct bed){
	    .well = true, .rpc = {groups, 1, NULL, "test", "1"}, .dir = "/tmp/http-XXXXXX"};
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/sub/rpc.sock", b->dir);
	b->rpc.ctx = b;
	b->base = event_base_new();
	assert_int_equal(urgent_new(b->base, &b->urgent, &e), ERR_OK);
	assert_int_equal(pipe(b->pipe), 0);
	const struct http_config cfg = config_of(b);
	assert_int_equal(http_server_new(b->base, &cfg, &b->server, &e), ERR_OK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;
	struct stat st;
	auto_free char *rm = text_fmt("rm -rf '%s'", b->dir);

	http_server_free(b->server);
	assert_int_not_equal(stat(b->path, &st), 0); /* its file goes with it */
	urgent_remove(&b->bell);
	urgent_free(b->urgent);
	close(b->pipe[0]);
	close(b->pipe[1]);
	event_base_free(b->base);
	assert_int_equal(system(rm), 0);
	free(b);
	return 0;
}

static int dial(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(un.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

/* Turn the loop until `part` was received, or the connection ended, or for 2 s. */
static char *talk(struct bed *b, int fd, const char *request, const char *part)
{
	struct str in = {0};
	char buf[4096];

	assert_int_equal(
	    send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	for (int i = 0; i < 2000 && !(in.n && strstr(in.s, part)); i++) {
		struct timeval tv = {0, 1000};

		event_base_loopexit(b->base, &tv);
		event_base_dispatch(b->base);
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == 0)
			break;
		if (n > 0)
			str_add_n(&in, buf, (size_t)n);
	}
	return str_take(&in);
}

static void expect(struct bed *b, const char *request, const char *status, const char *part)
{
	int fd = dial(b->path);
	auto_free char *in = talk(b, fd, request, part);

	close(fd);
	if (!strstr(in, status) || !strstr(in, part))
		fail_msg("to %.60s\ncame %s", request, in);
}

static void routes_answer_as_they_should(void **state)
{
	struct bed *b = *state;

	expect(b,
	    "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: "
	    "40\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":1}",
	    "200 OK", "\"result\":\"pong\"");
	expect(b,
	    "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: "
	    "33\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}",
	    "204", "\r\n\r\n");
	expect(b, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "{\"ok\":true}");
	expect(b, "GET /openrpc.json HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "rpc.discover");
	expect(b, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "openmetrics", "# EOF");
	expect(b, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "404", "\"error\":\"Not Found\"");
	expect(b, "GET /rpc HTTP/1.1\r\nHost: x\r\n\r\n", "405", "Method Not Allowed");
	expect(b, "DELETE /health HTTP/1.1\r\nHost: x\r\n\r\n", "405", "Method Not Allowed");
	b->well = false;
	expect(b, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "503", "{\"ok\":false}");
}

static void smuggling_is_refused(void **state)
{
	struct bed *b = *state;

	expect(b,
	    "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n[]",
	    "400", "Bad Request");
	auto_free char *big = text_fmt(
	    "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: %u\r\n\r\n", LIMIT_REQUEST_BYTES + 1);
	expect(b, big, "413", "\r\n\r\n");
}

static void a_second_server_is_refused_and_a_stale_file_replaced(void **state)
{
	struct bed *b = *state;
	struct http_server *second = NULL;
	struct http_config cfg = config_of(b);
	auto_free char *stale = text_fmt("%s/stale.sock", b->dir),
		       *folder = text_fmt("%s/sub", b->dir);
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct error e;
	struct stat st;

	assert_int_equal(http_server_new(b->base, &cfg, &second, &e), ERR_CONFLICT);
	assert_int_equal(stat(b->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	strcpy(un.sun_path, stale);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd); /* the file stays, nobody listens */
	cfg.socket_path = stale;
	assert_int_equal(http_server_new(b->base, &cfg, &second, &e), ERR_OK);
	http_server_free(second);
}

/* Only "connection refused" says that nobody is there; a listener of another type is somebody. */
static void a_live_socket_of_another_type_is_not_stale(void **state)
{
	struct bed *b = *state;
	struct http_server *second = NULL;
	struct http_config cfg = config_of(b);
	auto_free char *path = text_fmt("%s/packets.sock", b->dir);
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct error e;
	struct stat st;

	strcpy(un.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 1), 0);
	cfg.socket_path = path;
	assert_int_equal(http_server_new(b->base, &cfg, &second, &e), ERR_CONFLICT);
	assert_int_equal(stat(path, &st), 0);
}

static void events_arrive_and_a_stuck_client_is_dropped(void **state)
{
	struct bed *b = *state;
	int fd = dial(b->path);
	auto_free char *in =
	    talk(b, fd, "GET /events?operation=7 HTTP/1.1\r\nHost: x\r\n\r\n", "data: operation=7");
	auto_free char *line = mem_new(64 << 10);

	assert_non_null(strstr(in, "text/event-stream"));
	assert_non_null(strstr(in, "event: snapshot\ndata: operation=7\n\n"));
	memset(line, 'x', (64 << 10) - 1);
	for (int i = 0; i < 2000 && b->stream; i++) { /* it does not read any more */
		http_stream_send(b->stream, "flood", line);
		event_base_loop(b->base, EVLOOP_NONBLOCK);
	}
	for (int i = 0; i < 5000 && !b->gone; i++) {
		struct timeval tv = {0, 1000};

		event_base_loopexit(b->base, &tv);
		event_base_dispatch(b->base);
	}
	assert_int_equal(b->gone, 1);
	close(fd);
	expect(b, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "{\"ok\":true}");
}

static void turn(struct bed *b)
{
	struct timeval tv = {0, 1000};

	event_base_loopexit(b->base, &tv);
	event_base_dispatch(b->base);
}

/* Run with a leak checker: the request of a connection that is gone is ours to free. */
static void a_follower_that_leaves_is_unsubscribed(void **state)
{
	struct bed *b = *state;
	int fd = dial(b->path);
	auto_free char *in = talk(b, fd, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n", "snapshot");

	assert_non_null(strstr(in, "200 OK"));
	assert_non_null(b->stream);
	close(fd);
	for (int i = 0; i < 2000 && !b->gone; i++)
		turn(b);
	assert_int_equal(b->gone, 1);
	expect(b, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "{\"ok\":true}");
}

static const char ask_later[] =
    "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 41\r\n\r\n"
    "{\"jsonrpc\":\"2.0\",\"method\":\"later\",\"id\":1}";

static int ask_for_later(struct bed *b)
{
	int fd = dial(b->path);

	kept = NULL;
	assert_int_equal(
	    send(fd, ask_later, sizeof(ask_later) - 1, MSG_NOSIGNAL), sizeof(ask_later) - 1);
	for (int i = 0; i < 2000 && !kept; i++)
		turn(b);
	assert_non_null(kept);
	return fd;
}

static void an_answer_for_a_caller_that_left_is_dropped(void **state)
{
	struct bed *b = *state;
	int fd = ask_for_later(b);

	close(fd);
	for (int i = 0; i < 20; i++) /* whether it was noticed or not: both are right */
		turn(b);
	rpc_answer(kept, json_true());
	expect(b, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "{\"ok\":true}");
}

static void an_answer_may_come_after_the_server_ended(void **state)
{
	struct bed *b = *state;
	int fd = ask_for_later(b);

	http_server_free(b->server);
	b->server = NULL;
	rpc_answer(kept, json_true());
	close(fd);
}

static bool answers(struct bed *b, const char *status)
{
	int fd = dial(b->path);
	auto_free char *in = talk(b, fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "}");

	close(fd);
	return strncmp(in, "HTTP/1.1 ", 9) == 0 && strncmp(in + 9, status, 3) == 0;
}

static void who_comes_beyond_the_limit_is_told_so(void **state)
{
	struct bed *b = *state;
	struct error e;
	int fds[10];

	http_server_free(b->server);
	b->server = NULL;
	b->max_connections = 6;
	const struct http_config cfg = config_of(b);
	assert_int_equal(http_server_new(b->base, &cfg, &b->server, &e), ERR_OK);
	for (int i = 0; i < 100; i++) /* those that left do not count */
		assert_true(answers(b, "200"));
	for (size_t i = 0; i < countof(fds); i++) /* all at once: met by one pass of the loop */
		fds[i] = dial(b->path);
	auto_free char *out = talk(b, fds[9], "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "}");
	assert_non_null(strstr(out, " 503 "));
	assert_true(answers(b, "503"));
	assert_true(answers(b, "503"));
	auto_free char *in = talk(b, fds[0], "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "true}");
	assert_non_null(strstr(in, "200 OK")); /* who is in is served */
	close(fds[0]);
	bool opened = false;
	for (int i = 0; i < 1000 && !opened; i++)
		opened = answers(b, "200");
	assert_true(opened);
	for (size_t i = 1; i < countof(fds); i++)
		close(fds[i]);
}

static void heard(void *ctx)
{
	struct bed *b = ctx;

	b->heard_after = b->asked;
	urgent_remove(&b->bell);
}

/* A service told that it was ready while 64 clients asked for its status: what waited for it was
 * executed when all of them had their answer. */
static void what_is_urgent_is_heard_between_two_requests_of_a_turn(void **state)
{
	static const char request[] =
	    "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n"
	    "{\"jsonrpc\":\"2.0\",\"method\":\"ring\",\"id\":1}";
	struct bed *b = *state;
	struct error e;
	int fds[8];

	assert_int_equal(urgent_add(b->urgent, &b->bell, b->pipe[0], heard, b, &e), ERR_OK);
	for (size_t i = 0; i < countof(fds); i++) {
		fds[i] = dial(b->path);
		free(talk(b, fds[i], "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "true}"));
	}
	for (size_t i = 1; i < countof(fds); i++)
		assert_true(send(fds[i], request, sizeof(request) - 1, MSG_NOSIGNAL) > 0);
	free(talk(b, fds[0], request, "rung"));
	assert_int_equal(b->asked, countof(fds)); /* one turn brought all of them */
	assert_int_equal(b->heard_after, 1);
	for (size_t i = 0; i < countof(fds); i++)
		close(fds[i]);
}

static void nothing(void *ctx)
{
	(void)ctx; /* and so it stays readable */
}

static void who_talks_without_end_keeps_no_request_from_its_answer(void **state)
{
	struct bed *b = *state;
	struct error e;

	assert_int_equal(write(b->pipe[1], "!", 1), 1);
	assert_int_equal(urgent_add(b->urgent, &b->bell, b->pipe[0], nothing, b, &e), ERR_OK);
	expect(b, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "{\"ok\":true}");
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* as http.h asks */
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {TEST(routes_answer_as_they_should),
	    TEST(smuggling_is_refused), TEST(a_second_server_is_refused_and_a_stale_file_replaced),
	    TEST(a_live_socket_of_another_type_is_not_stale),
	    TEST(who_comes_beyond_the_limit_is_told_so),
	    TEST(a_follower_that_leaves_is_unsubscribed),
	    TEST(an_answer_for_a_caller_that_left_is_dropped),
	    TEST(an_answer_may_come_after_the_server_ended),
	    TEST(what_is_urgent_is_heard_between_two_requests_of_a_turn),
	    TEST(who_talks_without_end_keeps_no_request_from_its_answer),
	    TEST(events_arrive_and_a_stuck_client_is_dropped)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
