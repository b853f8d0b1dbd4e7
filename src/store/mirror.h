/*
 * mirror.h - rows as files below definitions/, to rebuild a database from.
 *
 * One JSON object per row, written under a temporary name and renamed, so a
 * kill leaves the old or the new one.  Not synced: the database is what is
 * durable; the files are for the day it can not be read.
 *
 * Depends on: base, rows.h, jansson.
 */
#ifndef HP_STORE_MIRROR_H
#define HP_STORE_MIRROR_H

#include "store/rows.h"

enum err mirror_write(int dir_fd, const struct table *t, const struct value *v, struct error *e);
enum err mirror_remove(int dir_fd, const struct table *t, const struct value *v, struct error *e);

/* Does its file say exactly this?  *name, which the caller frees, is that of the file. */
bool mirror_holds(int dir_fd, const struct table *t, const struct value *v, char **name);

unsigned mirror_removed(void);	 /* how many files this process removed; counted before */
size_t mirror_count(int dir_fd); /* of files, ours or not */

/* Remove every file whose name is not in the list. */
void mirror_keep_only(int dir_fd, const struct strv *names);

/* Every readable row; the values are the callback's until it returns.  The
 * number of files that could not be read is added to *bad. */
typedef void (*mirror_fn)(const struct table *t, const struct value *v, void *ctx);
void mirror_load(int dir_fd, mirror_fn fn, void *ctx, size_t *bad);

#endif
