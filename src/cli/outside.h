/*
 * outside.h - why there is no daemon: what can be seen without one.
 *
 * Looks at the places that a daemon of this environment would use (SPEC 3.1), changes
 * nothing, signals nobody.  Depends on: base, jansson.
 */
#ifndef HP_CLI_OUTSIDE_H
#define HP_CLI_OUTSIDE_H

#include "base/str.h"

#include <jansson.h>

/* [{name, ok, says, try}], one row for each thing that was looked at. */
json_t *outside_look(const char *socket_path);

#endif
