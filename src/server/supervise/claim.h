/*
 * claim.h - before an attempt: the places it declares are made ready, or it is
 * refused.
 *
 * The socket folder is made.  A socket file that nobody listens on is removed,
 * before the spawn and never after, and only if it is still the same file.  A
 * foreign holder is named, or asked to end where `kill_other` or `singleton` allows it (evict.h).
 *
 * Depends on: server/supervise/supervision.h.
 */
#ifndef HP_SERVER_SUPERVISE_CLAIM_H
#define HP_SERVER_SUPERVISE_CLAIM_H

#include "server/supervise/supervision.h"

/* argv: what is about to be executed.  ERR_BUSY: to be tried again, which happens by itself;
 * ERR_CONFLICT and others: for good. */
enum err claim_prepare(struct supervision *d, const struct service_def *s,
    const struct action_def *a, const struct strv *argv, struct error *e) attr_must_use;

/* The absolute path of a declared socket; the caller frees. */
struct paths;
char *claim_socket_path(
    const struct paths *paths, const struct service_def *s, const struct socket_def *k);

/* Who listens on a Unix socket: 1 and its pid, 0 nobody, -1 there is no such file. */
int claim_listener(const char *path, pid_t *out);

#endif
