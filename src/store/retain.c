/* retain.c - history has an end, and the file gets smaller. */
#include "store/store_priv.h"

#include <time.h>

/* Only what has ended goes. */
static void drop_old(sqlite3 *db, const char *table, const char *time, const char *ended,
    int64_t keep, usec_wall before)
{
	auto_free char *sql = text_fmt(
	    "DELETE FROM %s WHERE %s AND (%s < %lld OR id <= "
	    "(SELECT id FROM %s ORDER BY id DESC LIMIT 1 OFFSET %lld))",
	    table, ended, time, (long long)before, table, (long long)keep);

	sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int count_pages(void *out, int n, char **values, char **names)
{
	(void)n, (void)names;
	*(long *)out = values[0] ? strtol(values[0], NULL, 10) : 0;
	return 0;
}

/* Free pages go back to the file system; a failure waits for the next time. */
void store_retain(struct store *s)
{
	usec_wall before = ((usec_wall)time(NULL) - s->opt.keep_seconds) * 1000000;
	long free_pages = 0;
	sqlite3 *db = s->writer;

	s->since_retain = 0;
	if (sqlite3_exec(db, "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE", NULL, NULL, NULL))
		return;
	drop_old(db, "events", "time", "1", s->opt.keep_events, before);
	drop_old(db, "operations", "ended", "ended > 0", s->opt.keep_operations, before);
	drop_old(db, "runs", "ended", "ended > 0", s->opt.keep_runs, before);
	drop_old(db, "jobs", "ended", "ended > 0", s->opt.keep_jobs, before);
	sqlite3_exec(db,
	    "DELETE FROM jobs WHERE ended > 0 AND NOT EXISTS "
	    "(SELECT 1 FROM runs WHERE runs.id = jobs.run)",
	    NULL, NULL, NULL);
	if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		return;
	}
	sqlite3_exec(db, "PRAGMA freelist_count", count_pages, &free_pages, NULL);
	if (free_pages < 64)
		return;
	sqlite3_exec(db, "PRAGMA incremental_vacuum", NULL, NULL, NULL);
	sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}
