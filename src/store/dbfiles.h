/*
 * dbfiles.h - the files of the database, and whether they still lie where they belong.
 *
 * state.db and state.db-wal are held by descriptors of our own, so their bytes outlive their
 * names: what was removed, moved or replaced is written again from them.  -shm holds nothing that
 * SQLite does not make from the other two.
 *
 * A descriptor of state.db is closed only when no connection has that file open any more: close(2)
 * would drop SQLite's locks on it (fcntl_locking(2)).
 *
 * Depends on: base, schema.h.
 */
#ifndef HP_STORE_DBFILES_H
#define HP_STORE_DBFILES_H

#include "base/str.h"
#include "store/schema.h"

struct dbfiles {
	int db, wal; /* -1: not held */
};
#define DBFILES_NONE ((struct dbfiles){-1, -1})

void dbfiles_release(struct dbfiles *f);

/* For somebody else to keep, and back: a name for the file that can be closed at any time (O_PATH
 * of open(2)), and the descriptor made of it; -1 when that can not be. */
int dbfiles_give(int fd);
int dbfiles_take(int take_fd);

/* Takes hold of what lies at `path`, if nothing is held yet, and of its log, if it has another one
 * by now.  False: another database than ours stands there, nothing was done. */
bool dbfiles_hold(struct dbfiles *f, const char *path);

/* clang-format off */
#define DBFILES_STATE_LIST(X)                                                         \
	X(DBFILES_FINE,     "fine",     "the files are those that are held")          \
	X(DBFILES_MISSING,  "missing",  "a file that is needed is not there")         \
	X(DBFILES_REPLACED, "replaced", "another file stands in its place")           \
	X(DBFILES_EMPTIED,  "emptied",  "it is there and does not begin as a database does")
ENUM_DECLARE(dbfiles_state, DBFILES_STATE_LIST, DBFILES_STATE_COUNT);
/* clang-format on */

/* `in_use`: a connection is open, so the log must be there even when it is empty.  *why gets a
 * sentence when it is not fine. */
enum dbfiles_state dbfiles_look(
    const struct dbfiles *f, const char *path, bool in_use, struct str *why);

/* `path` becomes a database with what the descriptors hold; no connection may be open on `path` for
 * writing.  A foreign file that stands there is renamed, *aside gets its name, else NULL.
 * DB_CORRUPT: what is held is no sound database of ours; DB_REFUSED: the disk. */
enum db_state dbfiles_write_again(
    const struct dbfiles *f, const char *path, char **aside, struct error *e);

#endif
