#include "cli/times.h"

#include "manifest/schema.h"

#include <stdio.h>
#include <time.h>

#define US 1000000

/* ---- written by people ------------------------------------------------------------------ */

static char *iso_of(time_t t, long ns)
{
	char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&t, &tm));
	return text_fmt("%s.%06ldZ", text, ns / 1000);
}

/* A number alone is none: it is microseconds, or an event. */
static char *parse_ago(const char *text)
{
	struct timespec now;
	msec ms;

	text += *text == '-';
	if (!msec_parse(text, &ms))
		return NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t us = (int64_t)now.tv_sec * US + now.tv_nsec / 1000 - ms * 1000;
	return iso_of((time_t)(us / US), (long)(us % US) * 1000);
}

/* The last time that a clock on our wall showed that. */
static char *parse_clock(const char *text)
{
	static const char *const forms[] = {"%H:%M:%S", "%H:%M"};
	time_t now = time(NULL);

	for (size_t i = 0; i < countof(forms); i++) {
		struct tm tm;

		localtime_r(&now, &tm);
		tm.tm_sec = 0;
		tm.tm_isdst = -1;
		const char *end = strptime(text, forms[i], &tm);
		if (!end || (*end && *end != '.'))
			continue;
		time_t t = mktime(&tm);
		if (t > now) {
			tm.tm_mday--;
			tm.tm_isdst = -1;
			t = mktime(&tm);
		}
		return iso_of(t, 0);
	}
	return NULL;
}

static char *parse_date(const char *text)
{
	static const char *const forms[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"};

	for (size_t i = 0; i < countof(forms); i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *end = strptime(text, forms[i], &tm);

		if (end && (!*end || *end == '.'))
			return iso_of(mktime(&tm), 0);
	}
	return NULL;
}

char *times_parse(const char *text)
{
	char *found = parse_ago(text);

	if (!found)
		found = parse_clock(text);
	return found ? found : parse_date(text);
}

/* ---- read by people --------------------------------------------------------------------- */

int64_t times_us(const char *iso)
{
	struct tm tm = {0};
	const char *at = strptime(iso, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t us = 0, unit = US / 10;

	if (!at)
		return 0;
	for (at += *at == '.'; *at >= '0' && *at <= '9'; at++, unit /= 10)
		us += (*at - '0') * unit;
	return (int64_t)timegm(&tm) * US + us;
}

char *times_clock(const char *iso)
{
	int64_t us = times_us(iso);
	time_t t = (time_t)(us / US), now = time(NULL);
	struct tm then, today;
	char text[32];

	if (!us)
		return text_dup("-");
	localtime_r(&t, &then);
	localtime_r(&now, &today);
	bool same = then.tm_yday == today.tm_yday && then.tm_year == today.tm_year;
	strftime(text, sizeof(text), same ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &then);
	return text_fmt("%s.%03d", text, (int)(us % US / 1000));
}

char *times_age(const char *iso)
{
	int64_t us = times_us(iso);
	long long s = us ? (long long)(time(NULL) - us / US) : 0;

	if (!us)
		return text_dup("-");
	if (s < 0)
		s = 0;
	if (s < 60)
		return text_fmt("%llds", s);
	if (s < 3600)
		return text_fmt("%lldm %llds", s / 60, s % 60);
	if (s < 86400)
		return text_fmt("%lldh %lldm", s / 3600, s % 3600 / 60);
	return text_fmt("%lldd %lldh", s / 86400, s % 86400 / 3600);
}

char *times_span(int64_t us)
{
	long long s = us / US;

	if (us < 0)
		us = 0;
	if (us < US / 10)
		return text_fmt("%lld ms", (long long)us / 1000);
	if (s < 10)
		return text_fmt("%.1f s", (double)(us / (US / 10)) / 10);
	if (s < 60)
		return text_fmt("%lld s", s);
	return s < 3600 ? text_fmt("%lldm %llds", s / 60, s % 60)
			: text_fmt("%lldh %lldm", s / 3600, s % 3600 / 60);
}
