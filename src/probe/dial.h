/*
 * dial.h - one try to get an answer from an address, without blocking.
 *
 * Connects and, where a path is to be asked for, sends one GET (RFC 9112).  Only
 * a whole answer counts: a status line of HTTP/1 with 2xx, all headers, and as
 * many bytes of body as Content-Length promises; what is broken, too long or
 * empty fails.  The owner keeps the time: a dial without an answer goes on until
 * dial_release().
 *
 * Belongs to the thread of its loop.  Depends on: base, model/address.h, libevent.
 */
#ifndef HP_PROBE_DIAL_H
#define HP_PROBE_DIAL_H

#include "model/address.h"

struct event;
struct event_base;

/* DIAL_ABSENT: there is no file at the socket's path. */
enum dial_end { DIAL_OK, DIAL_ABSENT, DIAL_FAILED };

/* Once for each dial_begin(), mostly from within it; the dial is over by then, and may be
 * begun again.  `text`: "connect /x: Connection refused", "GET /health /x: status 503";
 * borrowed until the function returns. */
typedef void (*dial_fn)(void *ctx, enum dial_end end, const char *text);

struct dial {
	struct event_base *base;
	const struct address *to; /* borrowed for the dial's life */
	dial_fn fn;
	void *ctx;
	struct event *io;
	char *answer;		     /* while one is awaited: thousands may only wait */
	size_t answered, body_bytes; /* so many bytes of body came */
	bool is_open, asked, has_head;
	int fd; /* while is_open */
	uint64_t body_promised;
};

void dial_init(
    struct dial *d, struct event_base *base, const struct address *to, dial_fn fn, void *ctx);
void dial_begin(struct dial *d);
bool dial_is_under_way(const struct dial *d);
/* What an answer that never came was waited for: "connect", "GET /health". */
const char *dial_waits_for(const struct dial *d, char *buf, size_t n);
void dial_release(struct dial *d); /* gives a try up, tells nothing; safe on {0} and twice */

#endif
