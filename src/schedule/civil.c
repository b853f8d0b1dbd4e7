#include "schedule/civil.h"

/* Both conversions count from 1 March, so that the leap day is the last of its year: H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms". */
#define ERA_DAYS   146097 /* of 400 years */
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t civil_days_of(int64_t seconds)
{
	return floor_div(seconds, DAY_SECONDS);
}

int64_t civil_second_of_day(int64_t seconds)
{
	return seconds - civil_days_of(seconds) * DAY_SECONDS;
}

int64_t civil_to_days(int64_t year, int month, int day)
{
	const int64_t y = year - (month <= 2);
	const int64_t era = floor_div(y, 400), of_era = y - era * 400;
	const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
}

struct civil civil_of_days(int64_t days)
{
	const int64_t z = days + EPOCH_DAYS;
	const int64_t era = floor_div(z, ERA_DAYS), of_era = z - era * ERA_DAYS;
	const int64_t year =
	    (of_era - of_era / 1460 + of_era / 36524 - of_era / (ERA_DAYS - 1)) / 365;
	const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	const int64_t march = (5 * of_year + 2) / 153; /* month, 0: March */
	const int month = (int)(march < 10 ? march + 3 : march - 9);

	return (struct civil){.year = year + era * 400 + (month <= 2),
	    .month = month,
	    .day = (int)(of_year - (153 * march + 2) / 5 + 1)};
}

int civil_month_days(int64_t year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

int civil_weekday(int64_t days)
{
	const int64_t since_sunday = days + 4; /* 1970-01-01 was a Thursday */

	return (int)(since_sunday - floor_div(since_sunday, 7) * 7);
}
