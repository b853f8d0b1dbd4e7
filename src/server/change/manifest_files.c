#include "server/change/manifest_files.h"

#include "folder/folder.h"

static void take_found(struct manifest_files *f, const struct folder *found)
{
	for (size_t i = 0; i < found->n; i++)
		json_array_append_new(
		    f->list, json_pack("{s:s, s:s%}", "path", found->v[i].path, "text",
				 str_text(&found->v[i].text), found->v[i].text.n));
	strv_copy(&f->not_ours, &found->not_ours);
	strv_copy(&f->not_regular, &found->not_regular);
	if (found->code)
		error_set(&f->e, found->code, "%s", found->wrong.v[0]);
}

void manifest_files_read(void *manifest_files)
{
	struct manifest_files *f = manifest_files;
	struct folder found = {0};

	f->list = json_array();
	for (size_t i = 0; i < f->paths.n && f->e.code == ERR_OK; i++) {
		const char *path = f->paths.v[i];

		if (*path == '/')
			folder_read(&found, path);
		else
			error_set(&f->e, ERR_INVALID, "paths: `%s` is not absolute", path);
	}
	if (!f->e.code)
		take_found(f, &found);
	folder_release(&found);
}

void manifest_files_release(struct manifest_files *f)
{
	strv_release(&f->paths);
	strv_release(&f->not_ours);
	strv_release(&f->not_regular);
	json_decref(f->list);
	*f = (struct manifest_files){0};
}
