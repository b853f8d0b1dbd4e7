#include "sys/proc.h"

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
