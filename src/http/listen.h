/*
 * listen.h - a Unix socket to listen on, and the file that belongs to it.
 *
 * Depends on: base.
 */
#ifndef HP_HTTP_LISTEN_H
#define HP_HTTP_LISTEN_H

#include "base/error.h"

#include <sys/types.h>

/* Which file is ours: another server may have put its own in its place. */
struct listen_id {
	dev_t dev;
	ino_t ino;
};

/* A socket that listens, which may outlive the server that made it. */
struct listening {
	int fd;
	struct listen_id file;
};

/* Bind and listen at `path` (at most 107 bytes, unix(7)); its folder is made 0750,
 * the socket is 0660, non-blocking, close-on-exec.  A file on which nobody
 * answers is removed first.  ERR_CONFLICT: somebody does. */
enum err listen_unix(const char *path, struct listening *out, struct error *e) attr_must_use;

/* Let the members of a group reach the socket: it and its folder become that group's. */
enum err listen_share(const char *path, gid_t group, struct error *e) attr_must_use;

/* Is the file at `path` still this one?  Then who connects to it comes to the socket. */
bool listen_is_at(const char *path, const struct listen_id *id);
void listen_remove(const char *path, const struct listen_id *id); /* only if it is still ours */

#endif
