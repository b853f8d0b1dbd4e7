/*
 * evict.h - a foreign process that stands in the way of an action is asked to end, and ended.
 *
 * Only for an action whose `kill_other` or `singleton` allows it.  TERM, after the action's
 * stop_timeout KILL, both through a pidfd that was opened before it was made sure who it is.  The
 * job waits meanwhile (`pending`, with the reason) and goes on the moment the process is gone.
 * Never ended: processes of our own services, this supervisor and what it descends from.
 *
 * Depends on: server/supervise/supervision.h, holder.h.
 */
#ifndef HP_SERVER_SUPERVISE_EVICT_H
#define HP_SERVER_SUPERVISE_EVICT_H

#include "server/supervise/supervision.h"

/* `what` it holds, for people: "socket /run/x.sock".  ERR_BUSY: it was told to end, the job is to
 * be tried again, which happens by itself.  ERR_CONFLICT: it may not be, or can not be ended. */
enum err evict(struct supervision *d, const struct service_def *s, const struct action_def *a,
    pid_t pid, const char *what, struct error *e);

void evictions_free(struct supervision *d);

#endif
