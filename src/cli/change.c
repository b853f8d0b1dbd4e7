#include "cli/change.h"

#include "cli/follow.h"
#include "cli/out.h"
#include "cli/steps.h"

void change_add_options(const struct cli *c, json_t *params)
{
	const struct {
		const char *key;
		bool set;
	} flags[] = {{"replace", c->replace}, {"no_deps", c->no_deps}, {"with_deps", c->with_deps},
	    {"with_unneeded", c->with_unneeded}, {"dry_run", c->dry_run}};
	const struct {
		const char *key, *text;
	} texts[] = {{"tag", c->tag}, {"class", c->class}};

	for (size_t i = 0; i < countof(flags); i++)
		if (flags[i].set)
			json_object_set_new(params, flags[i].key, json_true());
	for (size_t i = 0; i < countof(texts); i++)
		if (texts[i].text)
			json_object_set_new(params, texts[i].key, json_string(texts[i].text));
}

int change_services(struct cli *c, const char *method, json_t *take_names)
{
	int status;
	struct follow *f = follow_new(c);
	json_t *params = json_pack("{s:b}", "wait", 0);

	if (take_names)
		json_object_set(params, "name", take_names);
	change_add_options(c, params);
	json_t *answer = cli_call(c, method, params, &status);
	json_t *names = take_names ? take_names : json_object_get(answer, "names");
	if (answer && c->dry_run)
		status = steps_print_plan(c, json_incref(answer));
	else if (answer && c->no_wait)
		status = c->json ? print_json(json_incref(answer)) : 0;
	else if (answer)
		status = follow_operation(f, number_of(answer, "operation"), names);
	follow_free(f);
	json_decref(answer);
	json_decref(take_names);
	return status;
}
