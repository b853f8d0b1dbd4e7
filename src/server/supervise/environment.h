/*
 * environment.h - what a child finds in its environment, computed afresh (SPEC 3.1).
 *
 * The keeper's as it was when it started, then PATH_ROOT PATH_VAR PATH_BUILD
 * PATH_CODE HERO_SOCKET_DIR, then env_file, then env; later words win.
 *
 * Depends on: base, model, server/host/paths.h.
 */
#ifndef HP_SERVER_SUPERVISE_ENVIRONMENT_H
#define HP_SERVER_SUPERVISE_ENVIRONMENT_H

#include "base/error.h"
#include "model/definition.h"
#include "secret/vault.h"
#include "server/host/paths.h"

struct environment {
	struct strv vars; /* "NAME=value", NULL behind the last when finished */
};

/* Where the values of secret variables come from; ERR_NOT_FOUND: there is none of that name. */
struct environment_secrets {
	enum err (*get)(void *ctx, const char *context, const char *name, struct secret_value *out,
	    struct error *e);
	void *ctx;
};

/* What is the same for every child. */
struct surroundings {
	char *const *frozen; /* the keeper's environment, as it was when it started; environ(7) */
	const struct paths *paths;
	struct environment_secrets secrets; /* get NULL: there are none */
};

/*  An env_file that can not be read, or a required
 * variable without a value, is an error. */
enum err environment_init(struct environment *env, const struct surroundings *around,
    const struct action_def *a, struct error *e);
void environment_release(struct environment *env);

void environment_set(struct environment *env, const char *name, const char *value);
const char *environment_get(const struct environment *env, const char *name);

/* NULL-ended, for execve(2); borrowed. */
const char *const *environment_list(struct environment *env);

#endif
