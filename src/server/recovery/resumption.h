/*
 * resumption.h - operations that a killed server left, for the engine of the next one.
 *
 * Depends on: server/daemon.h.
 */
#ifndef HP_SERVER_RECOVERY_RESUMPTION_H
#define HP_SERVER_RECOVERY_RESUMPTION_H

#include "server/daemon.h"

/* After units, runs and jobs were restored, before engine_restored().  At a boot nothing of
 * them is left: they end cancelled.  `d->shutdown_op` when a shutdown was under way. */
void resumption_give(struct daemon *d);

#endif
