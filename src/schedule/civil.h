/* civil.h - dates of the proleptic Gregorian calendar as numbers of days.  Depends on: libc. */
#ifndef HP_SCHEDULE_CIVIL_H
#define HP_SCHEDULE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define DAY_SECONDS 86400

struct civil {
	int64_t year;
	int month, day; /* from 1 */
};

int64_t civil_to_days(int64_t year, int month, int day); /* since 1970-01-01 */
struct civil civil_of_days(int64_t days);
int civil_month_days(int64_t year, int month);
int civil_weekday(int64_t days); /* 0: Sunday */

/* Floor division and its remainder, which is never negative. */
int64_t civil_days_of(int64_t seconds);
int64_t civil_second_of_day(int64_t seconds);

#endif
