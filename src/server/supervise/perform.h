/*
 * perform.h - what the engine decided, carried out.  Depends on: server/daemon.h.
 */
#ifndef HP_SERVER_SUPERVISE_PERFORM_H
#define HP_SERVER_SUPERVISE_PERFORM_H

#include "server/daemon.h"

/* After every call that changes the engine, in the same pass of the loop.
 * Processes, signals and gates first, in the order of the engine; rows, events
 * and answers when no more of those follow.  Arms the one timer. */
void perform_effects(struct daemon *d);

/* The keeper takes requests again: what had to wait for that goes on. */
void perform_room(void *ctx);

#endif
