#include "server/host/clock.h"

#include <stdio.h>
#include <time.h>

usec_wall clock_wall_of(msec mono)
{
	return clock_wall() - (clock_mono() - mono) * 1000;
}

msec clock_mono_of(usec_wall wall)
{
	return clock_mono() - (clock_wall() - wall) / 1000;
}

/* Backwards, with `mark` in front; printf(3) takes longer than all the rest of an answer. */
static char *digits(char *end, int value, int n, char mark)
{
	for (; n > 0; n--, value /= 10)
		*--end = (char)('0' + value % 10);
	if (mark)
		*--end = mark;
	return end;
}

const char *clock_iso(usec_wall t, char *buf)
{
	time_t s = (time_t)(t / 1000000);
	struct tm tm;

	gmtime_r(&s, &tm);
	char *at = buf + sizeof("2026-01-31T09:05:01.000123Z") - 1;
	*at = '\0';
	*--at = 'Z';
	at = digits(at, (int)(t % 1000000), 6, '.');
	at = digits(at, tm.tm_sec, 2, ':');
	at = digits(at, tm.tm_min, 2, ':');
	at = digits(at, tm.tm_hour, 2, 'T');
	at = digits(at, tm.tm_mday, 2, '-');
	at = digits(at, tm.tm_mon + 1, 2, '-');
	digits(at, tm.tm_year + 1900, 4, 0);
	return buf;
}

static int64_t fraction(const char **p)
{
	int64_t us = 0, unit = 100000;

	if (**p != '.')
		return 0;
	for (++*p; **p >= '0' && **p <= '9'; ++*p, unit /= 10)
		us += (**p - '0') * unit;
	return us;
}

/* "-5m": that long ago. */
static bool parse_ago(const char *text, usec_wall *out)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = {{"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}, {"d", 86400e6}};
	char *end;
	double n = strtod(text + 1, &end);

	for (size_t i = 0; i < countof(units); i++)
		if (end != text + 1 && n >= 0 && n < 1e9 && strcmp(end, units[i].unit) == 0) {
			*out = clock_wall() - (usec_wall)(n * units[i].us);
			return true;
		}
	return false;
}

bool clock_parse(const char *text, usec_wall *out)
{
	if (*text == '-')
		return parse_ago(text, out);

	struct tm tm = {0};
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	char *end;

	if (!p) {
		long long us = strtoll(text, &end, 10);

		*out = us;
		return end != text && !*end;
	}
	int64_t us = fraction(&p);
	if (*p == 'Z')
		p++;
	*out = (usec_wall)timegm(&tm) * 1000000 + us;
	return !*p;
}
