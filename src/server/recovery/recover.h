/*
 * recover.h - from an empty engine to the truth: what was stored, what lives.
 *
 * The keeper's list is the truth about processes, the store about everything
 * else.  Nothing that lives is executed again, no exit is lost.  When the list
 * is complete, recover_finish() lets the engine act and opens the API.
 *
 * Depends on: server/daemon.h.
 */
#ifndef HP_SERVER_RECOVERY_RECOVER_H
#define HP_SERVER_RECOVERY_RECOVER_H

#include "server/daemon.h"

struct recovery;

void recover_begin(struct daemon *d); /* before the loop runs */

/* Events of the keeper's list (spawner.h). */
void recover_on_listed(void *ctx, const struct spawn_listed *job, int take_pidfd);
void recover_on_held(void *ctx, const char *name, int take_fd);
void recover_on_notified(struct daemon *d, uint64_t token, const char *text);
/* News of what was listed, before the list was complete; false: not listed. */
bool recover_on_exited(
    struct daemon *d, uint64_t token, const struct keeper_exit_info *how, bool empty);
void recover_on_empty(struct daemon *d, uint64_t token);
void recover_on_listed_all(void *ctx);

#endif
