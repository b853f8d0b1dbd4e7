#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS	       1000000ll
#define DELAY_FIRST_MS 100
#define CALM_AFTER     (10000 * MS) /* a server that lived this long starts the delays anew */
#define DEATHS_WINDOW  (60000 * MS)
#define ENDING_WAIT    (2000 * MS)
#define CHANNEL_FD     3
#define NOT_EXECUTABLE 127

static void on_channel(struct keeper *k, struct watch *w, uint32_t events)
{
	(void)w, (void)events;
	requests_read(k);
}

static void __attribute__((noreturn)) execute(const struct keeper *k, int fd)
{
	sigset_t none;
	char number[16], nofile[64];
	sigemptyset(&none);
	snprintf(number, sizeof(number), "%d", CHANNEL_FD);
	setsid(); /* Ctrl-C goes to the keeper, which passes it on as a request */
	if (fd == CHANNEL_FD)
		fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, CHANNEL_FD);
	setenv(KEEPER_FD_ENV, number, 1);
	snprintf(nofile, sizeof(nofile), "%llu:%llu", (unsigned long long)k->nofile.rlim_cur,
	    (unsigned long long)k->nofile.rlim_max);
	setenv(KEEPER_NOFILE_ENV, nofile, 1);
	sigprocmask(SIG_SETMASK, &none, NULL);
	upgrade_tell(&k->server.upgrade);
	if (!identity_take(&k->server.identity)) {
		say("can not become the user of the server: %s", strerror(errno));
		_exit(NOT_EXECUTABLE);
	}
	program_execute(&k->server);
	say("can not execute %s: %s", k->server.argv[0], strerror(errno));
	_exit(NOT_EXECUTABLE);
}

static void greet(struct keeper *k)
{
	struct keeper_msg hello = {
	    .kind = KEEPER_HELLO, .pid = getpid(), .value = k->cgroup_fd >= 0, .token = k->boot};
	struct keeper_msg asked = {.kind = KEEPER_SHUTDOWN_ASKED, .value = (int)k->shutdown_asked};
	channel_send(&k->server.channel, &hello, NULL, 0, NULL, 0);
	if (k->shutdown_asked)
		channel_send(&k->server.channel, &asked, NULL, 0, NULL, 0);
}

static void end(struct keeper *k, int status)
{
	struct job_iter it = {0};
	struct job *j;
	k->exit_status = status;
	k->ending_until = now_ns() + ENDING_WAIT;
	while ((j = job_each(k, &it))) {
		if (!j->empty)
			set_signal(k, j, SIGKILL, KEEPER_SCOPE_KILL);
	}
}

static void count_death(struct keeper *k)
{
	struct server *s = &k->server;
	int64_t now = now_ns();
	if (!s->served && s->upgrade.state != UPGRADE_BACK && !k->is_heir)
		program_let_go(s); /* its file may have been mended since */
	s->deaths[s->n_deaths++ % 5] = now;
	if (now - s->started_at > CALM_AFTER)
		s->delay_ms = 0;
	s->next_start_at = now + s->delay_ms * MS;
	s->delay_ms = s->delay_ms ? s->delay_ms * 2 : DELAY_FIRST_MS;
	if (s->delay_ms > s->delay_max_ms)
		s->delay_ms = s->delay_max_ms;
	/* The slot of the next death is that of the fifth last one, this one included. */
	s->safe = s->n_deaths >= 5 && now - s->deaths[s->n_deaths % 5] < DEATHS_WINDOW;
}

static bool is_agreed(int status)
{
	return status == KEEPER_EXIT_DONE || status == KEEPER_EXIT_USAGE ||
	       status == KEEPER_EXIT_LOCKED || status == NOT_EXECUTABLE;
}

static void on_server_exit(struct keeper *k, struct watch *w, uint32_t events)
{
	struct server *s = &k->server;
	siginfo_t si = {0};
	(void)w, (void)events;
	if (waitid(P_PID, (id_t)s->pid, &si, WEXITED | WNOHANG) < 0 || !si.si_pid)
		return;
	requests_read(k);
	watch_close(k, &s->exit);
	epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, s->channel_watch.fd, NULL);
	s->channel_watch.fd = -1;
	channel_release(&s->channel);
	requests_forget_server(k);
	s->running = false;
	s->pid = 0;
	bool exited = si.si_code == CLD_EXITED;
	if (!(exited && s->shutdown_said) && upgrade_server_ended(s, &si))
		server_start(k);
	else if (exited && s->shutdown_said)
		end(k, si.si_status);
	else if (k->jobs.n == 0 && ((exited && is_agreed(si.si_status)) || k->shutdown_asked))
		end(k, exited ? si.si_status : KEEPER_EXIT_FAILED);
	else
		count_death(k);
}

static void watch_server(struct keeper *k, int fd)
{
	struct server *s = &k->server;
	channel_init(&s->channel, fd);
	s->channel_watch = (struct watch){.fn = on_channel, .fd = fd};
	watch_add(k, &s->channel_watch, EPOLLIN);
	k->channel_wants_out = false;
	s->exit =
	    (struct watch){.fn = on_server_exit, .fd = (int)syscall(SYS_pidfd_open, s->pid, 0)};
	watch_add(k, &s->exit, EPOLLIN);
	s->running = true;
	s->shutdown_said = false;
	greet(k);
}

void server_start(struct keeper *k)
{
	static char safe_word[] = "--safe";
	struct server *s = &k->server;
	int pair[2];
	folder_renew(k); /* nobody else looks while there is no server */
	s->next_start_at = 0;
	s->started_at = now_ns();
	s->served = false;
	s->argv[s->argc] = s->safe ? safe_word : NULL;
	program_hold(s);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		count_death(k);
		return;
	}
	s->pid = fork();
	if (s->pid == 0)
		execute(k, pair[1]);
	close(pair[1]);
	if (s->pid > 0) {
		watch_server(k, pair[0]);
	} else {
		say("fork: %s", strerror(errno));
		s->pid = 0;
		close(pair[0]);
		count_death(k);
	}
}

void server_ask_shutdown(struct keeper *k)
{
	struct keeper_msg m = {.kind = KEEPER_SHUTDOWN_ASKED};
	m.value = (int)++k->shutdown_asked;
	if (k->server.running)
		channel_send(&k->server.channel, &m, NULL, 0, NULL, 0);
	else if (k->jobs.n == 0)
		end(k, KEEPER_EXIT_FAILED);
	else
		k->server.next_start_at = now_ns();
}

void server_flush(struct keeper *k)
{
	struct channel *c = &k->server.channel;
	if (!k->server.running)
		return;
	bool done = channel_flush(c);
	if (done && k->notify_due)
		events_due(k);
	if (c->broken) {
		/* Its exit, or our kill, starts the next one, which gets everything by LIST.
		 * One that said goodbye closes its end before it has ended. */
		if (!k->server.shutdown_said)
			syscall(SYS_pidfd_send_signal, k->server.exit.fd, SIGKILL, NULL, 0);
		watch_change(k, &k->server.channel_watch, 0);
		return;
	}
	bool wants = !channel_is_idle(c);
	if (wants != k->channel_wants_out)
		watch_change(k, &k->server.channel_watch, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
	k->channel_wants_out = wants;
}

int server_timeout_ms(const struct keeper *k)
{
	int64_t at = k->ending_until ? k->ending_until : k->server.next_start_at;
	int64_t trial = k->server.upgrade.until;
	if (trial && !k->ending_until && (!at || trial < at))
		at = trial;
	if (!at)
		return -1;
	int64_t left = (at - now_ns() + MS - 1) / MS;
	return left > 0 ? (int)left : 0;
}

static bool anything_lives(const struct keeper *k)
{
	struct job_iter it = {0};
	struct job *j;
	while ((j = job_each(k, &it))) {
		if (!j->empty)
			return true;
	}
	return false;
}

void server_timer(struct keeper *k)
{
	if (k->ending_until)
		k->ended = now_ns() >= k->ending_until || !anything_lives(k);
	else if (k->server.next_start_at && now_ns() >= k->server.next_start_at)
		server_start(k);
	if (k->ending_until || !upgrade_is_due(&k->server.upgrade))
		return;
	requests_read(k); /* what was sent in time counts, though it is read only now */
	if (upgrade_is_due(&k->server.upgrade) && upgrade_time_out(&k->server))
		server_start(k);
}
