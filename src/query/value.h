/*
 * value.h - texts of log lines as numbers, spans and times.
 *
 * A number may carry a unit: `512ms`, `1h30m`, `1.5s` become seconds; `64KiB`, `2MB` become bytes.
 * Without one it stays as it is.  Depends on: base.
 */
#ifndef HP_QUERY_VALUE_H
#define HP_QUERY_VALUE_H

#include "base/base.h"

/* The whole text is a number; false otherwise. */
bool value_number(const char *s, size_t n, double *out);

/* `2024-05-01`, `2024-05-01T12:30`, `...:00.25`, `...Z`, `...+02:00` (a blank serves for T; without
 * a zone: UTC), seconds since 1970, or a span that ended now: `-10m`, `10m`; `now`. */
bool value_time(const char *s, size_t n, usec_wall now, usec_wall *out);

#endif
