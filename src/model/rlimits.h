/*
 * rlimits.h - the entries of `limits`: names and values as people write them.
 *
 * The names are those of RLIMIT_* in small letters; a value is soft or soft:hard,
 * each a number or "unlimited" (setrlimit(2)).  Depends on: base.
 */
#ifndef HP_MODEL_RLIMITS_H
#define HP_MODEL_RLIMITS_H

#include "base/base.h"

#include <sys/resource.h>

bool rlimit_name_parse(const char *name, int *resource);
/* A soft value alone is the hard one, too; soft may not be above hard. */
bool rlimit_value_parse(const char *value, rlim_t *soft, rlim_t *hard);

#endif
