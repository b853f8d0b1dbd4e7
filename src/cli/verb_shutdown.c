/* verb_shutdown.c - the end of everything. */
#include "cli/follow.h"
#include "cli/out.h"
#include "cli/pages.h"
#include "cli/verbs.h"
#include "client/http.h"

#include <poll.h>
#include <sys/syscall.h>

#define PATIENCE_MS 60000 /* unless --timeout says another one */
#define LOOK_MS	    20
#define LOCK_MS	    1000 /* until the keeper is gone, after its socket */

/* What runs is what will stop. */
static void expect_all(struct cli *c, struct follow *f)
{
	int ignored;
	json_t *list = pages_read(c, "service.list", NULL, "services", 0, &ignored), *status;
	size_t i;

	json_array_foreach (json_object_get(list, "services"), i, status)
		if (strcmp(text_of(status, "state"), "inactive") != 0)
			follow_expect(f, status);
	json_decref(list);
}

static bool is_there(struct cli *c)
{
	return access(hp_client_socket(c->client), F_OK) == 0;
}

/* The socket goes when everything has ended; a little later the keeper, and with it the lock. */
static bool wait_until_gone(struct cli *c, pid_t keeper, msec deadline)
{
	auto_fd int fd = (int)syscall(SYS_pidfd_open, keeper, 0);
	struct pollfd at = {.fd = fd, .events = POLLIN};

	while (is_there(c) && http_now() < deadline)
		if (poll(&at, 1, LOOK_MS) > 0 && at.revents & POLLIN)
			return true; /* it was killed: nobody removed the file */
	if (is_there(c))
		return false;
	if (fd >= 0)
		poll(&at, 1, LOCK_MS);
	return true;
}

static int print_end(struct cli *c, const struct follow *f, bool down)
{
	auto_free char *summary = follow_summary(f);

	if (!c->quiet && !c->json && summary)
		puts(summary);
	if (!down) {
		complain("it still stops services; `hero_proc list` shows which");
		return err_exit_status(ERR_TIMEOUT);
	}
	if (!c->quiet && !c->json)
		puts("the supervisor is down");
	return 0;
}

int verb_shutdown(struct cli *c)
{
	struct follow *f = follow_new(c);
	bool seen = !c->quiet && !c->json && !c->no_wait;
	int status;

	if (seen)
		expect_all(c, f);
	json_t *v = cli_call(c, "system.shutdown", NULL, &status);
	msec deadline = http_deadline(c->timeout ? c->timeout : PATIENCE_MS);
	if (v && seen)
		follow_to_the_last(f, number_of(v, "operation"), deadline);
	if (v && !c->no_wait)
		status = print_end(c, f, wait_until_gone(c, (pid_t)number_of(v, "pid"), deadline));
	if (v && c->json && !status)
		print_json(json_incref(v));
	follow_free(f);
	json_decref(v);
	return status;
}
