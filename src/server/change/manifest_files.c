#include "server/change/manifest_files.h"

#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n > k && strcmp(text + n - k, end) == 0;
}

bool manifest_file_is_of(const char *folder, const char *path)
{
	size_t n = strlen(folder);

	while (n > 0 && folder[n - 1] == '/')
		n--;
	if (strncmp(path, folder, n) != 0 || path[n] != '/')
		return false;
	const char *rest = path + n + 1, *slash = strchr(rest, '/');

	return *rest != '.' &&
	       (slash ? strcmp(slash, "/service.toml") == 0 : ends_with(rest, ".toml"));
}

/* Never waits for a writer: what is no regular file is refused. */
static enum err slurp(const char *path, struct str *out, struct error *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	char buf[16384];
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? error_set(e, ERR_NOT_FOUND, "%s: no such file", path)
				       : error_sys(e, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(e, ERR_INVALID, "%s: not a regular file", path);
	while ((got = read(fd, buf, sizeof(buf))) > 0 && out->n <= LIMIT_MANIFEST_BYTES)
		str_add_n(out, buf, (size_t)got);
	return got < 0 ? error_sys(e, errno, "%s", path) : ERR_OK;
}

static void add_file(struct manifest_files *f, const char *path, bool must)
{
	auto_str text = {0};
	struct error e = {0};

	if (slurp(path, &text, &e)) {
		if (must || e.code != ERR_NOT_FOUND)
			f->e = e;
		return;
	}
	json_t *value = json_stringn(str_text(&text), text.n);
	if (value)
		json_array_append_new(
		    f->list, json_pack("{s:s, s:o}", "path", path, "text", value));
	else
		error_set(&f->e, ERR_INVALID, "%s: it is not UTF-8", path);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_folder(struct manifest_files *f, const char *dir)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, by_name);

	if (n < 0)
		error_sys(&f->e, errno, "%s", dir);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		auto_free char *path = text_fmt("%s/%s", dir, name),
			       *inner = text_fmt("%s/%s/service.toml", dir, name);
		struct stat st;

		if (*name != '.' && stat(path, &st) == 0) {
			if (S_ISDIR(st.st_mode))
				add_file(f, inner, false);
			else if (ends_with(name, ".toml"))
				add_file(f, path, true);
		}
		free(names[i]);
	}
	free(names);
}

void manifest_files_read(void *manifest_files)
{
	struct manifest_files *f = manifest_files;
	struct stat st;

	f->list = json_array();
	for (size_t i = 0; i < f->paths.n && f->e.code == ERR_OK; i++) {
		const char *path = f->paths.v[i];

		if (*path != '/')
			error_set(&f->e, ERR_INVALID, "paths: `%s` is not absolute", path);
		else if (stat(path, &st) < 0)
			error_set(&f->e, errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM,
			    "paths: %s: %s", path, strerrordesc_np(errno));
		else if (S_ISDIR(st.st_mode))
			add_folder(f, path);
		else
			add_file(f, path, true);
	}
}
