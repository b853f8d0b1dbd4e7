/* Answers as they may come over a socket (RFC 9112): whole, in chunks, cut off, wrong. */
#include "client/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

#define SOON 5000 /* ms; what a test waits at most for bytes that are there already */

/* A connection whose peer has sent these bytes and closed. */
static struct http_conn answered_by(const char *bytes)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(send(ends[1], bytes, strlen(bytes), MSG_NOSIGNAL), (ssize_t)strlen(bytes));
	close(ends[1]);
	return (struct http_conn){.fd = ends[0]};
}

static enum err read_all(const char *bytes, int *status, struct str *body, struct error *e)
{
	struct http_conn c = answered_by(bytes);
	enum err code = http_receive_head(&c, http_deadline(SOON), e);

	if (!code)
		code = http_receive_all(&c, http_deadline(SOON), body, e);
	*status = c.status;
	http_close(&c);
	return code;
}

static void expect_body(const char *bytes, int status, const char *body)
{
	auto_str got = {0};
	struct error e = {0};
	int s = 0;

	assert_int_equal(read_all(bytes, &s, &got, &e), ERR_OK);
	assert_int_equal(s, status);
	assert_string_equal(str_text(&got), body);
}

static void expect_error(const char *bytes, enum err code, const char *part)
{
	auto_str got = {0};
	struct error e = {0};
	int s = 0;

	assert_int_equal(read_all(bytes, &s, &got, &e), code);
	assert_non_null(strstr(e.msg, part));
}

static void a_body_has_the_length_that_was_said(void **state)
{
	(void)state;
	expect_body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and what is not ours", 200,
	    "hello");
	expect_body("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", 200, "");
	expect_body("HTTP/1.1 403 Forbidden\nContent-Length: 2\n\nno", 403, "no");
	expect_body("HTTP/1.1 204 No Content\r\n\r\n", 204, "");
}

static void without_a_length_the_connection_ends_the_body(void **state)
{
	(void)state;
	expect_body("HTTP/1.1 200 OK\r\n\r\nall of it", 200, "all of it");
}

static void chunks_are_joined(void **state)
{
	(void)state;
	expect_body(
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\nA;name=value\r\n0123456789\r\n0\r\n\r\n",
	    200, "abc0123456789");
	expect_body(
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n"
	    "2\r\nok\r\n0\r\nTrailer: x\r\n\r\n",
	    200, "ok");
}

static void interim_answers_are_skipped(void **state)
{
	(void)state;
	expect_body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	    200, "ok");
}

static void an_answer_that_breaks_off_is_no_answer(void **state)
{
	(void)state;
	expect_error("", ERR_NO_DAEMON, "before it answered");
	expect_error("HTTP/1.1 200 OK\r\nContent-Le", ERR_NO_DAEMON, "before it answered");
	expect_error(
	    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", ERR_NO_DAEMON, "in the middle");
	expect_error("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
	    ERR_NO_DAEMON, "in the middle");
}

/* A chunk size that is no number once read as 0: a cut answer looked whole. */
static void nonsense_is_refused(void **state)
{
	(void)state;
	expect_error("SSH-2.0-OpenSSH\r\n", ERR_SYSTEM, "not HTTP/1.1");
	expect_error("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ERR_SYSTEM,
	    "bad chunk size");
	expect_error("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n",
	    ERR_SYSTEM, "longer than it said");
	expect_error("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ERR_SYSTEM, "gzip");
	expect_error(
	    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", ERR_SYSTEM, "bad Content-Length");
	expect_error("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", ERR_SYSTEM,
	    "bad Content-Length");
}

static void a_silent_peer_costs_no_more_than_the_deadline(void **state)
{
	struct error e = {0};
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	struct http_conn c = {.fd = ends[0]};
	assert_int_equal(http_receive_head(&c, http_deadline(20), &e), ERR_TIMEOUT);
	http_close(&c);
	close(ends[1]);
}

/* SIGPIPE would end the program of whoever links the library. */
static void a_peer_that_is_gone_is_an_error_and_no_signal(void **state)
{
	struct http_conn c = answered_by("");
	struct error e = {0};

	(void)state;
	assert_int_equal(http_send(&c, "POST", "/rpc", "{}", http_deadline(SOON), &e), ERR_OK);
	assert_int_equal(http_receive_head(&c, http_deadline(SOON), &e), ERR_NO_DAEMON);
	http_close(&c);
}

static void nobody_there_is_no_daemon(void **state)
{
	struct http_conn c;
	struct error e = {0};
	char path[200];

	(void)state;
	assert_int_equal(http_open(&c, "/nonexistent/rpc.sock", &e), ERR_NO_DAEMON);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(http_open(&c, path, &e), ERR_INVALID);
}

static void expect_socket(const char *path)
{
	auto_free char *got = http_default_socket();

	assert_string_equal(got, path);
}

/* From the widest to the narrowest: each that is set beats those before. */
static void the_socket_comes_from_the_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		unsetenv((const char *const[]){
		    "PATH_ROOT", "PATH_VAR", "HERO_SOCKET_DIR", "HERO_PROC_SOCKET"}[i]);
	setenv("HOME", "/h", 1);
	expect_socket("/h/hero/var/sockets/hero_proc/rpc.sock");
	setenv("PATH_ROOT", "/r", 1);
	expect_socket("/r/var/sockets/hero_proc/rpc.sock");
	setenv("PATH_VAR", "/v", 1);
	expect_socket("/v/sockets/hero_proc/rpc.sock");
	setenv("HERO_SOCKET_DIR", "/s", 1);
	expect_socket("/s/hero_proc/rpc.sock");
	setenv("HERO_PROC_SOCKET", "/p.sock", 1);
	expect_socket("/p.sock");
	setenv("HERO_PROC_SOCKET", "", 1);
	expect_socket("/s/hero_proc/rpc.sock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_body_has_the_length_that_was_said),
	    cmocka_unit_test(without_a_length_the_connection_ends_the_body),
	    cmocka_unit_test(chunks_are_joined),
	    cmocka_unit_test(interim_answers_are_skipped),
	    cmocka_unit_test(an_answer_that_breaks_off_is_no_answer),
	    cmocka_unit_test(nonsense_is_refused),
	    cmocka_unit_test(a_silent_peer_costs_no_more_than_the_deadline),
	    cmocka_unit_test(a_peer_that_is_gone_is_an_error_and_no_signal),
	    cmocka_unit_test(nobody_there_is_no_daemon),
	    cmocka_unit_test(the_socket_comes_from_the_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
