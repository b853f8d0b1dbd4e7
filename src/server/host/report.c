#include "server/host/report.h"

#include "server/host/clock.h"
#include "server/host/own_log.h"

#include <stdio.h>

ENUM_DEFINE(report_level, REPORT_LEVEL_LIST, REPORT_LEVEL_COUNT)

static enum report_level most_shown = REPORT_INFO;

void report_set_level(enum report_level most)
{
	most_shown = most;
}

void report(enum report_level level, const char *fmt, ...)
{
	char when[ISO_TIME_BYTES];
	auto_str line = {0};
	va_list ap;

	if (level > most_shown)
		return;
	str_fmt(&line, "%s %s ", clock_iso(clock_wall(), when), report_level_str(level));
	va_start(ap, fmt);
	str_vfmt(&line, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < line.n; i++)
		if (line.s[i] == '\n')
			line.s[i] = ' ';
	str_add_char(&line, '\n');
	fwrite(line.s, 1, line.n, stderr);
	own_log_bound();
}
