#include "client/wire.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

void wire_init(struct wire *w)
{
	*w = (struct wire){ .fd = -1 };
}

void wire_release(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	str_release(&w->in);
	wire_init(w);
}

enum err wire_connect(struct wire *w, const char *path, struct error *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	wire_release(w);
	if (strlen(path) >= sizeof(at.sun_path))
		return error_set(e, ERR_LIMIT, "%s: a socket's path has at most 107 bytes", path);
	strcpy(at.sun_path, path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
		int sys = errno;

		if (sys == EACCES)
			return error_set(e, ERR_DENIED, "%s: permission denied", path);
		return error_set(e, ERR_NO_DAEMON, "no supervisor answers on %s: %s", path, strerrordesc_np(sys));
	}
	w->fd = fd_take(&fd);
	return ERR_OK;
}

static enum err lost(struct wire *w, struct error *e)
{
	wire_release(w);
	return error_set(e, ERR_NO_DAEMON, "the supervisor closed the connection");
}

static enum err send_all(struct wire *w, const struct str *t, struct error *e)
{
	for (size_t sent = 0; sent < t->n;) {
		ssize_t n = send(w->fd, t->s + sent, t->n - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return lost(w, e);
		sent += (size_t)n;
	}
	return ERR_OK;
}

static enum err fill(struct wire *w, struct error *e)
{
	char buf[16384];
	ssize_t n;

	do
		n = read(w->fd, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return lost(w, e);
	str_add_n(&w->in, buf, (size_t)n);
	return ERR_OK;
}

/* One line without its CR LF, borrowed until the next fill. */
static enum err read_line(struct wire *w, struct str *line, struct error *e)
{
	for (;;) {
		char *end = w->in.s ? memchr(w->in.s + w->at, '\n', w->in.n - w->at) : NULL;

		if (end) {
			size_t n = (size_t)(end - (w->in.s + w->at));

			str_clear(line);
			str_add_n(line, w->in.s + w->at, n && end[-1] == '\r' ? n - 1 : n);
			w->at += n + 1;
			return ERR_OK;
		}
		if (fill(w, e))
			return e->code;
	}
}

static enum err read_bytes(struct wire *w, size_t n, struct str *out, struct error *e)
{
	while (w->in.n - w->at < n)
		if (fill(w, e))
			return e->code;
	if (n)
		str_add_n(out, w->in.s + w->at, n);
	w->at += n;
	return ERR_OK;
}

static enum err read_chunks(struct wire *w, struct str *out, struct error *e)
{
	auto_str line = { 0 };

	for (;;) {
		if (read_line(w, &line, e))
			return e->code;
		size_t n = strtoul(str_text(&line), NULL, 16);
		if (read_bytes(w, n, out, e) || read_line(w, &line, e))
			return e->code;
		if (!n)
			return ERR_OK;
	}
}

static enum err read_answer(struct wire *w, int *status, struct str *out, struct error *e)
{
	auto_str line = { 0 };
	size_t length = 0;
	bool chunked = false, closes = false;

	if (read_line(w, &line, e))
		return e->code;
	if (sscanf(str_text(&line), "HTTP/1.%*d %d", status) != 1) {
		wire_release(w);
		return error_set(e, ERR_BUG, "no HTTP answer: `%.60s`", str_text(&line));
	}
	for (;;) {
		if (read_line(w, &line, e))
			return e->code;
		if (!line.n)
			break;
		if (strncasecmp(line.s, "Content-Length:", 15) == 0)
			length = strtoul(line.s + 15, NULL, 10);
		else if (strncasecmp(line.s, "Transfer-Encoding:", 18) == 0)
			chunked = strcasestr(line.s + 18, "chunked") != NULL;
		else if (strncasecmp(line.s, "Connection:", 11) == 0)
			closes = strcasestr(line.s + 11, "close") != NULL;
	}
	if (chunked ? read_chunks(w, out, e) : read_bytes(w, length, out, e))
		return e->code;
	if (closes)
		wire_release(w);
	return ERR_OK;
}

enum err wire_exchange(struct wire *w, const char *target, const char *body, int *status,
    struct str *out, struct error *e)
{
	auto_str rq = { 0 };

	if (body)
		str_fmt(&rq, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
			     "Content-Length: %zu\r\n\r\n%s", target, strlen(body), body);
	else
		str_fmt(&rq, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
	w->at = 0;
	str_clear(&w->in);
	if (send_all(w, &rq, e))
		return e->code;
	return read_answer(w, status, out, e);
}

static const char *value_of(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

char *wire_default_socket(void)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *home = value_of("HOME") ? value_of("HOME") : pw ? pw->pw_dir : "/";

	if (value_of("HERO_PROC_SOCKET"))
		return text_dup(value_of("HERO_PROC_SOCKET"));
	if (value_of("HERO_SOCKET_DIR"))
		return text_fmt("%s/hero_proc/rpc.sock", value_of("HERO_SOCKET_DIR"));
	if (value_of("PATH_VAR"))
		return text_fmt("%s/sockets/hero_proc/rpc.sock", value_of("PATH_VAR"));
	if (value_of("PATH_ROOT"))
		return text_fmt("%s/var/sockets/hero_proc/rpc.sock", value_of("PATH_ROOT"));
	return text_fmt("%s/hero/var/sockets/hero_proc/rpc.sock", home);
}
