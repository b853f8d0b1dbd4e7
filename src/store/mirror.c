#include "store/mirror.h"

#include "base/map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>

enum { FILE_NAME_BYTES = 160, READABLE_BYTES = 80 };

/* "wanted-web-0123456789abcdef.json": readable as far as it goes, then exact. */
static void file_name(char out[FILE_NAME_BYTES], const struct table *t, const struct value *v)
{
	auto_free char *key = row_key(t, v);
	char readable[READABLE_BYTES + 1];

	snprintf(readable, sizeof(readable), "%s", strrchr(key, '\n') + 1);
	for (char *s = readable; *s; s++)
		if (*s == '/' || *s == '\n')
			*s = '_';
	snprintf(out, FILE_NAME_BYTES, "%s-%s-%016llx.json", t->name, readable,
	    (unsigned long long)text_hash(key));
}

static char *to_json(const struct table *t, const struct value *v)
{
	json_t *o = json_object();
	char *text;

	json_object_set_new(o, "table", json_string(t->name));
	for (size_t i = 0; i < t->n; i++)
		json_object_set_new_nocheck(o, t->columns[i].name,
		    !v[i].is_text ? json_integer(v[i].number)
		    : v[i].text	  ? json_string_nocheck(v[i].text)
				  : json_null());
	text = json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	if (!text)
		abort();
	return text;
}

static bool holds_already(int dir_fd, const char *name, const char *text)
{
	auto_fd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t n = strlen(text);
	auto_free char *there = mem_new(n + 1);

	return fd >= 0 && read(fd, there, n + 1) == (ssize_t)n && memcmp(there, text, n) == 0;
}

/* Changes places with what had the name (rename(2)): the old file is written over the next
 * time.  To replace it would free an inode each time, and ext4 walks over those that were
 * freed in the last seconds whenever it needs one: ten thousand writes would be quadratic. */
static enum err put_in_place(int dir_fd, const char *name, struct error *e)
{
	if (renameat2(dir_fd, ".new", dir_fd, name, RENAME_EXCHANGE) == 0 ||
	    renameat(dir_fd, ".new", dir_fd, name) == 0)
		return ERR_OK;
	return error_sys(e, errno, "definitions/%s: rename", name);
}

/* Closed before it gets its name: who watches the folder sees that nobody wrote to the file
 * itself. */
static enum err write_new(int dir_fd, const char *name, const char *text, struct error *e)
{
	auto_fd int fd = openat(dir_fd, ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t n = strlen(text);
	ssize_t w = fd < 0 ? -1 : write(fd, text, n);

	if (w != (ssize_t)n)
		return error_sys(e, w < 0 ? errno : ENOSPC, "definitions/%s: write", name);
	return ERR_OK;
}

static enum err write_file(int dir_fd, const char *name, const char *text, struct error *e)
{
	if (holds_already(dir_fd, name, text))
		return ERR_OK;
	return write_new(dir_fd, name, text, e) ? e->code : put_in_place(dir_fd, name, e);
}

enum err mirror_write(int dir_fd, const struct table *t, const struct value *v, struct error *e)
{
	char name[FILE_NAME_BYTES];
	auto_free char *text = to_json(t, v);

	file_name(name, t, v);
	return write_file(dir_fd, name, text, e);
}

bool mirror_holds(int dir_fd, const struct table *t, const struct value *v, char **name)
{
	auto_free char *text = to_json(t, v);

	*name = mem_new(FILE_NAME_BYTES);
	file_name(*name, t, v);
	return holds_already(dir_fd, *name, text);
}

static atomic_uint removed;

unsigned mirror_removed(void)
{
	return removed;
}

/* Counted first: who sees that it is gone finds that it was us. */
static int remove_counted(int dir_fd, const char *name)
{
	atomic_fetch_add(&removed, 1);
	if (unlinkat(dir_fd, name, 0) == 0)
		return 0;
	atomic_fetch_sub(&removed, 1);
	return -1;
}

enum err mirror_remove(int dir_fd, const struct table *t, const struct value *v, struct error *e)
{
	char name[FILE_NAME_BYTES];

	file_name(name, t, v);
	if (remove_counted(dir_fd, name) < 0 && errno != ENOENT)
		return error_sys(e, errno, "definitions/%s: remove", name);
	return ERR_OK;
}

size_t mirror_count(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0;

	for (const struct dirent *de; d && (de = readdir(d));)
		n += de->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

void mirror_keep_only(int dir_fd, const struct strv *names)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct map known = {0};

	for (size_t i = 0; i < names->n; i++)
		map_put(&known, names->v[i], names->v[i]);
	for (struct dirent *de; d && (de = readdir(d));)
		if (de->d_name[0] != '.' && !map_get(&known, de->d_name))
			remove_counted(dir_fd, de->d_name);
	map_release(&known);
	if (d)
		closedir(d);
}

static const struct table *find_table(const char *name)
{
	for (size_t i = 0; name && i < TABLE_COUNT; i++)
		if (tables[i].mirrored && strcmp(tables[i].name, name) == 0)
			return &tables[i];
	return NULL;
}

/* Texts are the object's; false when a column is not there or has another type. */
static bool from_json(const struct table *t, const json_t *o, struct value *v)
{
	for (size_t i = 0; i < t->n; i++) {
		const json_t *x = json_object_get(o, t->columns[i].name);

		v[i] = (struct value){
		    .is_text = t->columns[i].kind == COL_TEXT || t->columns[i].kind == COL_WORD};
		bool may_be_null = t->columns[i].kind == COL_TEXT && !t->columns[i].key;

		if (may_be_null && json_is_null(x))
			continue;
		if (v[i].is_text ? !json_is_string(x) : !json_is_integer(x))
			return false;
		if (v[i].is_text)
			v[i].text = json_string_value(x);
		else
			v[i].number = json_integer_value(x);
	}
	return true;
}

static bool load_one(int dir_fd, const char *name, mirror_fn fn, void *ctx)
{
	struct value v[COLUMNS_MAX];
	const struct table *t;
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	json_t *o = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
	bool ok = false;

	if (fd >= 0)
		close(fd);
	t = find_table(json_string_value(json_object_get(o, "table")));
	if (t && from_json(t, o, v)) {
		fn(t, v, ctx);
		ok = true;
	}
	json_decref(o);
	return ok;
}

void mirror_load(int dir_fd, mirror_fn fn, void *ctx, size_t *bad)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *de; d && (de = readdir(d));)
		if (de->d_name[0] != '.' && !load_one(dir_fd, de->d_name, fn, ctx))
			++*bad;
	if (d)
		closedir(d);
}
