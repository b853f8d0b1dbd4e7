#include "keeper/keeper.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 20  /* at what could not be seen */
#define DONE_MAX      256 /* more wait for no idle moment */

/* SIGHUP and SIGPIPE are read here and so ignored, while their dispositions stay
 * the default ones, which is what jobs inherit. */
static void on_signals(struct keeper *k, struct watch *w, uint32_t events)
{
	struct signalfd_siginfo si;
	bool child = false;
	(void)events;
	while (read(w->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			child = true;
		else if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			server_ask_shutdown(k);
	}
	if (child)
		jobs_reap(k);
}

static void open_signals(struct keeper *k)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < 5; i++)
		sigaddset(&set, (int[]){SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGPIPE}[i]);
	sigprocmask(SIG_SETMASK, &set, NULL);
	k->signals.fn = on_signals;
	k->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	watch_add(k, &k->signals, EPOLLIN);
}

void keeper_run(struct keeper *k)
{
	struct epoll_event ev[64];
	open_signals(k);
	server_start(k);
	while (!k->ended) {
		int timeout = k->done ? 0 : server_timeout_ms(k);
		if ((k->watches_due || k->sets_due) && (timeout < 0 || timeout > LOOK_AGAIN_MS))
			timeout = LOOK_AGAIN_MS;
		if (k->hanging && (timeout < 0 || timeout > k->hanging_look_ms))
			timeout = k->hanging_look_ms;
		int n = epoll_wait(k->epoll_fd, ev, 64, timeout);
		if (n == 0)
			jobs_finish_one(k);
		for (int i = 0; i < n; i++) {
			struct watch *w = ev[i].data.ptr;
			if (w->fd >= 0)
				w->fn(k, w, ev[i].events);
		}
		if (k->hanging)
			spawns_check(k);
		if (k->sets_due && k->unlisted)
			jobs_reap(k);
		if (k->sets_due)
			sets_check(k);
		if (k->watches_due)
			sets_watch_again(k);
		jobs_finish(k, DONE_MAX);
		jobs_free_dropped(k);
		server_flush(k);
		server_timer(k);
		cgroup_make_next(k);
	}
}
