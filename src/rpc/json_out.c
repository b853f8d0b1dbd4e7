#include "rpc/json_out.h"

static void key_out(struct str *out, const char *key)
{
	if (out->n && !strchr("{[:", out->s[out->n - 1]))
		str_add_char(out, ',');
	if (!key)
		return;
	str_add_char(out, '"');
	str_add(out, key);
	str_add_n(out, "\":", 2);
}

void json_out_open(struct str *out, const char *key, char bracket)
{
	key_out(out, key);
	str_add_char(out, bracket);
}

void json_out_close(struct str *out, char bracket)
{
	str_add_char(out, bracket);
}

/* Bytes of the letter at p beyond ASCII, 0 when it is none. */
static size_t letter_bytes(const unsigned char *p)
{
	size_t n = *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 && ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f)))
		return 0;
	if (n == 4 && ((*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f)))
		return 0;
	return n;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static const char *one_escaped(struct str *out, const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 0 : letter_bytes((const unsigned char *)s);

	if (n)
		str_add_n(out, s, n);
	else if (c == '"' || c == '\\')
		str_add_n(out, (const char[]){'\\', *s}, 2);
	else if (c < 0x20)
		str_fmt(out, "\\u%04x", c);
	else
		str_add(out, "\\ufffd");
	return s + (n ? n : 1);
}

void json_out_text(struct str *out, const char *key, const char *s)
{
	if (!s) {
		json_out_null(out, key);
		return;
	}
	key_out(out, key);
	str_add_char(out, '"');
	while (*s) {
		const char *end = s;

		while (is_plain((unsigned char)*end))
			end++;
		str_add_n(out, s, (size_t)(end - s));
		s = *end ? one_escaped(out, end) : end;
	}
	str_add_char(out, '"');
}

void json_out_int(struct str *out, const char *key, int64_t n)
{
	char digits[20], *at = digits + sizeof(digits);
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;

	key_out(out, key);
	if (n < 0)
		str_add_char(out, '-');
	do {
		*--at = (char)('0' + left % 10);
	} while (left /= 10);
	str_add_n(out, at, (size_t)(digits + sizeof(digits) - at));
}

void json_out_bool(struct str *out, const char *key, bool b)
{
	key_out(out, key);
	str_add(out, b ? "true" : "false");
}

void json_out_null(struct str *out, const char *key)
{
	key_out(out, key);
	str_add_n(out, "null", 4);
}

static int append(const char *part, size_t n, void *out)
{
	str_add_n(out, part, n);
	return 0;
}

void json_out_tree(struct str *out, const char *key, const json_t *tree)
{
	if (!tree) {
		json_out_null(out, key);
		return;
	}
	key_out(out, key);
	if (json_dump_callback(tree, append, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
		abort(); /* of what jansson made itself it can not be */
}

void json_out_members(struct str *out, const json_t *object)
{
	size_t at = out->n;

	if (!json_object_size(object))
		return;
	json_out_tree(out, NULL, object); /* {"a":1}, behind a comma or not */
	at += out->s[at] == ',';
	memmove(out->s + at, out->s + at + 1, out->n - at - 2);
	out->n -= 2;
	out->s[out->n] = '\0';
}
