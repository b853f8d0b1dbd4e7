#include "keeper/keeper.h"

#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

/* From the end of a leader to the day its token is forgotten. */

#define ORPHANS_MAX 64

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
	j->empty = !j->escaped && cgroup_is_empty(k, j);
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
