/*
 * info.h - what a binary says of itself: the JSON that `BIN --info` prints (SPEC 7.4).
 *
 * Depends on: base, jansson.
 */
#ifndef HP_CLI_INFO_H
#define HP_CLI_INFO_H

#include "base/error.h"

#include <jansson.h>

/* No shell stands between, its standard input is empty, and it has ten seconds.  With a
 * `manifest`.  ERR_NOT_FOUND, ERR_DENIED, ERR_TIMEOUT, ERR_SYSTEM. */
enum err info_read(const char *binary, json_t **out, struct error *e) attr_must_use;

#endif
