/* verb_service.c - words to one service: delete, kill, reload, ready, wanted. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/steps.h"
#include "cli/verbs.h"

static int simple(struct cli *c, const char *method, json_t *take_params, const char *done)
{
	int status;
	json_t *v = cli_call(c, method, take_params, &status);

	if (!v)
		return status;
	if (c->json)
		return print_json(v);
	if (!c->quiet)
		printf("%s: %s\n", c->args[0], done);
	json_decref(v);
	return 0;
}

int verb_delete(struct cli *c)
{
	json_t *params = json_pack("{s:s, s:b, s:b, s:b}", "name", c->args[0], "force", c->force,
	    "with_dependents", c->with_dependents, "dry_run", c->dry_run);
	int status;

	if (!c->dry_run)
		return simple(c, "service.delete", params, "deleted");
	json_t *answer = cli_call(c, "service.delete", params, &status);
	return answer ? steps_print_plan(c, answer) : status;
}

int verb_ready(struct cli *c)
{
	return simple(c, "service.ready", json_pack("{s:s}", "name", c->args[0]), "ready");
}

int verb_wanted(struct cli *c)
{
	return simple(c, "wanted.set",
	    json_pack("{s:s, s:s}", "name", c->args[0], "wanted", c->args[1]), c->args[1]);
}

int verb_reload(struct cli *c)
{
	json_t *p = json_pack("{s:s, s:b}", "name", c->args[0], "wait", !c->no_wait);

	if (c->action)
		json_object_set_new(p, "action", json_string(c->action));
	if (c->timeout > 0)
		json_object_set_new(p, "timeout_ms", json_integer(c->timeout));
	return simple(c, "service.reload", p, "reloaded");
}

int verb_kill(struct cli *c)
{
	json_t *p = json_pack("{s:s}", "name", c->args[0]);
	char *end;

	if (c->signal && strtol(c->signal, &end, 10) > 0 && !*end)
		json_object_set_new(p, "signal", json_integer(strtol(c->signal, NULL, 10)));
	else if (c->signal)
		json_object_set_new(p, "signal", json_string(c->signal));
	if (c->action)
		json_object_set_new(p, "action", json_string(c->action));
	return simple(c, "service.kill", p, "signalled");
}
