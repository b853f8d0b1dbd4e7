#include "query/record.h"

#include <stdio.h>

/* One walk over one line. */
struct walk {
	const char *at, *end;
	const struct record_path *paths;
	size_t n;
	struct field *out;
	uint32_t missing; /* a bit for each path that was not found yet */
};

/* One part at `s`, quoted or up to a dot, appended to the text; how many bytes it took, 0: none. */
static size_t add_part(struct record_path *p, const char *s, size_t n)
{
	bool quoted = n > 0 && *s == '"';
	const char *end = quoted ? memchr(s + 1, '"', n - 1) : memchr(s, '.', n);
	size_t used = end ? (size_t)(end - s) + quoted : n, len = used - 2 * quoted;

	if ((quoted && !end) || used == 0 || len == 0 || p->n_parts == RECORD_PARTS_MAX)
		return 0;
	memcpy(p->text + p->n, s + quoted, len);
	p->parts[p->n_parts].s = p->text + p->n;
	p->parts[p->n_parts++].n = len;
	p->n += len;
	return used;
}

bool record_path_init(struct record_path *p, const char *s, size_t n)
{
	*p = (struct record_path){.text = mem_new(n + 1)};
	for (;;) {
		size_t used = add_part(p, s, n);

		if (used == n && n > 0)
			return true;
		if (used == 0 || s[used] != '.')
			break;
		p->text[p->n++] = '.';
		s += used + 1;
		n -= used + 1;
	}
	record_path_release(p);
	return false;
}

void record_path_release(struct record_path *p)
{
	free(p->text);
	*p = (struct record_path){0};
}

static void skip_blanks(struct walk *w)
{
	while (w->at < w->end && (*w->at == ' ' || *w->at == '\t' || *w->at == '\r'))
		w->at++;
}

/* After the opening quote, up to behind the closing one. */
static bool take_string(struct walk *w, struct field *f)
{
	*f = (struct field){.kind = FIELD_TEXT, .s = w->at};
	for (; w->at < w->end; w->at++)
		if (*w->at == '"') {
			f->n = (size_t)(w->at++ - f->s);
			return true;
		} else if (*w->at == '\\') {
			f->escaped = true;
			w->at += w->at + 1 < w->end;
		}
	w->at = w->end;
	return false;
}

/* Behind the bracket that closes the one at `at`; strings hold none. */
static bool step_over_tree(struct walk *w)
{
	struct field ignored;

	for (size_t depth = 0; w->at < w->end;) {
		char c = *w->at++;

		if (c == '"' && !take_string(w, &ignored))
			return false;
		depth += c == '{' || c == '[';
		if ((c == '}' || c == ']') && --depth == 0)
			return true;
	}
	return false;
}

static bool is_delimiter(char c)
{
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\r';
}

static bool take_word(struct walk *w, struct field *f)
{
	*f = (struct field){.kind = FIELD_WORD, .s = w->at};
	while (w->at < w->end && !is_delimiter(*w->at))
		w->at++;
	f->n = (size_t)(w->at - f->s);
	if (f->n == 4 && memcmp(f->s, "null", 4) == 0)
		f->kind = FIELD_NULL;
	return f->n > 0;
}

static bool take_value(struct walk *w, struct field *f)
{
	if (*w->at == '"')
		return w->at++, take_string(w, f);
	if (*w->at != '{' && *w->at != '[')
		return take_word(w, f);
	*f = (struct field){.kind = FIELD_TREE, .s = w->at};
	if (!step_over_tree(w))
		return false;
	f->n = (size_t)(w->at - f->s);
	return true;
}

/* Of the paths in `mask`, those whose part `depth` is this key. */
static uint32_t with_key(
    const struct walk *w, uint32_t mask, size_t depth, const char *key, size_t n)
{
	uint32_t left = 0;

	for (uint32_t m = mask; m; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctz(m);
		const struct record_path *p = &w->paths[i];

		if (depth < p->n_parts && p->parts[depth].n == n &&
		    memcmp(p->parts[depth].s, key, n) == 0)
			left |= 1u << i;
		else if (depth == 0 && p->n_parts > 1 && p->n == n && memcmp(p->text, key, n) == 0)
			left |= 1u << i;
	}
	return left;
}

/* Those of `mask` that end with this key. */
static uint32_t ending(const struct walk *w, uint32_t mask, size_t depth, size_t key_n)
{
	uint32_t done = 0;

	for (uint32_t m = mask; m; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctz(m);
		const struct record_path *p = &w->paths[i];

		if (depth + 1 == p->n_parts || (depth == 0 && p->n == key_n && p->n_parts > 1))
			done |= 1u << i;
	}
	return done;
}

static bool walk_tree(struct walk *w, uint32_t mask, size_t depth);

/* The value at `at`, for the paths in `mask` that lead to or through it. */
static bool walk_value(struct walk *w, uint32_t mask, size_t depth, size_t key_n)
{
	uint32_t done = ending(w, mask, depth, key_n) & w->missing, deeper;
	struct walk again;
	struct field f;

	skip_blanks(w);
	if (w->at == w->end)
		return false;
	deeper = mask & w->missing & ~done;
	if (!done && deeper && (*w->at == '{' || *w->at == '['))
		return walk_tree(w, deeper, depth + 1);
	again = *w;
	if (!take_value(w, &f))
		return false;
	for (uint32_t m = done; m; m &= m - 1)
		w->out[__builtin_ctz(m)] = f;
	w->missing &= ~done;
	if (deeper && f.kind == FIELD_TREE) {
		again.missing = deeper;
		walk_tree(&again, deeper, depth + 1);
		w->missing &= ~deeper | again.missing;
	}
	return w->missing != 0;
}

static bool take_key(struct walk *w, bool object, size_t index, char number[24], struct field *key)
{
	if (!object) {
		key->s = number;
		key->n = (size_t)snprintf(number, 24, "%zu", index);
		return true;
	}
	if (*w->at++ != '"' || !take_string(w, key))
		return false;
	skip_blanks(w);
	return w->at < w->end && *w->at++ == ':';
}

/* The object or array at `at`; false: nothing more is to be found. */
static bool walk_tree(struct walk *w, uint32_t mask, size_t depth)
{
	bool object = *w->at++ == '{';
	char number[24];

	for (size_t index = 0;; index++) {
		struct field key;

		skip_blanks(w);
		if (w->at == w->end)
			return false;
		if (*w->at == '}' || *w->at == ']')
			return w->at++, true;
		if (!take_key(w, object, index, number, &key) ||
		    !walk_value(w, with_key(w, mask, depth, key.s, key.n), depth, key.n))
			return false;
		skip_blanks(w);
		if (w->at < w->end && *w->at == ',')
			w->at++;
	}
}

static bool is_key_sign(char c)
{
	return (unsigned char)c > ' ' && c != '=' && c != '"' && c != ',' && c != '(' && c != '[';
}

static void take_pair_value(struct walk *w, struct field *f)
{
	if (w->at < w->end && *w->at == '"') {
		w->at++;
		if (!take_string(w, f))
			f->n = (size_t)(w->end - f->s);
		return;
	}
	*f = (struct field){.kind = FIELD_WORD, .s = w->at};
	while (w->at < w->end && (unsigned char)*w->at > ' ' && *w->at != ',' && *w->at != ')' &&
	       *w->at != ']')
		w->at++;
	f->n = (size_t)(w->at - f->s);
}

static void keep_pair(struct walk *w, const char *key, size_t n, const struct field *f)
{
	for (uint32_t m = w->missing; m; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctz(m);

		if (w->paths[i].n == n && memcmp(w->paths[i].text, key, n) == 0) {
			w->out[i] = *f;
			w->missing &= ~(1u << i);
		}
	}
}

static void walk_pairs(struct walk *w)
{
	const char *start = w->at;

	while (w->missing) {
		const char *equals = memchr(w->at, '=', (size_t)(w->end - w->at)), *key = equals;
		struct field f;

		if (!equals)
			return;
		while (key > start && is_key_sign(key[-1]))
			key--;
		w->at = equals + 1;
		if (key == equals)
			continue;
		take_pair_value(w, &f);
		keep_pair(w, key, (size_t)(equals - key), &f);
		start = w->at;
	}
}

void record_find(
    const char *line, size_t len, const struct record_path *paths, size_t n, struct field *out)
{
	struct walk w = {.at = line, .end = line + len, .paths = paths, .n = n, .out = out};

	memset(out, 0, n * sizeof(*out));
	w.missing = n >= RECORD_FIELDS_MAX ? UINT32_MAX : (1u << n) - 1;
	skip_blanks(&w);
	if (w.at == w.end || !n)
		return;
	if (*w.at == '{')
		walk_tree(&w, w.missing, 0);
	else
		walk_pairs(&w);
}

static unsigned hex4(const char *s, size_t n)
{
	unsigned v = 0;

	if (n < 4)
		return 0xfffd;
	for (size_t i = 0; i < 4; i++) {
		char c = s[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return 0xfffd;
		v = v << 4 | (unsigned)digit;
	}
	return v;
}

static void add_utf8(struct str *t, unsigned c)
{
	if (c < 0x80) {
		str_add_char(t, (char)c);
		return;
	}
	if (c < 0x800) {
		str_add_char(t, (char)(0xc0 | c >> 6));
	} else if (c < 0x10000) {
		str_add_char(t, (char)(0xe0 | c >> 12));
		str_add_char(t, (char)(0x80 | (c >> 6 & 0x3f)));
	} else {
		str_add_char(t, (char)(0xf0 | c >> 18));
		str_add_char(t, (char)(0x80 | (c >> 12 & 0x3f)));
		str_add_char(t, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	str_add_char(t, (char)(0x80 | (c & 0x3f)));
}

/* `\uXXXX` at s, and the second half of a pair; how many bytes of it were used. */
static size_t add_unicode(struct str *t, const char *s, size_t n)
{
	unsigned c = hex4(s + 2, n - 2), low;

	if (c >= 0xd800 && c < 0xdc00 && n >= 12 && s[6] == '\\' && s[7] == 'u') {
		low = hex4(s + 8, n - 8);
		if (low >= 0xdc00 && low < 0xe000)
			return add_utf8(t, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00)), 12;
	}
	add_utf8(t, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
	return n < 6 ? n : 6;
}

static char short_escape(char c)
{
	switch (c) {
	case 'n': return '\n';
	case 't': return '\t';
	case 'r': return '\r';
	case 'b': return '\b';
	case 'f': return '\f';
	default: return c;
	}
}

const char *field_text(const struct field *f, struct str *scratch, size_t *n)
{
	if (!f->escaped) {
		*n = f->n;
		return f->s;
	}
	str_clear(scratch);
	for (size_t i = 0; i < f->n;)
		if (f->s[i] != '\\' || i + 1 == f->n)
			str_add_char(scratch, f->s[i++]);
		else if (f->s[i + 1] == 'u')
			i += add_unicode(scratch, f->s + i, f->n - i);
		else
			str_add_char(scratch, short_escape(f->s[i + 1])), i += 2;
	*n = scratch->n;
	return str_text(scratch);
}
