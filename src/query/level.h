/*
 * level.h - how bad a line says that it is.
 *
 * Words and numbers that loggers use become one scale.  Depends on: base.
 */
#ifndef HP_QUERY_LEVEL_H
#define HP_QUERY_LEVEL_H

#include "base/base.h"

/* clang-format off */
#define LEVEL_LIST(X)             \
	X(LEVEL_NONE,   "none")   \
	X(LEVEL_TRACE,  "trace")  \
	X(LEVEL_DEBUG,  "debug")  \
	X(LEVEL_INFO,   "info")   \
	X(LEVEL_NOTICE, "notice") \
	X(LEVEL_WARN,   "warn")   \
	X(LEVEL_ERROR,  "error")  \
	X(LEVEL_FATAL,  "fatal")
/* clang-format on */
ENUM_DECLARE(level, LEVEL_LIST, LEVEL_COUNT);

/* A word in any case: `warning`, `ERR`, `critical`, `panic`; or a number of pino and its like: 10
 * (trace) to 60 (fatal).  LEVEL_NONE when it is none. */
enum level level_of_word(const char *s, size_t n);

/* Of a line of text: a word of a level within its first 160 bytes that stands in capitals, in
 * brackets or before a colon, or a priority as of syslog, `<3>`. */
enum level level_of_text(const char *s, size_t n);

#endif
