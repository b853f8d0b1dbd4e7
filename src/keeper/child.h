/*
 * child.h - one clone and what happens between it and execve.
 *
 * The child shares the keeper's memory (CLONE_VM) and runs while the keeper is
 * suspended (CLONE_VFORK), on a stack of its own, with all signals blocked: only
 * raw system calls, no allocation, no libc state.
 *
 * Depends on: spec.h.
 */
#ifndef HP_KEEPER_CHILD_H
#define HP_KEEPER_CHILD_H

#include "keeper/spec.h"

#include <sys/resource.h>
#include <sys/types.h>

struct child {
	const struct spec *spec;
	const int *fds; /* of the request, one per spec->fds */
	int null_fd;
	int cgroup_fd; /* -1: none */
	struct rlimit nofile;
	char *own_pid;	   /* NULL, or 12 bytes that become the child's pid, in its environment */
	char *exec_path;   /* PATH_MAX bytes of room for the search */
	bool joins_cgroup; /* by itself: clone3 could not do it */
	/* out */
	enum keeper_step step;
	int sys; /* errno of the step, 0: executed */
};

/* The pid and the pidfd of a process that was executed, or -1 with step and sys
 * filled in (nothing is left then). */
pid_t child_spawn(struct child *c, int *out_pidfd);

#endif
