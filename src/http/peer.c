#include "http/peer.h"

#include "base/str.h"

#include <errno.h>
#include <sys/socket.h>

bool peer_read(int fd, struct rpc_peer *out)
{
	struct ucred c;
	socklen_t n = sizeof(c);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) != 0)
		return false;
	*out = (struct rpc_peer){c.uid, c.gid, c.pid};
	return true;
}

/* The kernel tells the bytes it needs with ERANGE (at most 64 Ki groups, getgroups(2)). */
static bool has_extra_group(int fd, gid_t group)
{
	socklen_t bytes = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) == 0 || errno != ERANGE)
		return false;
	auto_free gid_t *groups = mem_new(bytes);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) != 0)
		return false;
	for (size_t i = 0; i < bytes / sizeof(*groups); i++)
		if (groups[i] == group)
			return true;
	return false;
}

bool peer_may_call(int fd, const struct rpc_peer *peer, const gid_t *group)
{
	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	return group && (peer->gid == *group || has_extra_group(fd, *group));
}
