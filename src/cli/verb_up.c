/* verb_up.c - a folder of manifests up and down; the daemon with it. */
#include "cli/apply.h"
#include "cli/call.h"
#include "cli/change.h"
#include "cli/daemon.h"
#include "cli/manifests.h"
#include "cli/out.h"
#include "cli/verbs.h"

static json_t *names_of(const json_t *registered)
{
	json_t *names = json_array(), *v;
	size_t i;

	json_array_foreach (json_object_get(registered, "services"), i, v) {
		json_t *owner = json_object_get(v, "owner");

		if (strcmp(text_of(v, "change"), "removed") != 0)
			json_array_append(
			    names, json_is_string(owner) ? owner : json_object_get(v, "name"));
	}
	return names;
}

int verb_up(struct cli *c)
{
	int status = 0;
	json_t *manifests = manifests_below(c, NULL, &status);

	if (!manifests)
		return status;
	status = daemon_ensure(c);
	if (status) {
		json_decref(manifests);
		return status;
	}
	return apply_up(c, json_pack("{s:o, s:b}", "manifests", manifests, "start", 1));
}

/* A dry registration tells the names without changing anything. */
int verb_down(struct cli *c)
{
	int status = 0;

	if (!c->n)
		return change_services(c, "service.stop_all", NULL);
	json_t *manifests = manifests_below(c, NULL, &status);
	if (!manifests)
		return status;
	json_t *answer = cli_call(c, "service.register",
	    json_pack("{s:o, s:b}", "manifests", manifests, "dry_run", 1), &status);
	if (!answer)
		return status;
	json_t *names = names_of(answer);
	json_decref(answer);
	return change_services(c, "service.stop", names);
}
