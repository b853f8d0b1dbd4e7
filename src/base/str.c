#include "base/str.h"

#include <stdio.h>

void *mem_new(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		abort();
	return p;
}

void *mem_grow(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		abort();
	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		abort();
	return p;
}

char *text_dup_n(const char *s, size_t n)
{
	char *copy = mem_grow(NULL, n + 1, 1);

	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

char *text_dup(const char *s)
{
	return s ? text_dup_n(s, strlen(s)) : NULL;
}

char *text_fmt(const char *fmt, ...)
{
	struct str t = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(&t, fmt, ap);
	va_end(ap);
	return str_take(&t);
}

void text_set(char **slot, const char *s)
{
	char *copy = text_dup(s);

	free(*slot);
	*slot = copy;
}

bool text_eq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

const char *text_last_part(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

void str_release(struct str *t)
{
	free(t->s);
	*t = (struct str){0};
}

void str_clear(struct str *t)
{
	t->n = 0;
	if (t->s)
		t->s[0] = '\0';
}

void str_reserve(struct str *t, size_t more)
{
	if (t->n + more + 1 <= t->cap)
		return;
	t->cap = t->cap ? t->cap * 2 : 64;
	if (t->cap < t->n + more + 1)
		t->cap = t->n + more + 1;
	t->s = mem_grow(t->s, t->cap, 1);
}

void str_add_n(struct str *t, const char *s, size_t n)
{
	str_reserve(t, n);
	memcpy(t->s + t->n, s, n);
	t->n += n;
	t->s[t->n] = '\0';
}

void str_add(struct str *t, const char *s)
{
	str_add_n(t, s, strlen(s));
}

void str_add_char(struct str *t, char c)
{
	str_add_n(t, &c, 1);
}

void str_vfmt(struct str *t, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	char none[1];
	int n = vsnprintf(none, 0, fmt, ap);
	if (n < 0)
		abort();
	str_reserve(t, (size_t)n);
	vsnprintf(t->s + t->n, (size_t)n + 1, fmt, again);
	va_end(again);
	t->n += (size_t)n;
}

void str_fmt(struct str *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(t, fmt, ap);
	va_end(ap);
}

char *str_take(struct str *t)
{
	char *s = t->s ? t->s : text_dup("");

	*t = (struct str){0};
	return s;
}

const char *str_text(const struct str *t)
{
	return t->s ? t->s : "";
}

void strv_release(struct strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strv){0};
}

void strv_take(struct strv *l, char *take_s)
{
	*vec_push(l) = take_s;
}

void strv_add(struct strv *l, const char *s)
{
	strv_take(l, text_dup(s));
}

bool strv_has(const struct strv *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

void strv_copy(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++)
		strv_add(to, from->v[i]);
}

bool strv_eq(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

/* Levenshtein distance with adjacent swaps counted once, over one rolling row pair. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][64] = {{0}};
	size_t n = strlen(a), m = strlen(b);

	if (n > 62 || m > 62)
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t d = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < d)
				d = up[j] + 1;
			if (row[j - 1] + 1 < d)
				d = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    up2[j - 2] + 1 < d)
				d = up2[j - 2] + 1;
			row[j] = d;
		}
	}
	return rows[n % 3][m];
}

const char *text_nearest(const char *word, const char *const *words, size_t n)
{
	size_t limit = strlen(word) / 3 + 1, best = limit + 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, words[i]);

		if (d < best) {
			best = d;
			found = words[i];
		}
	}
	return found;
}
