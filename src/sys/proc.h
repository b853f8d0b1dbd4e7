/*
 * proc.h - what the kernel says about one process: /proc/PID (proc(5)).
 *
 * A number may be another process's at any time: what has to be the same one holds a pidfd, or
 * compares start times.  From any thread.  Depends on: base.
 */
#ifndef HP_SYS_PROC_H
#define HP_SYS_PROC_H

#include "base/str.h"

#include <sys/types.h>

struct proc_stat {
	char state;
	pid_t parent, session;
	uint64_t start_ticks; /* since the machine was booted, 100 a second */
};
bool proc_stat(pid_t pid, struct proc_stat *out); /* false: there is none */
bool proc_is_over(const struct proc_stat *s);	  /* a zombie, or being reaped */

/* At most size - 1 bytes of /proc/PID/NAME, and a NUL behind them; -1: not to be read. */
ssize_t proc_read(pid_t pid, const char *name, char *out, size_t size);

/* Sockets that it has open, by inode; appends.  false: it can not be looked at. */
struct proc_inodes {
	uint64_t *v;
	size_t n, cap;
};
bool proc_sockets(pid_t pid, struct proc_inodes *out);

/* Processes, by number; appended. */
struct proc_pids {
	pid_t *v;
	size_t n, cap;
};
/* Children of all its threads; false: this kernel lists none, or it is gone. */
bool proc_children(pid_t pid, struct proc_pids *out);
bool proc_all(struct proc_pids *out);

/* The first `most` bytes of its command line, words with a space between them; "?": none. */
void proc_command(pid_t pid, size_t most, struct str *out);

#endif
