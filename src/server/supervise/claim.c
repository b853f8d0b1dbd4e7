#include "server/supervise/claim.h"
#include "server/supervise/supervision_state.h"

#include "server/supervise/evict.h"
#include "server/supervise/port_owner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

char *claim_socket_path(
    const struct paths *paths, const struct service_def *s, const struct socket_def *k)
{
	const char *path = k->path ? k->path : k->name;

	if (*path == '/')
		return text_dup(path);
	return text_fmt(
	    "%s/%s/%s", paths->sockets, s->socket_folder ? s->socket_folder : s->name, path);
}

int claim_listener(const char *path, pid_t *out)
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

/* For whom, and what may be ended for it. */
struct occupant {
	struct supervision *d;
	const struct service_def *s;
	const struct action_def *a;
};

/* `pid`: 0 when it was not found. */
static enum err in_the_way(
    const struct occupant *p, const char *what, pid_t pid, bool may_evict, struct error *e)
{
	char command[32];

	if (!pid)
		return error_set(e, ERR_CONFLICT, "%s is in use by something else", what);
	if (may_evict || p->a->singleton)
		return evict(p->d, p->s, p->a, pid, what, e);
	port_owner_command(pid, command, sizeof(command));
	return error_set(e, ERR_CONFLICT, "%s is held by pid %d (%s)", what, pid, command);
}

/* Who made the socket may have given it away, and be gone. */
static pid_t listener_of(const char *path, pid_t maker)
{
	pid_t pid = 0;

	return maker > 0 && kill(maker, 0) == 0	  ? maker
	       : port_owner_of_socket(path, &pid) ? pid
						  : 0;
}

static enum err prepare_socket(const struct occupant *p, const char *path, struct error *e)
{
	struct stat st;
	pid_t holder = 0;
	auto_free char *what = text_fmt("socket %s", path);

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return ERR_OK;
	switch (claim_listener(path, &holder)) {
	case 0: remove_stale(path, &st); return ERR_OK;
	case 1: return in_the_way(p, what, listener_of(path, holder), p->a->kill_other_sockets, e);
	default: return ERR_OK;
	}
}

static enum err prepare_folder(struct supervision *d, const struct service_def *s, struct error *e)
{
	auto_free char *dir =
	    text_fmt("%s/%s", d->paths->sockets, s->socket_folder ? s->socket_folder : s->name);

	return path_make(dir, 0755, e);
}

static enum err refuse_port(const struct occupant *p, const struct tcp_def *t,
    const struct sockaddr_in *at, struct error *e)
{
	auto_free char *what =
	    text_fmt("port %s:%lld", t->host ? t->host : "127.0.0.1", (long long)t->port);
	pid_t pid = 0;

	if (!port_owner_of_port(at->sin_addr.s_addr, (unsigned)t->port, &pid))
		pid = 0;
	return in_the_way(p, what, pid, p->a->kill_other_tcp, e);
}

/* A bind that fails tells that the port is taken; the port is free again at once. */
static enum err check_port(const struct occupant *p, const struct tcp_def *t, struct error *e)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)t->port)};
	auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0 || inet_pton(AF_INET, t->host ? t->host : "127.0.0.1", &at.sin_addr) != 1)
		return ERR_OK;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 && errno == EADDRINUSE)
		return refuse_port(p, t, &at, e);
	return ERR_OK;
}

/* A second instance of the same command, which nobody here started. */
static enum err check_instance(const struct occupant *p, const struct strv *argv, struct error *e)
{
	pid_t pid;

	if ((!p->a->singleton && !p->a->kill_other_process) || p->a->script || !argv->n ||
	    !port_owner_instance(argv->v, argv->n, p->d->keeper.id, &pid))
		return ERR_OK;
	auto_free char *what = text_fmt("the place of %s", argv->v[0]);
	return in_the_way(p, what, pid, true, e);
}

enum err claim_prepare(struct supervision *d, const struct service_def *s,
    const struct action_def *a, const struct strv *argv, struct error *e)
{
	const struct occupant p = {d, s, a};

	if (a->sockets.n && prepare_folder(d, s, e))
		return e->code;
	for (size_t i = 0; i < a->sockets.n; i++) {
		auto_free char *path = claim_socket_path(d->paths, s, &a->sockets.v[i]);

		if (prepare_socket(&p, path, e))
			return e->code;
	}
	for (size_t i = 0; i < a->tcp.n; i++)
		if (check_port(&p, &a->tcp.v[i], e))
			return e->code;
	return check_instance(&p, argv, e);
}
