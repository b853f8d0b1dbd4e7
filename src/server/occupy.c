#include "server/occupy.h"

#include "server/holder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

int occupy_listener(const char *path, pid_t *out)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = {0};
	socklen_t n = sizeof(peer);

	if (fd < 0 || strlen(path) >= sizeof(at.sun_path))
		return -1;
	strcpy(at.sun_path, path);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 && errno != EAGAIN)
		return errno == ECONNREFUSED ? 0 : -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0)
		*out = peer.pid;
	return 1;
}

static void remove_stale(const char *path, const struct stat *seen)
{
	struct stat now;

	if (lstat(path, &now) == 0 && now.st_dev == seen->st_dev && now.st_ino == seen->st_ino &&
	    unlink(path) == 0)
		report(REPORT_INFO, "removed the socket file %s: nobody listens on it", path);
}

static enum err prepare_socket(const char *path, struct error *e)
{
	struct stat st;
	pid_t holder = 0;
	char command[32];

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return ERR_OK;
	switch (occupy_listener(path, &holder)) {
	case 0: remove_stale(path, &st); return ERR_OK;
	case 1:
		holder_command(holder, command, sizeof(command));
		return error_set(
		    e, ERR_CONFLICT, "socket %s is held by pid %d (%s)", path, holder, command);
	default: return ERR_OK;
	}
}

static enum err prepare_folder(struct daemon *d, const struct service_def *s, struct error *e)
{
	auto_free char *dir =
	    text_fmt("%s/%s", d->paths.sockets, s->socket_folder ? s->socket_folder : s->name);

	return path_make(dir, 0755, e);
}

static enum err refuse_port(const struct tcp_def *t, const struct sockaddr_in *at, struct error *e)
{
	const char *host = t->host ? t->host : "127.0.0.1";
	char command[32];
	pid_t pid;

	if (!holder_of_port(at->sin_addr.s_addr, (unsigned)t->port, &pid))
		return error_set(e, ERR_CONFLICT, "port %s:%lld is in use by something else", host,
		    (long long)t->port);
	holder_command(pid, command, sizeof(command));
	return error_set(e, ERR_CONFLICT, "port %s:%lld is held by pid %d (%s)", host,
	    (long long)t->port, pid, command);
}

/* A bind that fails tells that the port is taken; the port is free again at once. */
static enum err check_port(const struct tcp_def *t, struct error *e)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)t->port)};
	auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0 || inet_pton(AF_INET, t->host ? t->host : "127.0.0.1", &at.sin_addr) != 1)
		return ERR_OK;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 && errno == EADDRINUSE)
		return refuse_port(t, &at, e);
	return ERR_OK;
}

enum err occupy_prepare(
    struct daemon *d, const struct service_def *s, const struct action_def *a, struct error *e)
{
	if (a->sockets.n && prepare_folder(d, s, e))
		return e->code;
	for (size_t i = 0; i < a->sockets.n; i++) {
		auto_free char *path = daemon_socket_path(d, s, &a->sockets.v[i]);

		if (prepare_socket(path, e))
			return e->code;
	}
	for (size_t i = 0; i < a->tcp.n; i++)
		if (check_port(&a->tcp.v[i], e))
			return e->code;
	return ERR_OK;
}
