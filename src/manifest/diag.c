#include "manifest/diag.h"

void diag_add(struct diags *l, enum diag_severity s, const char *file, int line, int column,
    const char *key, const char *hint, const char *fmt, ...)
{
	struct str message = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(&message, fmt, ap);
	va_end(ap);
	*vec_push(l) = (struct diag){.severity = s,
	    .file = text_dup(file),
	    .line = line,
	    .column = column,
	    .key = text_dup(key),
	    .hint = text_dup(hint),
	    .message = str_take(&message)};
}

void diags_release(struct diags *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].file);
		free(l->v[i].key);
		free(l->v[i].message);
		free(l->v[i].hint);
		free(l->v[i].source_line);
	}
	free(l->v);
	*l = (struct diags){0};
}

bool diags_has_error(const struct diags *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].severity == DIAG_ERROR)
			return true;
	return false;
}

static int order(const struct diag *a, const struct diag *b)
{
	int c = strcmp(a->file ? a->file : "", b->file ? b->file : "");

	if (c)
		return c;
	return a->line != b->line ? a->line - b->line : a->column - b->column;
}

static void merge(const struct diag *a, size_t n, const struct diag *b, size_t m, struct diag *out)
{
	while (n || m) {
		bool first = n && (!m || order(a, b) <= 0);

		*out++ = first ? *a++ : *b++;
		*(first ? &n : &m) -= 1;
	}
}

/* By merging runs: a text of a megabyte can hold a hundred thousand mistakes. */
void diags_sort(struct diags *l)
{
	struct diag *from = l->v, *to = l->n > 1 ? mem_grow(NULL, l->n, sizeof(*to)) : NULL;

	for (size_t width = 1; width < l->n; width *= 2) {
		for (size_t at = 0; at < l->n; at += 2 * width) {
			size_t n = l->n - at < width ? l->n - at : width;
			size_t m = l->n - at - n < width ? l->n - at - n : width;

			merge(from + at, n, from + at + n, m, to + at);
		}
		struct diag *swap = from;
		from = to;
		to = swap;
	}
	if (l->n > 1) {
		l->v = from;
		l->cap = l->n;
		free(to);
	}
}

void diags_quote(struct diags *l, const char *file, const char *text, size_t n)
{
	const char *at = text, *end = text + n;
	int line = 1;

	for (size_t i = 0; i < l->n; i++) {
		struct diag *d = &l->v[i];

		if (d->source_line || d->line < 1 || !text_eq(d->file, file))
			continue;
		if (d->line < line) { /* not sorted: from the beginning again */
			at = text;
			line = 1;
		}
		for (; line < d->line && at < end; at++)
			line += *at == '\n';
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((stop ? stop : end) - at);
		length -= length && at[length - 1] == '\r';
		d->source_line = text_dup_n(at, length < 400 ? length : 400);
	}
}

json_t *diags_json(const struct diags *l, enum diag_severity s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++) {
		const struct diag *d = &l->v[i];

		if (d->severity != s)
			continue;
		json_array_append_new(
		    list, json_pack("{s:s?, s:i, s:i, s:s?, s:s, s:s?}", "file", d->file, "line",
			      d->line, "column", d->column, "key", d->key, "message", d->message,
			      "hint", d->hint));
	}
	return list;
}

/* A text that somebody else wrote, without what a terminal would obey. */
static void add_plain(struct str *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];
		bool c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;

		str_add_char(out, c1 || c == 0x7f || (c < 0x20 && c != '\t') ? '?' : *s);
		s += c1;
	}
}

/* Columns count characters, so bytes 10xxxxxx take no room. */
static void add_caret(struct str *out, const char *s, int column)
{
	for (int at = 1; *s && (at < column || (*s & 0xc0) == 0x80); s++) {
		if ((*s & 0xc0) == 0x80)
			continue;
		str_add_char(out, *s == '\t' ? '\t' : ' ');
		at++;
	}
	str_add(out, "^\n");
}

void diag_print(const struct diag *d, struct str *out)
{
	if (d->file) {
		add_plain(out, d->file);
		str_add_char(out, ':');
	}
	if (d->line > 0)
		str_fmt(out, "%d:%d:", d->line, d->column);
	str_fmt(out, "%s%s: ", d->file || d->line > 0 ? " " : "",
	    d->severity == DIAG_ERROR ? "error" : "warning");
	add_plain(out, d->message);
	if (d->source_line && *d->source_line) {
		str_add(out, "\n    ");
		add_plain(out, d->source_line);
		str_add(out, "\n    ");
		add_caret(out, d->source_line, d->column);
	} else {
		str_add_char(out, '\n');
	}
	if (d->hint) {
		str_add(out, "    hint: ");
		add_plain(out, d->hint);
		str_add_char(out, '\n');
	}
}
