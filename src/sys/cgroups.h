/*
 * cgroups.h - the cgroups that a keeper made for its tokens (keeper/cgroup.c), from outside.
 *
 * Below the folder of the keeper there is one for each token, named by its 16 hex digits.
 * From any thread.  Depends on: base, sys/proc.h.
 */
#ifndef HP_SYS_CGROUPS_H
#define HP_SYS_CGROUPS_H

#include "sys/proc.h"

/* The folder of a keeper, the caller frees; NULL: there is none. */
char *cgroups_find(pid_t keeper, uint64_t keeper_id);

/* Processes of a cgroup and of all below it, appended; false: it is not there. */
bool cgroups_read(const char *folder, struct proc_pids *out);

#endif
