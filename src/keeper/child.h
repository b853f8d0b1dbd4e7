/*
 * child.h - one clone and what happens between it and execve.
 *
 * The child shares the keeper's memory (CLONE_VM) and runs while the keeper is
 * suspended (CLONE_VFORK), on a stack of its own: only raw system calls, no
 * allocation, no libc state.
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
#define SLOTS_END (SLOTS_BEGIN + KEEPER_FDS_MAX + 1) /* the last one stays /dev/null */

struct child {
	const struct spec *spec;
	const int *fds; /* of the request, one per spec->fds */
	int cgroup_fd;	/* -1: none */
	struct rlimit nofile;
	char *own_pid;	   /* NULL, or 12 bytes that become the child's pid, in its environment */
	char *exec_path;   /* PATH_MAX bytes of room for the search */
	bool joins_cgroup; /* by itself: clone3 could not do it */
	uint64_t slots;	   /* bits: those that are in use */
	/* out */
	enum keeper_step step;
	int sys; /* errno of the step, 0: executed */
};

/* Occupies the slots.  Once, while no descriptor above 2 is open; false: errno. */
bool child_slots_open(void);

/* The pid and the pidfd of a process that was executed, or -1 with step and sys
 * filled in (nothing is left then). */
pid_t child_spawn(struct child *c, int *out_pidfd);

#endif
