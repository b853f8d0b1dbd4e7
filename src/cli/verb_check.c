/* verb_check.c - read manifests as the daemon would, and say everything that is wrong. */
#include "cli/cli.h"
#include "manifest/manifest.h"

#include <stdio.h>

static void add_all(json_t *to, json_t *take_more)
{
	json_array_extend(to, take_more);
	json_decref(take_more);
}

static bool check_one(struct cli *c, const json_t *entry, json_t *all)
{
	const char *path = text_of(entry, "given"), *text = text_of(entry, "text");
	struct diags diags = { 0 };
	struct manifest m;
	struct error e;
	enum err code = manifest_read(text, json_string_length(json_object_get(entry, "text")),
	    &(struct manifest_options){ .path = path }, &m, &diags, &e);

	for (size_t i = 0; i < diags.n; i++) {
		auto_str out = { 0 };

		diag_print(&diags.v[i], &out);
		if (!c->json)
			fputs(str_text(&out), stderr);
	}
	add_all(json_object_get(all, "errors"), diags_json(&diags, DIAG_ERROR));
	add_all(json_object_get(all, "warnings"), diags_json(&diags, DIAG_WARNING));
	manifest_release(&m);
	diags_release(&diags);
	return code == ERR_OK;
}

int verb_check(struct cli *c)
{
	json_t *all = json_pack("{s:[], s:[]}", "errors", "warnings");
	bool ok = true;
	int status = 0;

	for (int i = 0; i < c->n; i++) {
		struct cli one = *c;
		json_t *list, *entry;
		size_t k;

		one.args = &c->args[i];
		one.n = 1;
		list = manifests_below(&one, NULL, &status);
		if (!list) {
			json_decref(all);
			return status;
		}
		json_array_foreach (list, k, entry) {
			bool is_file = json_array_size(list) == 1;

			json_object_set_new(entry, "given", json_string(is_file ? c->args[i] : text_of(entry, "path")));
			ok = check_one(c, entry, all) && ok;
		}
		json_decref(list);
	}
	if (c->json)
		cli_json(json_incref(all));
	json_decref(all);
	return ok ? 0 : err_exit_status(ERR_INVALID);
}
