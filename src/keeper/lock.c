#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY_NS 2000000
#define WAIT_NS	      (15000 * 1000000ll)
#define PF_EXITING    0x4 /* of linux/sched.h: field 9 of /proc/PID/stat */

/* As it wrote it, where proc_locks(5) shows no holder: it lives in another pid namespace. */
static pid_t pid_in_file(const struct keeper *k)
{
	char text[32] = "";
	const int fd = openat(k->state_fd, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return (pid_t)strtol(text, NULL, 10);
}

/* Of the lock on this very folder; 0: not to be seen. */
static pid_t holder_of(const struct keeper *k)
{
	struct stat st;
	char line[256];
	unsigned major_number, minor_number;
	unsigned long inode;
	int pid, found = 0;
	FILE *f = fopen("/proc/locks", "re");
	if (fstat(k->state_fd, &st) < 0)
		st.st_ino = 0;
	while (f && !found && fgets(line, sizeof(line), f)) {
		if (strstr(line, "FLOCK") && !strstr(line, "->") &&
		    sscanf(line, "%*s %*s %*s %*s %d %x:%x:%lu", &pid, &major_number, &minor_number,
			&inode) == 4 &&
		    inode == st.st_ino)
			found = pid;
	}
	if (f)
		fclose(f);
	return found ? found : pid_in_file(k);
}

/* SIGKILL was sent to it and it has not noticed yet: a busy machine. */
static bool is_killed(pid_t pid)
{
	char path[40], line[256];
	unsigned long long pending;
	bool killed = false;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "SigPnd: %llx", &pending) == 1 ||
		    sscanf(line, "ShdPnd: %llx", &pending) == 1)
			killed = killed || pending >> (SIGKILL - 1) & 1;
	}
	if (f)
		fclose(f);
	return killed;
}

/* It has ended, or is about to: its descriptors are closed one after the other, and a child
 * that has not executed yet shares them. */
static bool is_over(pid_t pid)
{
	char path[40], line[512], state;
	unsigned flags;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	const bool there = f && fgets(line, sizeof(line), f);
	if (f)
		fclose(f);
	if (!there)
		return kill(pid, 0) < 0 && errno == ESRCH;
	const char *after = strrchr(line, ')');
	if (!after || sscanf(after + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return false;
	return state == 'Z' || state == 'X' || flags & PF_EXITING || is_killed(pid);
}

static void __attribute__((noreturn)) refuse(const struct keeper *k, pid_t holder)
{
	if (holder)
		say("%s is in use by pid %d", k->state_dir, (int)holder);
	else
		say("%s is in use", k->state_dir);
	exit(KEEPER_EXIT_LOCKED);
}

/* The pid in the file is for people. */
static void write_pid(const struct keeper *k)
{
	char pid[32];
	const int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	const int fd = openat(k->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n)
		say("%s/lock: %s", k->state_dir, strerror(errno));
	identity_own_file(&k->server.identity, fd);
	if (fd >= 0)
		close(fd);
}

static bool shares_our_files(pid_t pid)
{
	char path[40], ours[64], theirs[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	const ssize_t a = readlink("/proc/self/ns/mnt", ours, sizeof(ours));
	const ssize_t b = readlink(path, theirs, sizeof(theirs));
	return a <= 0 || b <= 0 || (a == b && memcmp(ours, theirs, (size_t)a) == 0);
}

static bool is_keeper(pid_t pid)
{
	static const char name[] = "hero_proc_keepe"; /* as comm cuts it: proc_pid_comm(5) */
	char path[40], comm[32] = "";
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	FILE *f = fopen(path, "re");
	const bool is =
	    f && fgets(comm, sizeof(comm), f) && strncmp(comm, name, sizeof(name) - 1) == 0;
	if (f)
		fclose(f);
	return is;
}

/* Another keeper of this path, whose folder was removed or moved: it holds no lock on what stands
 * here now, and will make its own folder again.  0: none. */
static pid_t keeper_of_this_path(const struct keeper *k)
{
	struct pids all = {0};
	pid_t found = 0;
	processes(&all);
	for (size_t i = 0; i < all.n && !found; i++) {
		struct process_stat st = {0};
		const pid_t pid = all.v[i];
		if (pid != getpid() && is_keeper(pid) && process_stat(pid, &st) &&
		    !st.forked_only && process_keeps(pid, k->id) && shares_our_files(pid))
			found = pid;
	}
	pids_release(&all);
	return found;
}

/* The pid in the file is ours again, if somebody removed it. */
void lock_renew(const struct keeper *k)
{
	if (pid_in_file(k) != getpid())
		write_pid(k);
}

void lock_take(const struct keeper *k)
{
	const int64_t begin = now_ns();
	while (flock(k->state_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			say("%s: flock: %s", k->state_dir, strerror(errno));
			exit(KEEPER_EXIT_FAILED);
		}
		const pid_t holder = holder_of(k);
		if ((holder && !is_over(holder)) || now_ns() - begin > WAIT_NS)
			refuse(k, holder);
		nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_NS}, NULL);
	}
	for (pid_t other; (other = keeper_of_this_path(k));) {
		if (!is_over(other) || now_ns() - begin > WAIT_NS)
			refuse(k, other);
		nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_NS}, NULL);
	}
	write_pid(k);
}
