#include "base/escape.h"

#define ESC 0x1b
#define BEL 0x07

static size_t run_of(const char *s, size_t at, size_t n, char first, char last)
{
	while (at < n && s[at] >= first && s[at] <= last)
		at++;
	return at;
}

/* The byte that ends it, where one of those stands there. */
static size_t with_final(const char *s, size_t at, size_t n, char first)
{
	return at < n && s[at] >= first && s[at] <= '~' ? at + 1 : at;
}

static size_t control_bytes(const char *s, size_t n)
{
	size_t at = run_of(s, 2, n, '0', '?');

	return with_final(s, run_of(s, at, n, ' ', '/'), n, '@');
}

/* OSC, DCS, SOS, PM, APC: a text up to BEL or ST. */
static size_t string_bytes(const char *s, size_t n)
{
	for (size_t at = 2; at < n; at++) {
		if (s[at] == BEL)
			return at + 1;
		if (s[at] == ESC)
			return at + 1 < n && s[at + 1] == '\\' ? at + 2 : at;
	}
	return n;
}

size_t escape_bytes(const char *s, size_t n)
{
	if (n < 2)
		return n;
	switch (s[1]) {
	case '[': return control_bytes(s, n);
	case ']':
	case 'P':
	case 'X':
	case '^':
	case '_': return string_bytes(s, n);
	default: return with_final(s, run_of(s, 1, n, ' ', '/'), n, '0');
	}
}

bool escape_is_colour(const char *s, size_t n)
{
	size_t bytes = escape_bytes(s, n);

	if (bytes < 3 || s[1] != '[' || s[bytes - 1] != 'm')
		return false;
	for (size_t i = 2; i + 1 < bytes; i++)
		if ((s[i] < '0' || s[i] > '9') && s[i] != ';' && s[i] != ':')
			return false;
	return true;
}

size_t escapes_remove(char *s, size_t n)
{
	size_t left = 0;

	for (size_t at = 0; at < n;)
		if (s[at] == ESC)
			at += escape_bytes(s + at, n - at);
		else
			s[left++] = s[at++];
	return left;
}
