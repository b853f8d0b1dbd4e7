#include "keeper/child.h"
#include "keeper/keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A keeper was killed, and its server became this one (keeper_protocol.h, "A keeper that is
 * killed").  Its jobs are not our children: pidfds tell that they ended, and how.
 */

/* ---- reading ------------------------------------------------------------------------ */

static int take_inherited(int fd)
{
	if (fd < KEEPER_ESTATE_FD || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return fd;
}

static void take_token(struct keeper *k, const struct keeper_msg *m, const char *text)
{
	struct job *j = m->token && !job_find(k, m->token) ? job_new(k, m->token) : NULL;
	int pidfd = take_inherited(m->value);
	if (!j)
		return;
	j->adopted = true;
	j->notifies = m->flags & KEEPER_IS_NOTIFYING;
	j->exited = j->acked = j->empty = m->flags & KEEPER_IS_EXITED;
	j->session = m->pid;
	j->label = malloc(m->text_bytes + 1u);
	if (j->label) {
		memcpy(j->label, text, m->text_bytes);
		j->label_bytes = m->text_bytes;
	}
	if (!j->exited && m->pid > 0 && pidfd >= 0) {
		job_set_pid(k, j, m->pid, pidfd);
		j->uid = process_uid(m->pid);
	}
}

static void take_held(struct keeper *k, const struct keeper_msg *m, const char *text)
{
	int fd = take_inherited(m->value);
	struct job *j = fd >= 0 && m->token ? job_find(k, m->token) : NULL;
	held_put(k, text, m->token, fd);
	if (j)
		j->n_held++;
}

static void take_record(struct keeper *k, const struct keeper_msg *m, const char *text)
{
	struct job *j;
	if (m->kind == KEEPER_HELLO)
		k->boot = m->token;
	else if (m->kind == KEEPER_TOKEN)
		take_token(k, m, text);
	else if (m->kind == KEEPER_HELD)
		take_held(k, m, text);
	else if (m->kind == KEEPER_NOTIFY && (j = job_find(k, m->token)) && !j->state)
		j->state = strdup(text);
}

static void take_all(struct keeper *k, const char *all, size_t n)
{
	struct keeper_msg m;
	char text[KEEPER_TEXT_MAX + 1];
	for (size_t at = 0; at + sizeof(m) <= n; at += sizeof(m) + m.text_bytes) {
		memcpy(&m, all + at, sizeof(m));
		if (m.version != KEEPER_VERSION || m.text_bytes > KEEPER_TEXT_MAX ||
		    at + sizeof(m) + m.text_bytes > n)
			return;
		memcpy(text, all + at + sizeof(m), m.text_bytes);
		text[m.text_bytes] = '\0';
		take_record(k, &m, text);
	}
}

void handover_read(struct keeper *k)
{
	const char *given = getenv(KEEPER_ESTATE_ENV);
	struct stat st;
	int fd = given ? (int)strtol(given, NULL, 10) : -1;
	unsetenv(KEEPER_ESTATE_ENV);
	if (fd < KEEPER_ESTATE_FD || fstat(fd, &st) < 0)
		return;
	char *all = malloc((size_t)st.st_size + 1);
	k->is_heir = all && pread(fd, all, (size_t)st.st_size, 0) == st.st_size;
	if (k->is_heir)
		take_all(k, all, (size_t)st.st_size);
	free(all);
	close(fd);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static size_t owned(const struct keeper *k, int *out)
{
	struct job_iter it = {0};
	struct job *j;
	size_t n = 0;
	for (; (j = job_each(k, &it)); n += j->exit.fd >= 0) {
		if (out && j->exit.fd >= 0)
			out[n] = j->exit.fd;
	}
	for (size_t i = 0; i < HELD_BUCKETS; i++) {
		for (const struct held *h = k->held[i]; h; h = h->next, n++) {
			if (out)
				out[n] = h->fd;
		}
	}
	return n;
}

void handover_close_others(const struct keeper *k)
{
	size_t n = owned(k, NULL);
	unsigned from = SLOTS_BEGIN;
	int *fds = calloc(n + 1, sizeof(*fds));
	if (!fds)
		return;
	owned(k, fds);
	qsort(fds, n, sizeof(*fds), by_number);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned)fds[i] > from)
			syscall(SYS_close_range, from, (unsigned)fds[i] - 1, 0u);
		from = (unsigned)fds[i] + 1;
	}
	syscall(SYS_close_range, from, ~0u, 0u);
	free(fds);
}

/* ---- attempts that were asked for, and not answered ------------------------------------ */

static bool is_asked_for(const struct job *j)
{
	return j && j->adopted && !j->exited && !j->pid;
}

/* The leader of a session is the process that the keeper made. */
static void look_at(struct keeper *k, pid_t pid)
{
	struct job *j = getsid(pid) == pid ? job_find(k, process_token(k, pid)) : NULL;
	if (!is_asked_for(j))
		return;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0 && process_token(k, pid) == j->token) {
		job_set_pid(k, j, pid, fd);
		j->uid = process_uid(pid);
	} else if (fd >= 0) {
		close(fd);
	}
}

void handover_look_for(struct keeper *k)
{
	struct job_iter it = {0};
	struct pids all = {0};
	struct job *j;
	bool wanted = false;
	while (!wanted && (j = job_each(k, &it)))
		wanted = is_asked_for(j);
	if (wanted)
		processes(&all);
	for (size_t i = 0; i < all.n; i++)
		look_at(k, all.v[i]);
	pids_release(&all);
	it = (struct job_iter){0};
	while (wanted && (j = job_each(k, &it))) {
		if (is_asked_for(j))
			job_drop(k, j);
	}
}

/* ---- going on -------------------------------------------------------------------------- */

static void settle(struct keeper *k, struct job *j)
{
	char name[64];
	if (j->exited) { /* told by the journal, or only its set was left */
		watch_close(k, &j->exit);
		job_forget_pid(k, j);
		job_finish_later(k, j);
		return;
	}
	j->scattered = !j->has_cgroup;
	k->scattered += j->scattered;
	job_watch_exit(k, j);
	if (j->notifies)
		notify_open(k, j, name);
}

void handover_settle(struct keeper *k)
{
	struct job_iter it = {0};
	struct process_stat self = {0};
	struct job *j;
	while ((j = job_each(k, &it))) {
		if (j->adopted)
			settle(k, j);
	}
	if (!k->boot && process_stat(getpid(), &self))
		k->boot = (self.start_ticks << 22 ^ (uint64_t)getpid()) & INT64_MAX;
}
