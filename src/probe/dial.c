#include "probe/dial.h"

#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/socket.h>

#define HEAD_MAX 4096 /* of status line and headers */

void dial_init(
    struct dial *d, struct event_base *base, const struct address *to, dial_fn fn, void *ctx)
{
	*d = (struct dial){.base = base, .to = to, .fn = fn, .ctx = ctx};
}

bool dial_is_under_way(const struct dial *d)
{
	return d->is_open;
}

const char *dial_waits_for(const struct dial *d, char *buf, size_t n)
{
	if (!d->asked)
		return "connect";
	snprintf(buf, n, "GET %s", d->to->get);
	return buf;
}

void dial_release(struct dial *d)
{
	if (d->io)
		event_free(d->io);
	if (d->is_open)
		close(d->fd);
	free(d->answer);
	dial_init(d, d->base, d->to, d->fn, d->ctx);
}

static void end(struct dial *d, enum dial_end how, const char *why)
{
	char what[128], text[384];

	if (how == DIAL_ABSENT)
		snprintf(text, sizeof(text), "%.150s: %s", d->to->name, why);
	else
		snprintf(text, sizeof(text), "%.90s %.110s: %s",
		    dial_waits_for(d, what, sizeof(what)), d->to->name, why);
	dial_release(d);
	d->fn(d->ctx, how, text);
}

/* ---- the answer ------------------------------------------------------------------- */

/* "HTTP/1.x SSS" and a space or the line's end; 0: not HTTP. */
static int status_of(const char *head)
{
	int status = 0;

	if (strncmp(head, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)head[7]) || head[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++) {
		if (!isdigit((unsigned char)head[i]))
			return 0;
		status = status * 10 + (head[i] - '0');
	}
	return head[12] == ' ' || head[12] == '\r' ? status : 0;
}

static uint64_t promised_bytes(const char *head)
{
	const char *line = strcasestr(head, "\r\ncontent-length:");

	return line ? strtoull(line + strlen("\r\ncontent-length:"), NULL, 10) : 0;
}

static void end_with_status(struct dial *d, int status)
{
	char text[32];

	snprintf(text, sizeof(text), "status %d", status);
	end(d, status >= 200 && status < 300 ? DIAL_OK : DIAL_FAILED, text);
}

/* The head is whole from here on: only the length of the body is left to be seen. */
static void check_head(struct dial *d)
{
	char *last = strstr(d->answer, "\r\n\r\n");

	if (!last)
		return;
	last[2] = '\0';
	d->has_head = true;
	d->body_bytes = d->answered - (size_t)(last + 4 - d->answer);
	d->body_promised = status_of(d->answer) == 204 ? 0 : promised_bytes(d->answer);
}

static void check_answer(struct dial *d, bool closed)
{
	if (!d->has_head)
		check_head(d);
	int status = d->has_head ? status_of(d->answer) : 0;

	if (d->has_head && status == 0)
		end(d, DIAL_FAILED, "broken answer");
	else if (status && (status < 200 || status > 299 || d->body_bytes >= d->body_promised))
		end_with_status(d, status);
	else if (closed || (!d->has_head && d->answered == HEAD_MAX))
		end(d, DIAL_FAILED, d->answered ? "broken answer" : "empty answer");
}

static void on_answer(struct dial *d)
{
	char body[4096];
	char *to = d->has_head ? body : d->answer + d->answered;
	ssize_t n = read(d->fd, to, d->has_head ? sizeof(body) : HEAD_MAX - d->answered);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		end(d, DIAL_FAILED, strerrordesc_np(errno));
		return;
	}
	if (d->has_head) {
		d->body_bytes += (size_t)n;
	} else {
		d->answered += (size_t)n;
		d->answer[d->answered] = '\0';
	}
	check_answer(d, n == 0);
}

/* ---- the connection ----------------------------------------------------------------- */

static void on_io(evutil_socket_t fd, short what, void *ctx);

static void watch_io(struct dial *d, short what)
{
	if (d->io)
		event_free(d->io);
	d->io = event_new(d->base, d->fd, what | EV_PERSIST, on_io, d);
	event_add(d->io, NULL);
}

static void connected(struct dial *d)
{
	if (!d->to->get) {
		end(d, DIAL_OK, "connected");
		return;
	}
	auto_free char *get = text_fmt(
	    "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", d->to->get, d->to->host);
	size_t n = strlen(get);

	d->asked = true;
	if (send(d->fd, get, n, MSG_NOSIGNAL) != (ssize_t)n) {
		end(d, DIAL_FAILED, strerrordesc_np(errno));
		return;
	}
	d->answer = mem_new(HEAD_MAX + 1);
	watch_io(d, EV_READ);
}

static void on_io(evutil_socket_t fd, short what, void *ctx)
{
	struct dial *d = ctx;
	int sys = 0;
	socklen_t n = sizeof(sys);

	(void)what;
	if (d->asked) {
		on_answer(d);
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &n);
	if (sys)
		end(d, DIAL_FAILED, strerrordesc_np(sys));
	else
		connected(d);
}

void dial_begin(struct dial *d)
{
	d->fd = socket(d->to->to.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	d->is_open = d->fd >= 0;
	if (!d->is_open)
		end(d, DIAL_FAILED, strerrordesc_np(errno));
	else if (connect(d->fd, &d->to->to.sa, d->to->to_bytes) == 0)
		connected(d);
	else if (errno == EINPROGRESS)
		watch_io(d, EV_WRITE);
	else if (d->to->is_unix && (errno == ENOENT || errno == ENOTDIR))
		end(d, DIAL_ABSENT, "no such file");
	else
		end(d, DIAL_FAILED, strerrordesc_np(errno));
}
