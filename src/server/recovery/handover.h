/*
 * handover.h - what this server takes along when its keeper was killed and it becomes the next
 * one (keeper_protocol.h, "A keeper that is killed"): pidfds of the attempts that are alive,
 * their labels and words, their pipes, the API's socket.
 *
 * In recovery there is none: what was not taken over yet can not be handed on, and is ended
 * by the next keeper.
 *
 * Depends on: server/daemon.h.
 */
#ifndef HP_SERVER_RECOVERY_HANDOVER_H
#define HP_SERVER_RECOVERY_HANDOVER_H

#include "server/daemon.h"

struct handover;

/* The moment the channel broke: whoever ends from here on is reaped by a stranger, so the
 * pidfds are opened before anything else.  A number that was used again is not taken: a process
 * is ours only if it is not younger than what we know of its start. */
void handover_witness(struct daemon *d);

/* After the loop, before daemon_release(): everything else.  Ends the capture of logs. */
void handover_gather(struct daemon *d);

/* Before execve(2) of the keeper; the descriptor to be named in KEEPER_ESTATE_ENV, inherited, or
 * -1: there is none.  Frees the estate. */
int handover_export(struct handover *take_e);

/* Field 22 of /proc/PID/stat: with the pid, an identity.  0: there is no such process. */
uint64_t handover_start_ticks(pid_t pid);
/* The same on the clock of clock_boot(), not earlier than it was. */
msec handover_ms_of_ticks(uint64_t ticks);

#endif
