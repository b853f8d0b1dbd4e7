/*
 * launch.h - from a definition to what the keeper executes.
 *
 * Names of users become numbers here, `~` becomes the home folder, a script gets
 * its interpreter.  Nothing is asked of the keeper: attempt.c does that.
 *
 * Depends on: base, model, spawn/spec.h, server/supervise/environment.h.
 */
#ifndef HP_SERVER_SUPERVISE_LAUNCH_H
#define HP_SERVER_SUPERVISE_LAUNCH_H

#include "model/signals.h"
#include "server/supervise/environment.h"
#include "spawn/spec.h"

#define LAUNCH_LIMITS_MAX 16

struct launch {
	struct spawn_spec spec; /* members point into this struct */
	struct environment env;
	struct strv argv;
	struct strv places; /* where a default command was looked for; empty: it was written */
	char *cwd;
	struct spawn_limit limits[LAUNCH_LIMITS_MAX];
	struct spawn_fd fds[4];
	gid_t *groups;
};

/* An error is permanent: the definition does not fit this machine. */
enum err launch_init(struct launch *l, const struct action_def *a,
    const struct surroundings *around, struct error *e);
/* The same surroundings, another command: stop_exec, reload, an exec probe.  Its text is run by
 * `sh -c`, or bash where that is the interpreter of the action. */
enum err launch_init_command(struct launch *l, const struct action_def *a,
    const struct command *command, const struct surroundings *around, struct error *e);
void launch_release(struct launch *l); /* safe on {0} and after a failure */

void launch_add_fd(struct launch *l, int fd, int number); /* borrowed until the spawn */
void launch_set_env(struct launch *l, const char *name, const char *value);
/* To be called last: fixes argv and environment. */
const struct spawn_spec *launch_finish(struct launch *l);

#endif
