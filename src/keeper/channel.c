#include "keeper/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct channel_out {
	struct channel_out *next;
	struct keeper_msg msg;
	size_t n_fds;
	int fds[KEEPER_FDS_MAX];
	char text[];
};

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int) * KEEPER_FDS_MAX)];
};

void channel_init(struct channel *c, int take_fd)
{
	*c = (struct channel){.fd = take_fd};
	c->tail = &c->head;
	if (take_fd >= 0) {
		fcntl(take_fd, F_SETFD, FD_CLOEXEC);
		fcntl(take_fd, F_SETFL, fcntl(take_fd, F_GETFL) | O_NONBLOCK);
	}
}

static void out_free(struct channel_out *o)
{
	for (size_t i = 0; i < o->n_fds; i++)
		close(o->fds[i]);
	free(o);
}

void channel_release(struct channel *c)
{
	while (c->head) {
		struct channel_out *o = c->head;
		c->head = o->next;
		out_free(o);
	}
	if (c->fd >= 0)
		close(c->fd);
	channel_init(c, -1);
}

/* 0, or errno.  Descriptors in flight beyond the user's bound (ETOOMANYREFS,
 * unix(7)) come free as the peer reads, like room in the queue. */
static int try_send(
    int fd, const struct keeper_msg *msg, const char *text, const int *fds, size_t n)
{
	union control ctl;
	struct iovec iov[2] = {
	    {.iov_base = (void *)(uintptr_t)msg, .iov_len = sizeof(*msg)},
	    {.iov_base = (void *)(uintptr_t)text, .iov_len = msg->text_bytes},
	};
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = msg->text_bytes ? 2 : 1};
	if (n) {
		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = ctl.buf;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(cm), fds, sizeof(int) * n);
	}
	while (sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno != EINTR)
			return errno;
	}
	return 0;
}

static bool is_full(int e)
{
	return e == EAGAIN || e == ENOBUFS || e == ENOMEM || e == ETOOMANYREFS;
}

static struct channel_out *out_new(
    const struct keeper_msg *msg, const void *text, const int *fds, size_t n_fds)
{
	struct channel_out *o = calloc(1, sizeof(*o) + msg->text_bytes);
	if (!o)
		return NULL;
	o->msg = *msg;
	if (msg->text_bytes)
		memcpy(o->text, text, msg->text_bytes);
	for (; o->n_fds < n_fds; o->n_fds++) {
		o->fds[o->n_fds] = fcntl(fds[o->n_fds], F_DUPFD_CLOEXEC, 0);
		if (o->fds[o->n_fds] < 0) {
			out_free(o);
			return NULL;
		}
	}
	return o;
}

void channel_send(struct channel *c, struct keeper_msg *msg, const void *text, size_t n,
    const int *fds, size_t n_fds)
{
	msg->version = KEEPER_VERSION;
	msg->text_bytes = (uint32_t)(n < KEEPER_SPEC_TEXT_MAX ? n : KEEPER_SPEC_TEXT_MAX);
	if (c->fd < 0 || c->broken)
		return;
	int e = c->head ? EAGAIN : try_send(c->fd, msg, text, fds, n_fds);
	if (e == 0)
		return;
	struct channel_out *o = is_full(e) ? out_new(msg, text, fds, n_fds) : NULL;
	if (!o) {
		c->broken = true;
		return;
	}
	*c->tail = o;
	c->tail = &o->next;
}

bool channel_flush(struct channel *c)
{
	while (c->head && !c->broken) {
		struct channel_out *o = c->head;
		int e = try_send(c->fd, &o->msg, o->text, o->fds, o->n_fds);
		if (is_full(e))
			return false;
		if (e)
			c->broken = true;
		c->head = o->next;
		if (!c->head)
			c->tail = &c->head;
		out_free(o);
	}
	return true;
}

static void take_fds(struct msghdr *mh, struct channel_in *in)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		in->n_fds = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(in->fds, CMSG_DATA(cm), in->n_fds * sizeof(int));
	}
}

int channel_receive(struct channel *c, struct channel_in *in)
{
	union control ctl;
	struct iovec iov[2] = {
	    {.iov_base = &in->msg, .iov_len = sizeof(in->msg)},
	    {.iov_base = in->text, .iov_len = KEEPER_SPEC_TEXT_MAX},
	};
	struct msghdr mh = {.msg_iov = iov,
	    .msg_iovlen = 2,
	    .msg_control = ctl.buf,
	    .msg_controllen = sizeof(ctl.buf)};
	in->n_fds = 0;
	ssize_t n;
	do {
		n = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	take_fds(&mh, in);
	in->truncated = mh.msg_flags & MSG_CTRUNC;
	if ((size_t)n < sizeof(in->msg) || in->msg.version != KEEPER_VERSION ||
	    (size_t)n != sizeof(in->msg) + in->msg.text_bytes) {
		channel_in_close(in);
		return -1;
	}
	in->text[in->msg.text_bytes] = '\0';
	return 1;
}

/* Neighbours, as they mostly are, in one call. */
void channel_in_close(struct channel_in *in)
{
	for (size_t i = 0, n; i < in->n_fds; i += n) {
		int fd = in->fds[i];
		for (n = 1; fd >= 0 && i + n < in->n_fds && in->fds[i + n] == fd + (int)n;)
			n++;
		if (fd < 0 || (n > 1 && syscall(SYS_close_range, fd, fd + (int)n - 1, 0) == 0))
			continue;
		for (size_t k = 0; k < n; k++)
			close(fd + (int)k);
	}
	in->n_fds = 0;
}

int channel_in_take(struct channel_in *in, size_t i)
{
	if (i >= in->n_fds)
		return -1;
	int fd = in->fds[i];
	in->fds[i] = -1;
	return fd;
}
