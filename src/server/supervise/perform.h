/*
 * perform.h - what the engine decided, carried out.  Depends on: server/supervise/supervision.h.
 */
#ifndef HP_SERVER_SUPERVISE_PERFORM_H
#define HP_SERVER_SUPERVISE_PERFORM_H

#include "server/supervise/supervision.h"

/* After every call that changes the engine, in the same pass of the loop.
 * Processes, signals and gates first, in the order of the engine; rows, events
 * and answers when no more of those follow.  Arms the one timer. */
void perform_effects(struct supervision *d);

/* The keeper takes requests again: what had to wait for that goes on. */
void perform_room(struct supervision *d);

/* The heap is given back to the kernel a second from now. */
void perform_trim_later(struct supervision *d);
/* Is the timer of the engine's next deadline armed? */
bool perform_is_armed(const struct supervision *d);

#endif
