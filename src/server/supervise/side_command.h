/*
 * side_command.h - a command beside a job, in its surroundings: an exec probe.
 *
 * It has a token, and so a process set, of its own.  It is over when its set is empty:
 * what its first process leaves behind is killed.  A server that starts again ends
 * what a former one left (recover.c knows it by its label).
 *
 * Depends on: server/supervise/supervision.h.
 */
#ifndef HP_SERVER_SUPERVISE_SIDE_COMMAND_H
#define HP_SERVER_SUPERVISE_SIDE_COMMAND_H

#include "server/supervise/supervision.h"
#include "spawn/spawner.h"

#define ASIDE_TEXT_MAX 400 /* bytes of its output that are kept */

struct side_command;

/* "exit code 1: out of memory", or why it was not executed; from the loop, after which the aside is
 * gone. */
typedef void (*side_command_fn)(void *ctx, bool good, const char *text);

/* `command` NULL: that of `a` itself. */
enum err side_command_start(struct supervision *d, const struct action_def *a,
    const struct command *command, pid_t main_pid, side_command_fn fn, void *ctx,
    struct side_command **out, struct error *e) attr_must_use;
/* Kill all of it; nothing is told any more.  NULL does nothing. */
void side_command_kill(struct side_command *a);

/* News of the keeper; false: the token is none of these. */
bool side_command_on_failed(struct supervision *d, uint64_t token, enum keeper_step step, int sys);
bool side_command_on_exited(
    struct supervision *d, uint64_t token, const struct keeper_exit_info *how, bool empty);
bool side_command_on_empty(struct supervision *d, uint64_t token);
void asides_free(struct supervision *d);

/* Those under way, one after the other (NULL: the first); NULL: no more. */
const struct side_command *side_command_next(
    const struct supervision *d, const struct side_command *after, uint64_t *token);

#endif
