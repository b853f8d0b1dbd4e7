#include "keeper/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * sd_notify(3).  The socket is bound before the fork and read here, so a sender
 * that exits at once is heard; its name is abstract, so a job of another user
 * reaches it.  Credentials come from the kernel: only processes of the job's own
 * set count.  One socket per token: late words of a former attempt can not reach
 * the next one.  Descriptors that come along (FDSTORE, BARRIER) are closed by the
 * kernel, which is what a barrier waits for: what was sent before it has been read.
 */

static void on_readable(struct keeper *k, struct watch *w, uint32_t events)
{
	(void)events;
	notify_drain(k, watch_owner(w, struct job, notify));
}

int notify_open(struct keeper *k, struct job *j, char name[64])
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char hex[17];
	token_hex(hex, j->token);
	int n = snprintf(name, 64, "@hero_proc/%016llx/%s", (unsigned long long)k->id, hex);
	memcpy(a.sun_path + 1, name + 1, (size_t)n - 1);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, len) < 0) {
		int sys = errno;
		close(fd);
		return sys;
	}
	j->notify.fn = on_readable;
	j->notify.fd = fd;
	watch_add(k, &j->notify, EPOLLIN);
	return 0;
}

static struct ucred sender_of(struct msghdr *mh)
{
	struct ucred who = {.pid = 0, .uid = (uid_t)-1};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&who, CMSG_DATA(c), sizeof(who));
	}
	return who;
}

/* A sender that is gone can not be asked any more where it belonged: its user decides. */
static bool is_trusted(const struct keeper *k, const struct job *j, struct msghdr *mh)
{
	struct ucred who = sender_of(mh);
	switch (set_has(k, j, who.pid)) {
	case SET_YES: return true;
	case SET_NO: return false;
	case SET_GONE: break;
	}
	return who.uid == j->uid || who.uid == geteuid();
}

/* `MS KEY=VALUE`: the part behind the time. */
static const char *behind_time(const char *line)
{
	return line + strspn(line, "0123456789") + 1;
}

static bool has_key(const char *text, const char *key, size_t n)
{
	for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		if (strncmp(behind_time(at), key, n) == 0)
			return true;
	}
	return false;
}

/* The lines of a message with the time of its arrival; what is no KEY=VALUE is dropped. */
static size_t stamp(char out[KEEPER_TEXT_MAX + 1], const char *text)
{
	long long ms = now_ns() / 1000000;
	size_t n = 0;
	out[0] = '\0';
	for (const char *at = text; *at; at += *at == '\n') {
		size_t len = strcspn(at, "\n"), key = strcspn(at, "=");
		if (key > 0 && key < len && n + len + 24 < KEEPER_TEXT_MAX)
			n += (size_t)snprintf(out + n, KEEPER_TEXT_MAX + 1 - n, "%s%lld %.*s",
			    n ? "\n" : "", ms, (int)len, at);
		at += len;
	}
	return n;
}

/* The new lines, then the old ones whose key is not among them. */
static void remember(struct job *j, const char *text)
{
	char *all = malloc(KEEPER_TEXT_MAX + 1);
	if (!all)
		return;
	size_t n = (size_t)snprintf(all, KEEPER_TEXT_MAX + 1, "%s", text);
	for (const char *at = j->state ? j->state : ""; *at; at += *at == '\n') {
		const char *key = behind_time(at);
		size_t len = strcspn(at, "\n");
		if (len && !has_key(text, key, strcspn(key, "=") + 1) &&
		    n + len + 1 < KEEPER_TEXT_MAX)
			n += (size_t)snprintf(
			    all + n, KEEPER_TEXT_MAX + 1 - n, "\n%.*s", (int)len, at);
		at += len;
	}
	char *fit = realloc(all, n + 1);
	free(j->state);
	j->state = fit ? fit : all;
}

void notify_drain(struct keeper *k, struct job *j)
{
	static char text[KEEPER_TEXT_MAX + 1], stamped[KEEPER_TEXT_MAX + 1];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(
		    sizeof(struct ucred))]; /* no room for descriptors: the kernel drops them */
	} ctl;
	for (int i = 0; j->notify.fd >= 0 && i < 64; i++) {
		struct iovec iov = {.iov_base = text, .iov_len = KEEPER_TEXT_MAX};
		struct msghdr mh = {.msg_iov = &iov,
		    .msg_iovlen = 1,
		    .msg_control = ctl.buf,
		    .msg_controllen = sizeof(ctl.buf)};
		ssize_t n = recvmsg(j->notify.fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0)
			return;
		text[n] = '\0';
		if (n == 0 || !is_trusted(k, j, &mh) || stamp(stamped, text) == 0)
			continue;
		remember(j, stamped);
		event_notify(k, j, stamped);
	}
}
