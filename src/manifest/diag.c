#include "manifest/diag.h"

void diag_add(struct diags *l, enum diag_severity s, const char *file, int line, int column,
    const char *key, const char *hint, const char *fmt, ...)
{
	struct str message = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(&message, fmt, ap);
	va_end(ap);
	*vec_push(l) = (struct diag){ .severity = s, .file = text_dup(file), .line = line,
		.column = column, .key = text_dup(key), .hint = text_dup(hint),
		.message = str_take(&message) };
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
	*l = (struct diags){ 0 };
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

void diags_sort(struct diags *l)
{
	for (size_t i = 1; i < l->n; i++) {
		struct diag d = l->v[i];
		size_t k = i;

		for (; k && order(&l->v[k - 1], &d) > 0; k--)
			l->v[k] = l->v[k - 1];
		l->v[k] = d;
	}
}

void diags_quote(struct diags *l, const char *file, const char *text, size_t n)
{
	for (size_t i = 0; i < l->n; i++) {
		struct diag *d = &l->v[i];
		const char *at = text, *end = text + n;

		if (d->source_line || d->line < 1 || !text_eq(d->file, file))
			continue;
		for (int line = 1; line < d->line && at < end; at++)
			line += *at == '\n';
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((stop ? stop : end) - at);
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
		json_array_append_new(list,
		    json_pack("{s:s?, s:i, s:i, s:s?, s:s, s:s?}", "file", d->file, "line", d->line,
			"column", d->column, "key", d->key, "message", d->message, "hint", d->hint));
	}
	return list;
}

void diag_print(const struct diag *d, struct str *out)
{
	if (d->file)
		str_fmt(out, "%s:", d->file);
	if (d->line > 0)
		str_fmt(out, "%d:%d:", d->line, d->column);
	str_fmt(out, "%s%s: %s\n", d->file || d->line > 0 ? " " : "",
	    d->severity == DIAG_ERROR ? "error" : "warning", d->message);
	if (d->source_line && *d->source_line) {
		str_fmt(out, "    %s\n    ", d->source_line);
		for (int i = 1; i < d->column && d->source_line[i - 1]; i++)
			str_add_char(out, d->source_line[i - 1] == '\t' ? '\t' : ' ');
		str_add(out, "^\n");
	}
	if (d->hint)
		str_fmt(out, "    hint: %s\n", d->hint);
}
