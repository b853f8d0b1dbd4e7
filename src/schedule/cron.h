/*
 * cron.h - cron expressions: reading them, and the instants that they name.
 *
 * Five fields (minute, hour, day of the month, month, day of the week), or six with seconds in
 * front; or @yearly @annually @monthly @weekly @daily @midnight @hourly.  `TZ=Zone` or
 * `CRON_TZ=Zone` in front names a time zone.
 *
 *   field   list of items, separated by commas
 *   item    `*`  `?`  N  N-M  either of them with /STEP  N/STEP (from N to the end)
 *           names of months and weekdays by three letters, in any case; 7 is Sunday, too
 *           months and weekdays may wrap: `fri-mon`, `nov-feb`; `apr-mar/2` is Apr Jun Aug Oct
 *           Dec Mar: behind the end of the field the count starts again, as in croniter
 *   day of the month   L (the last), L-3 (three days before it), 15W (the weekday, Monday to
 *           Friday, nearest to it in that month), LW
 *   day of the week    fri#2 (the second of the month), 5L or friL (the last of the month)
 *
 * Where both days are restricted, either of them is enough; `*` and `?` do not restrict, every
 * second day does (as in cronie, robfig/cron and croniter).
 *
 * Changes of the clock.  An hour field that is `*`, with or without a step, is a wildcard: such an
 * expression follows real time, so in a repeated hour it names both, and nothing in an hour
 * that is left out.  Any other names fixed times: one that does not exist that day is due as
 * long after the change as it would have been without it (02:30 becomes 03:30), one that exists
 * twice is due at the first.
 *
 * Pure.  Times are seconds since 1970-01-01T00:00:00Z.  Depends on: base, zone.h.
 */
#ifndef HP_SCHEDULE_CRON_H
#define HP_SCHEDULE_CRON_H

#include "schedule/zone.h"

#define CRON_NEVER INT64_MAX

struct cron {
	uint64_t seconds, minutes; /* bit n: at n */
	uint32_t hours, days, months;
	uint32_t last_days; /* bit n: n days before the last of the month */
	uint32_t near_days; /* bit n: the weekday nearest to the nth */
	uint32_t weekdays;  /* bit 0: Sunday */
	uint8_t nth[7];	    /* by weekday; bit n: the nth of the month, bit 0: the last */
	bool last_weekday;  /* of the month: LW */
	bool any_day, any_weekday;
	bool has_wild_hours;
	bool has_seconds; /* six fields */
	char zone[64];	  /* of TZ=, or empty */
};

/* ERR_INVALID names the field and what would be right; *column is where, from 1. */
enum err cron_parse(
    const char *text, struct cron *out, size_t *column, struct error *e) attr_must_use;

/* The first instant later than `after`, the last one before `before`; CRON_NEVER: within 400
 * years there is none. */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after);
int64_t cron_previous(const struct cron *c, const struct zone *z, int64_t before);
/* How many it names in `after` < t <= `until`, at the cost of a step a day. */
uint64_t cron_count(const struct cron *c, const struct zone *z, int64_t after, int64_t until);

#endif
