/* batch.c - many rows, one transaction. */
#include "store/mirror.h"
#include "store/store_priv.h"

struct batch {
	sqlite3 *db;
	sqlite3_stmt *put[TABLE_COUNT], *remove[TABLE_COUNT];
	int rc;
};

/* error.sys carries the SQLite code: the writer looks whether it is corruption. */
enum err store_db_error(struct store *s, int rc, const char *what, struct error *e)
{
	error_set(e, ERR_STORAGE, "state.db: %s: %s", what,
	    s->writer ? sqlite3_errmsg(s->writer) : sqlite3_errstr(rc));
	e->sys = rc;
	return ERR_STORAGE;
}

static sqlite3_stmt *statement(struct batch *b, const struct table *t, bool remove)
{
	sqlite3_stmt **slot = &(remove ? b->remove : b->put)[t - tables];
	auto_str sql = {0};

	if (*slot)
		return *slot;
	if (remove)
		table_delete_sql(t, &sql);
	else
		table_upsert_sql(t, &sql);
	b->rc = sqlite3_prepare_v2(b->db, sql.s, -1, slot, NULL);
	return b->rc == SQLITE_OK ? *slot : NULL;
}

static bool write_row(struct batch *b, const struct table *t, const struct value *v, bool remove)
{
	sqlite3_stmt *st = statement(b, t, remove);

	if (!st)
		return false;
	values_bind(t, v, remove, st);
	b->rc = sqlite3_step(st);
	sqlite3_reset(st);
	return b->rc == SQLITE_DONE;
}

static void finalize(struct batch *b)
{
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		sqlite3_finalize(b->put[i]);
		sqlite3_finalize(b->remove[i]);
	}
}

static enum err begin(struct store *s, bool full, struct error *e)
{
	int rc = sqlite3_exec(s->writer,
	    full ? "PRAGMA synchronous = FULL; BEGIN IMMEDIATE"
		 : "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
	    NULL, NULL, NULL);

	return rc == SQLITE_OK ? ERR_OK : store_db_error(s, rc, "begin", e);
}

static enum err finish(struct store *s, struct batch *b, bool ok, struct error *e)
{
	int rc = b->rc;

	if (!ok)
		store_db_error(s, rc, "write", e);
	finalize(b);
	if (ok && (rc = sqlite3_exec(s->writer, "COMMIT", NULL, NULL, NULL)) == SQLITE_OK)
		return ERR_OK;
	if (ok)
		store_db_error(s, rc, "commit", e);
	if (!sqlite3_get_autocommit(s->writer))
		sqlite3_exec(s->writer, "ROLLBACK", NULL, NULL, NULL);
	return ERR_STORAGE;
}

/* Files come first: a kill in between leaves one newer than the database, which
 * is what was asked for. */
static enum err write_files(struct store *s, const struct ops *list, struct error *e)
{
	const struct op *op;
	struct value v[COLUMNS_MAX];

	TAILQ_FOREACH(op, list, link)
	{
		if (!op->table->mirrored)
			continue;
		op_values(op, v);
		enum mirrored is = row_mirrored(op->table, v);
		if (is == MIRRORED_NOT)
			continue;
		if ((op->remove || is == MIRRORED_GONE ? mirror_remove : mirror_write)(
			s->definitions_fd, op->table, v, e))
			return e->code;
	}
	return ERR_OK;
}

enum err store_write_batch(struct store *s, const struct ops *list, struct error *e)
{
	struct batch b = {.db = s->writer};
	bool full = false, ok = true;
	struct value v[COLUMNS_MAX];
	const struct op *op;

	TAILQ_FOREACH(op, list, link)
	full |= op->table->full;
	if (write_files(s, list, e) || begin(s, full, e))
		return e->code;
	for (op = TAILQ_FIRST(list); ok && op; op = TAILQ_NEXT(op, link)) {
		op_values(op, v);
		ok = write_row(&b, op->table, v, op->remove);
	}
	return finish(s, &b, ok, e);
}

struct mirroring {
	struct store *s;
	struct strv names;
	size_t written;
};

static enum err mirror_row(
    struct mirroring *m, const struct table *t, const struct value *v, struct error *e)
{
	char *name = NULL;
	bool holds = mirror_holds(m->s->definitions_fd, t, v, &name);

	strv_take(&m->names, name);
	if (holds || mirror_write(m->s->definitions_fd, t, v, e))
		return e->code;
	m->written++;
	return ERR_OK;
}

static enum err mirror_table(struct mirroring *m, const struct table *t, struct error *e)
{
	_Alignas(max_align_t) char row[ROW_MAX] = {0};
	struct value v[COLUMNS_MAX];
	sqlite3_stmt *st = NULL;
	auto_str sql = {0};
	int rc;

	table_select_sql(t, t->mirrored_where ? t->mirrored_where : "", &sql);
	rc = sqlite3_prepare_v2(m->s->writer, sql.s, -1, &st, NULL);
	if (rc != SQLITE_OK)
		return store_db_error(m->s, rc, "read", e);
	while (e->code == ERR_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		row_read(t, st, row);
		row_values(t, row, v);
		row_mirrored(t, v);
		mirror_row(m, t, v, e);
	}
	if (e->code == ERR_OK && rc != SQLITE_DONE)
		store_db_error(m->s, rc, "read", e);
	sqlite3_finalize(st);
	return e->code;
}

enum err store_mirror_all(struct store *s, bool exactly, size_t *written, struct error *e)
{
	struct mirroring m = {.s = s};

	for (size_t i = 0; e->code == ERR_OK && i < TABLE_COUNT; i++)
		if (tables[i].mirrored)
			mirror_table(&m, &tables[i], e);
	if (e->code == ERR_OK && exactly)
		mirror_keep_only(s->definitions_fd, &m.names);
	*written = m.written;
	strv_release(&m.names);
	return e->code;
}

size_t store_mirrored_rows(struct store *s)
{
	size_t n = 0;

	for (size_t i = 0; i < TABLE_COUNT; i++) {
		const char *where = tables[i].mirrored_where;
		auto_free char *sql =
		    text_fmt("SELECT count(*) FROM %s %s", tables[i].name, where ? where : "");
		sqlite3_stmt *st = NULL;

		if (tables[i].mirrored &&
		    sqlite3_prepare_v2(s->writer, sql, -1, &st, NULL) == SQLITE_OK &&
		    sqlite3_step(st) == SQLITE_ROW)
			n += (size_t)sqlite3_column_int64(st, 0);
		sqlite3_finalize(st);
	}
	return n;
}

struct rebuild {
	struct batch batch;
	bool ok;
	size_t rows;
};

static void rebuild_row(const struct table *t, const struct value *v, void *ctx)
{
	struct rebuild *r = ctx;

	r->ok = r->ok && write_row(&r->batch, t, v, false);
	r->rows += r->ok;
}

enum err store_rebuild(struct store *s, size_t *rows, struct error *e)
{
	struct rebuild r = {.batch.db = s->writer, .ok = true};
	size_t bad = 0;

	if (begin(s, true, e))
		return e->code;
	mirror_load(s->definitions_fd, rebuild_row, &r, &bad);
	if (bad)
		store_note(s, "%zu files below definitions/ could not be read", bad);
	*rows += r.rows;
	return finish(s, &r.batch, r.ok, e);
}
