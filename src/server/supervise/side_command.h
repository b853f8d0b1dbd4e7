/*
 * side_command.h - a command beside a job, in its surroundings: an exec probe.
 *
 * It has a token, and so a process set, of its own.  It is over when its set is empty:
 * what its first process leaves behind is killed.  A server that starts again ends
 * what a former one left (recover.c knows it by its label).
 *
 * Depends on: server/daemon.h.
 */
#ifndef HP_SERVER_SUPERVISE_SIDE_COMMAND_H
#define HP_SERVER_SUPERVISE_SIDE_COMMAND_H

#include "server/daemon.h"

#define ASIDE_TEXT_MAX 400 /* bytes of its output that are kept */

struct aside;

/* "exit code 1: out of memory", or why it was not executed; from the loop, after which the aside is
 * gone. */
typedef void (*aside_fn)(void *ctx, bool good, const char *text);

/* `command` for `sh -c`; NULL: that of `a` itself. */
enum err aside_start(struct daemon *d, const struct action_def *a, const char *command,
    pid_t main_pid, aside_fn fn, void *ctx, struct aside **out, struct error *e) attr_must_use;
/* Kill all of it; nothing is told any more.  NULL does nothing. */
void aside_kill(struct aside *a);

/* News of the keeper; false: the token is none of these. */
bool aside_on_failed(struct daemon *d, uint64_t token, enum keeper_step step, int sys);
bool aside_on_exited(
    struct daemon *d, uint64_t token, const struct keeper_exit_info *how, bool empty);
bool aside_on_empty(struct daemon *d, uint64_t token);
void asides_free(struct daemon *d);

/* Those under way, one after the other (NULL: the first); NULL: no more. */
const struct aside *aside_next(const struct daemon *d, const struct aside *after, uint64_t *token);

#endif
