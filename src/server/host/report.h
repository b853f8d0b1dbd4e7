/* report.h - the daemon's own log: one line each on stderr.  Depends on: base. */
#ifndef HP_SERVER_HOST_REPORT_H
#define HP_SERVER_HOST_REPORT_H

#include "base/base.h"

/* clang-format off */
#define REPORT_LEVEL_LIST(X)                                  \
	X(REPORT_ERROR, "error", "something is broken")       \
	X(REPORT_WARN,  "warn",  "somebody should look")      \
	X(REPORT_INFO,  "info",  "what an operator follows")  \
	X(REPORT_DEBUG, "debug", "what a developer follows")
ENUM_DECLARE(report_level, REPORT_LEVEL_LIST, REPORT_LEVEL_COUNT);
/* clang-format on */

void report_set_level(enum report_level most);
void report(enum report_level level, const char *fmt, ...) attr_fmt(2, 3);

#endif
