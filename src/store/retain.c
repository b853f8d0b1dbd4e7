/* retain.c - history has an end, and the file gets smaller. */
#include "store/store_priv.h"

#include <time.h>

enum { FREE_PAGES = 64, ROUNDS_MAX = 16 };

/* What only goes when it has ended: `over` is true of it. */
struct kept {
	const char *name, *time, *over;
	int64_t count;
};

static long long number_of(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	long long n = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* Everything up to that id, and the jobs of a run with it. */
static void drop_to(sqlite3 *db, const struct kept *k, long long last)
{
	auto_free char *jobs = text_fmt(
	    "DELETE FROM jobs WHERE run IN (SELECT id FROM runs WHERE id <= %lld AND ended > 0)",
	    last);
	auto_free char *rows =
	    text_fmt("DELETE FROM %s WHERE id <= %lld AND %s", k->name, last, k->over);

	if (last <= 0)
		return;
	if (text_eq(k->name, "runs"))
		sqlite3_exec(db, jobs, NULL, NULL, NULL);
	sqlite3_exec(db, rows, NULL, NULL, NULL);
}

/* Two walks by id that end early: over those that stay, and over those that go.  Ids grow with
 * time, so the first that is young enough ends the old ones. */
static void drop_old(sqlite3 *db, const struct kept *k, usec_wall before)
{
	auto_free char *many =
	    text_fmt("SELECT id FROM %s WHERE id > 0 ORDER BY id DESC LIMIT 1 OFFSET %lld", k->name,
		(long long)k->count);
	auto_free char *young =
	    text_fmt("SELECT id FROM %s WHERE id > 0 AND %s >= %lld ORDER BY id LIMIT 1", k->name,
		k->time, (long long)before);
	auto_free char *newest = text_fmt("SELECT max(id) + 1 FROM %s", k->name);
	long long first = number_of(db, young);

	drop_to(db, k, number_of(db, many));
	drop_to(db, k, (first ? first : number_of(db, newest)) - 1);
}

static void drop_quarter(sqlite3 *db, const struct kept *k)
{
	auto_free char *sql = text_fmt(
	    "SELECT id FROM %s WHERE id > 0 ORDER BY id LIMIT 1 OFFSET "
	    "(SELECT count(*) / 4 FROM %s)",
	    k->name, k->name);

	drop_to(db, k, number_of(db, sql));
}

static long long bytes_in_use(sqlite3 *db)
{
	return (number_of(db, "PRAGMA page_count") - number_of(db, "PRAGMA freelist_count")) *
	       number_of(db, "PRAGMA page_size");
}

/* Free pages go back to the file system; a failure waits for the next time. */
void store_retain(struct store *s)
{
	usec_wall before = ((usec_wall)time(NULL) - s->opt.keep_seconds) * 1000000;
	const struct kept kept[] = {{"events", "time", "1", s->opt.keep_events},
	    {"operations", "ended", "ended > 0", s->opt.keep_operations},
	    {"jobs", "ended", "ended > 0", s->opt.keep_jobs},
	    {"runs", "ended", "ended > 0", s->opt.keep_runs}};
	sqlite3 *db = s->writer;

	s->since_retain = 0;
	store_make_reserve(s);
	if (sqlite3_exec(db, "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE", NULL, NULL, NULL))
		return;
	for (size_t i = 0; i < countof(kept); i++)
		drop_old(db, &kept[i], before);
	for (int n = 0; n < ROUNDS_MAX && bytes_in_use(db) > s->opt.keep_bytes; n++)
		for (size_t i = 0; i < countof(kept); i++)
			drop_quarter(db, &kept[i]);
	if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		return;
	}
	if (number_of(db, "PRAGMA freelist_count") < FREE_PAGES)
		return;
	sqlite3_exec(db, "PRAGMA incremental_vacuum", NULL, NULL, NULL);
	sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}
