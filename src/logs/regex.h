/*
 * regex.h - a PCRE2 expression that can not run away: match, depth and heap are
 * limited, subjects may hold bytes that are not UTF-8.  Depends on: base.
 */
#ifndef HP_LOGS_REGEX_H
#define HP_LOGS_REGEX_H

#include "base/error.h"

struct log_regex;

/* ERR_INVALID with PCRE2's own words and the position. */
enum err log_regex_new(const char *text, struct log_regex **out, struct error *e);
void log_regex_free(struct log_regex *r);

/* 1 match, 0 none, -1 gave up at a limit. */
int log_regex_match(struct log_regex *r, const char *s, size_t n);

#endif
