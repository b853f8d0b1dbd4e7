#include "probe/gate.h"

#include "base/str.h"
#include "probe/folder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define RETRY_FIRST_MS 1
#define RETRY_MAX_MS 100
#define TRY_TIME_MS 2000 /* of one connection with its GET /health */
#define ANSWER_MAX 4096

struct gate_hub {
	struct event_base *base;
	struct folders *folders;
};

enum kind { IS_UNIX, IS_TCP, IS_FILE, IS_NO_FILE };

struct gate_watch {
	struct gate_hub *hub;
	enum kind kind;
	bool health;
	char *path; /* or host:port */
	union {
		struct sockaddr sa;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} to;
	socklen_t to_bytes;
	gate_open_fn fn;
	void *ctx;
	struct folder_watch *folder;
	struct event *timer; /* the next try, or the deadline of this one */
	struct event *io;
	int fd;	    /* of the try that is under way, or -1 */
	bool asked; /* GET /health was written */
	bool again; /* the folder changed while a try was under way */
	unsigned pause_ms;
	char *answer; /* ANSWER_MAX bytes and a NUL while one is awaited: thousands may only wait */
	size_t answered;
	char last[192];
};

const char *gate_watch_last(const struct gate_watch *w)
{
	return w->last;
}

/* ---- tries ---------------------------------------------------------------------- */

static void set_timer(struct gate_watch *w, unsigned ms)
{
	const struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	event_add(w->timer, &tv);
}

static void drop_try(struct gate_watch *w)
{
	if (w->io)
		event_free(w->io);
	if (w->fd >= 0)
		close(w->fd);
	w->io = NULL;
	w->fd = -1;
	w->asked = false;
	free(take(w->answer));
	w->answered = 0;
}

static void opened(struct gate_watch *w)
{
	gate_open_fn fn = w->fn;

	drop_try(w);
	event_del(w->timer);
	w->last[0] = '\0';
	if (fn) {
		w->fn = NULL; /* once */
		fn(w->ctx);
	}
}

static void failed(struct gate_watch *w, const char *what, const char *why)
{
	bool again = w->again;

	snprintf(w->last, sizeof(w->last), "%s %.100s: %s", what, w->path, why);
	drop_try(w);
	w->again = false;
	if (again)
		w->pause_ms = RETRY_FIRST_MS;
	set_timer(w, w->pause_ms);
	w->pause_ms = w->pause_ms * 2 < RETRY_MAX_MS ? w->pause_ms * 2 : RETRY_MAX_MS;
}

/* Nothing there: only the folder can tell of a change. */
static void absent(struct gate_watch *w, const char *why)
{
	snprintf(w->last, sizeof(w->last), "%.150s: %s", w->path, why);
	drop_try(w);
	w->pause_ms = RETRY_FIRST_MS;
	if (folder_watch_is_live(w->folder))
		event_del(w->timer);
	else
		set_timer(w, RETRY_MAX_MS); /* no watch could be had */
}

static void check_answer(struct gate_watch *w, bool ended)
{
	int status = 0;
	char *head = strstr(w->answer, "\r\n\r\n");
	bool whole = head && sscanf(w->answer, "HTTP/1.%*d %d", &status) == 1;

	if (whole && status >= 200 && status < 300) {
		opened(w);
	} else if (whole) {
		char text[32];

		snprintf(text, sizeof(text), "status %d", status);
		failed(w, "GET /health", text);
	} else if (ended || w->answered == ANSWER_MAX) {
		failed(w, "GET /health", w->answered ? "broken answer" : "empty answer");
	}
}

static void on_answer(struct gate_watch *w)
{
	ssize_t n = read(w->fd, w->answer + w->answered, ANSWER_MAX - w->answered);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		w->answered += (size_t)n;
	w->answer[w->answered] = '\0';
	if (n < 0)
		failed(w, "GET /health", strerrordesc_np(errno));
	else
		check_answer(w, n == 0);
}

static void on_io(evutil_socket_t fd, short what, void *ctx);

static void watch_io(struct gate_watch *w, short what)
{
	if (w->io)
		event_free(w->io);
	w->io = event_new(w->hub->base, w->fd, what | EV_PERSIST, on_io, w);
	event_add(w->io, NULL);
}

static void connected(struct gate_watch *w)
{
	static const char get[] =
	    "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

	if (!w->health) {
		opened(w);
		return;
	}
	if (send(w->fd, get, sizeof(get) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(get) - 1) {
		failed(w, "GET /health", strerrordesc_np(errno));
		return;
	}
	w->asked = true;
	w->answer = mem_new(ANSWER_MAX + 1);
	watch_io(w, EV_READ);
}

static void on_io(evutil_socket_t fd, short what, void *ctx)
{
	struct gate_watch *w = ctx;
	int sys = 0;
	socklen_t n = sizeof(sys);

	(void)what;
	if (w->asked) {
		on_answer(w);
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &n);
	if (sys)
		failed(w, "connect", strerrordesc_np(sys));
	else
		connected(w);
}

static void try_connect(struct gate_watch *w)
{
	w->fd = socket(w->to.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->fd < 0) {
		failed(w, "socket", strerrordesc_np(errno));
		return;
	}
	set_timer(w, TRY_TIME_MS);
	if (connect(w->fd, &w->to.sa, w->to_bytes) == 0)
		connected(w);
	else if (errno == EINPROGRESS)
		watch_io(w, EV_WRITE);
	else if (w->kind == IS_UNIX && (errno == ENOENT || errno == ENOTDIR))
		absent(w, "no such file");
	else
		failed(w, "connect", strerrordesc_np(errno));
}

static void try_file(struct gate_watch *w)
{
	struct stat st;
	bool there = stat(w->path, &st) == 0;

	if (there == (w->kind == IS_FILE))
		opened(w);
	else
		absent(w, there ? "is there" : "no such file");
}

static void try_now(struct gate_watch *w)
{
	if (!w->fn)
		return;
	if (w->kind == IS_FILE || w->kind == IS_NO_FILE)
		try_file(w);
	else
		try_connect(w);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct gate_watch *w = ctx;

	(void)fd;
	(void)what;
	if (w->fd >= 0)
		failed(w, w->asked ? "GET /health" : "connect", "no answer");
	else
		try_now(w);
}

static void on_folder(void *ctx)
{
	struct gate_watch *w = ctx;

	if (w->fd >= 0) {
		w->again = true; /* this try looks at what was there before */
		return;
	}
	w->pause_ms = RETRY_FIRST_MS;
	try_now(w);
}

/* ---- what the text means ------------------------------------------------------------ */

static enum err parse_unix(struct gate_watch *w, const char *rest, struct error *e)
{
	const char *space = strrchr(rest, ' ');
	size_t n = space ? (size_t)(space - rest) : strlen(rest);

	w->kind = IS_UNIX;
	w->health = space && strcmp(space, " health") == 0;
	w->path = text_dup_n(rest, n);
	if (*w->path != '/' || n >= sizeof(w->to.un.sun_path))
		return error_set(e, ERR_INVALID, "`%s` is no path of a socket", w->path);
	w->to.un.sun_family = AF_UNIX;
	memcpy(w->to.un.sun_path, w->path, n + 1);
	w->to_bytes = sizeof(w->to.un);
	return ERR_OK;
}

static enum err parse_tcp(struct gate_watch *w, const char *rest, struct error *e)
{
	const char *colon = strrchr(rest, ':');
	auto_free char *host = colon ? text_dup_n(rest, (size_t)(colon - rest)) : NULL;
	char *end = NULL;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;

	w->kind = IS_TCP;
	w->path = text_dup(rest);
	if (!colon || *end || port < 1 || port > 65535)
		return error_set(e, ERR_INVALID, "`%s` is not host:port", rest);
	const char *name = !*host || strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
	w->to.in.sin_port = htons((uint16_t)port);
	w->to_bytes = sizeof(w->to.in);
	w->to.in.sin_family = AF_INET;
	if (inet_pton(AF_INET, name, &w->to.in.sin_addr) == 1)
		return ERR_OK;
	auto_free char *bare =
	    name[0] == '[' ? text_dup_n(name + 1, strcspn(name + 1, "]")) : text_dup(name);
	w->to.in6 =
	    (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	w->to_bytes = sizeof(w->to.in6);
	if (inet_pton(AF_INET6, bare, &w->to.in6.sin6_addr) != 1)
		return error_set(e, ERR_INVALID, "`%s` is not an address", name);
	return ERR_OK;
}

static enum err parse(struct gate_watch *w, const char *text, struct error *e)
{
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(w, text + 5, e);
	if (strncmp(text, "tcp:", 4) == 0)
		return parse_tcp(w, text + 4, e);
	if (strncmp(text, "file:/", 6) == 0 || strncmp(text, "!file:/", 7) == 0) {
		w->kind = *text == '!' ? IS_NO_FILE : IS_FILE;
		w->path = text_dup(strchr(text, '/'));
		return ERR_OK;
	}
	return error_set(e, ERR_INVALID, "`%s` is no gate", text);
}

/* ---- life ------------------------------------------------------------------------------ */

enum err gate_watch_new(struct gate_hub *h, const char *text, gate_open_fn fn, void *ctx,
    struct gate_watch **out, struct error *e)
{
	struct gate_watch *w = mem_new(sizeof(*w));

	*w = (struct gate_watch){
	    .hub = h, .fn = fn, .ctx = ctx, .fd = -1, .pause_ms = RETRY_FIRST_MS};
	w->timer = event_new(h->base, -1, 0, on_timer, w);
	if (!w->timer || parse(w, text, e) ||
	    (w->kind != IS_TCP &&
		folder_watch_new(h->folders, w->path, on_folder, w, &w->folder, e))) {
		bool no_timer = !w->timer;

		gate_watch_free(w);
		return no_timer ? error_sys(e, ENOMEM, "gate") : e->code;
	}
	event_active(w->timer, EV_TIMEOUT, 1); /* the first try, from the loop */
	*out = w;
	return ERR_OK;
}

void gate_watch_free(struct gate_watch *w)
{
	if (!w)
		return;
	drop_try(w);
	folder_watch_free(w->folder);
	if (w->timer)
		event_free(w->timer);
	free(w->path);
	free(w);
}

enum err gate_hub_new(struct event_base *base, struct gate_hub **out, struct error *e)
{
	struct gate_hub *h = mem_new(sizeof(*h));

	h->base = base;
	if (folders_new(base, &h->folders, e)) {
		free(h);
		return e->code;
	}
	*out = h;
	return ERR_OK;
}

void gate_hub_free(struct gate_hub *h)
{
	if (!h)
		return;
	folders_free(h->folders);
	free(h);
}
