/*
 * interrupt.h - what Ctrl-C says before it ends us: what goes on without us, and how to follow
 * it.
 *
 * Depends on: base.
 */
#ifndef HP_CLI_INTERRUPT_H
#define HP_CLI_INTERRUPT_H

#include "base/base.h"

/* From now on INT and TERM write `text` (copied; at most 500 bytes) and end us as they would
 * have.  NULL: they say nothing again. */
void interrupt_say(const char *text);

/* The size of the terminal changed since the last call.  Waits are cut short by that. */
bool interrupt_resized(void);

#endif
