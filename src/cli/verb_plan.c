/* verb_plan.c - what an operation would do. */
#include "cli/call.h"
#include "cli/change.h"
#include "cli/steps.h"
#include "cli/verbs.h"

int verb_plan(struct cli *c)
{
	static const char *const kinds[] = {"start", "stop", "restart"};
	const char *kind = "start";
	int status;

	for (size_t k = 0; k < countof(kinds); k++)
		if (c->n > 1 && strcmp(c->args[0], kinds[k]) == 0) {
			kind = kinds[k];
			c->args++;
			c->n--;
			break;
		}
	auto_free char *method = text_fmt("service.%s", kind);
	json_t *params = json_pack("{s:o}", "name", cli_words(c));
	change_add_options(c, params);
	json_object_set_new(params, "dry_run", json_true());
	json_t *v = cli_call(c, method, params, &status);
	return v ? steps_print_plan(c, v) : status;
}
