/*
 * paths.h - where everything is (SPEC 3.1, DESIGN 5).
 *
 * Depends on: base.
 */
#ifndef HP_SERVER_HOST_PATHS_H
#define HP_SERVER_HOST_PATHS_H

#include "base/error.h"
#include "base/str.h"

/* All absolute. */
struct paths {
	char *home;
	char *root, *var, *build, *code; /* PATH_ROOT PATH_VAR PATH_BUILD PATH_CODE */
	char *sockets;			 /* HERO_SOCKET_DIR */
	char *socket;			 /* our rpc.sock */
	char *admin;			 /* our admin.sock, beside it */
	char *state, *logs;		 /* state folder; captured output */
};
/* From the environment, or as the command line has them: `state`, `socket`, or NULL. */
void paths_init(struct paths *p, const char *state, const char *socket);
void paths_release(struct paths *p);

/* "~" and "~/x" with the home folder, "${PATH_ROOT}" and its four sisters; everything else as
 * it is.  The caller frees. */
char *path_expand(const struct paths *p, const char *text);

/* mkdir -p; the last folder gets `mode` if it is new, its parents 0755. */
enum err path_make(const char *dir, unsigned mode, struct error *e);

#endif
