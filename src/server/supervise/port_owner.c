#include "server/supervise/port_owner.h"

#include "keeper/keeper_protocol.h"
#include "sys/clock.h"
#include "sys/listeners.h"
#include "sys/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_LISTENS 0x10000u /* __SO_ACCEPTCON of linux/net.h */

static bool has_open(const char *pid, const char *link)
{
	char path[300], target[64];
	bool found = false;
	const struct dirent *fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	DIR *dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (fd = readdir(dir))) {
		n = readlinkat(dirfd(dir), fd->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = 0;
		found = strcmp(target, link) == 0;
	}
	closedir(dir);
	return found;
}

bool port_owner_of_inode(uint64_t inode, pid_t *out)
{
	msec end = clock_mono() + HOLDER_SEARCH_MS;
	const struct dirent *p;
	bool found = false;
	char link[64];
	DIR *proc = opendir("/proc");

	if (!proc)
		return false;
	snprintf(link, sizeof(link), "socket:[%llu]", (unsigned long long)inode);
	while (!found && clock_mono() < end && (p = readdir(proc)))
		if (isdigit((unsigned char)p->d_name[0]) && has_open(p->d_name, link)) {
			*out = (pid_t)strtol(p->d_name, NULL, 10);
			found = true;
		}
	closedir(proc);
	return found;
}

bool port_owner_of_port(unsigned addr, unsigned port, pid_t *out)
{
	struct tcp_listeners l = {0};
	bool found = false;

	listeners_read(&l, port);
	for (size_t i = 0; i < l.n && !found; i++)
		found = listener_covers(&l.v[i], addr) && port_owner_of_inode(l.v[i].inode, out);
	listeners_release(&l);
	return found;
}

/* "Num RefCount Protocol Flags Type St Inode Path" */
static unsigned long inode_of_path(const char *path)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512];
	unsigned flags;
	unsigned long inode, found = 0;
	int at;

	if (!f)
		return 0;
	while (!found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (sscanf(line, "%*x: %*x %*x %x %*x %*x %lu %n", &flags, &inode, &at) == 2 &&
		    flags & SOCKET_LISTENS && strcmp(line + at, path) == 0)
			found = inode;
	}
	fclose(f);
	return found;
}

bool port_owner_of_socket(const char *path, pid_t *out)
{
	unsigned long inode = inode_of_path(path);

	return inode && port_owner_of_inode(inode, out);
}

static uint64_t number_in(const char *text, size_t n, const char *key)
{
	size_t bytes = strlen(key);

	for (size_t at = 0; at < n; at += strlen(text + at) + 1)
		if (strncmp(text + at, key, bytes) == 0 && text[at + bytes] == '=')
			return strtoull(text + at + bytes + 1, NULL, 16);
	return 0;
}

uint64_t port_owner_token(pid_t pid, uint64_t keeper_id, char *buf)
{
	ssize_t n = proc_read(pid, "environ", buf, HOLDER_ENVIRON_MAX);

	return n > 0 && number_in(buf, (size_t)n, KEEPER_ID_ENV) == keeper_id
		   ? number_in(buf, (size_t)n, KEEPER_TOKEN_ENV)
		   : 0;
}

pid_t port_owner_parent(pid_t pid)
{
	struct proc_stat s;

	return proc_stat(pid, &s) ? s.parent : 0;
}

/* ---- another instance --------------------------------------------------------------------- */

/* NUL-ended words one after the other. */
static bool is_rest(const char *words, const char *end, char *const *argv, size_t n)
{
	for (; n && words < end; n--, argv++, words += strlen(words) + 1)
		if (strcmp(words, *argv) != 0)
			return false;
	return !n && words >= end;
}

static bool executes(
    pid_t pid, char *const *argv, size_t n_argv, const struct stat *program, char *buf)
{
	ssize_t n = proc_read(pid, "cmdline", buf, HOLDER_ENVIRON_MAX);
	const char *end = buf + (n > 0 ? n : 0), *second = buf + strlen(buf) + 1;
	char path[64];
	struct stat st;

	if (n <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (is_rest(second, end, argv + 1, n_argv - 1) && stat(path, &st) == 0)
		return st.st_dev == program->st_dev && st.st_ino == program->st_ino;
	return is_rest(second, end, argv, n_argv); /* #! */
}

bool port_owner_instance(char *const *argv, size_t n, uint64_t keeper_id, pid_t *out)
{
	msec until = clock_mono() + HOLDER_INSTANCE_MS;
	struct stat program;
	const struct dirent *p;
	bool found = false;
	DIR *proc = stat(argv[0], &program) == 0 ? opendir("/proc") : NULL;
	char *buf = proc ? malloc(HOLDER_ENVIRON_MAX) : NULL;

	while (buf && !found && clock_mono() < until && (p = readdir(proc))) {
		pid_t pid = (pid_t)strtol(p->d_name, NULL, 10);

		if (pid > 0 && executes(pid, argv, n, &program, buf) &&
		    !port_owner_token(pid, keeper_id, buf)) {
			*out = pid;
			found = true;
		}
	}
	free(buf);
	if (proc)
		closedir(proc);
	return found;
}

void port_owner_command(pid_t pid, char *out, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	*out = 0;
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(out, (int)size, f))
		out[strcspn(out, "\n")] = 0;
	fclose(f);
}
