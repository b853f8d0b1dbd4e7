/*
 * process_set.h - which processes belong to an attempt, as /proc and cgroups tell the server.
 *
 * The keeper decides about sets (keeper/sets.c); here they are looked at, to name them and to
 * ask what they hold: by cgroup, or below the leader, by its session and by the token that is
 * in the environment of each.
 *
 * Depends on: sys/proc.h, server/supervise/attempt.h.
 */
#ifndef HP_SERVER_SUPERVISE_PROCESS_SET_H
#define HP_SERVER_SUPERVISE_PROCESS_SET_H

#include "server/supervise/attempt.h"
#include "sys/proc.h"

/* Living members, the leader first; appends. */
void process_set_read(const struct attempt *at, struct proc_pids *out);

/* The same by parts, each of which costs more than the one before, for who looks for one that is
 * mostly the leader or below it: part 0, 1, ...; false: there are no more. */
bool process_set_part(const struct attempt *at, unsigned part, struct proc_pids *out);

/* "pid 12 (nginx: worker), pid 13 (...) and 2 more"; false: none. */
bool process_set_describe(const struct proc_pids *pids, struct str *out);

#endif
