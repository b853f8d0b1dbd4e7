#include "schedule/cron.h"

#include "schedule/civil.h"

/*
 * Local time is a number, too: seconds since 1970-01-01 00:00 of the wall.  Within one span of
 * the zone, local time and real time differ by a constant, so the search goes span by span.
 */

#define YEARS_MOST 400 /* the Gregorian calendar repeats */

static int lowest(uint64_t bits)
{
	return __builtin_ctzll(bits);
}

static bool is_near(const struct cron *c, const struct civil *d, int last, int weekday)
{
	if (weekday == 0 || weekday == 6)
		return false;
	if (c->near_days >> d->day & 1)
		return true;
	/* Saturday the nth moves to Friday, Sunday to Monday, but never into another month. */
	if (weekday == 5 && d->day < last && c->near_days >> (d->day + 1) & 1)
		return true;
	if (weekday == 1 && d->day > 1 && c->near_days >> (d->day - 1) & 1)
		return true;
	if (weekday == 1 && d->day == 3 && c->near_days >> 1 & 1)
		return true;
	return weekday == 5 && d->day == last - 2 && c->near_days >> last & 1;
}

static bool matches_day(const struct cron *c, const struct civil *d, int last, int weekday)
{
	return c->days >> d->day & 1 || c->last_days >> (last - d->day) & 1 ||
	       is_near(c, d, last, weekday) ||
	       (c->last_weekday && weekday >= 1 && weekday <= 5 &&
		   (d->day == last || (weekday == 5 && d->day >= last - 2)));
}

static bool matches_weekday(const struct cron *c, const struct civil *d, int last, int weekday)
{
	return c->weekdays >> weekday & 1 || c->nth[weekday] >> ((d->day - 1) / 7 + 1) & 1 ||
	       (c->nth[weekday] & 1 && d->day + 7 > last);
}

/* `d` is a date in a month that matches. */
static bool matches_date(const struct cron *c, const struct civil *d, int64_t days, int last)
{
	const int weekday = civil_weekday(days);

	if (c->any_day && c->any_weekday)
		return true;
	if (c->any_day)
		return matches_weekday(c, d, last, weekday);
	if (c->any_weekday)
		return matches_day(c, d, last, weekday);
	return matches_day(c, d, last, weekday) || matches_weekday(c, d, last, weekday);
}

/* The first day from `days` on that matches; CRON_NEVER. */
static int64_t next_day(const struct cron *c, int64_t days)
{
	struct civil d = civil_of_days(days);
	const int64_t year_last = d.year + YEARS_MOST;

	while (d.year <= year_last) {
		const int last = civil_month_days(d.year, d.month);
		if (c->months >> d.month & 1)
			for (; d.day <= last; d.day++, days++)
				if (matches_date(c, &d, days, last))
					return days;
		d.day = 1;
		d.month = d.month % 12 + 1;
		d.year += d.month == 1;
		days = civil_to_days(d.year, d.month, 1);
	}
	return CRON_NEVER;
}

/* The first second of a day from `second` on that matches; -1: none that day. */
static int64_t next_second(const struct cron *c, int64_t second)
{
	int hour = (int)(second / 3600), minute = (int)(second / 60 % 60), s = (int)(second % 60);

	for (; hour < 24; hour++, minute = 0, s = 0) {
		if (!(c->hours >> hour & 1))
			continue;
		for (; minute < 60; minute++, s = 0) {
			const uint64_t rest = c->seconds >> s;
			if (c->minutes >> minute & 1 && rest)
				return (int64_t)hour * 3600 + minute * 60 + s + lowest(rest);
		}
	}
	return -1;
}

/* The first local time from `from` on that matches; CRON_NEVER. */
static int64_t next_local(const struct cron *c, int64_t from)
{
	int64_t days = civil_days_of(from), second = civil_second_of_day(from);

	for (;;) {
		const int64_t day = next_day(c, days);
		if (day == CRON_NEVER)
			return CRON_NEVER;
		const int64_t found = next_second(c, day == days ? second : 0);
		if (found >= 0)
			return day * DAY_SECONDS + found;
		days = day + 1; /* only what is left of the first day may have none */
		second = 0;
	}
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The first instant of this span, later than `after`, that a fixed time names which the change
 * at its start left out; CRON_NEVER. */
static int64_t next_left_out(const struct cron *c, const struct zone_span *s, int64_t after)
{
	const int64_t from = least(after, s->start - 1) == after ? s->start : after + 1;
	const int64_t local = next_local(c, from + s->before);

	return local < s->start + s->offset ? local - s->before : CRON_NEVER;
}

/* `after` is within the span, or just before it. */
static int64_t next_in_span(const struct cron *c, const struct zone_span *s, int64_t after)
{
	int64_t from = after + 1 + s->offset, left_out = CRON_NEVER;

	if (!c->has_wild_hours && s->start != INT64_MIN) {
		/* A second time round: these hours were named before the change. */
		if (s->before > s->offset && from < s->start + s->before)
			from = s->start + s->before;
		if (s->before < s->offset && after < s->start + (s->offset - s->before))
			left_out = next_left_out(c, s, after);
	}
	const int64_t local = next_local(c, from);
	return least(left_out, local == CRON_NEVER ? CRON_NEVER : local - s->offset);
}

int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after)
{
	const int64_t most = after + (int64_t)YEARS_MOST * 366 * DAY_SECONDS;

	while (after < most) {
		const struct zone_span s = zone_span_at(z, after + 1);
		const int64_t t = next_in_span(c, &s, after);
		if (t < s.end)
			return t;
		if (s.end == INT64_MAX || t == CRON_NEVER)
			return t;
		after = s.end - 1;
	}
	return CRON_NEVER;
}

int64_t cron_previous(const struct cron *c, const struct zone *z, int64_t before)
{
	const int64_t most = (int64_t)YEARS_MOST * 366 * DAY_SECONDS;
	int64_t found = CRON_NEVER;

	/* A span of time that has one is at most eight times as long as one that has none. */
	for (int64_t back = 60; found == CRON_NEVER && back < most; back *= 8)
		for (int64_t t = cron_next(c, z, before - back - 1); t < before;
		     t = cron_next(c, z, t))
			found = t;
	return found;
}

static uint64_t count_of_day(const struct cron *c)
{
	return (uint64_t)(__builtin_popcountll(c->seconds) * __builtin_popcountll(c->minutes) *
			  __builtin_popcount(c->hours));
}

/* The end of the local day of `t`, when that day is whole: no change of the clock near it, and
 * `after` before its start; else INT64_MIN. */
static int64_t whole_day_end(const struct zone *z, int64_t after, int64_t t)
{
	const struct zone_span s = zone_span_at(z, t);
	const int64_t start = civil_days_of(t + s.offset) * DAY_SECONDS - s.offset;
	const int64_t end = start + DAY_SECONDS;

	if (after >= start || end > s.end ||
	    (s.start != INT64_MIN && start - DAY_SECONDS < s.start))
		return INT64_MIN;
	return end;
}

uint64_t cron_count(const struct cron *c, const struct zone *z, int64_t after, int64_t until)
{
	uint64_t n = 0;

	for (int64_t t = cron_next(c, z, after); t <= until; t = cron_next(c, z, after)) {
		const int64_t end = whole_day_end(z, after, t);
		if (end != INT64_MIN && end - 1 <= until) {
			n += count_of_day(c);
			after = end - 1;
		} else {
			n++;
			after = t;
		}
	}
	return n;
}
