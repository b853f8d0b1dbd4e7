#include "server/left.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SHOWN_MAX 4
#define COMMAND_MAX 60

static ssize_t read_proc(const char *pid, const char *name, char *out, size_t size)
{
	auto_free char *path = text_fmt("/proc/%s/%s", pid, name);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	out[n > 0 ? n : 0] = '\0';
	return n;
}

/* Fields after the command: state ppid pgrp session (proc(5)); a zombie is gone. */
static bool is_of_session(const char *pid, pid_t leader)
{
	char stat[512], state;
	int ppid, group, session;

	if (read_proc(pid, "stat", stat, sizeof(stat)) <= 0)
		return false;
	const char *after = strrchr(stat, ')');
	return after && sscanf(after + 1, " %c %d %d %d", &state, &ppid, &group, &session) == 4 &&
	       session == leader && state != 'Z' && state != 'X';
}

static void add_command(const char *pid, struct str *out)
{
	char line[COMMAND_MAX + 1];
	ssize_t n = read_proc(pid, "cmdline", line, sizeof(line));

	for (ssize_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] > '~')
			line[i] = ' ';
	while (n > 0 && line[n - 1] == ' ')
		line[--n] = '\0';
	str_fmt(out, "pid %s (%s)", pid, n > 0 ? line : "?");
}

void left_describe(pid_t leader, struct str *out)
{
	DIR *d = leader > 0 ? opendir("/proc") : NULL;
	size_t found = 0;

	for (struct dirent *e; d && (e = readdir(d));) {
		if (*e->d_name < '1' || *e->d_name > '9' || !is_of_session(e->d_name, leader))
			continue;
		if (found++ >= SHOWN_MAX)
			continue;
		str_add(out, found > 1 ? ", " : "");
		add_command(e->d_name, out);
	}
	if (found > SHOWN_MAX)
		str_fmt(out, " and %zu more", found - SHOWN_MAX);
	if (d)
		closedir(d);
}
