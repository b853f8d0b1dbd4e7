/* clock.h - the two clocks, and wall time in the words of SPEC 10.  Depends on: base. */
#ifndef HP_SERVER_HOST_CLOCK_H
#define HP_SERVER_HOST_CLOCK_H

#include "base/str.h"

msec clock_mono(void);	    /* CLOCK_MONOTONIC, never stepped */
msec clock_boot(void);	    /* CLOCK_BOOTTIME: what start times of processes are told in */
usec_wall clock_wall(void); /* CLOCK_REALTIME */

/* When, on the wall, something of the monotonic clock happened; and back. */
usec_wall clock_wall_of(msec mono);
msec clock_mono_of(usec_wall wall);

#define ISO_TIME_BYTES 32
/* "2026-01-31T09:05:01.000123Z" into a buffer of ISO_TIME_BYTES; returns it. */
const char *clock_iso(usec_wall t, char *buf);

/* ISO 8601 (UTC, fraction optional), "-5m" (ms, s, m, h, d ago), or microseconds since 1970. */
bool clock_parse(const char *text, usec_wall *out);

#endif
