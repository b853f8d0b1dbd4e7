/* verb_shutdown.c - the end of everything. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/verbs.h"

#include <time.h>

int verb_shutdown(struct cli *c)
{
	const struct timespec pause = {0, 20000000};
	int status;
	json_t *v = cli_call(c, "system.shutdown", NULL, &status);

	if (!v)
		return status;
	json_decref(v);
	for (int i = 0; i < 3000; i++) {
		if (access(hp_client_socket(c->client), F_OK) != 0) {
			if (!c->quiet && !c->json)
				puts("the supervisor is down");
			return 0;
		}
		nanosleep(&pause, NULL);
	}
	complain("it still stops services after a minute");
	return err_exit_status(ERR_TIMEOUT);
}
