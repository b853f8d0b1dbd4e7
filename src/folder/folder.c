#include "folder/folder.h"

#include "base/limits.h"
#include "manifest/recognise.h"
#include "sys/regular_file.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>

#define DEPTH_MAX 64

void folder_release(struct folder *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].path);
		str_release(&f->v[i].text);
	}
	free(f->v);
	strv_release(&f->not_ours);
	strv_release(&f->not_regular);
	strv_release(&f->folders);
	strv_release(&f->wrong);
	*f = (struct folder){0};
}

static void fail(struct folder *f, const struct error *e)
{
	strv_add(&f->wrong, e->msg);
	if (f->code == ERR_OK)
		f->code = e->code;
}

/* ---- one file ------------------------------------------------------------------------- */

static bool is_utf8(const struct str *text)
{
	json_t *v = json_stringn(str_text(text), text->n);

	json_decref(v);
	return v != NULL;
}

/* The same file by two names, one of them a link, is one file. */
static bool has_path(const struct folder *f, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->v[i].path, path) == 0)
			return true;
	return false;
}

static void add_file(struct folder *f, const char *path, bool named)
{
	auto_str text = {0};
	struct error e = {0};
	auto_free char *whole = realpath(path, NULL);
	bool doubtful = !named && strcmp(text_last_part(path), "service.toml") != 0;

	if (regular_file_read(path, LIMIT_MANIFEST_BYTES, &text, &e)) {
		if (named || e.code != ERR_INVALID)
			fail(f, &e);
		else
			strv_add(&f->not_regular, e.msg);
	} else if (doubtful && !recognise_manifest(str_text(&text), text.n)) {
		strv_add(&f->not_ours, path);
	} else if (!is_utf8(&text)) {
		error_set(&e, ERR_INVALID, "%s: it is not UTF-8", path);
		fail(f, &e);
	} else if (!has_path(f, whole ? whole : path)) {
		*vec_push(f) = (struct folder_file){text_dup(whole ? whole : path), text};
		text = (struct str){0};
	}
}

/* ---- a folder ------------------------------------------------------------------------- */

/* Where we are, so that a link does not lead round in a circle. */
struct place {
	const struct place *above;
	dev_t dev;
	ino_t ino;
	int depth;
};

static bool is_above(const struct place *p, const struct stat *st)
{
	for (; p; p = p->above)
		if (p->dev == st->st_dev && p->ino == st->st_ino)
			return true;
	return false;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n > k && strcmp(text + n - k, end) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_folder(struct folder *f, const char *dir, const struct place *above);

static void add_entry(
    struct folder *f, const char *dir, const struct dirent *entry, const struct place *here)
{
	const char *name = entry->d_name;
	bool manifest =
	    strcmp(name, "service.toml") == 0 || (here->depth == 0 && ends_with(name, ".toml"));
	bool may_be_folder =
	    entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
	auto_free char *path = text_fmt("%s%s%s", dir, ends_with(dir, "/") ? "" : "/", name);
	struct stat st;

	if (*name == '.' || (!manifest && !may_be_folder))
		return;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (!is_above(here, &st))
			add_folder(f, path, here);
	} else if (manifest) {
		add_file(f, path, false);
	}
}

static void add_folder(struct folder *f, const char *dir, const struct place *above)
{
	struct dirent **names = NULL;
	struct error e = {0};
	struct stat st;
	int n = scandir(dir, &names, NULL, by_name);

	if (n < 0 || stat(dir, &st) < 0) {
		error_set(&e, errno == EACCES ? ERR_DENIED : ERR_SYSTEM, "%s: %s", dir,
		    strerrordesc_np(errno));
		fail(f, &e);
		return;
	}
	const struct place here = {above, st.st_dev, st.st_ino, above ? above->depth + 1 : 0};
	for (int i = 0; i < n; i++) {
		if (here.depth <= DEPTH_MAX)
			add_entry(f, dir, names[i], &here);
		free(names[i]);
	}
	free(names);
}

void folder_read(struct folder *f, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		add_file(f, path, true);
		return;
	}
	auto_free char *whole = realpath(path, NULL);
	strv_add(&f->folders, whole ? whole : path);
	add_folder(f, path, NULL);
}

/* ---- belonging ------------------------------------------------------------------------ */

bool folder_has(const char *folder, const char *path)
{
	size_t n = strlen(folder);

	while (n > 0 && folder[n - 1] == '/')
		n--;
	if (strncmp(path, folder, n) != 0 || path[n] != '/')
		return false;
	for (const char *at = path + n; at; at = strchr(at + 1, '/'))
		if (at[1] == '.')
			return false;
	const char *rest = path + n + 1;
	return strchr(rest, '/') ? ends_with(rest, "/service.toml") : ends_with(rest, ".toml");
}
