#include "base/utf8.h"

#include "base/escape.h"

static size_t bytes_promised(unsigned char first)
{
	return first < 0x80   ? 1
	       : first < 0xc2 ? 0
	       : first < 0xe0 ? 2
	       : first < 0xf0 ? 3
	       : first < 0xf5 ? 4
			      : 0;
}

/* Overlong, a surrogate, or beyond U+10FFFF: told by the second byte. */
static bool is_forbidden(unsigned char first, unsigned char second)
{
	return (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
	       (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
}

size_t utf8_bytes(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t want = n ? bytes_promised(*p) : 0;

	if (want > n || (want > 1 && is_forbidden(p[0], p[1])))
		return 0;
	for (size_t i = 1; i < want; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return want;
}

bool utf8_repair(struct str *out, const char *s, size_t n)
{
	bool repaired = false;

	for (size_t i = 0; i < n;) {
		size_t len = utf8_bytes(s + i, n - i);

		if (len)
			str_add_n(out, s + i, len);
		else
			str_add(out, UTF8_REPLACEMENT);
		repaired = repaired || !len;
		i += len ? len : 1;
	}
	return repaired;
}

static bool is_control(const char *s, size_t len)
{
	unsigned char first = (unsigned char)*s;

	return len == 1 ? first < ' ' || first == 0x7f
			: first == 0xc2 && (unsigned char)s[1] < 0xa0; /* C1 */
}

void utf8_readable(struct str *out, const char *s, size_t n, size_t max)
{
	size_t begin = out->n;

	for (size_t i = 0; i < n;) {
		size_t len = utf8_bytes(s + i, n - i);
		const char *shown = !len ? UTF8_REPLACEMENT : is_control(s + i, len) ? " " : NULL;

		if (out->n - begin + (shown ? strlen(shown) : len) > max)
			return;
		if (s[i] == 0x1b) {
			i += escape_bytes(s + i, n - i);
			continue;
		}
		if (shown)
			str_add(out, shown);
		else
			str_add_n(out, s + i, len);
		i += len ? len : 1;
	}
}
