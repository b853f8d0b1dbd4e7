/*
 * options.h - what the command line said.
 *
 * Depends on: base, server/history/retention.h, server/host/report.h.
 */
#ifndef HP_SERVER_OPTIONS_H
#define HP_SERVER_OPTIONS_H

#include "base/error.h"
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

#endif
