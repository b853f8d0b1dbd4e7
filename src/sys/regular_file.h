/*
 * regular_file.h - the text of a file that is one.
 *
 * Never waits for a writer: a FIFO, a device, a socket or a folder is refused before anything
 * is read of it.  Depends on: base.
 */
#ifndef HP_SYS_REGULAR_FILE_H
#define HP_SYS_REGULAR_FILE_H

#include "base/error.h"
#include "base/str.h"

/* Appends the whole file.  ERR_NOT_FOUND; ERR_INVALID: it is something else (`path: a FIFO, not a
 * regular file`); ERR_LIMIT: it is longer than `most` bytes; ERR_DENIED, ERR_SYSTEM. */
enum err regular_file_read(
    const char *path, size_t most, struct str *out, struct error *e) attr_must_use;

#endif
