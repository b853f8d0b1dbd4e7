#include "keeper/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the cgroup2 hierarchy is mounted (mountinfo: ID PARENT MAJ:MIN ROOT POINT ... - TYPE). */
static bool mount_point(char out[4096])
{
	static char line[8192];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	while (f && !found && fgets(line, sizeof(line), f)) {
		const char *type = strstr(line, " - ");
		found = type && strncmp(type + 3, "cgroup2 ", 8) == 0 &&
			sscanf(line, "%*s %*s %*s %*s %4095s", out) == 1;
	}
	if (f)
		fclose(f);
	return found;
}

static void own_path(char out[4096])
{
	static char line[8192];
	FILE *f = fopen("/proc/self/cgroup", "re");
	out[0] = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::/", 4) == 0 && strncmp(line + 4, "..", 2) != 0)
			snprintf(out, 4096, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
	}
	if (f)
		fclose(f);
}

static bool make_under(struct keeper *k, const char *mount, const char *path)
{
	free(k->cgroup_path);
	if (asprintf(&k->cgroup_path, "%s%s/hero_proc-%016llx", mount, path,
		(unsigned long long)k->id) < 0)
		k->cgroup_path = NULL;
	if (!k->cgroup_path || (mkdir(k->cgroup_path, 0755) < 0 && errno != EEXIST))
		return false;
	k->cgroup_fd = open(k->cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->cgroup_fd < 0 || faccessat(k->cgroup_fd, "cgroup.procs", W_OK, AT_EACCESS) == 0)
		return k->cgroup_fd >= 0;
	close(k->cgroup_fd);
	k->cgroup_fd = -1;
	return false;
}

void cgroup_find(struct keeper *k)
{
	static char mount[4096], own[4096];
	if (!mount_point(mount))
		return;
	own_path(own);
	if (!make_under(k, mount, strcmp(own, "/") == 0 ? "" : own))
		make_under(k, mount, "");
}

static int make(const struct keeper *k, uint64_t token)
{
	char name[17];
	token_hex(name, token);
	if (mkdirat(k->cgroup_fd, name, 0755) < 0 && errno != EEXIST)
		return -1;
	int fd = openat(k->cgroup_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) /* without descriptors: nobody would ever remove it */
		unlinkat(k->cgroup_fd, name, AT_REMOVEDIR);
	return fd;
}

void cgroup_drop_next(struct keeper *k)
{
	char name[17];
	if (k->next_cgroup_fd < 0)
		return;
	close(k->next_cgroup_fd);
	k->next_cgroup_fd = -1;
	token_hex(name, k->next_token);
	unlinkat(k->cgroup_fd, name, AT_REMOVEDIR);
}

void cgroup_make_next(struct keeper *k)
{
	if (k->cgroup_fd >= 0 && k->next_token && k->next_cgroup_fd < 0)
		k->next_cgroup_fd = make(k, k->next_token);
}

int cgroup_open(struct keeper *k, struct job *j)
{
	int fd = k->next_cgroup_fd;
	if (k->cgroup_fd < 0)
		return -1;
	if (fd >= 0 && k->next_token == j->token) {
		k->next_cgroup_fd = -1;
	} else {
		cgroup_drop_next(k);
		fd = make(k, j->token);
	}
	k->next_token = j->token + 1;
	j->has_cgroup = fd >= 0;
	return fd;
}

/* Depth first: the job may have made cgroups of its own. */
static void remove_tree(int parent, const char *name)
{
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			remove_tree(fd, e->d_name);
	}
	if (d)
		closedir(d);
	unlinkat(parent, name, AT_REMOVEDIR);
}

void cgroup_remove(struct keeper *k, struct job *j)
{
	char name[17];
	if (!j->has_cgroup)
		return;
	token_hex(name, j->token);
	remove_tree(k->cgroup_fd, name);
	j->has_cgroup = false;
}

static int open_file(const struct keeper *k, const struct job *j, const char *file, int flags)
{
	char hex[17], path[64];
	token_hex(hex, j->token);
	snprintf(path, sizeof(path), "%s/%s", hex, file);
	return openat(k->cgroup_fd, path, flags | O_CLOEXEC);
}

static bool is_short(void)
{
	return errno == EMFILE || errno == ENFILE;
}

static bool is_populated(int events_fd)
{
	char text[256];
	ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 && strstr(text, "populated 1");
}

bool cgroup_is_empty(struct keeper *k, const struct job *j)
{
	char text[256];
	int fd = j->has_cgroup ? open_file(k, j, "cgroup.events", O_RDONLY) : -1;
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "populated 0") != NULL;
}

static void on_events(struct keeper *k, struct watch *w, uint32_t events)
{
	(void)events;
	if (!is_populated(w->fd))
		k->set_is_empty(k, watch_owner(w, struct job, set));
}

/* Reading arms the notification, so a change between read and epoll is seen. */
void cgroup_watch(struct keeper *k, struct job *j)
{
	j->set.fd = open_file(k, j, "cgroup.events", O_RDONLY);
	j->set.fn = on_events;
	if (j->set.fd < 0 && is_short()) {
		reserve_lend(k);
		j->set.fd = open_file(k, j, "cgroup.events", O_RDONLY);
		k->watches_due = k->watches_due || (j->set.fd < 0 && is_short());
		reserve_fill(k);
		if (j->set.fd < 0 && k->watches_due)
			return; /* not to be seen is not to be empty */
	}
	if (j->set.fd < 0 && cgroup_is_gone(k, j)) {
		j->escaped = true; /* it could be removed because its processes were moved out */
		k->sets_due = true;
		return;
	}
	if (j->set.fd >= 0 && is_populated(j->set.fd))
		watch_add(k, &j->set, EPOLLPRI);
	else
		k->set_is_empty(k, j);
}

/* /proc/PID/cgroup, the line of version 2: "0::/.../<token>", or something below that. */
static enum set_answer where_is(const struct job *j, pid_t pid)
{
	char path[64], text[4096], part[20];
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return SET_GONE; /* or hidden */
	text[n] = '\0';
	part[0] = '/';
	token_hex(part + 1, j->token);
	const char *at = strstr(text, part);
	return at && strchr("/\n", at[17]) ? SET_YES : SET_NO;
}

/* In the list of the cgroup itself: where /proc does not show it. */
static bool is_listed(const struct keeper *k, const struct job *j, pid_t pid)
{
	char text[16384], line[16];
	int fd = open_file(k, j, "cgroup.procs", O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, text + 1, sizeof(text) - 2) : -1;
	if (fd >= 0)
		close(fd);
	text[0] = '\n';
	text[n > 0 ? n + 1 : 1] = '\0';
	snprintf(line, sizeof(line), "\n%d\n", (int)pid);
	return strstr(text, line) != NULL;
}

static bool is_member(const struct keeper *k, const struct job *j, pid_t pid)
{
	const enum set_answer where = where_is(j, pid);
	return where == SET_YES || (where == SET_GONE && is_listed(k, j, pid));
}

/* The number may be used again before the signal: pidfd first, then compare.  false: errno is that
 * of a descriptor that was not to be had, or 0. */
static bool signal_member(const struct keeper *k, const struct job *j, pid_t pid, int signo)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return false;
	bool sent = is_member(k, j, pid) && syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) == 0;
	int sys = is_short() ? errno : 0;
	close(fd);
	errno = sys;
	return sent;
}

/* The leader first: its pidfd is open, and it is mostly alone. */
static bool signal_first(const struct job *j, int signo)
{
	return !j->exited && j->exit.fd >= 0 &&
	       syscall(SYS_pidfd_send_signal, j->exit.fd, signo, NULL, 0) == 0;
}

struct signalling {
	const struct keeper *k;
	const struct job *j;
	int signo;
	pid_t first;   /* signalled already; 0: nobody is */
	bool any, few; /* somebody else was; somebody was not, for want of descriptors */
};

/* Members of `text`, a line each; *pid carries a number over to the next part. */
static void signal_listed(struct signalling *s, const char *text, ssize_t n, pid_t *pid)
{
	for (ssize_t i = 0; i < n && (s->any || !s->few); i++) {
		if (text[i] != '\n') {
			*pid = *pid * 10 + (text[i] - '0');
			continue;
		}
		if (*pid != s->first && signal_member(s->k, s->j, *pid, s->signo))
			s->any = true;
		else if (*pid != s->first)
			s->few = s->few || is_short();
		*pid = 0;
	}
}

/* false: nobody but the first was signalled, for want of descriptors. */
static bool signal_members(struct keeper *k, const struct job *j, int signo, pid_t first)
{
	char text[4096];
	int fd = open_file(k, j, "cgroup.procs", O_RDONLY);
	struct signalling s = {
	    .k = k, .j = j, .signo = signo, .first = first, .few = fd < 0 && is_short()};
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : 0;
	pid_t pid = 0;
	for (; n > 0 && (s.any || !s.few); n = read(fd, text, sizeof(text)))
		signal_listed(&s, text, n, &pid);
	if (fd >= 0)
		close(fd);
	return s.any || !s.few;
}

void cgroup_signal(struct keeper *k, const struct job *j, int signo)
{
	pid_t first = signal_first(j, signo) ? j->pid : 0;
	if (signal_members(k, j, signo, first))
		return;
	reserve_lend(k);
	signal_members(k, j, signo, first);
	reserve_fill(k);
}

static bool write_kill(struct keeper *k, const struct job *j)
{
	int fd = open_file(k, j, "cgroup.kill", O_WRONLY);
	bool ok = fd >= 0 && write(fd, "1", 1) == 1;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Before Linux 5.14 there is no cgroup.kill: one by one, a fork may slip through. */
void cgroup_kill(struct keeper *k, const struct job *j)
{
	bool ok = write_kill(k, j);
	if (!ok) {
		reserve_lend(k);
		ok = write_kill(k, j);
		reserve_fill(k);
	}
	if (!ok)
		cgroup_signal(k, j, SIGKILL);
}

bool cgroup_has(const struct job *j, pid_t pid)
{
	return where_is(j, pid) == SET_YES;
}

bool cgroup_was_left(const struct job *j, pid_t pid)
{
	return where_is(j, pid) == SET_NO;
}

bool cgroup_is_gone(const struct keeper *k, const struct job *j)
{
	char name[17];
	token_hex(name, j->token);
	return faccessat(k->cgroup_fd, name, F_OK, 0) < 0 && errno == ENOENT;
}
