#include "rpc/json_out.h"

#include "base/utf8.h"

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

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static const char *one_escaped(struct str *out, const char *s, const char *end)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 0 : utf8_bytes(s, (size_t)(end - s));

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

static void quote(struct str *out, const char *s, size_t n)
{
	const char *end = s + n;

	str_add_char(out, '"');
	while (s < end) {
		const char *plain = s;

		while (plain < end && is_plain((unsigned char)*plain))
			plain++;
		str_add_n(out, s, (size_t)(plain - s));
		s = plain < end ? one_escaped(out, plain, end) : end;
	}
	str_add_char(out, '"');
}

void json_out_text(struct str *out, const char *key, const char *s)
{
	if (!s)
		json_out_null(out, key);
	else
		json_out_bytes(out, key, s, strlen(s));
}

void json_out_bytes(struct str *out, const char *key, const char *s, size_t n)
{
	key_out(out, key);
	quote(out, s, n);
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

void json_out_members(struct str *out, const json_t *object)
{
	void *at = json_object_iter((json_t *)(uintptr_t)object);

	for (; at; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
		key_out(out, NULL);
		quote(out, json_object_iter_key(at), strlen(json_object_iter_key(at)));
		str_add_char(out, ':');
		json_out_tree(out, NULL, json_object_iter_value(at));
	}
}

static void container_out(struct str *out, const json_t *tree)
{
	bool is_object = json_is_object(tree);

	str_add_char(out, is_object ? '{' : '[');
	if (is_object)
		json_out_members(out, tree);
	for (size_t i = 0; !is_object && i < json_array_size(tree); i++)
		json_out_tree(out, NULL, json_array_get(tree, i));
	str_add_char(out, is_object ? '}' : ']');
}

/* jansson itself makes sure that no container is within itself, with printf and a table: that
 * takes longer than to write it.  Trees of ours grow upwards only. */
void json_out_tree(struct str *out, const char *key, const json_t *tree)
{
	switch (tree ? json_typeof(tree) : JSON_NULL) {
	case JSON_STRING:
		json_out_bytes(out, key, json_string_value(tree), json_string_length(tree));
		return;
	case JSON_INTEGER: json_out_int(out, key, json_integer_value(tree)); return;
	case JSON_TRUE: json_out_bool(out, key, true); return;
	case JSON_FALSE: json_out_bool(out, key, false); return;
	case JSON_NULL: json_out_null(out, key); return;
	case JSON_OBJECT:
	case JSON_ARRAY:
		key_out(out, key);
		container_out(out, tree);
		return;
	case JSON_REAL:
		key_out(out, key);
		if (json_dump_callback(tree, append, out, JSON_ENCODE_ANY) != 0)
			abort();
		return;
	}
}
