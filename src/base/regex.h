/*
 * regex.h - a PCRE2 expression that can not run away: match, depth and heap are
 * limited, subjects may hold bytes that are not UTF-8.  Depends on: base.
 */
#ifndef HP_BASE_REGEX_H
#define HP_BASE_REGEX_H

#include "base/error.h"

struct regex;

/* ERR_INVALID with PCRE2's own words and the position. */
enum err regex_new(const char *text, struct regex **out, struct error *e);
void regex_free(struct regex *r);

/* 1 match, 0 none, -1 gave up at a limit. */
int regex_match(struct regex *r, const char *s, size_t n);

#endif
