/*
 * escape.h - the escape sequences of terminals (ECMA-48), as far as to know where one ends.
 *
 * Text that a program writes for a terminal is compared without them, and shown without
 * obeying them.  Only those that begin with ESC: the single bytes of C1 are parts of UTF-8.
 *
 * Depends on: base.
 */
#ifndef HP_BASE_ESCAPE_H
#define HP_BASE_ESCAPE_H

#include "base/base.h"

/* Bytes of the sequence that s begins with (s[0] is ESC), 1 or more; all that is there when
 * its end is not. */
size_t escape_bytes(const char *s, size_t n);

/* It sets colours and weight, and nothing else: "ESC [ ... m" with numbers. */
bool escape_is_colour(const char *s, size_t n);

/* Takes them out; the bytes that are left. */
size_t escapes_remove(char *s, size_t n);

#endif
