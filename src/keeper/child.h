/*
 * child.h - one clone and what happens between it and execve.
 *
 * The child shares the keeper's memory (CLONE_VM) until it executes, on a stack of
 * its own: only raw system calls, no allocation, no libc state.  The keeper waits for
 * that, but not for ever: chdir(2) and execve(2) may hang (NFS).  Then the child is left
 * alone with its struct child, and everything that hangs on it, until child_is_through().
 *
 * It begins on the keeper's table of descriptors too (CLONE_FILES): a copy would
 * cost with the number of jobs, and so would closing it.  What it needs goes into
 * the slots, low numbers that the keeper keeps occupied (/dev/null); then its own
 * table begins with a copy of what is below SLOTS_END.
 *
 * Depends on: spec.h.
 */
#ifndef HP_KEEPER_CHILD_H
#define HP_KEEPER_CHILD_H

#include "keeper/spec.h"

#include <sys/resource.h>
#include <sys/types.h>

#define SLOTS_BEGIN 3
#define SLOTS_END   (SLOTS_BEGIN + KEEPER_FDS_MAX + 1) /* the last one stays /dev/null */

struct child {
	const struct spec *spec;
	const int *fds; /* of the request, one per spec->fds */
	int cgroup_fd;	/* -1: none */
	struct rlimit nofile;
	char *own_pid;	   /* NULL, or 12 bytes that become the child's pid, in its environment */
	char *exec_path;   /* PATH_MAX bytes of room for the search */
	bool joins_cgroup; /* by itself: clone3 could not do it */
	uint64_t slots;	   /* bits: those that are in use */
	char *stack;	   /* NULL before the first use */
	int here;	   /* futex: not 0 while the child may use this memory */
	/* out */
	pid_t pid;
	int pidfd;
	enum keeper_step step;
	int sys; /* errno of the step, 0: none so far */
};

/* Occupies the slots.  Once, while no descriptor above 2 is open; false: errno. */
bool child_slots_open(void);

enum child_fate {
	CHILD_EXECUTED, /* pid and pidfd are the caller's */
	CHILD_FAILED,	/* step and sys say how; nothing is left */
	CHILD_HANGS, /* in `step`, for patience_ms (below 1000) so far; pid and pidfd are there */
};
enum child_fate child_spawn(struct child *c, unsigned patience_ms);

/* Of one that hangs: it has executed or ended. */
bool child_is_through(const struct child *c);
/* Then: whether it did not fail; if it failed nothing is left of it. */
bool child_settle(struct child *c);

/* Its stack, which it keeps from one spawn to the next. */
void child_release(struct child *c);

#endif
