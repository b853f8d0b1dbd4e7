/* verb_list.c - all services and their states. */
#include "cli/out.h"
#include "cli/pages.h"
#include "cli/table.h"
#include "cli/times.h"
#include "cli/verbs.h"

static json_t *filters(const struct cli *c)
{
	return json_pack("{s:s*, s:s*, s:s*, s:s*}", "state", c->state, "wanted", c->wanted,
	    "class", c->class, "tag", c->tag);
}

static void add_row(struct table *t, const json_t *s)
{
	auto_free char *age = times_age(text_of(s, "since"));
	json_t *wait = json_array_get(json_object_get(s, "waiting_on"), 0);
	const char *reason = wait ? text_of(wait, "text") : text_of(s, "reason");

	table_row(
	    t, (const char *const[]){text_of(s, "name"), text_of(s, "state"), text_of(s, "wanted"),
		   age, strcmp(reason, "none") == 0 ? "" : reason, NULL});
}

int verb_list(struct cli *c)
{
	struct table t = {.state = 1};
	int status;
	json_t *answer = pages_read(c, "service.list", filters(c), "services", 0, &status), *s;
	size_t i;

	if (!answer)
		return status;
	if (c->json)
		return print_json(answer);
	table_row(&t, (const char *const[]){"SERVICE", "STATE", "WANTED", "SINCE", "REASON", NULL});
	json_array_foreach (json_object_get(answer, "services"), i, s)
		add_row(&t, s);
	if (i)
		table_print(&t);
	else
		puts(number_of(answer, "total") ? "no such service" : "no services are registered");
	strv_release(&t.cells);
	json_decref(answer);
	return 0;
}
