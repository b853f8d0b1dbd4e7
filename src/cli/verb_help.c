/* verb_help.c - help and version. */
#include "cli/help.h"
#include "cli/out.h"
#include "cli/verbs.h"

int verb_help(struct cli *c)
{
	int used = 0;
	const struct verb *v = help_find(c, c->args, c->n, &used);

	if (!c->n) {
		help_overview(c, stdout);
	} else if (v) {
		auto_free char *name =
		    used == 2 ? text_fmt("%s %s", c->args[0], c->args[1]) : text_dup(c->args[0]);
		help_verb(v, name, stdout);
	} else if (c->n == 1 && help_is_group(c, c->args[0])) {
		help_group(c, c->args[0], stdout);
	} else {
		return help_unknown(c, c->args, c->n);
	}
	return 0;
}

int verb_version(struct cli *c)
{
	if (c->json)
		return print_json(json_pack("{s:s}", "version", HERO_PROC_VERSION));
	puts("hero_proc " HERO_PROC_VERSION);
	return 0;
}
