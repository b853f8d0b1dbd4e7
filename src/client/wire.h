/*
 * wire.h - one HTTP/1.1 connection over a Unix socket: requests and answers, blocking.
 *
 * Depends on: base.  Source: RFC 9112.
 */
#ifndef HP_CLIENT_WIRE_H
#define HP_CLIENT_WIRE_H

#include "base/error.h"
#include "base/str.h"

struct wire {
	int fd; /* -1: not connected */
	struct str in; /* received and not consumed */
	size_t at;
};

void wire_init(struct wire *w);
void wire_release(struct wire *w);

/* ERR_NO_DAEMON when nobody answers on the path. */
enum err wire_connect(struct wire *w, const char *path, struct error *e) attr_must_use;

/* Send and read the whole answer; `body` NULL means GET.  The status and body
 * come out; with Content-Length or chunked.  After an error the connection is closed. */
enum err wire_exchange(struct wire *w, const char *target, const char *body, int *status,
    struct str *out, struct error *e) attr_must_use;

/* The folder of sockets and our own, from the environment (SPEC 3.1); the caller frees. */
char *wire_default_socket(void);

#endif
