#include "client/http.h"

#include "client/state_folder.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

msec http_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (msec)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

msec http_deadline(msec timeout)
{
	return timeout > 0 ? http_now() + timeout : MSEC_NEVER;
}

/* ---- the connection ---------------------------------------------------------- */

#define SOCKET_WAIT_MS 5000 /* a living supervisor binds its socket again within a second */
#define SOCKET_LOOK_MS 20

static enum err no_connection(int sys, const char *path, struct error *e)
{
	auto_free char *state = state_folder_default();
	const pid_t holder = sys == ENOENT || sys == ECONNREFUSED ? state_folder_holder(state) : 0;

	if (sys == EACCES || sys == EPERM)
		return error_set(e, ERR_DENIED, "%s: %s", path, strerror(sys));
	if (holder)
		return error_set(e, ERR_NO_DAEMON,
		    "the supervisor, pid %d, holds %s, but nobody listens on %s", (int)holder,
		    state, path);
	return error_set(e, ERR_NO_DAEMON, "no supervisor answers on %s: %s", path, strerror(sys));
}

/* 0, or errno. */
static int try_connect(int fd, const struct sockaddr_un *at)
{
	while (connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0)
		if (errno != EINTR)
			return errno;
	return 0;
}

/* Its socket may have vanished, or it is just starting: it is awaited while it lives (F80). */
static bool is_worth_waiting(int sys, msec begin)
{
	if ((sys != ENOENT && sys != ECONNREFUSED) || http_now() - begin >= SOCKET_WAIT_MS)
		return false;
	auto_free char *state = state_folder_default();
	return state_folder_holder(state) != 0;
}

enum err http_open(struct http_conn *c, const char *path, struct error *e)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const msec begin = http_now();
	int sys;

	*c = (struct http_conn){.fd = -1};
	if (strlen(path) >= sizeof(sa.sun_path))
		return error_set(e, ERR_INVALID, "socket path `%s` is longer than %zu bytes", path,
		    sizeof(sa.sun_path) - 1);
	strcpy(sa.sun_path, path);
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_sys(e, errno, "socket");
	while ((sys = try_connect(fd, &sa)) && is_worth_waiting(sys, begin))
		nanosleep(&(struct timespec){.tv_nsec = SOCKET_LOOK_MS * 1000000}, NULL);
	if (sys)
		return no_connection(sys, path, e);
	c->fd = fd_take(&fd);
	return ERR_OK;
}

void http_close(struct http_conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	str_release(&c->in);
	*c = (struct http_conn){.fd = -1};
}

static enum err await(int fd, short what, msec deadline, struct error *e)
{
	for (;;) {
		msec left = deadline == MSEC_NEVER ? -1 : deadline - http_now();

		if (deadline != MSEC_NEVER && left < 0)
			left = 0;
		int n = poll(&(struct pollfd){.fd = fd, .events = what}, 1,
		    left > INT32_MAX ? INT32_MAX : (int)left);
		if (n > 0)
			return ERR_OK;
		if (n == 0 && left <= INT32_MAX)
			return error_set(e, ERR_TIMEOUT, "no answer in time");
		if (n < 0 && errno != EINTR)
			return error_sys(e, errno, "poll");
	}
}

static enum err send_all(int fd, const char *p, size_t n, msec deadline, struct error *e)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent >= 0) {
			p += sent;
			n -= (size_t)sent;
		} else if (errno == EAGAIN) {
			if (await(fd, POLLOUT, deadline, e))
				return e->code;
		} else if (errno == EPIPE) {
			return ERR_OK; /* it may have answered already: the answer tells */
		} else if (errno != EINTR) {
			return error_sys(e, errno, "send");
		}
	}
	return ERR_OK;
}

enum err http_send(struct http_conn *c, const char *method, const char *target, const char *body,
    msec deadline, struct error *e)
{
	auto_str text = {0};

	str_fmt(
	    &text, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", method, target);
	if (body)
		str_fmt(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
		    strlen(body));
	str_add(&text, "\r\n");
	str_add(&text, body ? body : "");
	return send_all(c->fd, text.s, text.n, deadline, e);
}

/* More bytes into c->in; *end is set when the peer has closed. */
static enum err fill(struct http_conn *c, msec deadline, bool *end, struct error *e)
{
	char buffer[16384];
	ssize_t n;

	if (c->at == c->in.n) {
		str_clear(&c->in);
		c->at = 0;
	}
	do {
		if (await(c->fd, POLLIN, deadline, e))
			return e->code;
		n = recv(c->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0 && errno != ECONNRESET)
		return error_sys(e, errno, "recv");
	*end = n <= 0;
	if (n > 0)
		str_add_n(&c->in, buffer, (size_t)n);
	return ERR_OK;
}

/* One line without its end, into `line`. */
static enum err read_line(struct http_conn *c, msec deadline, struct str *line, struct error *e)
{
	bool end = false;

	str_clear(line);
	for (;;) {
		const char *from = str_text(&c->in) + c->at;
		const char *nl = c->in.n > c->at ? memchr(from, '\n', c->in.n - c->at) : NULL;

		if (nl) {
			size_t n = (size_t)(nl - from);

			str_add_n(line, from, n > 0 && from[n - 1] == '\r' ? n - 1 : n);
			c->at += n + 1;
			return ERR_OK;
		}
		if (c->in.n - c->at > HTTP_HEAD_BYTES)
			return error_set(e, ERR_LIMIT, "a line of the answer is too long");
		if (fill(c, deadline, &end, e))
			return e->code;
		if (end)
			return error_set(e, ERR_NO_DAEMON,
			    "the supervisor closed the connection before it answered");
	}
}

/* ---- the head ------------------------------------------------------------------ */

static const char *value_of(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	line += n + 1;
	return line + strspn(line, " \t");
}

static bool parse_length(const char *text, int base, uint64_t *out)
{
	char *end;

	if (!strchr(base == 16 ? "0123456789abcdefABCDEF" : "0123456789", *text) || !*text)
		return false;
	errno = 0;
	unsigned long long v = strtoull(text, &end, base);
	if (errno || v > HTTP_BODY_BYTES || (*end && !strchr("; \t", *end)))
		return false;
	*out = v;
	return true;
}

static enum err read_header(struct http_conn *c, const char *line, struct error *e)
{
	const char *v;

	if ((v = value_of(line, "transfer-encoding"))) {
		if (strcasecmp(v, "chunked") != 0)
			return error_set(e, ERR_SYSTEM, "unknown transfer encoding `%s`", v);
		c->framing = HTTP_CHUNKED;
	} else if ((v = value_of(line, "content-length")) && c->framing != HTTP_CHUNKED) {
		if (!parse_length(v, 10, &c->left))
			return error_set(e, ERR_SYSTEM, "bad Content-Length `%s`", v);
		c->framing = HTTP_LENGTH;
	}
	return ERR_OK;
}

static enum err read_status(struct http_conn *c, const char *line, struct error *e)
{
	if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12 ||
	    sscanf(line + 8, " %3d", &c->status) != 1)
		return error_set(e, ERR_SYSTEM, "the answer is not HTTP/1.1");
	return ERR_OK;
}

static enum err read_headers(struct http_conn *c, msec deadline, struct error *e)
{
	auto_str line = {0};
	size_t total = 0;

	do {
		if (read_line(c, deadline, &line, e) || read_header(c, str_text(&line), e))
			return e->code;
		total += line.n;
		if (total > HTTP_HEAD_BYTES)
			return error_set(e, ERR_LIMIT, "the head of the answer is too long");
	} while (line.n > 0);
	return ERR_OK;
}

enum err http_receive_head(struct http_conn *c, msec deadline, struct error *e)
{
	auto_str line = {0};

	do {
		c->framing = HTTP_UNTIL_CLOSE;
		c->left = 0;
		if (read_line(c, deadline, &line, e) || read_status(c, str_text(&line), e) ||
		    read_headers(c, deadline, e))
			return e->code;
	} while (c->status >= 100 && c->status < 200);
	if (c->framing == HTTP_CHUNKED)
		c->left = 0;
	c->done =
	    c->status == 204 || c->status == 304 || (c->framing == HTTP_LENGTH && c->left == 0);
	return ERR_OK;
}

/* ---- the body ------------------------------------------------------------------ */

/* At the border of two chunks: the size of the next one, or the end. */
static enum err next_chunk(struct http_conn *c, msec deadline, struct error *e)
{
	auto_str line = {0};

	if (c->in_chunk) {
		if (read_line(c, deadline, &line, e))
			return e->code;
		if (line.n > 0)
			return error_set(
			    e, ERR_SYSTEM, "a chunk of the answer is longer than it said");
		c->in_chunk = false;
	}
	if (read_line(c, deadline, &line, e))
		return e->code;
	if (!parse_length(str_text(&line), 16, &c->left))
		return error_set(e, ERR_SYSTEM, "bad chunk size `%s`", str_text(&line));
	c->in_chunk = c->left > 0;
	c->done = c->left == 0;
	while (c->done && line.n > 0) /* trailers */
		if (read_line(c, deadline, &line, e))
			return e->code;
	return ERR_OK;
}

static enum err body_ended(struct http_conn *c, struct error *e)
{
	c->done = true;
	if (c->framing == HTTP_UNTIL_CLOSE)
		return ERR_OK;
	return error_set(
	    e, ERR_NO_DAEMON, "the supervisor closed the connection in the middle of its answer");
}

enum err http_receive_some(struct http_conn *c, msec deadline, struct str *out, struct error *e)
{
	bool end = false;

	if (!c->done && c->framing == HTTP_CHUNKED && c->left == 0 && next_chunk(c, deadline, e))
		return e->code;
	if (c->done)
		return ERR_OK;
	if (c->at == c->in.n && fill(c, deadline, &end, e))
		return e->code;
	if (end)
		return body_ended(c, e);
	size_t n = c->in.n - c->at;
	if (c->framing != HTTP_UNTIL_CLOSE && n > c->left)
		n = (size_t)c->left;
	str_add_n(out, c->in.s + c->at, n);
	c->at += n;
	if (c->framing != HTTP_UNTIL_CLOSE)
		c->left -= n;
	c->done = c->framing == HTTP_LENGTH && c->left == 0;
	return ERR_OK;
}

enum err http_receive_all(struct http_conn *c, msec deadline, struct str *out, struct error *e)
{
	while (!c->done) {
		if (http_receive_some(c, deadline, out, e))
			return e->code;
		if (out->n > HTTP_BODY_BYTES)
			return error_set(
			    e, ERR_LIMIT, "the answer is longer than %u bytes", HTTP_BODY_BYTES);
	}
	return ERR_OK;
}

/* ---- where it listens ------------------------------------------------------------ */

static const char *setting(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

char *http_default_socket(void)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *home = setting("HOME") ? setting("HOME") : pw ? pw->pw_dir : "/";

	if (setting("HERO_PROC_SOCKET"))
		return text_dup(setting("HERO_PROC_SOCKET"));
	if (setting("HERO_SOCKET_DIR"))
		return text_fmt("%s/hero_proc/rpc.sock", setting("HERO_SOCKET_DIR"));
	if (setting("PATH_VAR"))
		return text_fmt("%s/sockets/hero_proc/rpc.sock", setting("PATH_VAR"));
	if (setting("PATH_ROOT"))
		return text_fmt("%s/var/sockets/hero_proc/rpc.sock", setting("PATH_ROOT"));
	return text_fmt("%s/hero/var/sockets/hero_proc/rpc.sock", home);
}
