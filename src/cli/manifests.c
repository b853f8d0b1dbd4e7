#include "cli/manifests.h"

#include "cli/out.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

static char *slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "re");
	struct str text = {0};
	char buf[8192];
	size_t got;

	if (!f)
		return NULL;
	while ((got = fread(buf, 1, sizeof(buf), f)) > 0 && text.n < (2u << 20))
		str_add_n(&text, buf, got);
	fclose(f);
	*n = text.n;
	return str_take(&text);
}

/* A file that may be absent (must not set) is passed over; what was wrong goes to *wrong. */
static void add_file(json_t *list, const char *path, bool must, enum err *wrong)
{
	size_t n = 0;
	auto_free char *text = slurp(path, &n);
	int sys = errno; /* of slurp, when there is no text */
	json_t *value = text ? json_stringn(text, n) : NULL;
	auto_free char *whole = realpath(path, NULL);

	if (!value) {
		if (must || text) {
			complain("%s: %s", path, text ? "it is not UTF-8" : strerrordesc_np(sys));
			*wrong = text ? ERR_INVALID : ERR_NOT_FOUND;
		}
		return;
	}
	json_array_append_new(
	    list, json_pack("{s:s, s:o}", "path", whole ? whole : path, "text", value));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* DIR/service.toml, DIR/NAME/service.toml, DIR/NAME.toml */
static void add_folder(json_t *list, const char *dir, enum err *wrong)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, by_name);

	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		size_t length = strlen(name);
		auto_free char *path = text_fmt("%s/%s", dir, name),
			       *inner = text_fmt("%s/%s/service.toml", dir, name);

		if (*name != '.' && length > 5 && strcmp(name + length - 5, ".toml") == 0)
			add_file(list, path, true, wrong);
		else if (*name != '.')
			add_file(list, inner, false, wrong);
		free(names[i]);
	}
	free(names);
}

json_t *manifests_below(struct cli *c, json_t *folders, int *status)
{
	json_t *list = json_array();
	enum err wrong = ERR_OK;

	for (int i = 0; i < (c->n ? c->n : 1); i++) {
		const char *path = c->n ? c->args[i] : ".";
		struct stat st;

		if (stat(path, &st) != 0) {
			complain("%s: %s", path, strerrordesc_np(errno));
			wrong = ERR_NOT_FOUND;
		} else if (S_ISDIR(st.st_mode)) {
			auto_free char *whole = realpath(path, NULL);

			add_folder(list, path, &wrong);
			if (folders)
				json_array_append_new(folders, json_string(whole ? whole : path));
		} else {
			add_file(list, path, true, &wrong);
		}
	}
	if (!wrong && !json_array_size(list) && !json_array_size(folders)) {
		complain("no service.toml found");
		wrong = ERR_NOT_FOUND;
	}
	if (!wrong)
		return list;
	json_decref(list);
	*status = err_exit_status(wrong);
	return NULL;
}
