#include "keeper/keeper.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void watch_add(struct keeper *k, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};
	if (epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, w->fd, &ev) < 0)
		say("epoll_ctl: %s", strerror(errno));
}

void watch_change(struct keeper *k, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};
	epoll_ctl(k->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev);
}

void watch_close(struct keeper *k, struct watch *w)
{
	if (w->fd < 0)
		return;
	epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	close(w->fd);
	w->fd = -1;
}
