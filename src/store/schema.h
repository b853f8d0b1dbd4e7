/*
 * schema.h - the database file: opening, migrating, setting aside.
 *
 * Depends on: base, SQLite.
 */
#ifndef HP_STORE_SCHEMA_H
#define HP_STORE_SCHEMA_H

#include "base/error.h"

#include <sqlite3.h>

/* What stands in the way of using a file. */
enum db_state { DB_OK, DB_CORRUPT, DB_REFUSED };

/* Open for writing, make or migrate.  Before its first migration the file is copied to
 * PATH.before-VERSION, which stays until the next one.  A file of a later version is replaced by
 * the copy of ours if *put_back says so, and *put_back tells whether it was.  DB_REFUSED: the disk,
 * the rights, or a later version; *e says which. */
enum db_state db_open_writer(const char *path, bool *put_back, sqlite3 **out, struct error *e);
/* Read everything once: is every page what it should be? */
enum db_state db_check(sqlite3 *db, struct error *e);
enum err db_open_reader(const char *path, sqlite3 **out, struct error *e);
/* A database of our version, on a disk that can not be written now: it can be read. */
bool db_is_readable(const char *path);

/* Is a result code one that only setting the file aside can mend? */
bool db_is_corrupt(int rc);

/* Rename the file and what belongs to it to PATH.WORD-TIME; *aside gets the new name. */
enum err db_set_aside(const char *path, const char *word, char **aside, struct error *e);

/* The file and what belongs to it. */
void db_remove(const char *path);

/* Of copies of a database and its log one file that is whole: checked, and the log taken over.
 * DB_CORRUPT: it is not sound, or no version of ours. */
enum db_state db_make_whole(const char *path, struct error *e);

#endif
