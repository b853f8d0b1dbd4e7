/*
 * container.h - when the supervisor is what a container runs: how it comes to its end by itself.
 *
 * --container: a service that is `critical` and gives up ends everything, in order; the exit
 * status is the culprit's (its exit code, 128 + its signal, else 1).  --exit-when-done: so
 * does the moment when nothing that was started is left, with status 0.  Both look at changes
 * of services only.  Depends on: server/daemon.h.
 */
#ifndef HP_SERVER_CONTAINER_H
#define HP_SERVER_CONTAINER_H

#include "server/daemon.h"

void container_unit_changed(struct daemon *d, unit_id unit);

#endif
