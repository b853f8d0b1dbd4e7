/*
 * times.h - points in time as people write and read them: in their own time zone.
 *
 * The API speaks ISO 8601 in UTC.  Depends on: base.
 */
#ifndef HP_CLI_TIMES_H
#define HP_CLI_TIMES_H

#include "base/str.h"

/* "10m" and "-10m" (ago), "14:30", "2026-05-01 14:30" (of our time zone) as ISO 8601; NULL when
 * it is none of these: the server may know better.  The caller frees. */
char *times_parse(const char *text);

/* "14:30:05.123", with the day in front when that is not today; "-" for no time.  The caller
 * frees, as below. */
char *times_clock(const char *iso);
char *times_age(const char *iso);  /* "2m 3s" ago */
int64_t times_us(const char *iso); /* since 1970; 0: none */
char *times_span(int64_t us);	   /* "12 ms", "0.4 s", "12 s", "3m 5s" */

#endif
