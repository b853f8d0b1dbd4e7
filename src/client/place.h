/*
 * place.h - where a manifest that names no executable looks for a binary (SPEC 3.1).
 *
 * Depends on: base.
 */
#ifndef HP_CLIENT_PLACE_H
#define HP_CLIENT_PLACE_H

#include "base/base.h"

/* True when `exec` is not the file at $PATH_ROOT/bin/NAME.  Only then has a
 * registration to say where it is: a manifest from disk names that place already,
 * and a second spelling of one file would be another definition of it. */
bool place_is_elsewhere(const char *name, const char *exec);

#endif
