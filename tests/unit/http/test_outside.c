/*
 * The server as a process of its own, asked from outside by whatever bytes there are:
 * it answers, it goes on, and it ends with exit status 0 (a sanitizer's word is not 0).
 */
#include "base/limits.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>

#define HEALTH "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"

struct bed {
	char dir[64], path[96];
	pid_t pid;
};

static const char *program; /* toy_server */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int try_dial(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(un.sun_path, path);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void begin(struct bed *b)
{
	b->pid = fork();
	if (b->pid == 0) {
		execl(program, program, b->path, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 5000; i++) {
		int fd = try_dial(b->path);

		if (fd >= 0) {
			close(fd);
			return;
		}
		poll(NULL, 0, 1);
	}
	fail_msg("the server did not come");
}

static int setup(void **state)
{
	struct bed *b = mem_new(sizeof(*b));

	strcpy(b->dir, "/tmp/http-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/sub/rpc.sock", b->dir);
	begin(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;
	auto_free char *rm = text_fmt("rm -rf '%s'", b->dir);
	int status = -1;

	assert_int_equal(kill(b->pid, SIGTERM), 0);
	assert_int_equal(waitpid(b->pid, &status, 0), b->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(system(rm), 0);
	free(b);
	return 0;
}

/* As much as the server takes; it may close in between. */
static void put(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t put = send(fd, bytes, n, MSG_NOSIGNAL);

		if (put <= 0)
			return;
		bytes += put;
		n -= (size_t)put;
	}
}

/* What comes until `part` is in it, the end, or for so long. */
static char *hear(int fd, const char *part, double seconds)
{
	struct str in = {0};
	char buf[65536];
	double until = now() + seconds;

	str_add(&in, "");
	while (now() < until && !(*part && strstr(in.s, part))) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, 20) <= 0)
			continue;
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		if (n <= 0)
			break;
		str_add_n(&in, buf, (size_t)n);
	}
	return str_take(&in);
}

static char *ask(const char *path, const char *bytes, size_t n, const char *part, double seconds)
{
	int fd = try_dial(path);

	assert_true(fd >= 0);
	put(fd, bytes, n);
	char *in = hear(fd, part, seconds);
	close(fd);
	return in;
}

static void assert_healthy(struct bed *b, const char *after)
{
	auto_free char *in = ask(b->path, HEALTH, strlen(HEALTH), "{\"ok\":true}", 1);

	if (!strstr(in, "{\"ok\":true}"))
		fail_msg("no health within a second after %s: %s", after, in);
}

static char *post(struct bed *b, const char *body, size_t n)
{
	struct str all = {0};

	str_fmt(&all,
	    "POST /rpc HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", n);
	str_add_n(&all, body, n);
	char *in = ask(b->path, all.s, all.n, "", 10);
	str_release(&all);
	return in;
}

/* ---- what others collected ------------------------------------------------------------- */

typedef void (*case_fn)(struct bed *b, const char *name, const char *bytes, size_t n);

static bool read_file(const char *path, struct str *out)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[65536];
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	str_add(out, "");
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		str_add_n(out, buf, (size_t)n);
	close(fd);
	return true;
}

static void each_case(struct bed *b, const char *folder, case_fn fn)
{
	const char *cases = getenv("HERO_PROC_CASES");
	auto_free char *path = text_fmt("%s/robustness/%s", cases ? cases : "", folder);
	DIR *dir = opendir(path);

	if (!dir)
		skip();
	for (const struct dirent *e; (e = readdir(dir));) {
		auto_free char *file = text_fmt("%s/%s", path, e->d_name);
		auto_str bytes = {0};

		if (!read_file(file, &bytes))
			continue;
		fn(b, e->d_name, bytes.s, bytes.n);
		assert_healthy(b, e->d_name);
	}
	closedir(dir);
}

/* Stricter than the collection, on purpose: a key once, no NUL inside a text. */
static bool is_refused_here(const char *name)
{
	static const char *const names[] = {"y_object_duplicated_key.json",
	    "y_object_duplicated_key_and_value.json", "y_object_escaped_null_in_key.json",
	    "y_string_null_escape.json"};

	for (size_t i = 0; i < countof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void post_json(struct bed *b, const char *name, const char *bytes, size_t n)
{
	auto_free char *in = post(b, bytes, n);
	bool unread = strstr(in, "\"code\":-32700");

	if (!strstr(in, "\"error\":"))
		fail_msg("%s: no request, and yet: %.300s", name, in);
	if (strncmp(name, "n_", 2) == 0 && !unread)
		fail_msg("%s is not JSON: %.300s", name, in);
	if (strncmp(name, "y_", 2) == 0 && unread != is_refused_here(name))
		fail_msg("%s is JSON: %.300s", name, in);
}

static void post_anything(struct bed *b, const char *name, const char *bytes, size_t n)
{
	auto_free char *in = post(b, bytes, n);

	if (strncmp(in, "HTTP/1.1 200", 12) != 0 || !strstr(in, "\"error\":"))
		fail_msg("%s: %.300s", name, in);
}

/* Any answer will do, none as well; but for these. */
static const struct {
	const char *name, *status;
	int times;
} raw_answers[] = {{"cl_and_te.http", "HTTP/1.1 400", 1}, {"nul_in_path.http", "HTTP/1.1 400", 1},
    {"http09.http", "HTTP/1.1 400", 1}, {"pipelined_three.http", "HTTP/1.1 200", 3},
    {"expect_100.http", "HTTP/1.1 100", 1}};

static void send_raw(struct bed *b, const char *name, const char *bytes, size_t n)
{
	auto_free char *in = ask(b->path, bytes, n, "", 0.05);

	for (size_t i = 0; i < countof(raw_answers); i++) {
		int hits = 0;

		if (strcmp(name, raw_answers[i].name) != 0)
			continue;
		for (const char *at = in; (at = strstr(at, "HTTP/1.1 ")); at++)
			hits += strncmp(at, raw_answers[i].status, 12) == 0 ? 1 : 1000;
		if (hits != raw_answers[i].times)
			fail_msg("%s: %s", name, in);
	}
}

static void json_of_every_kind_is_answered(void **state)
{
	each_case(*state, "json", post_json);
}

static void bombs_are_answered(void **state)
{
	each_case(*state, "json_bomb", post_anything);
}

static void http_of_every_kind_harms_nobody(void **state)
{
	each_case(*state, "http", send_raw);
	each_case(*state, "http_own", send_raw);
}

/* ---- clients without manners ------------------------------------------------------------- */

static void a_doubtful_end_of_a_body_ends_the_connection(void **state)
{
	static const char *const heads[] = {"Content-Length: 4\r\nContent-Length: 2\r\n",
	    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
	    "Transfer-Encoding: chunkedchunked\r\n", "Transfer-Encoding: gzip, chunked\r\n",
	    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"};
	struct bed *b = *state;

	for (size_t i = 0; i < countof(heads); i++) {
		auto_free char *bytes = text_fmt(
		    "POST /rpc HTTP/1.1\r\nHost: x\r\n%s\r\n0\r\n\r\n%s", heads[i], HEALTH);
		auto_free char *in = ask(b->path, bytes, strlen(bytes), "{\"ok\":true}", 0.3);

		if (strncmp(in, "HTTP/1.1 400", 12) != 0 || strstr(in, "{\"ok\":true}"))
			fail_msg("to %s came %s", heads[i], in);
	}
}

static void a_slow_client_holds_up_nobody(void **state)
{
	struct bed *b = *state;
	int fd = try_dial(b->path);

	for (const char *c = HEALTH; *c; c++) {
		put(fd, c, 1);
		assert_healthy(b, "a byte");
	}
	auto_free char *in = hear(fd, "{\"ok\":true}", 1);
	assert_non_null(strstr(in, "200 OK"));
	close(fd);
}

static bool is_answered(int fd, const char *status)
{
	put(fd, HEALTH, strlen(HEALTH));
	auto_free char *in = hear(fd, "}", 5);

	return strncmp(in, "HTTP/1.1 ", 9) == 0 && strncmp(in + 9, status, 3) == 0;
}

static void eleven_hundred_connections_are_a_thousand_and_a_refusal(void **state)
{
	enum { MANY = 1100 };
	struct rlimit files = {4096, 4096};
	static int fds[MANY];
	struct bed *b = *state;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 4096) {
		files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (files.rlim_cur < 4096)
		skip();
	for (size_t i = 0; i < MANY; i++)
		assert_true((fds[i] = try_dial(b->path)) >= 0);
	size_t in = 0; /* one of setup() may still count when the last one comes */
	while (in < MANY && is_answered(fds[in], "200"))
		in++;
	assert_in_range(in, LIMIT_CONNECTIONS - 2, LIMIT_CONNECTIONS);
	for (size_t i = in; i < MANY; i++) /* that look was the refusal of number `in` */
		assert_true(i == in || is_answered(fds[i], "503"));
	assert_true(is_answered(fds[0], "200")); /* who is in stays in */
	for (size_t i = 0; i < MANY; i++)
		close(fds[i]);
	for (int i = 0;; i++) {
		auto_free char *health = ask(b->path, HEALTH, strlen(HEALTH), "}", 1);

		if (strstr(health, "{\"ok\":true}"))
			break;
		assert_true(i < 5000);
		poll(NULL, 0, 1);
	}
}

static double cpu_seconds(pid_t pid)
{
	auto_free char *path = text_fmt("/proc/%d/stat", (int)pid);
	unsigned long user, kernel;
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			     &user, &kernel),
	    2);
	fclose(f);
	return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static void without_descriptors_the_server_waits_and_goes_on(void **state)
{
	struct rlimit before;
	struct bed *b = *state;
	int fds[64];

	assert_int_equal(prlimit(b->pid, RLIMIT_NOFILE, NULL, &before), 0);
	assert_int_equal(
	    prlimit(b->pid, RLIMIT_NOFILE, &(struct rlimit){24, before.rlim_max}, NULL), 0);
	for (size_t i = 0; i < countof(fds); i++)
		assert_true((fds[i] = try_dial(b->path)) >= 0);
	assert_true(is_answered(fds[0], "200"));
	double began = cpu_seconds(b->pid);
	auto_free char *none = hear(fds[countof(fds) - 1], "}", 0.5);
	assert_string_equal(none, ""); /* still at the door */
	assert_true(cpu_seconds(b->pid) - began < 0.25);
	prlimit(b->pid, RLIMIT_NOFILE, &(struct rlimit){1024, before.rlim_max}, NULL);
	assert_true(is_answered(fds[countof(fds) - 1], "200"));
	for (size_t i = 0; i < countof(fds); i++)
		close(fds[i]);
}

static void a_follower_that_is_too_slow_is_told_so(void **state)
{
	static const char get[] = "GET /events?flood HTTP/1.1\r\nHost: x\r\n\r\n";
	struct bed *b = *state;
	auto_free char *in = ask(b->path, get, sizeof(get) - 1, ": too slow", 5);

	assert_non_null(strstr(in, "event: snapshot\ndata: flood\n\n"));
	assert_non_null(strstr(in, ": too slow"));
	assert_true(strlen(in) > LIMIT_SSE_QUEUE_BYTES);
	assert_true(strlen(in) < 3 * LIMIT_SSE_QUEUE_BYTES);
}

static void after_a_kill_the_next_one_answers_at_once(void **state)
{
	struct bed *b = *state;

	assert_int_equal(kill(b->pid, SIGKILL), 0);
	assert_int_equal(waitpid(b->pid, NULL, 0), b->pid);
	assert_int_equal(access(b->path, F_OK), 0); /* its file is left */
	begin(b);
	assert_healthy(b, "SIGKILL");
}

int main(int argc, char **argv)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {TEST(json_of_every_kind_is_answered),
	    TEST(bombs_are_answered), TEST(http_of_every_kind_harms_nobody),
	    TEST(a_doubtful_end_of_a_body_ends_the_connection), TEST(a_slow_client_holds_up_nobody),
	    TEST(eleven_hundred_connections_are_a_thousand_and_a_refusal),
	    TEST(without_descriptors_the_server_waits_and_goes_on),
	    TEST(a_follower_that_is_too_slow_is_told_so),
	    TEST(after_a_kill_the_next_one_answers_at_once)};

	if (argc != 2)
		return 2;
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
