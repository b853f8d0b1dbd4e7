/* daemon.h - a supervisor where there is none.  Depends on: call.h. */
#ifndef HP_CLI_DAEMON_H
#define HP_CLI_DAEMON_H

#include "cli/cli.h"

/* Starts one unless one answers; 0 once it answers, else the exit status. */
int daemon_ensure(struct cli *c);

#endif
