/* verb_check.c - read manifests as the daemon would, together, and say everything that is wrong. */
#include "cli/manifests.h"
#include "cli/out.h"
#include "cli/verbs.h"
#include "manifest/manifest.h"
#include "registry/registry.h"

#include <sys/stat.h>

/* What is looked at: files, what they say, what is wrong with it. */
struct checked {
	json_t *files; /* [{given, text}] */
	struct {
		struct manifest *v;
		size_t n, cap;
	} manifests;
	struct {
		struct contribution *v;
		size_t n, cap;
	} all;
	struct diags diags;
	bool wrong;
};

static void read_one(struct checked *x, json_t *entry)
{
	const char *path = text_of(entry, "given"), *text = text_of(entry, "text");
	struct manifest m;
	struct error e;

	if (manifest_read(text, json_string_length(json_object_get(entry, "text")),
		&(struct manifest_options){.path = path}, &m, &x->diags, &e))
		x->wrong = true;
	for (size_t i = 0; i < m.n; i++)
		*vec_push(&x->all) = (struct contribution){&m.v[i], path, CONTRIBUTE_REGISTER};
	*vec_push(&x->manifests) = m;
	json_array_append(x->files, entry);
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* 0, or the exit status of a file that can not be read. */
static int read_all(struct cli *c, struct checked *x)
{
	int status = 0;

	for (int i = 0; i < c->n; i++) {
		struct cli one = *c;
		json_t *list, *entry;
		size_t k;

		one.args = &c->args[i];
		one.n = 1;
		list = manifests_below(&one, NULL, &status);
		if (!list)
			return status;
		json_array_foreach (list, k, entry) {
			/* As it was written, and below a folder the whole path. */
			json_object_set_new(entry, "given",
			    json_string(
				is_folder(c->args[i]) ? text_of(entry, "path") : c->args[i]));
			read_one(x, entry);
		}
		json_decref(list);
	}
	return 0;
}

/* Cycles, conflicts and claims among all of them; other manifests may be registered elsewhere. */
static void judge_together(struct checked *x)
{
	const struct registry_config whole = {
	    .hero_socket_dir = "$HERO_SOCKET_DIR", .partial = true};
	struct registry *r = registry_new(&whole);
	struct registry_outcome out = {0};
	struct error e;
	json_t *entry;
	size_t i;

	if (registry_apply(r, x->all.v, x->all.n, REGISTRY_DRY_RUN, &out, &x->diags, &e))
		x->wrong = true;
	diags_sort(&x->diags);
	json_array_foreach (x->files, i, entry)
		diags_quote(&x->diags, text_of(entry, "given"), text_of(entry, "text"),
		    json_string_length(json_object_get(entry, "text")));
	registry_outcome_release(&out);
	registry_free(r);
}

static void tell(struct cli *c, const struct checked *x)
{
	if (c->json) {
		print_json(json_pack("{s:o, s:o}", "errors", diags_json(&x->diags, DIAG_ERROR),
		    "warnings", diags_json(&x->diags, DIAG_WARNING)));
		return;
	}
	for (size_t i = 0; i < x->diags.n; i++) {
		auto_str out = {0};

		diag_print(&x->diags.v[i], &out);
		fputs(str_text(&out), stderr);
	}
}

static void release(struct checked *x)
{
	for (size_t i = 0; i < x->manifests.n; i++)
		manifest_release(&x->manifests.v[i]);
	free(x->manifests.v);
	free(x->all.v);
	diags_release(&x->diags);
	json_decref(x->files);
}

int verb_check(struct cli *c)
{
	struct checked x = {.files = json_array()};
	int status = read_all(c, &x);

	if (!status) {
		if (!x.wrong)
			judge_together(&x);
		tell(c, &x);
		status = x.wrong ? err_exit_status(ERR_INVALID) : 0;
	}
	release(&x);
	return status;
}
