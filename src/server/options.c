#include "server/options.h"

#include <getopt.h>
#include <stdlib.h>

const char options_usage[] =
    "usage: hero_proc_server [--socket PATH] [--state DIR] [--log-level error|warn|info|debug]\n"
    "                        [--container] [--exit-when-done] [--safe] [--version | "
    "--version-json]\n"
    "                        [--user NAME] [--keep WORD=AMOUNT,...] [--help]\n"
    "The supervisor in the foreground.\n"
    "--container: a critical service that gives up ends it, with the exit status of that service.\n"
    "--exit-when-done: it ends when nothing that was started is left.\n"
    "--user: started by root, the server runs as that user below a keeper that is root; its\n"
    "  services may be any user but root.\n"
    "--keep: history and logs: runs=10000,jobs=20000,operations=10000,events=100000,state=256M,\n"
    "  logs=1G,service-logs=64M,age=30d are the defaults.\n";

enum err options_parse(struct options *o, int argc, char **argv, struct error *e)
{
	static const struct option known[] = {{"socket", required_argument, NULL, 's'},
	    {"state", required_argument, NULL, 'd'}, {"log-level", required_argument, NULL, 'l'},
	    {"container", no_argument, NULL, 'C'}, {"exit-when-done", no_argument, NULL, 'E'},
	    {"keep", required_argument, NULL, 'K'}, {"safe", no_argument, NULL, 'S'},
	    {"version", no_argument, NULL, 'V'}, {"version-json", no_argument, NULL, 'J'},
	    {"user", required_argument, NULL, 'u'}, {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0}};
	int c;

	o->level = REPORT_INFO;
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 's': text_set(&o->socket, optarg); break;
		case 'd': text_set(&o->state, optarg); break;
		case 'l':
			if (!report_level_parse(optarg, &o->level))
				return error_set(
				    e, ERR_INVALID, "--log-level: `%s` is no level", optarg);
			break;
		case 'K':
			if (retention_parse(&o->keep, optarg, e))
				return e->code;
			break;
		case 'u': text_set(&o->user, optarg); break;
		case 'S': o->safe = true; break;
		case 'C': o->container = true; break;
		case 'E': o->exit_when_done = true; break;
		case 'V': o->version = true; break;
		case 'J': o->version_json = true; break;
		case 'h': o->help = true; break;
		default: return error_set(e, ERR_INVALID, "see --help");
		}
	}
	if (optind < argc)
		return error_set(
		    e, ERR_INVALID, "`%s` is one word too many, see --help", argv[optind]);
	return ERR_OK;
}

void options_release(struct options *o)
{
	free(o->socket);
	free(o->state);
	free(o->user);
	*o = (struct options){0};
}
