/*
 * rows.h - every table once, as data: columns, types, keys and where they stand
 * in their struct.  Upserts, selects, binding and reading come from these rows;
 * the tables themselves are made by schema.c, whose text is never changed.
 *
 * Depends on: base, store.h, SQLite.
 */
#ifndef HP_STORE_ROWS_H
#define HP_STORE_ROWS_H

#include "store/store.h"

#include <sqlite3.h>

enum col_kind { COL_INT, COL_TEXT, COL_BOOL, COL_WORD };

struct column {
	const char *name;
	enum col_kind kind;
	size_t offset;
	bool key;
	const char *const *words; /* COL_WORD: stored as text */
};

enum table_id {
	T_CONTRIBUTIONS,
	T_WANTED,
	T_RUNS,
	T_JOBS,
	T_OPERATIONS,
	T_EVENTS,
	T_COUNTERS,
	T_FLAGS,
	T_SCHEDULES,
	TABLE_COUNT
};

/* One value; the text is borrowed from where it was taken. */
struct value {
	bool is_text;
	int64_t number;
	const char *text; /* NULL: SQL NULL */
};

/* What becomes of a row of a mirrored table. */
enum mirrored { MIRRORED_NOT, MIRRORED, MIRRORED_GONE };

struct table {
	const char *name;
	const struct column *columns;
	size_t n;
	bool full;	 /* commit with synchronous=FULL */
	bool mirrored;	 /* kept as files too: mirror.h */
	bool expendable; /* history: may be dropped when the disk refuses for long */
	/* Of a mirrored table of which only some rows are: which, in SQL; and of one row, whose
	 * values become those of its file.  NULL: all. */
	const char *mirrored_where;
	enum mirrored (*mirrored_row)(struct value *v);
};
extern const struct table tables[TABLE_COUNT];

#define ROW_MAX	    256 /* no row struct is larger */
#define COLUMNS_MAX 23	/* no table has more */

void row_values(const struct table *t, const void *row, struct value *out); /* t->n of them */
char *row_key(const struct table *t, const struct value *v);		    /* caller frees */

void table_upsert_sql(const struct table *t, struct str *out);
void table_delete_sql(const struct table *t, struct str *out);
void table_select_sql(const struct table *t, const char *tail, struct str *out);
/* Of a mirrored table: is this row a file; *v becomes what the file says. */
enum mirrored row_mirrored(const struct table *t, struct value *v);
/* Bind all values, or the keys only. */
void values_bind(const struct table *t, const struct value *v, bool keys, sqlite3_stmt *st);
/* Read the present row; texts are borrowed from the statement. */
void row_read(const struct table *t, sqlite3_stmt *st, void *row);

#endif
