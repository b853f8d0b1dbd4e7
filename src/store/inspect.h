/*
 * inspect.h - the store as it lies on the disk, looked at from beside.
 *
 * On any thread, while the store is open: by a connection and descriptors of its own, which
 * write nothing.  Depends on: base, store.h, SQLite.
 */
#ifndef HP_STORE_INSPECT_H
#define HP_STORE_INSPECT_H

#include "store/store.h"

struct store_inspection {
	bool sound, complete; /* PRAGMA quick_check; complete: it came to its end in time */
	char *why;	      /* !sound: SQLite's words */
	uint64_t wal_bytes;
	struct strv contributions; /* "source\nservice" of each row */
	struct strv files;	   /* below definitions/: "web: sentence" for each that differs */
	struct {
		const char *counter; /* a literal */
		int64_t is, used;
	} behind[5]; /* counters below what is in use */
	size_t n_behind;
};
#define STORE_INSPECT_MS 5000 /* what is not read by then is not judged */

/* `dir`: the state folder.  An error: the database can not be opened. */
enum err store_inspect(
    const char *dir, struct store_inspection *out, struct error *e) attr_must_use;
void store_inspection_release(struct store_inspection *i); /* safe after a failure */

#endif
