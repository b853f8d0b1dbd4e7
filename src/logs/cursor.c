#include "logs/lane.h"

#include <stdio.h>

/* A cursor is "name/segment.offset.segment.offset.nth" for each service (log_mark), joined by
 * commas; neither sign may stand in a name. */
struct log_mark log_cursor_mark(const char *cursor, const char *name)
{
	size_t n = strlen(name);
	struct log_mark m = {0};

	for (const char *s = cursor; s && *s; s = strchr(s, ','), s += s != NULL) {
		unsigned long long a, b;

		if (strncmp(s, name, n) != 0 || s[n] != '/')
			continue;
		if (sscanf(s + n + 1, "%u.%llu.%u.%llu.%u", &m.resume.segment, &a, &m.end.segment,
			&b, &m.end.nth) < 4)
			return (struct log_mark){0};
		m.resume.offset = a;
		m.end.offset = b;
		break;
	}
	return m;
}

void log_cursor_add(struct str *cursor, const char *name, const struct log_mark *m)
{
	str_fmt(cursor, "%s%s/%u.%llu.%u.%llu.%u", cursor->n ? "," : "", name, m->resume.segment,
	    (unsigned long long)m->resume.offset, m->end.segment, (unsigned long long)m->end.offset,
	    m->end.nth);
}
