#include "sys/urgent.h"

#include "base/str.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/epoll.h>

#define CALLS_MAX 8 /* a turn, then others have theirs */

struct urgent {
	int epoll;
	struct event *ready;
};

/* One at a time: a call may remove what would have come next. */
void urgent_turn(struct urgent *u)
{
	struct epoll_event one;

	for (int i = 0; i < CALLS_MAX && epoll_wait(u->epoll, &one, 1, 0) == 1; i++) {
		const struct urgent_watch *w = one.data.ptr;

		w->fn(w->ctx);
	}
}

static void on_ready(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	urgent_turn(ctx);
}

enum err urgent_new(struct event_base *base, struct urgent **out, struct error *e)
{
	struct urgent *u = mem_new(sizeof(*u));

	u->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (u->epoll >= 0)
		u->ready = event_new(base, u->epoll, EV_READ | EV_PERSIST, on_ready, u);
	if (!u->ready || event_add(u->ready, NULL) != 0) {
		int sys = errno;

		urgent_free(u);
		return error_sys(e, sys, "epoll");
	}
	*out = u;
	return ERR_OK;
}

void urgent_free(struct urgent *u)
{
	if (!u)
		return;
	if (u->ready)
		event_free(u->ready);
	if (u->epoll >= 0)
		close(u->epoll);
	free(u);
}

enum err urgent_add(struct urgent *u, struct urgent_watch *w, int fd, void (*fn)(void *ctx),
    void *ctx, struct error *e)
{
	struct epoll_event want = {.events = EPOLLIN, .data.ptr = w};

	if (epoll_ctl(u->epoll, EPOLL_CTL_ADD, fd, &want) != 0)
		return error_sys(e, errno, "epoll");
	*w = (struct urgent_watch){.set = u, .fd = fd, .fn = fn, .ctx = ctx};
	return ERR_OK;
}

void urgent_remove(struct urgent_watch *w)
{
	if (w->set)
		epoll_ctl(w->set->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->set = NULL;
}
