/*
 * channel.h - one end of the keeper's channel: never waits, queues what does not fit.
 *
 * Used by the keeper and by the server's side (src/spawn).  A seqpacket socket
 * takes about 278 small messages, then EAGAIN; the rest stays here, in order.
 *
 * Depends on: libc, keeper_protocol.h.
 */
#ifndef HP_KEEPER_CHANNEL_H
#define HP_KEEPER_CHANNEL_H

#include "keeper/keeper_protocol.h"

#include <stdbool.h>
#include <stddef.h>

struct channel_out; /* a queued message, owns duplicates of its descriptors */

struct channel {
	int fd;	     /* -1: not connected; sends are dropped */
	bool broken; /* the peer is gone, or memory ran out: close it */
	struct channel_out *head, **tail;
};

/* Takes the descriptor (made non-blocking and close-on-exec). */
void channel_init(struct channel *c, int take_fd);
void channel_release(struct channel *c);

/* Send or queue.  msg->version and text_bytes are filled in.  Text and
 * descriptors stay the caller's. */
void channel_send(struct channel *c, struct keeper_msg *msg, const void *text, size_t n,
    const int *fds, size_t n_fds);

/* Send what is queued.  true: nothing is left. */
bool channel_flush(struct channel *c);
static inline bool channel_is_idle(const struct channel *c)
{
	return c->head == NULL;
}

struct channel_in {
	struct keeper_msg msg;
	char text[KEEPER_SPEC_TEXT_MAX + 1]; /* NUL-ended */
	int fds[KEEPER_FDS_MAX];
	size_t n_fds;
	bool truncated; /* descriptors were lost: this process is out of them */
};

/* 1: a message, its descriptors are the caller's; 0: none now; -1: the peer is
 * gone or speaks another version. */
int channel_receive(struct channel *c, struct channel_in *in);
void channel_in_close(struct channel_in *in);	      /* those that were not taken (-1) */
int channel_in_take(struct channel_in *in, size_t i); /* -1 when there is none */

#endif
