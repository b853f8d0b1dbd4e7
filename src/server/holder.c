#include "server/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STATE_LISTEN 0x0Au /* TCP_LISTEN of net/tcp_states.h */

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_at(const char *local, unsigned addr)
{
	size_t n = strlen(local);
	unsigned at;

	/* A listener of IPv6 is in the way with its last word: `::` or a mapped address. */
	if (n < 8 || sscanf(local + n - 8, "%8X", &at) != 1)
		return false;
	return at == addr || !at || !addr;
}

static unsigned long inode_in(const char *table, unsigned addr, unsigned port)
{
	FILE *f = fopen(table, "re");
	char line[512], local[33];
	unsigned at, state;
	unsigned long inode, found = 0;

	if (!f)
		return 0;
	while (!found && fgets(line, sizeof(line), f))
		if (sscanf(line, " %*u: %32[0-9A-F]:%X %*s %X %*s %*s %*s %*u %*u %lu", local, &at,
			&state, &inode) == 4 &&
		    at == port && state == STATE_LISTEN && is_at(local, addr))
			found = inode;
	fclose(f);
	return found;
}

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

static bool owner_of(unsigned long inode, pid_t *out)
{
	long end = now_ms() + HOLDER_SEARCH_MS;
	const struct dirent *p;
	bool found = false;
	char link[64];
	DIR *proc = opendir("/proc");

	if (!proc)
		return false;
	snprintf(link, sizeof(link), "socket:[%lu]", inode);
	while (!found && now_ms() < end && (p = readdir(proc)))
		if (isdigit((unsigned char)p->d_name[0]) && has_open(p->d_name, link)) {
			*out = (pid_t)strtol(p->d_name, NULL, 10);
			found = true;
		}
	closedir(proc);
	return found;
}

bool holder_of_port(unsigned addr, unsigned port, pid_t *out)
{
	unsigned long inode = inode_in("/proc/net/tcp", addr, port);

	if (!inode)
		inode = inode_in("/proc/net/tcp6", addr, port);
	return inode && owner_of(inode, out);
}

void holder_command(pid_t pid, char *out, size_t size)
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
