#include "server/supervise/remaining_processes.h"

#include "sys/proc.h"

#include <dirent.h>
#include <stdlib.h>

#define SHOWN_MAX   4
#define COMMAND_MAX 60

static bool is_of_session(pid_t pid, pid_t leader)
{
	struct proc_stat s;

	return proc_stat(pid, &s) && s.session == leader && !proc_is_over(&s);
}

void remaining_processes_describe(pid_t leader, struct str *out)
{
	DIR *d = leader > 0 ? opendir("/proc") : NULL;
	size_t found = 0;

	for (struct dirent *e; d && (e = readdir(d));) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid <= 0 || !is_of_session(pid, leader))
			continue;
		if (found++ >= SHOWN_MAX)
			continue;
		str_fmt(out, "%spid %d (", found > 1 ? ", " : "", (int)pid);
		proc_command(pid, COMMAND_MAX, out);
		str_add_char(out, ')');
	}
	if (found > SHOWN_MAX)
		str_fmt(out, " and %zu more", found - SHOWN_MAX);
	if (d)
		closedir(d);
}
