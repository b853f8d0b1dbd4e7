/*
 * http.h - a minimal, blocking HTTP/1.1 client over a Unix socket (RFC 9112).
 *
 * One request per connection.  Answers come with Content-Length, chunked, or end
 * with the connection; interim 1xx answers are skipped.  Every wait has a deadline
 * on CLOCK_MONOTONIC (MSEC_NEVER: none).  No threads, no signals: a peer that goes
 * away is ERR_NO_DAEMON, never SIGPIPE.  Depends on: base.
 */
#ifndef HP_CLIENT_HTTP_H
#define HP_CLIENT_HTTP_H

#include "base/error.h"
#include "base/str.h"

#define HTTP_HEAD_BYTES (64u << 10)
#define HTTP_BODY_BYTES (256u << 20) /* logs may be long; a runaway peer is stopped */

enum http_framing { HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };

struct http_conn {
	int fd;
	struct str in; /* received, not consumed yet: from `at` on */
	size_t at;
	int status;
	enum http_framing framing;
	uint64_t left; /* bytes of the body or of the present chunk */
	bool done;     /* the body has ended */
	bool in_chunk; /* the line end behind the present chunk is still to come */
};

msec http_now(void);
msec http_deadline(msec timeout); /* timeout 0: never */

/* ERR_NO_DAEMON when nobody answers on `path`; ERR_DENIED without permission. */
enum err http_open(struct http_conn *c, const char *path, struct error *e) attr_must_use;
void http_close(struct http_conn *c);

/* body NULL: none. */
enum err http_send(struct http_conn *c, const char *method, const char *target, const char *body,
    msec deadline, struct error *e) attr_must_use;
/* Reads the head; fills status and framing. */
enum err http_receive_head(struct http_conn *c, msec deadline, struct error *e) attr_must_use;
/* Appends what is there, at least one byte unless c->done is set.  ERR_TIMEOUT. */
enum err http_receive_some(
    struct http_conn *c, msec deadline, struct str *out, struct error *e) attr_must_use;
/* Appends the whole rest of the body. */
enum err http_receive_all(
    struct http_conn *c, msec deadline, struct str *out, struct error *e) attr_must_use;

/* Our own socket, from the environment (SPEC 3.1); the caller frees. */
char *http_default_socket(void);

#endif
