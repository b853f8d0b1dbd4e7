/*
 * holder.h - who holds a port or a socket, as /proc tells.
 *
 * Asked only when a start is refused, never on the way of one that goes well.
 *
 * Depends on: base.  Sources: proc(5), net/tcp of proc_net(5).
 */
#ifndef HP_SERVER_HOLDER_H
#define HP_SERVER_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The process that listens on an IPv4 port (network byte order of `addr`, 0 any; host byte
 * order of `port`).  False: nobody, not to be seen by this user, or not found within
 * HOLDER_SEARCH_MS, so that the loop is not held up. */
#define HOLDER_SEARCH_MS 20
bool holder_of_port(unsigned addr, unsigned port, pid_t *out);

/* The name of a process as in comm, "" when it is gone. */
void holder_command(pid_t pid, char *out, size_t size);

#endif
