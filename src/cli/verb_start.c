/* verb_start.c - start, stop, restart. */
#include "cli/change.h"
#include "cli/out.h"
#include "cli/verbs.h"

static int change_or_all(struct cli *c, const char *method)
{
	auto_free char *all = text_fmt("%s_all", method);

	if (c->all == (c->n > 0)) {
		complain("either names or --all");
		return err_exit_status(ERR_METHOD);
	}
	return c->all ? change_services(c, all, NULL) : change_services(c, method, cli_words(c));
}

int verb_start(struct cli *c)
{
	return change_or_all(c, "service.start");
}

int verb_stop(struct cli *c)
{
	return change_or_all(c, "service.stop");
}

int verb_restart(struct cli *c)
{
	return change_services(c, "service.restart", cli_words(c));
}
