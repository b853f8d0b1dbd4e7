#include "store/inspect.h"

#include "store/mirror.h"
#include "store/schema.h"

#include "base/map.h"
#include "sys/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static int is_late(void *ctx)
{
	return clock_mono() > *(msec *)ctx;
}

static void check_pages(sqlite3 *db, struct store_inspection *out)
{
	struct error e = {0};
	msec end = clock_mono() + STORE_INSPECT_MS;

	sqlite3_progress_handler(db, 10000, is_late, &end);
	enum db_state state = db_check(db, &e);
	sqlite3_progress_handler(db, 0, NULL, NULL);
	out->complete = !is_late(&end);
	out->sound = state == DB_OK || !out->complete;
	if (!out->sound)
		out->why = text_dup(e.msg);
}

/* ---- definitions/ ------------------------------------------------------------------------ */

struct folder {
	struct store_inspection *out;
	int fd;
	struct map seen; /* names of files that a row stands for */
	struct strv names;
};

static void compare(struct folder *f, const struct table *t, const struct value *v)
{
	char *name = NULL;
	bool holds = mirror_holds(f->fd, t, v, &name);

	if (!holds)
		strv_take(&f->out->files, text_fmt("%s: %s", name,
					      faccessat(f->fd, name, F_OK, 0) < 0
						  ? "the file is not there"
						  : "the file says something else than the row"));
	strv_take(&f->names, name);
	map_put(&f->seen, f->names.v[f->names.n - 1], f);
}

static void note_contribution(struct store_inspection *out, const void *row)
{
	const struct store_contribution *c = row;

	strv_take(&out->contributions, text_fmt("%s\n%s", c->source, c->service));
}

static bool compare_table(sqlite3 *db, enum table_id id, struct folder *f)
{
	_Alignas(max_align_t) char row[ROW_MAX] = {0};
	struct value v[COLUMNS_MAX];
	sqlite3_stmt *st = NULL;
	auto_str sql = {0};

	const char *where = tables[id].mirrored_where;

	table_select_sql(&tables[id], where ? where : "", &sql);
	if (sqlite3_prepare_v2(db, sql.s, -1, &st, NULL) != SQLITE_OK)
		return false;
	while (sqlite3_step(st) == SQLITE_ROW) {
		row_read(&tables[id], st, row);
		row_values(&tables[id], row, v);
		row_mirrored(&tables[id], v);
		compare(f, &tables[id], v);
		if (id == T_CONTRIBUTIONS)
			note_contribution(f->out, row);
	}
	sqlite3_finalize(st);
	return true;
}

static void find_extra(struct folder *f)
{
	int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *de; d && (de = readdir(d));)
		if (de->d_name[0] != '.' && !map_get(&f->seen, de->d_name))
			strv_take(&f->out->files,
			    text_fmt("%s: there is no row that it stands for", de->d_name));
	if (d)
		closedir(d);
}

static void compare_files(sqlite3 *db, const char *dir, struct store_inspection *out)
{
	auto_free char *path = text_fmt("%s/definitions", dir);
	auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct folder f = {.out = out, .fd = fd};
	bool all = fd >= 0;

	if (fd < 0)
		strv_take(&out->files, text_fmt("definitions/: %s", strerror(errno)));
	for (size_t i = 0; fd >= 0 && i < TABLE_COUNT; i++)
		if (tables[i].mirrored)
			all = compare_table(db, (enum table_id)i, &f) && all;
	if (all)
		find_extra(&f);
	map_release(&f.seen);
	strv_release(&f.names);
}

/* ---- numbers ------------------------------------------------------------------------------ */

static int64_t ask(sqlite3 *db, const char *sql, const char *name)
{
	sqlite3_stmt *st = NULL;
	int64_t value = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK) {
		if (name)
			sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
		if (sqlite3_step(st) == SQLITE_ROW)
			value = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
	return value;
}

static void compare_counters(sqlite3 *db, struct store_inspection *out)
{
	static const struct {
		const char *counter, *used;
	} rows[] = {{"run", "SELECT max(id) FROM runs"}, {"job", "SELECT max(id) FROM jobs"},
	    {"op", "SELECT max(id) FROM operations"}, {"event", "SELECT max(id) FROM events"},
	    {"token", "SELECT max(token) FROM jobs"}};

	for (size_t i = 0; i < countof(rows); i++) {
		int64_t used = ask(db, rows[i].used, NULL);
		int64_t counter =
		    ask(db, "SELECT value FROM counters WHERE name = ?", rows[i].counter);

		if (counter >= used)
			continue;
		out->behind[out->n_behind].counter = rows[i].counter;
		out->behind[out->n_behind].is = counter;
		out->behind[out->n_behind++].used = used;
	}
}

enum err store_inspect(const char *dir, struct store_inspection *out, struct error *e)
{
	auto_free char *path = text_fmt("%s/state.db", dir), *wal = text_fmt("%s-wal", path);
	struct stat st;
	sqlite3 *db = NULL;

	*out = (struct store_inspection){0};
	if (db_open_reader(path, &db, e))
		return e->code;
	if (stat(wal, &st) == 0)
		out->wal_bytes = (uint64_t)st.st_size;
	check_pages(db, out);
	compare_files(db, dir, out);
	compare_counters(db, out);
	sqlite3_close(db);
	return ERR_OK;
}

void store_inspection_release(struct store_inspection *i)
{
	free(i->why);
	strv_release(&i->contributions);
	strv_release(&i->files);
	*i = (struct store_inspection){0};
}
