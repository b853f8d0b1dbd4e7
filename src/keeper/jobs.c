#include "keeper/keeper.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORPHANS_MAX 64

static size_t slot(const struct job_table *t, uint64_t key)
{
	return (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (t->size - 1);
}

static void link_token(struct job_table *t, struct job *j)
{
	struct job **head = &t->by_token[slot(t, j->token)];
	j->next_by_token = *head;
	*head = j;
}

static void link_pid(struct job_table *t, struct job *j)
{
	struct job **head = &t->by_pid[slot(t, (uint64_t)j->pid)];
	j->next_by_pid = *head;
	*head = j;
}

static bool grow(struct job_table *t)
{
	struct job_table old = *t;
	struct job_table big = {.size = old.size ? old.size * 2 : 64, .n = old.n};
	big.by_token = calloc(big.size, sizeof(struct job *));
	big.by_pid = calloc(big.size, sizeof(struct job *));
	if (!big.by_token || !big.by_pid) {
		free(big.by_token);
		free(big.by_pid);
		return old.size != 0;
	}
	*t = big;
	for (size_t i = 0; i < old.size; i++) {
		for (struct job *j = old.by_token[i], *next; j; j = next) {
			next = j->next_by_token;
			link_token(t, j);
			if (j->pid)
				link_pid(t, j);
		}
	}
	free(old.by_token);
	free(old.by_pid);
	return true;
}

struct job *job_new(struct keeper *k, uint64_t token)
{
	struct job *j = calloc(1, sizeof(*j));
	if (!j || (k->jobs.n >= k->jobs.size && !grow(&k->jobs))) {
		free(j);
		return NULL;
	}
	j->token = token;
	j->exit.fd = j->notify.fd = j->set.fd = -1;
	k->jobs.n++;
	link_token(&k->jobs, j);
	return j;
}

void job_set_pid(struct keeper *k, struct job *j, pid_t pid, int take_pidfd)
{
	j->pid = j->session = pid;
	j->exit.fd = take_pidfd;
	link_pid(&k->jobs, j);
}

void job_forget_pid(struct keeper *k, struct job *j)
{
	if (!j->pid)
		return;
	struct job **p = &k->jobs.by_pid[slot(&k->jobs, (uint64_t)j->pid)];
	while (*p != j)
		p = &(*p)->next_by_pid;
	*p = j->next_by_pid;
	j->pid = 0;
}

void job_drop(struct keeper *k, struct job *j)
{
	watch_close(k, &j->exit);
	watch_close(k, &j->notify);
	watch_close(k, &j->set);
	struct job **p = &k->jobs.by_token[slot(&k->jobs, j->token)];
	while (*p != j)
		p = &(*p)->next_by_token;
	*p = j->next_by_token;
	job_forget_pid(k, j);
	k->jobs.n--;
	k->scattered -= j->scattered;
	cgroup_remove(k, j);
	j->next_dead = k->dead;
	k->dead = j;
}

struct job *job_find(const struct keeper *k, uint64_t token)
{
	struct job *j = k->jobs.size ? k->jobs.by_token[slot(&k->jobs, token)] : NULL;
	while (j && j->token != token)
		j = j->next_by_token;
	return j;
}

struct job *job_find_pid(const struct keeper *k, pid_t pid)
{
	struct job *j = k->jobs.size ? k->jobs.by_pid[slot(&k->jobs, (uint64_t)pid)] : NULL;
	while (j && j->pid != pid)
		j = j->next_by_pid;
	return j;
}

struct job *job_each(const struct keeper *k, struct job_iter *it)
{
	if (it->begun && it->next == NULL)
		it->bucket++;
	while (!it->next && it->bucket < k->jobs.size) {
		it->next = k->jobs.by_token[it->bucket];
		if (!it->next)
			it->bucket++;
	}
	it->begun = true;
	struct job *j = it->next;
	if (j)
		it->next = j->next_by_token;
	return j;
}

static int64_t usec(struct timeval t)
{
	return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

/* The books of an end (its cgroup, the zombie, its number) cost more than the end itself, and
 * nobody waits for them: they are kept one by one while there is nothing else to do. */
void job_finish_later(struct keeper *k, struct job *j)
{
	if (j->is_done)
		return;
	j->is_done = true;
	j->next_done = NULL;
	*k->done_end = j;
	k->done_end = &j->next_done;
	k->n_done++;
}

static void finish(struct keeper *k, struct job *j)
{
	if (j->empty)
		cgroup_remove(k, j);
	if (!j->acked)
		return;
	watch_close(k, &j->exit);
	if (!j->lost && !j->adopted && j->pid)
		waitid(P_PID, (id_t)j->pid, &(siginfo_t){0}, WEXITED | WNOHANG);
	job_forget_pid(k, j);
	if (k->reaps_put_off && !k->done)
		jobs_reap(k);
	if (j->empty && !j->n_held)
		job_drop(k, j);
}

/* Its label says whose the last lines in a pipe are. */
void job_held_less(struct keeper *k, uint64_t token)
{
	struct job *j = token ? job_find(k, token) : NULL;
	if (j && j->n_held && --j->n_held == 0 && j->acked && j->empty)
		job_finish_later(k, j);
}

bool jobs_finish_one(struct keeper *k)
{
	struct job *j = k->done;
	if (!j)
		return false;
	k->done = j->next_done;
	if (!k->done)
		k->done_end = &k->done;
	k->n_done--;
	j->is_done = false;
	finish(k, j);
	return true;
}

void jobs_finish(struct keeper *k, size_t left)
{
	while (k->n_done > left && jobs_finish_one(k))
		;
}

/* The status is only looked at (WNOWAIT): the zombie stays until job_ack(). */
static bool child_exit(const struct job *j, struct keeper_exit_info *out)
{
	siginfo_t si = {0};
	struct rusage ru = {0};
	if (syscall(SYS_waitid, P_PID, j->pid, &si, WEXITED | WNOHANG | WNOWAIT, &ru) < 0 ||
	    !si.si_pid)
		return false;
	*out = (struct keeper_exit_info){
	    .code = si.si_code,
	    .status = si.si_status,
	    .user_us = usec(ru.ru_utime),
	    .system_us = usec(ru.ru_stime),
	    .max_rss_kib = ru.ru_maxrss,
	};
	return true;
}

static void on_exit_of_leader(struct keeper *k, struct watch *w, uint32_t events)
{
	struct job *j = watch_owner(w, struct job, exit);
	(void)events;
	if (j->adopted) {
		j->lost = !adopted_exit(j, &j->info);
	} else if (!child_exit(j, &j->info)) {
		watch_change(k, w, EPOLLIN | EPOLLONESHOT);
		return;
	}
	notify_drain(k, j);
	j->info.at_ns = now_ns();
	if (j->adopted)
		job_forget_pid(k, j); /* no zombie of ours keeps the number from being used again */
	j->exited = true;
	j->empty = cgroup_is_empty(k, j);
	event_send(k, j, KEEPER_EXITED, -1); /* who waits for it comes before the books */
	journal_exit(k, j);
	if (j->empty) {
		watch_close(k, &j->notify);
		job_finish_later(k, j);
	} else {
		k->exited_left++;
		set_leader_ended(k, j);
	}
}

void job_watch_exit(struct keeper *k, struct job *j)
{
	j->exit.fn = on_exit_of_leader;
	watch_add(k, &j->exit, EPOLLIN | EPOLLONESHOT);
}

void job_ack(struct keeper *k, struct job *j)
{
	if (!j->exited || j->acked)
		return;
	j->acked = true;
	journal_ack(k, j);
	job_finish_later(k, j);
}

void job_set_is_empty(struct keeper *k, struct job *j)
{
	if (j->empty || !j->exited)
		return;
	j->empty = true;
	k->exited_left--;
	notify_drain(k, j);
	event_send(k, j, KEEPER_SET_EMPTY, -1);
	watch_close(k, &j->notify);
	watch_close(k, &j->set);
	job_finish_later(k, j);
}

static bool reap_one(const struct keeper *k, pid_t pid)
{
	if (job_find_pid(k, pid) || pid == k->server.pid)
		return false;
	siginfo_t si = {0};
	return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG) == 0 && si.si_pid;
}

static void reap_all(const struct keeper *k)
{
	struct pids all = {0};
	children_of(getpid(), &all);
	for (size_t i = 0; i < all.n; i++)
		reap_one(k, all.v[i]);
	pids_release(&all);
}

/* Orphans that the subreaper inherited.  waitid(P_ALL) always shows the first
 * zombie; when that is a leader that is kept, the list of children tells, but to
 * read it at each exit would cost with the number of jobs.  So they wait for the
 * next acknowledgement, which takes a leader away, or until there may be many. */
void jobs_reap(struct keeper *k)
{
	siginfo_t si;
	do {
		si = (siginfo_t){0};
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || !si.si_pid)
			k->reaps_put_off = 0;
	} while (si.si_pid && reap_one(k, si.si_pid));
	if (si.si_pid && (k->cgroup_fd < 0 || ++k->reaps_put_off > k->jobs.n + ORPHANS_MAX)) {
		reap_all(k);
		k->reaps_put_off = 0;
	}
	k->sets_due = true;
}
