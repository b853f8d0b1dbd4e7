/*
 * floor.c - the least that a supervisor can do, as the measure of all others.
 *
 *	floor PAYLOAD TRACE < GRAPH
 *
 * Line i of GRAPH names the services (0, 1, ...) that service i needs; all of them are
 * lines before it.  One epoll, a pipe for readiness, a pidfd for the end, a spawn that
 * copies no memory; no state on disk, no definition, no output, no question answered.
 * Prints a line when it waits.  SIGUSR1 starts everything in order; what dies is executed
 * again at once; SIGTERM stops everything in reverse order, then it ends.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_FD   3
#define READY_TEXT "3"

struct service {
	unsigned *needs, *needed_by;
	unsigned n_needs, n_needed_by;
	unsigned missing, above; /* not ready yet; dependents that still run */
	int ready_fd, pidfd;	 /* -1: none */
	bool is_ready;
};

static struct service *all;
static unsigned n_all, n_running;
static bool is_stopping;
static int epoll_fd, signal_fd;
static const char *payload, *trace;

static void add(unsigned **list, unsigned *n, unsigned x)
{
	if ((*n & (*n - 1)) == 0)
		*list = realloc(*list, (*n ? *n * 2 : 1) * sizeof(x));
	(*list)[(*n)++] = x;
}

static void read_graph(FILE *in)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, in) > 0) {
		all = realloc(all, (n_all + 1) * sizeof(*all));
		all[n_all] = (struct service){.ready_fd = -1, .pidfd = -1};
		for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
			unsigned need = (unsigned)strtoul(word, NULL, 10);

			if (need >= n_all)
				errx(2, "line %u needs %u", n_all, need);
			add(&all[n_all].needs, &all[n_all].n_needs, need);
			add(&all[need].needed_by, &all[need].n_needed_by, n_all);
		}
		n_all++;
	}
	free(line);
	for (unsigned i = 0; i < n_all; i++) {
		all[i].missing = all[i].n_needs;
		all[i].above = all[i].n_needed_by;
	}
}

enum { SIGNALS, READY, ENDED };

static void watch(int fd, unsigned kind, unsigned id)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)kind << 32 | id};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0)
		err(1, "epoll_ctl");
}

static void forget(int *fd)
{
	if (*fd < 0)
		return;
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
	close(*fd);
	*fd = -1;
}

struct birth {
	char *argv[5];
	int ready_fd;
};

static int child(void *arg)
{
	const struct birth *b = arg;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(b->ready_fd, READY_FD);
	execv(b->argv[0], b->argv);
	_exit(127);
}

static void spawn(unsigned id)
{
	static char stack[32 << 10] __attribute__((aligned(16)));
	char number[16], ready[] = READY_TEXT;
	struct birth b = {
	    .argv = {(char *)(uintptr_t)payload, (char *)(uintptr_t)trace, number, ready, NULL}};
	int ends[2];

	snprintf(number, sizeof(number), "%u", id);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		err(1, "pipe2");
	b.ready_fd = ends[1];
	if (clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &b,
		&all[id].pidfd) < 0)
		err(1, "clone");
	close(ends[1]);
	all[id].ready_fd = ends[0];
	watch(all[id].ready_fd, READY, id);
	watch(all[id].pidfd, ENDED, id);
	n_running++;
}

static void tell_to_stop(unsigned id)
{
	if (all[id].pidfd >= 0)
		syscall(SYS_pidfd_send_signal, all[id].pidfd, SIGTERM, NULL, 0);
}

static void on_signal(void)
{
	struct signalfd_siginfo s;

	if (read(signal_fd, &s, sizeof(s)) != (ssize_t)sizeof(s))
		return;
	is_stopping = s.ssi_signo != SIGUSR1;
	for (unsigned i = 0; i < n_all; i++) {
		if (is_stopping ? all[i].above > 0 : all[i].n_needs > 0)
			continue;
		if (is_stopping)
			tell_to_stop(i);
		else
			spawn(i);
	}
}

static void on_ready(unsigned id)
{
	char text[8];
	bool said = all[id].ready_fd >= 0 && read(all[id].ready_fd, text, sizeof(text)) > 0;

	if (!said && all[id].ready_fd >= 0 && errno == EAGAIN)
		return; /* the news was of the one before it */
	forget(&all[id].ready_fd);
	if (!said || all[id].is_ready)
		return;
	all[id].is_ready = true;
	for (unsigned i = 0; i < all[id].n_needed_by; i++) {
		unsigned next = all[id].needed_by[i];

		if (--all[next].missing == 0 && !is_stopping)
			spawn(next);
	}
}

static void on_end(unsigned id)
{
	waitid(P_PIDFD, (id_t)all[id].pidfd, &(siginfo_t){0}, WEXITED);
	forget(&all[id].pidfd);
	forget(&all[id].ready_fd);
	n_running--;
	if (!is_stopping) {
		spawn(id);
		return;
	}
	for (unsigned i = 0; i < all[id].n_needs; i++)
		if (--all[all[id].needs[i]].above == 0)
			tell_to_stop(all[id].needs[i]);
}

static void prepare(void)
{
	struct rlimit files;
	sigset_t set;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Above READY_FD, which each child overwrites. */
	signal_fd = fcntl(signalfd(-1, &set, SFD_CLOEXEC), F_DUPFD_CLOEXEC, 10);
	watch(signal_fd, SIGNALS, 0);
}

int main(int argc, char **argv)
{
	struct epoll_event events[64];

	if (argc != 3)
		errx(2, "usage: floor PAYLOAD TRACE < GRAPH");
	payload = argv[1];
	trace = argv[2];
	read_graph(stdin);
	prepare();
	puts("waiting");
	fflush(stdout);
	while (!is_stopping || n_running > 0) {
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			unsigned id = (unsigned)events[i].data.u64;

			switch (events[i].data.u64 >> 32) {
			case SIGNALS: on_signal(); break;
			case READY: on_ready(id); break;
			case ENDED: on_end(id); break;
			}
		}
	}
	return 0;
}
