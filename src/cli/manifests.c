#include "cli/manifests.h"

#include "cli/out.h"
#include "folder/folder.h"

static void print_list(const struct strv *list, const char *before, const char *after)
{
	auto_str text = {0};

	for (size_t i = 0; i < list->n; i++)
		str_fmt(&text, "%s%s", i ? ", " : "", list->v[i]);
	if (list->n)
		complain("%s%s%s", before, str_text(&text), after);
}

static void print_left_out(const struct cli *c, const struct folder *f)
{
	if (c->quiet)
		return;
	print_list(&f->not_regular, "left out: ", "");
	print_list(&f->not_ours, "left out, as they have no [service] and no [[binaries]]: ", "");
}

static json_t *list_of(const struct folder *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s%}", "path", f->v[i].path, "text",
						str_text(&f->v[i].text), f->v[i].text.n));
	return list;
}

/* None at all is an error, unless `folders` says which are empty now. */
static enum err judge(const struct folder *f, bool may_be_none)
{
	for (size_t i = 0; i < f->wrong.n; i++)
		complain("%s", f->wrong.v[i]);
	if (f->code || f->n || (may_be_none && f->folders.n))
		return f->code;
	print_list(&f->folders, "no manifest: neither a service.toml below nor a *.toml in ", "");
	return ERR_NOT_FOUND;
}

json_t *manifests_below(struct cli *c, json_t *folders, int *status)
{
	struct folder f = {0};
	json_t *list = NULL;

	for (int i = 0; i < (c->n ? c->n : 1); i++)
		folder_read(&f, c->n ? c->args[i] : ".");
	print_left_out(c, &f);
	*status = err_exit_status(judge(&f, folders != NULL));
	if (!*status) {
		list = list_of(&f);
		for (size_t i = 0; folders && i < f.folders.n; i++)
			json_array_append_new(folders, json_string(f.folders.v[i]));
	}
	folder_release(&f);
	return list;
}
