/* verb_get.c - the definition of a service. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/verbs.h"

int verb_get(struct cli *c)
{
	int status;
	json_t *v = cli_call(c, "service.get", json_pack("{s:s}", "name", c->args[0]), &status);

	if (!v)
		return status;
	if (c->json)
		return print_json(v);
	auto_free char *text = json_dumps(v, JSON_INDENT(2));
	puts(text);
	json_decref(v);
	return 0;
}
