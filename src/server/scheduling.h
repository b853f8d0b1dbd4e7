/*
 * scheduling.h - the room of schedules put together with registry, engine and submission.
 *
 * Depends on: server/daemon.h, server/schedule/schedules.h.
 */
#ifndef HP_SERVER_SCHEDULING_H
#define HP_SERVER_SCHEDULING_H

#include "server/daemon.h"

enum err scheduling_open(struct daemon *d, struct error *e) attr_must_use;
/* A run of no service ended, and is still known to the engine. */
void scheduling_run_ended(struct daemon *d, unit_id unit);

#endif
