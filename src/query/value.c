#include "query/value.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

enum { TEXT_MAX = 63 };

static const struct unit {
	const char *suffix;
	double factor;
} units[] = {
    {"ns", 1e-9},
    {"us", 1e-6},
    {"\xc2\xb5s", 1e-6}, /* the micro sign */
    {"\xce\xbcs", 1e-6}, /* the Greek letter */
    {"ms", 1e-3},
    {"s", 1},
    {"m", 60},
    {"h", 3600},
    {"d", 86400},
    {"B", 1},
    {"kB", 1e3},
    {"KB", 1e3},
    {"MB", 1e6},
    {"GB", 1e9},
    {"KiB", 1 << 10},
    {"MiB", 1 << 20},
    {"GiB", 1 << 30},
};

/* Up to the next digit or the end. */
static bool take_unit(const char **at, double *factor)
{
	size_t n = strcspn(*at, "0123456789.+-");

	for (size_t i = 0; i < countof(units); i++)
		if (strlen(units[i].suffix) == n && strncmp(*at, units[i].suffix, n) == 0) {
			*at += n;
			*factor = units[i].factor;
			return true;
		}
	return false;
}

/* What strtod(3) takes and a log does not mean: `inf`, `nan`, `0x1`. */
static bool begins_number(const char *s)
{
	s += *s == '-' || *s == '+';
	s += *s == '.';
	return isdigit((unsigned char)*s) && !(s[0] == '0' && (s[1] == 'x' || s[1] == 'X'));
}

/* 1h30m: parts that add up, each with a unit. */
static bool read_parts(const char *s, double *out)
{
	double sign = *s == '-' ? -1 : 1, sum = 0;
	bool whole = false;

	s += *s == '-' || *s == '+';
	while (*s) {
		char *end;
		double factor = 1, part;

		if (!begins_number(s) || *s == '-' || *s == '+')
			return false;
		part = strtod(s, &end);
		s = end;
		if (!*s && !whole) {
			*out = sign * part;
			return true;
		}
		if (!take_unit(&s, &factor))
			return false;
		sum += part * factor;
		whole = true;
	}
	*out = sign * sum;
	return whole;
}

bool value_number(const char *s, size_t n, double *out)
{
	char text[TEXT_MAX + 1];
	int64_t whole = 0;
	size_t i = 0;

	while (i < n && i < 15 && isdigit((unsigned char)s[i]))
		whole = whole * 10 + (s[i++] - '0');
	if (i == n && n > 0) {
		*out = (double)whole;
		return true;
	}
	if (n == 0 || n > TEXT_MAX || memchr(s, '\0', n))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	return begins_number(text) && read_parts(text, out) && isfinite(*out);
}

/* The fraction and the zone behind the seconds. */
static bool read_zone(const char *s, usec_wall *out)
{
	int h, m, used = 0;

	if (*s == '.' || *s == ',') {
		usec_wall scale = 100000;

		for (s++; isdigit((unsigned char)*s); s++, scale /= 10)
			*out += (*s - '0') * scale;
	}
	if (!*s || strcmp(s, "Z") == 0)
		return true;
	if (sscanf(s + 1, "%2d:%2d%n", &h, &m, &used) != 2 || s[1 + used] ||
	    (*s != '+' && *s != '-'))
		return false;
	*out -= (*s == '+' ? 1 : -1) * ((usec_wall)h * 3600 + m * 60) * 1000000;
	return true;
}

static bool is_calendar(const struct tm *t)
{
	return t->tm_mon >= 0 && t->tm_mon < 12 && t->tm_mday > 0 && t->tm_mday <= 31 &&
	       t->tm_hour >= 0 && t->tm_hour < 24 && t->tm_min >= 0 && t->tm_min < 60 &&
	       t->tm_sec >= 0 && t->tm_sec <= 60;
}

static bool read_iso(const char *s, usec_wall *out)
{
	struct tm t = {0};
	int used = 0, clock = 0;

	if (sscanf(s, "%4d-%2d-%2d%n", &t.tm_year, &t.tm_mon, &t.tm_mday, &used) != 3)
		return false;
	s += used;
	if (*s == 'T' || *s == 't' || *s == ' ') {
		used = 0;
		clock = sscanf(
		    s + 1, "%2d:%2d%n:%2d%n", &t.tm_hour, &t.tm_min, &used, &t.tm_sec, &used);
		if (clock < 2)
			return false;
		s += 1 + used;
	}
	t.tm_year -= 1900;
	t.tm_mon--;
	if (!is_calendar(&t))
		return false;
	*out = (usec_wall)timegm(&t) * 1000000;
	return clock ? read_zone(s, out) : !*s || strcmp(s, "Z") == 0;
}

bool value_time(const char *s, size_t n, usec_wall now, usec_wall *out)
{
	char text[TEXT_MAX + 1];
	bool plain = true;
	double number;

	if (n == 0 || n > TEXT_MAX || memchr(s, '\0', n))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	if (strcmp(text, "now") == 0)
		return *out = now, true;
	if (read_iso(text, out))
		return true;
	if (!value_number(s, n, &number) || fabs(number) > 1e12)
		return false;
	for (const char *c = text; *c; c++)
		plain &= isdigit((unsigned char)*c) || *c == '.';
	*out = plain ? (usec_wall)(number * 1e6) : now - (usec_wall)(fabs(number) * 1e6);
	return true;
}
