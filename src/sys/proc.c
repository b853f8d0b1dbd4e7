#include "sys/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

ssize_t proc_read(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];
	size_t n = 0;
	ssize_t got = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && n < size - 1 && (got = read(fd, out + n, size - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	return fd >= 0 && got >= 0 ? (ssize_t)n : -1;
}

/* The name, field 2, may hold anything, so fields count from the last `)`. */
bool proc_stat(pid_t pid, struct proc_stat *out)
{
	char text[1024];
	unsigned long long ticks;
	int parent, session;

	if (proc_read(pid, "stat", text, sizeof(text)) <= 0)
		return false;
	const char *at = strrchr(text, ')');
	if (!at || sscanf(at + 1,
		       " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		       "%llu",
		       &out->state, &parent, &session, &ticks) != 4)
		return false;
	out->parent = parent;
	out->session = session;
	out->start_ticks = ticks;
	return true;
}

bool proc_is_over(const struct proc_stat *s)
{
	return s->state == 'Z' || s->state == 'X';
}

bool proc_sockets(pid_t pid, struct proc_inodes *out)
{
	auto_free char *path = text_fmt("/proc/%d/fd", (int)pid);
	DIR *d = opendir(path);
	char target[64];

	if (!d)
		return false;
	for (struct dirent *e; (e = readdir(d));) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = '\0';
		if (strncmp(target, "socket:[", 8) == 0)
			*vec_push(out) = strtoull(target + 8, NULL, 10);
	}
	closedir(d);
	return true;
}

static bool children_of_thread(pid_t pid, const char *tid, struct proc_pids *out)
{
	auto_free char *path = text_fmt("/proc/%d/task/%s/children", (int)pid, tid);
	FILE *f = fopen(path, "re");
	int child;

	if (!f)
		return false;
	while (fscanf(f, "%d", &child) == 1)
		*vec_push(out) = child;
	fclose(f);
	return true;
}

bool proc_children(pid_t pid, struct proc_pids *out)
{
	auto_free char *path = text_fmt("/proc/%d/task", (int)pid);
	DIR *d = opendir(path);
	bool ok = d != NULL;

	for (struct dirent *e; d && (e = readdir(d));)
		if (*e->d_name != '.')
			ok = children_of_thread(pid, e->d_name, out) && ok;
	if (d)
		closedir(d);
	return ok;
}

bool proc_all(struct proc_pids *out)
{
	DIR *d = opendir("/proc");

	for (struct dirent *e; d && (e = readdir(d));)
		if (*e->d_name >= '1' && *e->d_name <= '9')
			*vec_push(out) = (pid_t)strtol(e->d_name, NULL, 10);
	if (d)
		closedir(d);
	return d;
}

void proc_command(pid_t pid, size_t most, struct str *out)
{
	auto_free char *line = mem_new(most + 1);
	ssize_t n = proc_read(pid, "cmdline", line, most + 1);

	for (ssize_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] > '~')
			line[i] = ' ';
	while (n > 0 && line[n - 1] == ' ')
		line[--n] = '\0';
	str_add(out, n > 0 ? line : "?");
}
