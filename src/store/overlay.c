/* overlay.c - what the disk does not take can be read all the same. */
#include "store/store_priv.h"

/* In a reader's temporary schema, which lies in memory and comes before the file's: what waits for
 * a table, and a view of the table's name that shows both.  For history: the rest is read when the
 * daemon starts, and is in its memory from then on. */
#define LAYOUT(t)                                                                               \
	"CREATE TEMP TABLE " t "_waiting AS SELECT * FROM main." t                              \
	" WHERE 0;"                                                                             \
	"CREATE UNIQUE INDEX temp." t "_key ON " t                                              \
	"_waiting (id);"                                                                        \
	"CREATE TEMP TABLE " t                                                                  \
	"_removed (id INTEGER PRIMARY KEY);"                                                    \
	"CREATE TEMP VIEW " t " AS SELECT * FROM " t "_waiting UNION ALL SELECT * FROM main." t \
	" WHERE id NOT IN (SELECT id FROM " t "_waiting) AND id NOT IN (SELECT id FROM " t      \
	"_removed);"

static const char *const layouts[TABLE_COUNT] = {
    [T_RUNS] = LAYOUT("runs"),
    [T_JOBS] = LAYOUT("jobs"),
    [T_OPERATIONS] = LAYOUT("operations"),
    [T_EVENTS] = LAYOUT("events"),
};

struct overlay {
	sqlite3 *db;
	sqlite3_stmt *put[TABLE_COUNT], *remove[TABLE_COUNT];
};

static int make(struct overlay *o, size_t i)
{
	auto_free char *name = text_fmt("temp.%s_waiting", tables[i].name);
	auto_free char *gone =
	    text_fmt("INSERT OR IGNORE INTO temp.%s_removed VALUES (?)", tables[i].name);
	struct table waiting = tables[i];
	auto_str insert = {0};
	int rc = sqlite3_exec(o->db, layouts[i], NULL, NULL, NULL);

	waiting.name = name;
	table_upsert_sql(&waiting, &insert);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(o->db, insert.s, -1, &o->put[i], NULL);
	return rc == SQLITE_OK ? sqlite3_prepare_v2(o->db, gone, -1, &o->remove[i], NULL) : rc;
}

static int add(struct overlay *o, const struct ops *ops)
{
	const struct op *op;
	struct value v[COLUMNS_MAX];
	int rc = SQLITE_OK;

	for (op = ops ? TAILQ_FIRST(ops) : NULL; op && rc == SQLITE_OK; op = TAILQ_NEXT(op, link)) {
		size_t i = (size_t)(op->table - tables);
		sqlite3_stmt *st = op->remove ? o->remove[i] : o->put[i];

		if (!st)
			continue;
		op_values(op, v);
		values_bind(op->table, v, op->remove, st);
		rc = sqlite3_step(st) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(o->db);
		sqlite3_reset(st);
	}
	return rc;
}

enum err store_overlay(struct store *s, sqlite3 *reader, struct error *e)
{
	struct overlay o = {.db = reader};
	int rc = sqlite3_exec(
	    reader, "PRAGMA temp_store = MEMORY; PRAGMA query_only = 0; BEGIN", NULL, NULL, NULL);

	for (size_t i = 0; i < TABLE_COUNT && rc == SQLITE_OK; i++)
		if (layouts[i])
			rc = make(&o, i);
	if (rc == SQLITE_OK)
		rc = add(&o, s->writing); /* older than what waits */
	if (rc == SQLITE_OK)
		rc = add(&o, &s->queue.ops);
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		sqlite3_finalize(o.put[i]);
		sqlite3_finalize(o.remove[i]);
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(reader, "COMMIT; PRAGMA query_only = 1", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return error_set(e, ERR_STORAGE, "state.db: read: %s", sqlite3_errmsg(reader));
	return ERR_OK;
}
