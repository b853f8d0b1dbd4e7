/* verb_register.c - manifests become definitions. */
#include "cli/call.h"
#include "cli/info.h"
#include "cli/manifests.h"
#include "cli/out.h"
#include "cli/verbs.h"
#include "client/place.h"

static int print_registered(struct cli *c, json_t *take_answer)
{
	json_t *v;
	size_t i;

	if (c->json)
		return print_json(take_answer);
	cli_warn(c, take_answer);
	json_array_foreach (json_object_get(take_answer, "services"), i, v) {
		const char *owner = text_of(v, "owner");

		if (!c->quiet)
			printf("%s: %s%s%s\n", text_of(v, "name"), text_of(v, "change"),
			    *owner ? ", owner " : "", owner);
	}
	json_decref(take_answer);
	return 0;
}

static int register_binary(struct cli *c)
{
	int status;
	struct error e;
	json_t *info;

	if (info_read(c->from_binary, &info, &e))
		return complain("%s", e.msg), err_exit_status(e.code);
	auto_free char *path = text_fmt("%s:service.toml", text_of(info, "name"));
	json_t *params = json_pack("{s:s, s:s, s:s, s:b}", "manifest", text_of(info, "manifest"),
	    "path", path, "for", text_of(info, "name"), "start", c->start);
	if (*text_of(info, "exec") &&
	    place_is_elsewhere(text_of(info, "name"), text_of(info, "exec")))
		json_object_set(params, "exec", json_object_get(info, "exec"));
	json_decref(info);
	json_t *answer = cli_call(c, "service.register", params, &status);
	return answer ? print_registered(c, answer) : status;
}

int verb_register(struct cli *c)
{
	int status = 0;

	if (c->from_binary)
		return register_binary(c);
	if (!c->n)
		return complain("files, or --from-binary BIN"), err_exit_status(ERR_METHOD);
	json_t *manifests = manifests_below(c, NULL, &status);
	if (!manifests)
		return status;
	json_t *answer = cli_call(c, "service.register",
	    json_pack("{s:o, s:b}", "manifests", manifests, "start", c->start), &status);
	return answer ? print_registered(c, answer) : status;
}
