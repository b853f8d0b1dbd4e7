/*
 * utf8.h - text that may be no UTF-8 (RFC 3629), for those who need it to be.
 *
 * Depends on: base, str.h.
 */
#ifndef HP_BASE_UTF8_H
#define HP_BASE_UTF8_H

#include "base/str.h"

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Bytes of the character that s begins with, 1 to 4; 0: it is none, or not whole within n. */
size_t utf8_bytes(const char *s, size_t n);

/* Each byte that belongs to no character becomes U+FFFD; false: there was none. */
bool utf8_repair(struct str *out, const char *s, size_t n);

/* What people read of the output of a program: one line of UTF-8 without escape sequences and
 * control characters, at most `max` bytes long. */
void utf8_readable(struct str *out, const char *s, size_t n, size_t max);

#endif
