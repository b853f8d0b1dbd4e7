#include "keeper/keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * What outlived a keeper that was killed together with its server, or that no server knew
 * (estate.c).  Nobody can tell any more how it ends, and nobody reads its pipes.  So it is ended
 * before anything is started: then there is never a second copy.  Each process of a job carries
 * the identity of its keeper's state folder in its environment; without it no process is signalled.
 */
#define LOOK_EVERY_NS 10000000
#define GRACE_NS      (10000 * 1000000ll) /* between TERM and KILL */
#define WAIT_NS	      (15000 * 1000000ll) /* in all: one in uninterruptible sleep stays */

/* A child of a killed keeper whose chdir or execve hangs: it has the command line of that one
 * still, and would execute whenever it can. */
static bool is_unborn(const struct keeper *k, pid_t pid)
{
	struct process_stat st = {0};
	return process_stat(pid, &st) && st.forked_only && getsid(pid) == pid &&
	       process_keeps(pid, k->id);
}

static bool is_stray(const struct keeper *k, pid_t pid)
{
	struct process_stat st = {0};
	const struct job *j;
	if (pid == getpid())
		return false;
	if (is_unborn(k, pid))
		return true;
	if (process_number(pid, KEEPER_ID_ENV) != k->id)
		return false;
	j = k->is_heir ? job_find(k, process_token(k, pid)) : NULL;
	return (!j || j->exited) && process_stat(pid, &st) && st.state != 'Z' && st.state != 'X';
}

static bool was_told(const struct pids *told, pid_t pid)
{
	for (size_t i = 0; i < told->n; i++) {
		if (told->v[i] == pid)
			return true;
	}
	return false;
}

/* The number may be used again meanwhile: the pidfd first, then what it is. */
static void tell(const struct keeper *k, pid_t pid, int signo)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0 && is_stray(k, pid))
		syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
	if (fd >= 0)
		close(fd);
}

static size_t tell_all(const struct keeper *k, struct pids *told, bool kill)
{
	struct pids all = {0};
	size_t n = 0;
	processes(&all);
	for (size_t i = 0; i < all.n; i++) {
		if (!is_stray(k, all.v[i]))
			continue;
		n++;
		if (kill || !was_told(told, all.v[i]))
			tell(k, all.v[i], kill ? SIGKILL : SIGTERM);
		pids_add(told, all.v[i]);
	}
	pids_release(&all);
	return n;
}

void strays_end(const struct keeper *k)
{
	struct pids told = {0};
	int64_t begin = now_ns(), passed = 0;
	size_t n;
	while ((n = tell_all(k, &told, k->is_heir || passed > GRACE_NS)) && passed < WAIT_NS) {
		if (passed == 0)
			say("%zu processes of a former keeper are ended first", n);
		nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_NS}, NULL);
		passed = now_ns() - begin;
	}
	pids_release(&told);
}
