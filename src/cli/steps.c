#include "cli/steps.h"

#include "cli/out.h"
#include "cli/table.h"

void steps_print(const json_t *steps)
{
	struct table t = {0};
	json_t *s;
	size_t i;

	json_array_foreach (steps, i, s) {
		auto_free char *number = text_fmt("%zu.", i + 1);
		const char *service = text_of(s, "service"), *action = text_of(s, "action");
		auto_free char *what = *action && strcmp(action, service) != 0
					   ? text_fmt("%s/%s", service, action)
					   : text_dup(service);

		table_row(&t, (const char *const[]){
				  number, text_of(s, "step"), what, text_of(s, "reason"), NULL});
	}
	if (json_array_size(steps))
		table_print(&t);
}

int steps_print_plan(const struct cli *c, json_t *take_answer)
{
	const json_t *steps = json_object_get(take_answer, "steps");

	if (c->json)
		return print_json(take_answer);
	steps_print(steps);
	if (!json_array_size(steps))
		puts("nothing to do");
	json_decref(take_answer);
	return 0;
}
