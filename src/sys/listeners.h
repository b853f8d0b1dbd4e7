/*
 * listeners.h - TCP sockets that listen, as the kernel lists them (sock_diag(7), or /proc/net).
 *
 * Those of this network namespace.  From any thread.  Depends on: base.
 */
#ifndef HP_SYS_LISTENERS_H
#define HP_SYS_LISTENERS_H

#include "base/str.h"

#include <sys/types.h>

struct tcp_listener {
	bool is_v6;
	unsigned char addr[16]; /* network byte order; of IPv4 the first four */
	unsigned port;
	uint64_t inode; /* "socket:[N]" in /proc/PID/fd */
	uid_t uid;
};
struct tcp_listeners {
	struct tcp_listener *v;
	size_t n, cap;
};

/* Appends those of a port, 0: all. */
void listeners_read(struct tcp_listeners *out, unsigned port);
void listeners_release(struct tcp_listeners *l);

/* Reached by a connection to a loopback address: it listens there, or on the wildcard. */
bool listener_is_local(const struct tcp_listener *l);
/* It is in the way of who binds this IPv4 address (network byte order; 0: any). */
bool listener_covers(const struct tcp_listener *l, uint32_t addr);
void listener_fmt(struct str *out, const struct tcp_listener *l); /* "[::1]:80" */

#endif
