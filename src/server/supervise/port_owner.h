/*
 * port_owner.h - who holds a port or a socket, as /proc tells.
 *
 * Asked only when a start is refused, never on the way of one that goes well.
 *
 * Depends on: base.  Sources: proc(5), net/tcp of proc_net(5).
 */
#ifndef HP_SERVER_SUPERVISE_PORT_OWNER_H
#define HP_SERVER_SUPERVISE_PORT_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The process that has a socket open, by its inode; found and not as below. */
bool port_owner_of_inode(uint64_t inode, pid_t *out);

/* The process that listens on an IPv4 port (network byte order of `addr`, 0 any; host byte
 * order of `port`).  False: nobody, not to be seen by this user, or not found within
 * HOLDER_SEARCH_MS, so that the loop is not held up. */
#define HOLDER_SEARCH_MS 20
bool port_owner_of_port(unsigned addr, unsigned port, pid_t *out);

/* The process that listens on the Unix socket at `path`, likewise: where SO_PEERCRED names one
 * that is gone, or gave the socket away. */
bool port_owner_of_socket(const char *path, pid_t *out);

/* Another process that executes the `n` words of argv: the same file and the same arguments, with
 * or without an interpreter in front.  Not those of `keeper_id`; false also when the search took
 * longer than HOLDER_INSTANCE_MS. */
#define HOLDER_INSTANCE_MS 100
bool port_owner_instance(char *const *argv, size_t n, uint64_t keeper_id, pid_t *out);

/* Token of the attempt that a process belongs to, if that is of this keeper; else 0. */
#define HOLDER_ENVIRON_MAX (128 * 1024)
uint64_t port_owner_token(pid_t pid, uint64_t keeper_id, char *buf);
pid_t port_owner_parent(pid_t pid); /* 0: there is no such process */

/* The name of a process as in comm, "" when it is gone. */
void port_owner_command(pid_t pid, char *out, size_t size);

#endif
