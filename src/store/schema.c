#include "store/schema.h"

#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

/* Never changed once released: a new version is a new entry. */
static const char *const migrations[SCHEMA_VERSION] = {
    "CREATE TABLE contributions (source TEXT NOT NULL, service TEXT NOT NULL, json TEXT NOT NULL,"
    " PRIMARY KEY (source, service)) WITHOUT ROWID;"
    "CREATE TABLE wanted (service TEXT PRIMARY KEY, wanted TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, name TEXT, service TEXT, state TEXT, reason TEXT,"
    " who TEXT, started INTEGER, ended INTEGER, definition TEXT);"
    "CREATE INDEX runs_service ON runs (service, id);"
    "CREATE INDEX runs_name ON runs (name);"
    "CREATE INDEX runs_open ON runs (id) WHERE ended = 0;"
    "CREATE TABLE jobs (id INTEGER PRIMARY KEY, run INTEGER, name TEXT, service TEXT, action TEXT,"
    " context TEXT, token INTEGER, attempt INTEGER, state TEXT, reason TEXT, exit_code INTEGER,"
    " signal INTEGER, pid INTEGER, restarts INTEGER, created INTEGER, started INTEGER,"
    " ready_at INTEGER, ended INTEGER, ready INTEGER, stop_cause TEXT);"
    "CREATE INDEX jobs_run ON jobs (run);"
    "CREATE TABLE operations (id INTEGER PRIMARY KEY, kind TEXT, names TEXT, state TEXT,"
    " error TEXT, steps TEXT, who TEXT, started INTEGER, ended INTEGER);"
    "CREATE INDEX operations_open ON operations (id) WHERE ended = 0;"
    "CREATE TABLE events (id INTEGER PRIMARY KEY, cause INTEGER, time INTEGER, subject TEXT,"
    " fact TEXT);"
    "CREATE INDEX events_subject ON events (subject, id);"
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
    "CREATE TABLE flags (name TEXT PRIMARY KEY, since INTEGER) WITHOUT ROWID;",
    "ALTER TABLE operations ADD COLUMN detail TEXT;",
    "ALTER TABLE runs ADD COLUMN reason_subject TEXT;",
};

bool db_is_corrupt(int rc)
{
	return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

static enum db_state refuse(sqlite3 *db, int rc, struct error *e)
{
	error_set(e, ERR_STORAGE, "state.db: %s", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
	return db_is_corrupt(rc) ? DB_CORRUPT : DB_REFUSED;
}

static int pragma_int(sqlite3 *db, const char *sql, int *out)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		*out = sqlite3_column_int(st, 0);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(st);
	return rc;
}

static int migrate(sqlite3 *db, int from)
{
	int rc = SQLITE_OK;

	for (int v = from; rc == SQLITE_OK && v < SCHEMA_VERSION; v++) {
		auto_free char *sql = text_fmt(
		    "BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;", migrations[v], v + 1);

		rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
		if (rc != SQLITE_OK && !sqlite3_get_autocommit(db))
			sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	}
	return rc;
}

/* auto_vacuum only takes effect before the first table, WAL once for ever. */
static const char settings[] =
    "PRAGMA cache_size = -256; PRAGMA mmap_size = 0;"
    "PRAGMA temp_store = MEMORY; PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
    "PRAGMA journal_size_limit = 1048576;";

/* Lookaside memory is 48 KiB a connection, for speed that we do not need. */
static int open_file(const char *path, int flags, sqlite3 **db)
{
	int rc = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_db_config(*db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
		sqlite3_extended_result_codes(*db, 1);
		sqlite3_busy_timeout(*db, 2000);
	}
	return rc;
}

enum db_state db_open_writer(const char *path, sqlite3 **out, struct error *e)
{
	sqlite3 *db = NULL;
	enum db_state state = DB_OK;
	int version = 0;
	int rc = open_file(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, settings, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = pragma_int(db, "PRAGMA user_version", &version);
	if (rc == SQLITE_OK && version > SCHEMA_VERSION) {
		error_set(e, ERR_STORAGE,
		    "state.db: written by a later version (schema %d, ours is %d)", version,
		    SCHEMA_VERSION);
		state = DB_REFUSED;
	} else if (rc == SQLITE_OK) {
		rc = migrate(db, version);
	}
	if (rc != SQLITE_OK)
		state = refuse(db, rc, e);
	if (state != DB_OK) {
		sqlite3_close(db);
		return state;
	}
	*out = db;
	return DB_OK;
}

enum db_state db_check(sqlite3 *db, struct error *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL);
	enum db_state state = DB_OK;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(st, 0);

		if (!text || strcmp(text, "ok") != 0) {
			error_set(e, ERR_STORAGE, "state.db: %s", text ? text : "no answer");
			state = DB_CORRUPT;
		}
	} else {
		state = refuse(db, rc, e);
	}
	sqlite3_finalize(st);
	return state;
}

enum err db_open_reader(const char *path, sqlite3 **out, struct error *e)
{
	sqlite3 *db = NULL;
	int rc = open_file(path, SQLITE_OPEN_READWRITE, &db);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db,
		    "PRAGMA cache_size = -128; PRAGMA mmap_size = 0; PRAGMA query_only = 1", NULL,
		    NULL, NULL);
	if (rc != SQLITE_OK) {
		refuse(db, rc, e);
		sqlite3_close(db);
		return ERR_STORAGE;
	}
	*out = db;
	return ERR_OK;
}

enum err db_set_aside(const char *path, char **aside, struct error *e)
{
	static const char *const parts[] = {"", "-wal", "-shm"};
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	auto_free char *to = NULL;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	to = text_fmt("%s.corrupt-%s", path, stamp);
	for (int n = 2; access(to, F_OK) == 0; n++) {
		free(to);
		to = text_fmt("%s.corrupt-%s-%d", path, stamp, n);
	}
	for (size_t i = 0; i < countof(parts); i++) {
		auto_free char *old = text_fmt("%s%s", path, parts[i]);
		auto_free char *new = text_fmt("%s%s", to, parts[i]);

		if (rename(old, new) < 0 && errno != ENOENT)
			return error_sys(e, errno, "set %s aside", old);
	}
	*aside = take(to);
	return ERR_OK;
}
