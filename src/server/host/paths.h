/*
 * paths.h - where everything is (SPEC 3.1, DESIGN 5), and what the command line said.
 *
 * Depends on: base, server/history/retention.h.
 */
#ifndef HP_SERVER_HOST_PATHS_H
#define HP_SERVER_HOST_PATHS_H

#include "base/error.h"
#include "base/str.h"
#include "server/history/retention.h"
#include "server/host/report.h"

struct options {
	char *socket, *state; /* NULL: derived */
	char *user;	      /* this server is to be; NULL: who it is */
	enum report_level level;
	bool safe, version, version_json, help;
	const char *program; /* the path this server was executed by */
	const char *upgrade; /* what the keeper told of the last one (upgrade.h), or NULL */
	bool container, exit_when_done; /* container.h */
	struct retention keep;
};
/* Usage errors are told in *e. */
enum err options_parse(struct options *o, int argc, char **argv, struct error *e);
void options_release(struct options *o);
extern const char options_usage[];

/* All absolute. */
struct paths {
	char *home;
	char *root, *var, *build, *code; /* PATH_ROOT PATH_VAR PATH_BUILD PATH_CODE */
	char *sockets;			 /* HERO_SOCKET_DIR */
	char *socket;			 /* our rpc.sock */
	char *admin;			 /* our admin.sock, beside it */
	char *state, *logs;		 /* state folder; captured output */
};
void paths_init(struct paths *p, const struct options *o); /* from the environment */
void paths_release(struct paths *p);

/* "~" and "~/x" with the home folder, "${PATH_ROOT}" and its four sisters; everything else as
 * it is.  The caller frees. */
char *path_expand(const struct paths *p, const char *text);

/* mkdir -p; the last folder gets `mode` if it is new, its parents 0755. */
enum err path_make(const char *dir, unsigned mode, struct error *e);

#endif
