/*
 * busy.c - pipes that are written to all the time.
 *
 * A program that writes line by line would wake the log thread for each line.  A pipe that woke it
 * WAKES times in a row, each within a tick, is taken out of the epoll and looked at once a tick
 * instead, as long as it has something; so a line is seen after a tick at most.  Its pipe is made
 * larger, so that it holds what is written in a tick.  One that is half full all the same is given
 * back to the epoll: its writer does not write a little at a time, and shall not wait.
 */
#include "logs/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

enum {
	TICK_MSEC = 1,
	LITTLE_BYTES = 8 << 10, /* of a wake */
	WAKES = 8,		/* then it is busy */
	QUIET_TICKS = 4,	/* then it is not any more */
	LARGE_BYTES = 1 << 20,
	LARGE_PIPES = 64, /* at most; the memory of a pipe is taken as it is filled */
};

void log_busy_remove(struct logs *l, struct log_pipe *p)
{
	for (size_t i = 0; p->busy && i < l->busy.n; i++)
		if (l->busy.v[i] == p) {
			l->busy.v[i] = l->busy.v[--l->busy.n];
			break;
		}
	p->busy = false;
}

void log_busy_note(struct logs *l, struct log_pipe *p)
{
	msec now = clock_mono();

	bool again = now - p->woke_at <= TICK_MSEC && p->moved < LITTLE_BYTES;

	p->wakes = again ? (uint8_t)(p->wakes + 1) : 0;
	p->woke_at = now;
	if (p->wakes < WAKES || p->blocked)
		return;
	p->wakes = 0;
	p->quiet = 0;
	p->busy = true;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, p->fd, NULL);
	*vec_push(&l->busy) = p;
}

void log_busy_park(struct logs *l, struct log_pipe *p)
{
	if (p->busy || p->blocked)
		return;
	p->busy = true;
	p->quiet = 0;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, p->fd, NULL);
	*vec_push(&l->busy) = p;
}

static void end_busy(struct logs *l, struct log_pipe *p)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = p};

	log_busy_remove(l, p);
	epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, p->fd, &ev);
}

/* False: it can not be. */
static bool enlarge(struct logs *l, struct log_pipe *p)
{
	if (p->large || l->large_pipes >= LARGE_PIPES)
		return false;
	p->large = fcntl(p->fd, F_SETPIPE_SZ, LARGE_BYTES) > 0;
	l->large_pipes += p->large;
	return p->large;
}

/* Pages that are not full count as full: a pipe of many short writes is so earlier. */
static bool is_half_full(const struct log_pipe *p)
{
	int waiting = 0, size = fcntl(p->fd, F_GETPIPE_SZ);

	return ioctl(p->fd, FIONREAD, &waiting) == 0 && waiting >= size / 4;
}

/* One pipe at its tick: what poll(2) says of it, 0 for nothing. */
static uint32_t look(struct logs *l, struct log_pipe *p, msec now)
{
	struct pollfd is = {.fd = p->fd, .events = POLLIN};

	if (p->parked_until > now)
		return 0;
	if (poll(&is, 1, 0) == 0) {
		if (++p->quiet >= QUIET_TICKS)
			end_busy(l, p);
		return 0;
	}
	p->quiet = 0;
	if (!p->rate && is_half_full(p) && !enlarge(l, p))
		end_busy(l, p);
	return (uint32_t)is.revents;
}

struct log_pipe *log_busy_next(struct logs *l, size_t *i, uint32_t *events)
{
	msec now = *i > 0 ? clock_mono() : 0;

	while (*i > 0) {
		struct log_pipe *p = --*i < l->busy.n ? l->busy.v[*i] : NULL;

		if (p && (*events = look(l, p, now)))
			return p;
	}
	return NULL;
}

int log_busy_wait(const struct logs *l)
{
	msec now = l->busy.n ? clock_mono() : 0, first = -1;

	for (size_t i = 0; i < l->busy.n; i++) {
		msec due = l->busy.v[i]->parked_until - now;

		due = due < TICK_MSEC ? TICK_MSEC : due;
		first = first < 0 || due < first ? due : first;
	}
	return (int)first;
}
