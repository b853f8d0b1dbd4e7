#include "schedule/posix_rule.h"

#include "schedule/civil.h"

#include <ctype.h>

#define HOUR	     3600
#define DEFAULT_TIME (2 * HOUR) /* of a change, where the rule names none */

static bool skip(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static bool read_number(const char **p, int most, int *out)
{
	int n = 0;

	if (!isdigit((unsigned char)**p))
		return false;
	while (isdigit((unsigned char)**p) && n <= most)
		n = n * 10 + (*(*p)++ - '0');
	*out = n;
	return n <= most;
}

/* [+-]hh[:mm[:ss]] */
static bool read_time(const char **p, int most_hours, int32_t *out)
{
	const bool negative = **p == '-';
	int h, m = 0, s = 0;

	if (**p == '-' || **p == '+')
		(*p)++;
	if (!read_number(p, most_hours, &h))
		return false;
	if (skip(p, ':') && !read_number(p, 59, &m))
		return false;
	if (skip(p, ':') && !read_number(p, 59, &s))
		return false;
	*out = (negative ? -1 : 1) * (h * HOUR + m * 60 + s);
	return true;
}

/* Three letters or more, or anything within angle brackets; its text is of no use here. */
static bool skip_name(const char **p)
{
	const char *from = *p;

	if (skip(p, '<')) {
		while (**p && **p != '>')
			(*p)++;
		return skip(p, '>');
	}
	while (isalpha((unsigned char)**p))
		(*p)++;
	return *p - from >= 3;
}

static bool read_offset(const char **p, int32_t *out)
{
	if (!read_time(p, 24, out))
		return false;
	*out = -*out; /* POSIX counts west of UTC */
	return true;
}

static bool read_day(const char **p, struct posix_change *c)
{
	if (skip(p, 'M')) {
		c->kind = POSIX_DAY_MONTH;
		return read_number(p, 12, &c->month) && c->month >= 1 && skip(p, '.') &&
		       read_number(p, 5, &c->week) && c->week >= 1 && skip(p, '.') &&
		       read_number(p, 6, &c->day);
	}
	c->kind = skip(p, 'J') ? POSIX_DAY_JULIAN : POSIX_DAY_ZERO_BASED;
	return read_number(p, 365, &c->day) && (c->kind != POSIX_DAY_JULIAN || c->day >= 1);
}

static bool read_change(const char **p, struct posix_change *c)
{
	c->second = DEFAULT_TIME;
	return skip(p, ',') && read_day(p, c) && (!skip(p, '/') || read_time(p, 167, &c->second));
}

bool posix_rule_parse(const char *text, struct posix_rule *out)
{
	struct posix_rule r = {0};
	const char *p = text;

	if (!skip_name(&p) || !read_offset(&p, &r.standard))
		return false;
	if (*p) {
		r.has_summer = true;
		r.summer = r.standard + HOUR;
		if (!skip_name(&p) || (*p != ',' && !read_offset(&p, &r.summer)) ||
		    !read_change(&p, &r.to_summer) || !read_change(&p, &r.to_standard) || *p)
			return false;
	}
	*out = r;
	return true;
}

static int64_t day_of_month_rule(const struct posix_change *c, int64_t year)
{
	const int64_t first = civil_to_days(year, c->month, 1);
	int day = 1 + (c->day - civil_weekday(first) + 7) % 7 + (c->week - 1) * 7;

	if (day > civil_month_days(year, c->month))
		day -= 7;
	return first + day - 1;
}

static int64_t change_local(const struct posix_change *c, int64_t year)
{
	int64_t days = civil_to_days(year, 1, 1);

	switch (c->kind) {
	case POSIX_DAY_MONTH: days = day_of_month_rule(c, year); break;
	case POSIX_DAY_JULIAN:
		days += c->day - 1 + (c->day >= 60 && civil_month_days(year, 2) == 29);
		break;
	case POSIX_DAY_ZERO_BASED: days += c->day; break;
	}
	return days * DAY_SECONDS + c->second;
}

int64_t posix_rule_to_summer(const struct posix_rule *r, int64_t year)
{
	return change_local(&r->to_summer, year) - r->standard;
}

int64_t posix_rule_to_standard(const struct posix_rule *r, int64_t year)
{
	return change_local(&r->to_standard, year) - r->summer;
}
