/*
 * posix_rule.h - the TZ string of POSIX ("CET-1CEST,M3.5.0,M10.5.0/3"): two offsets and the days
 * of the year on which they change.  With the extension of RFC 8536 3.3.1: times of -167 to 167
 * hours.  Pure.  Depends on: base, civil.h.
 */
#ifndef HP_SCHEDULE_POSIX_RULE_H
#define HP_SCHEDULE_POSIX_RULE_H

#include "base/base.h"

enum posix_day_kind {
	POSIX_DAY_MONTH,     /* Mm.w.d */
	POSIX_DAY_JULIAN,    /* Jn: 1 to 365, 29 February is never counted */
	POSIX_DAY_ZERO_BASED /* n: 0 to 365 */
};

struct posix_change {
	enum posix_day_kind kind;
	int month, week, day; /* week 5: the last; day 0: Sunday, or the n of the other kinds */
	int32_t second;	      /* of local time that day, may be negative or above 24 h */
};

struct posix_rule {
	int32_t standard, summer; /* seconds east of UTC */
	bool has_summer;
	struct posix_change to_summer, to_standard;
};

bool posix_rule_parse(const char *text, struct posix_rule *out);

/* The instants of one year's changes, in seconds since 1970 UTC; has_summer only. */
int64_t posix_rule_to_summer(const struct posix_rule *r, int64_t year);
int64_t posix_rule_to_standard(const struct posix_rule *r, int64_t year);

#endif
