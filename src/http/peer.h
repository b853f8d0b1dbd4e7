/*
 * peer.h - who is at the other end of a Unix socket (SPEC 7.2).
 *
 * What the kernel noted when the peer connected: SO_PEERCRED and SO_PEERGROUPS, unix(7).
 * Depends on: base, rpc (struct rpc_peer).
 */
#ifndef HP_HTTP_PEER_H
#define HP_HTTP_PEER_H

#include "rpc/rpc.h"

bool peer_read(int fd, struct rpc_peer *out);

/* The owner of this process, root, or a member of `group` (NULL: no group). */
bool peer_may_call(int fd, const struct rpc_peer *peer, const gid_t *group);

#endif
