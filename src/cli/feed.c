#include "cli/feed.h"

#include "cli/out.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

enum { ATTEMPTS = 50, PAUSE_MS = 100, ANSWER_MS = 10000 };

/* The head of the answer says that everything from now on is told. */
static enum err open_feed(struct feed *f, struct error *e)
{
	const msec deadline = http_deadline(ANSWER_MS);

	str_clear(&f->text);
	f->conn = (struct http_conn){.fd = -1};
	if (http_open(&f->conn, f->socket, e))
		return e->code;
	f->is_open = true;
	if (http_send(&f->conn, "GET", "/events?snapshot=0", NULL, deadline, e) ||
	    http_receive_head(&f->conn, deadline, e))
		return e->code;
	return f->conn.status == 200
		   ? ERR_OK
		   : error_set(e, ERR_DENIED, "/events: status %d", f->conn.status);
}

static void close_feed(struct feed *f)
{
	if (f->is_open)
		http_close(&f->conn);
	f->is_open = false;
}

enum err feed_init(struct feed *f, const struct cli *c, struct error *e)
{
	*f = (struct feed){.socket = hp_client_socket(c->client)};
	return open_feed(f, e);
}

void feed_release(struct feed *f)
{
	close_feed(f);
	str_release(&f->text);
}

/* Takes the whole lines; true when one of them was an event. */
static bool take_lines(struct feed *f, feed_fn fn, void *ctx)
{
	const char *line = str_text(&f->text), *end;
	bool found = false;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		if (strncmp(line, "data:", 5) != 0)
			continue;
		auto_free char *text = text_dup_n(line + 5, (size_t)(end - line) - 5);

		if (strstr(text, "\"event\":\"snapshot\""))
			continue;
		found = true;
		if (fn)
			fn(text, ctx);
	}
	auto_free char *rest = text_dup(line);

	str_clear(&f->text);
	str_add(&f->text, rest);
	return found;
}

/* A server that is killed takes with it who it had let in; that is no reason to give up. */
static enum feed_news open_again(struct feed *f, struct error *e)
{
	const struct timespec pause = {0, PAUSE_MS * 1000000};

	for (int i = 0; i < ATTEMPTS; i++) {
		close_feed(f);
		*e = (struct error){0};
		if (open_feed(f, e) == ERR_OK)
			return FEED_RENEWED;
		if (e->code != ERR_NO_DAEMON || access(f->socket, F_OK) != 0)
			break;
		nanosleep(&pause, NULL);
	}
	return FEED_LOST;
}

/* False: the deadline, a signal, or nobody reads what we write. */
static bool await(struct feed *f, msec deadline)
{
	struct pollfd at[2] = {
	    {.fd = f->conn.fd, .events = POLLIN}, {.fd = STDOUT_FILENO, .events = 0}};
	msec left = deadline == MSEC_NEVER ? INT32_MAX : deadline - http_now();

	fflush(stdout);
	int n = poll(at, f->ends_with_output ? 2 : 1,
	    left < 0	       ? 0
	    : left > INT32_MAX ? INT32_MAX
			       : (int)left);
	return n > 0 && at[0].revents;
}

/* Without waiting; false: it broke off. */
static bool receive(struct feed *f)
{
	struct error e = {0};

	while (!f->conn.done)
		if (http_receive_some(&f->conn, http_now(), &f->text, &e))
			return e.code == ERR_TIMEOUT;
	return false;
}

enum feed_news feed_wait(struct feed *f, msec deadline, feed_fn fn, void *ctx, struct error *e)
{
	while (f->is_open) {
		bool goes_on = receive(f);

		if (take_lines(f, fn, ctx))
			return FEED_EVENTS;
		if (!goes_on)
			break;
		if (!await(f, deadline))
			return FEED_QUIET;
	}
	return f->once ? FEED_LOST : open_again(f, e);
}
