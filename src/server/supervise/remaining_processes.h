/*
 * remaining_processes.h - what is left of a process set that was told to stop, for people who wait
 * (F31).
 *
 * Reads /proc (proc(5)): every process of the leader's session, also when the leader is gone.
 * Some 10 us for each process of the machine, so it is for one question at a time, never for lists.
 * Depends on: base.
 */
#ifndef HP_SERVER_SUPERVISE_REMAINING_PROCESSES_H
#define HP_SERVER_SUPERVISE_REMAINING_PROCESSES_H

#include "base/str.h"

#include <sys/types.h>

/* "pid 71 (sleep 1000), pid 72 (sh)", at most four of them; nothing is added when nobody is left.
 */
void remaining_processes_describe(pid_t leader, struct str *out);

#endif
