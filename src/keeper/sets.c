#include "keeper/keeper.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Without cgroups.  When a process dies its children go to the keeper (child
 * subreaper), so once the leader is gone, the set is not empty if and only if
 * some child of the keeper belongs to it: by the leader's session or, if it left
 * that, by the token in its environment.  A process that does away with both
 * and daemonises is out of reach; only cgroups hold it.
 *
 * A process may be moved out of its cgroup by somebody else, and an empty cgroup may be removed.
 * Such a set (`escaped`) is held in both ways.
 */

static bool is_scanned(const struct job *j)
{
	return !j->has_cgroup || j->escaped;
}

static void adopt(struct keeper *k, const char *name)
{
	char *end;
	uint64_t token = strtoull(name, &end, 16);
	if (*end || end - name != 16 || !token)
		return;
	struct job *j = job_find(k, token);
	if (!j && unlinkat(k->cgroup_fd, name, AT_REMOVEDIR) == 0)
		return; /* nobody is in it, or it was made for a job that never came */
	if (!j && !(j = job_new(k, token)))
		return;
	j->has_cgroup = true;
	if (j->adopted && !j->exited)
		return;
	j->lost = !j->exited;
	if (!j->exited || j->empty)
		k->exited_left++;
	j->exited = true;
	j->empty = false;
	cgroup_watch(k, j);
}

/* Processes that outlived a former keeper: their exits are lost, but they are
 * listed, can be killed, and SET_EMPTY follows.  Journalled exits come first. */
static void adopt_all(struct keeper *k)
{
	int fd = openat(k->cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	for (struct dirent *e; d && (e = readdir(d));)
		adopt(k, e->d_name);
	if (d)
		closedir(d);
}

void sets_init(struct keeper *k)
{
	k->cgroup_fd = k->next_cgroup_fd = -1;
	if (!getenv(KEEPER_CGROUP_OFF))
		cgroup_find(k);
	if (k->cgroup_fd >= 0)
		adopt_all(k);
}

void sets_release(struct keeper *k)
{
	struct job_iter it = {0};
	struct job *j;
	while ((j = job_each(k, &it)))
		cgroup_remove(k, j);
	cgroup_drop_next(k);
	if (k->cgroup_path)
		rmdir(k->cgroup_path);
}

void set_leader_ended(struct keeper *k, struct job *j)
{
	if (is_scanned(j))
		k->sets_due = true;
	else
		cgroup_watch(k, j);
}

void sets_watch_again(struct keeper *k)
{
	struct job_iter it = {0};
	struct job *j;
	k->watches_due = false;
	while (!k->watches_due && (j = job_each(k, &it))) {
		if (!is_scanned(j) && j->exited && !j->empty && j->set.fd < 0)
			cgroup_watch(k, j);
	}
}

static struct job *job_of_session(const struct keeper *k, pid_t session)
{
	struct job_iter it = {0};
	struct job *j = job_find_pid(k, session);
	if (j)
		return j;
	while ((j = job_each(k, &it))) {
		if (j->session == session && !j->empty)
			return j;
	}
	return NULL;
}

/* The job that a child of the keeper, which is no leader, belongs to; or NULL. */
static struct job *job_of_orphan(const struct keeper *k, pid_t pid, bool *unsure)
{
	if (pid == k->server.pid || job_find_pid(k, pid))
		return NULL;
	pid_t session = getsid(pid);
	struct job *j = session > 0 && session != getsid(0) ? job_of_session(k, session) : NULL;
	uint64_t token = j ? 0 : process_token(k, pid);
	*unsure = *unsure || token == PROCESS_UNSURE;
	return j ? j : job_find(k, token);
}

/* Where orphans are to be looked for: those of adopted jobs went to somebody else's subreaper. */
static bool candidates(const struct keeper *k, struct pids *out)
{
	return k->scattered ? processes(out) : children_of(getpid(), out);
}

/* The number of a child can not be used again; any other is held, then looked at once more. */
static void signal_orphan(const struct keeper *k, const struct job *j, pid_t pid, int signo)
{
	bool unsure = false;
	if (!k->scattered) {
		kill(pid, signo);
		return;
	}
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0 && job_of_orphan(k, pid, &unsure) == j)
		syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
	if (fd >= 0)
		close(fd);
}

static bool child_signal_pending(const struct keeper *k)
{
	struct pollfd p = {.fd = k->signals.fd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

static bool has_no_member(struct keeper *k, const struct job *j)
{
	return !j->has_cgroup || cgroup_is_empty(k, j) || cgroup_is_gone(k, j);
}

/* A child that died meanwhile may have hidden another from the list: then its
 * SIGCHLD is pending, and the next pass looks again. */
void sets_check(struct keeper *k)
{
	k->sets_due = false;
	struct job_iter it = {0};
	struct job *j;
	bool wanted = false, unsure = false, elsewhere = false;
	while (k->exited_left && (j = job_each(k, &it))) {
		wanted = wanted || (j->exited && !j->empty && is_scanned(j));
		elsewhere = elsewhere || (j->exited && !j->empty && j->scattered);
	}
	if (!wanted)
		return;
	struct pids all = {0};
	reserve_lend(k);			 /* what can not be read looks like an empty set */
	const bool listed = candidates(k, &all); /* else /proc is hidden */
	k->unlisted = !listed;
	bool complete = listed;
	for (size_t i = 0; i < all.n; i++) {
		if (!(j = job_of_orphan(k, all.v[i], &unsure)))
			continue;
		j->seen = true;
		if (j->killing)
			signal_orphan(k, j, all.v[i], SIGKILL);
	}
	reserve_fill(k);
	pids_release(&all);
	complete = complete && !unsure && !child_signal_pending(k);
	k->sets_due = unsure || elsewhere || !listed; /* nobody tells when to ask again */
	it = (struct job_iter){0};
	while ((j = job_each(k, &it))) {
		if (complete && j->exited && !j->seen && is_scanned(j) && has_no_member(k, j))
			k->set_is_empty(k, j);
		j->seen = false;
	}
}

static void signal_leader(const struct job *j, int signo)
{
	if (j->exit.fd >= 0 && !j->exited)
		syscall(SYS_pidfd_send_signal, j->exit.fd, signo, NULL, 0);
}

/* A descendant may die and its number be used again between the list and the
 * signal: the pidfd is opened first, then it must still be below a member. */
static void signal_if_below(pid_t root, pid_t pid, int signo)
{
	struct process_stat st = {.parent = pid};
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return;
	while (st.parent > 1 && st.parent != root && process_stat(st.parent, &st))
		;
	if (st.parent == root)
		syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
	close(fd);
}

/* All below a member, deepest first, so that the way up to the member still stands. */
static void signal_below(pid_t member, int signo)
{
	struct pids below = {0};
	children_of(member, &below);
	for (size_t i = 0; i < below.n; i++)
		children_of(below.v[i], &below);
	for (size_t i = below.n; i > 0; i--)
		signal_if_below(member, below.v[i - 1], signo);
	pids_release(&below);
}

static bool is_below(pid_t pid, pid_t root)
{
	struct process_stat st = {.parent = pid};
	while (st.parent > 1 && st.parent != root && process_stat(st.parent, &st))
		;
	return st.parent == root;
}

static void signal_by_descent(struct keeper *k, struct job *j, int signo)
{
	struct pids all = {0};
	bool unsure = false; /* one that executes for that long is not waited for */
	if (!candidates(k, &all) && j->pid > 0 && !j->adopted) {
		/* Without /proc nobody can be named.  While its leader is not reaped, the number is
		 * that of its process group. */
		kill(-j->pid, signo);
		pids_release(&all);
		return;
	}
	for (size_t i = 0; i < all.n; i++) {
		if (job_of_orphan(k, all.v[i], &unsure) != j)
			continue;
		if (j->scattered && !j->exited && is_below(all.v[i], j->pid))
			continue; /* it follows */
		if (!k->scattered)
			signal_below(all.v[i], signo);
		signal_orphan(k, j, all.v[i], signo);
	}
	pids_release(&all);
	if (!j->exited) {
		signal_below(j->pid, signo);
		signal_leader(j, signo);
	}
}

enum set_answer set_has(const struct keeper *k, const struct job *j, pid_t pid)
{
	struct process_stat st = {0};
	if (pid > 0 && pid == j->session && (j->pid || !j->adopted))
		return SET_YES;
	if (pid <= 0)
		return SET_NO; /* of another pid namespace: never one of ours */
	if (!process_stat(pid, &st) || st.state == 'Z' || st.state == 'X')
		return SET_GONE;
	if (j->has_cgroup && cgroup_has(j, pid))
		return SET_YES;
	bool is = getsid(pid) == j->session || process_token(k, pid) == j->token ||
		  (j->pid && is_below(pid, j->pid));
	return is ? SET_YES : SET_NO;
}

/* The leader or something below it; once it has ended they are orphans (exits.c). */
static void look_for_escaped(struct job *j)
{
	struct pids below = {0};
	if (!j->has_cgroup || j->exited || !j->pid)
		return;
	children_of(j->pid, &below);
	for (size_t i = 0; i < below.n; i++)
		children_of(below.v[i], &below);
	j->escaped = j->escaped || cgroup_was_left(j, j->pid);
	for (size_t i = 0; i < below.n && !j->escaped; i++)
		j->escaped = cgroup_was_left(j, below.v[i]);
	pids_release(&below);
}

/* By descent the reserve is needed at every step.  One by one reaches those outside, too, and
 * nobody is signalled twice. */
static void signal_all(struct keeper *k, struct job *j, int signo)
{
	look_for_escaped(j);
	if (j->has_cgroup && signo == SIGKILL)
		cgroup_kill(k, j);
	else if (!is_scanned(j))
		cgroup_signal(k, j, signo);
	if (is_scanned(j)) {
		reserve_lend(k);
		signal_by_descent(k, j, signo);
		reserve_fill(k);
	}
}

void set_signal(struct keeper *k, struct job *j, int signo, enum keeper_scope scope)
{
	if (scope == KEEPER_SCOPE_LEADER) {
		signal_leader(j, signo);
	} else if (scope == KEEPER_SCOPE_KILL) {
		j->killing = true;
		signal_all(k, j, SIGKILL);
		k->sets_due = true;
	} else {
		signal_all(k, j, signo);
	}
}
