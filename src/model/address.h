/*
 * address.h - where something may answer: the texts of gates and probes, read once.
 *
 *	unix:/path                   a connection to the socket
 *	tcp:host:port                a connection to the port
 *	http://host[:port][/path]    an HTTP answer over TCP
 *	http+unix:/path[:/path]      an HTTP answer over a socket (the second path is asked for)
 *
 * A host is an IPv4 or IPv6 address ([::1]) or `localhost` (127.0.0.1): a name
 * would have to be looked up, and that may block.  Pure; depends on: base.
 */
#ifndef HP_MODEL_ADDRESS_H
#define HP_MODEL_ADDRESS_H

#include "base/error.h"

#include <netinet/in.h>
#include <sys/un.h>

struct address {
	bool is_unix;
	char *name; /* for people: the path, or host:port */
	char *get;  /* the path to ask for; NULL: to connect is enough */
	char *host; /* of the Host header */
	union {
		struct sockaddr sa;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} to;
	socklen_t to_bytes;
};

/* ERR_INVALID: what is wrong with the text.  `out` is empty then. */
enum err address_parse(struct address *out, const char *text, struct error *e) attr_must_use;
void address_release(struct address *a);

#endif
