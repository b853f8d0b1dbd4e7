/* verb_health.c - is the supervisor well. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/verbs.h"

int verb_health(struct cli *c)
{
	int status;
	json_t *v = cli_call(c, "system.health", NULL, &status);

	if (!v)
		return status;
	bool ok = !json_is_false(json_object_get(v, "ok"));
	if (c->json)
		print_json(json_incref(v));
	else
		puts(ok ? "ok" : "degraded");
	json_t *reasons = json_object_get(v, "degraded"), *r;
	size_t i;
	json_array_foreach (reasons, i, r)
		if (!c->json && json_is_string(r))
			printf("    %s\n", json_string_value(r));
	json_decref(v);
	return ok ? 0 : 1;
}
