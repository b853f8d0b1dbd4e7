#include "store/schema.h"

#include "base/str.h"
#include "store/migrations.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *const parts[] = {"", "-wal", "-shm"};

bool db_is_corrupt(int rc)
{
	return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

static enum db_state refuse(sqlite3 *db, int rc, struct error *e)
{
	bool known = db && sqlite3_errcode(db) != SQLITE_OK; /* else it was another file's */

	error_set(e, ERR_STORAGE, "state.db: %s", known ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
	e->sys = rc;
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

/* In one transaction (sqlite3_backup_init(3)): a kill leaves all of it, or nothing. */
static int copy_all(sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");

	if (b)
		sqlite3_backup_step(b, -1);
	if (b)
		sqlite3_backup_finish(b);
	return sqlite3_errcode(to);
}

static char *copy_path(const char *path, int version)
{
	return text_fmt("%s.before-%d", path, version);
}

static void remove_older_copies(const char *path, int version)
{
	for (int v = 1; v < version; v++) {
		auto_free char *older = copy_path(path, v);

		unlink(older);
	}
}

/* Under its name only when it is whole. */
static int keep_copy(sqlite3 *db, const char *path, int version)
{
	auto_free char *to = copy_path(path, version);
	auto_free char *made = text_fmt("%s.new", to);
	sqlite3 *copy = NULL;
	int rc;

	unlink(made);
	rc = sqlite3_open_v2(made, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (rc == SQLITE_OK)
		rc = copy_all(db, copy);
	sqlite3_close(copy);
	if (rc == SQLITE_OK && rename(made, to) < 0)
		rc = SQLITE_CANTOPEN;
	if (rc == SQLITE_OK)
		remove_older_copies(path, version);
	else
		unlink(made);
	return rc;
}

/* SQLITE_CANTOPEN: there is none. */
static int put_copy_back(sqlite3 *db, const char *path)
{
	auto_free char *from = copy_path(path, migration_count);
	sqlite3 *copy = NULL;
	int rc = sqlite3_open_v2(from, &copy, SQLITE_OPEN_READWRITE, NULL);

	if (rc == SQLITE_OK)
		rc = copy_all(copy, db);
	sqlite3_close(copy);
	return rc;
}

static int migrate(sqlite3 *db, const char *path, int from)
{
	int rc = from > 0 && from < migration_count ? keep_copy(db, path, from) : SQLITE_OK;

	for (int v = from; rc == SQLITE_OK && v < migration_count; v++) {
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

/* Lookaside memory is 48 KiB a connection, for speed that we do not need.  The log stays where it
 * is when the last connection is closed (emptied): one file, one descriptor in dbfiles.h. */
static int open_file(const char *path, int flags, sqlite3 **db)
{
	int rc = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc == SQLITE_OK) {
		int keep_log = 1;

		sqlite3_file_control(*db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_log);
		sqlite3_db_config(*db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
		sqlite3_extended_result_codes(*db, 1);
		sqlite3_busy_timeout(*db, 2000);
	}
	return rc;
}

/* Of a later version: refused, or replaced by what it was made from. */
static enum db_state take_back(
    sqlite3 *db, const char *path, int version, bool *put_back, struct error *e)
{
	auto_free char *copy = copy_path(path, migration_count);
	int rc = *put_back ? put_copy_back(db, path) : SQLITE_CANTOPEN;

	if (rc == SQLITE_OK)
		return DB_OK;
	if (rc != SQLITE_CANTOPEN)
		return refuse(db, rc, e);
	error_set(e, ERR_STORAGE,
	    "state.db: written by a later version (schema %d, ours is %d)%s%s", version,
	    migration_count, access(copy, F_OK) == 0 ? "; what it was made from is " : "",
	    access(copy, F_OK) == 0 ? copy : "");
	return DB_REFUSED;
}

enum db_state db_open_writer(const char *path, bool *put_back, sqlite3 **out, struct error *e)
{
	sqlite3 *db = NULL;
	enum db_state state = DB_OK;
	bool is_later = false;
	int version = 0;
	int rc = open_file(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, settings, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = pragma_int(db, "PRAGMA user_version", &version);
	if (rc == SQLITE_OK && version > migration_count) {
		is_later = true;
		state = take_back(db, path, version, put_back, e);
	} else if (rc == SQLITE_OK) {
		rc = migrate(db, path, version);
	}
	if (rc != SQLITE_OK)
		state = refuse(db, rc, e);
	if (state != DB_OK) {
		sqlite3_close(db);
		return state;
	}
	*put_back = is_later;
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

enum db_state db_make_whole(const char *path, struct error *e)
{
	enum db_state state = DB_OK;
	sqlite3 *db = NULL;
	int version = 0, keep_log = 0;
	int rc = open_file(path, SQLITE_OPEN_READWRITE, &db);

	if (rc == SQLITE_OK)
		rc = pragma_int(db, "PRAGMA user_version", &version);
	if (rc != SQLITE_OK)
		state = refuse(db, rc, e);
	else if (version < 1 || version > migration_count)
		state = DB_CORRUPT;
	else
		state = db_check(db, e);
	if (state == DB_CORRUPT && rc == SQLITE_OK)
		error_set(e, ERR_STORAGE, "state.db: what was open holds no state of ours");
	if (state == DB_OK) {
		sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_log);
		rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
		if (rc != SQLITE_OK)
			state = refuse(db, rc, e);
	}
	sqlite3_close(db);
	return state;
}

enum err db_open_reader(const char *path, sqlite3 **out, struct error *e)
{
	sqlite3 *db = NULL;
	int rc = open_file(path, SQLITE_OPEN_READWRITE, &db);

	/* Without a limit the log would not be emptied when this is the last to be closed. */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db,
		    "PRAGMA cache_size = -128; PRAGMA mmap_size = 0; PRAGMA query_only = 1; "
		    "PRAGMA journal_size_limit = 1048576",
		    NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		refuse(db, rc, e);
		sqlite3_close(db);
		return ERR_STORAGE;
	}
	*out = db;
	return ERR_OK;
}

void db_remove(const char *path)
{
	for (size_t i = 0; i < countof(parts); i++) {
		auto_free char *part = text_fmt("%s%s", path, parts[i]);

		unlink(part);
	}
}

enum err db_set_aside(const char *path, const char *word, char **aside, struct error *e)
{
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	auto_free char *to = NULL;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	to = text_fmt("%s.%s-%s", path, word, stamp);
	for (int n = 2; access(to, F_OK) == 0; n++) {
		free(to);
		to = text_fmt("%s.%s-%s-%d", path, word, stamp, n);
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

bool db_is_readable(const char *path)
{
	struct error e = {0};
	sqlite3 *db = NULL;
	int version = 0;

	if (db_open_reader(path, &db, &e))
		return false;
	int rc = pragma_int(db, "PRAGMA user_version", &version);
	sqlite3_close(db);
	return rc == SQLITE_OK && version == migration_count;
}
