/* clock.h - wall time in the words of SPEC 10, and of moments of the other clock.
 * Depends on: base, sys. */
#ifndef HP_SERVER_HOST_CLOCK_H
#define HP_SERVER_HOST_CLOCK_H

#include "base/str.h"
#include "sys/clock.h"

/* When, on the wall, something of the monotonic clock happened; and back. */
usec_wall clock_wall_of(msec mono);
msec clock_mono_of(usec_wall wall);

#define ISO_TIME_BYTES 32
/* "2026-01-31T09:05:01.000123Z" into a buffer of ISO_TIME_BYTES; returns it. */
const char *clock_iso(usec_wall t, char *buf);

/* ISO 8601 (UTC, fraction optional), "-5m" (ms, s, m, h, d ago), or microseconds since 1970. */
bool clock_parse(const char *text, usec_wall *out);

#endif
