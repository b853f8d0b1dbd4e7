/* verb_flag.c - flags: gates that people and programs open and close by hand. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/table.h"
#include "cli/times.h"
#include "cli/verbs.h"

static int change_flag(struct cli *c, const char *method, const char *done, const char *already)
{
	int status;
	json_t *answer = cli_call(c, method, json_pack("{s:s}", "name", c->args[0]), &status);

	if (!answer)
		return status;
	if (c->json)
		return print_json(answer);
	if (!c->quiet)
		printf("%s %s\n", c->args[0],
		    json_is_true(json_object_get(answer, "changed")) ? done : already);
	json_decref(answer);
	return 0;
}

int verb_flag_set(struct cli *c)
{
	return change_flag(c, "flag.set", "is set", "was set already");
}

int verb_flag_clear(struct cli *c)
{
	return change_flag(c, "flag.clear", "is cleared", "was not set");
}

int verb_flag_list(struct cli *c)
{
	struct table t = {0};
	int status;
	json_t *answer = cli_call(c, "flag.list", NULL, &status), *flag;
	size_t i;

	if (!answer)
		return status;
	if (c->json)
		return print_json(answer);
	json_array_foreach (json_object_get(answer, "flags"), i, flag) {
		auto_free char *age = times_age(text_of(flag, "since"));

		table_row(&t, (const char *const[]){text_of(flag, "name"), "set", age, NULL});
	}
	if (i)
		table_print(&t);
	else
		puts("no flag is set");
	json_decref(answer);
	return 0;
}
