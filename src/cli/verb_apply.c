/* verb_apply.c - what differs between manifests and definitions, and making them one. */
#include "cli/apply.h"
#include "cli/call.h"
#include "cli/diff.h"
#include "cli/manifests.h"
#include "cli/out.h"
#include "cli/verbs.h"

static json_t *params_of(struct cli *c, int *status)
{
	json_t *folders = json_array(), *manifests = manifests_below(c, folders, status);

	if (manifests)
		return json_pack("{s:o, s:o}", "manifests", manifests, "paths", folders);
	json_decref(folders);
	return NULL;
}

int verb_diff(struct cli *c)
{
	int status = 0;
	json_t *params = params_of(c, &status), *diff;

	if (!params)
		return status;
	apply_add_options(c, params);
	diff = cli_call(c, "config.diff", params, &status);
	if (!diff)
		return status;
	cli_warn(c, diff);
	status = diff_is_any(diff) ? 1 : 0;
	if (c->json)
		print_json(json_incref(diff));
	else if (!c->quiet)
		diff_print(diff);
	json_decref(diff);
	return status;
}

int verb_apply(struct cli *c)
{
	int status = 0;
	json_t *params = params_of(c, &status);

	return params ? apply_manifests(c, params) : status;
}
