/* verb_what_if.c - what would become of the others. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/table.h"
#include "cli/verbs.h"

int verb_what_if(struct cli *c)
{
	struct table t = {0};
	int status;
	json_t *v = cli_call(c, "service.what_if",
		   json_pack("{s:s, s:s}", "event", c->args[0], "name", c->args[1]), &status),
	       *s;
	size_t i;

	if (!v)
		return status;
	if (c->json)
		return print_json(v);
	table_row(
	    &t, (const char *const[]){"SERVICE", "EFFECT", "NOW", "THEN", "AFTER", "WHY", NULL});
	json_array_foreach (json_object_get(v, "services"), i, s)
		table_row(&t, (const char *const[]){text_of(s, "name"), text_of(s, "effect"),
				  text_of(s, "before"), text_of(s, "during"), text_of(s, "after"),
				  text_of(s, "why"), NULL});
	if (i)
		table_print(&t);
	else
		puts("nothing changes");
	if (!i)
		strv_release(&t.cells);
	json_decref(v);
	return 0;
}
