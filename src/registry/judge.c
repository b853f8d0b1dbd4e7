/* judge.c - refusals and warnings, each said once, with its place. */
#include "registry/state.h"

#include <stdarg.h>

void place_fmt(struct str *out, const struct place *at, const char *fallback)
{
	if (at && at->path)
		str_fmt(out, "%s:%d", at->path, at->line);
	else
		str_add(out, fallback ? fallback : "");
}

/* An entry of a manifest that applies to several binaries is told of once. */
static bool was_just_told(const struct diags *l, const struct place *at, const char *message)
{
	for (size_t i = l->n; i-- > 0 && i + 8 >= l->n;)
		if (strcmp(l->v[i].message, message) == 0 && l->v[i].line == (at ? at->line : 0))
			return true;
	return false;
}

static void tell(struct judge *j, enum diag_severity severity, const struct place *at,
    const char *key, const char *hint, const char *message)
{
	if (j->diags && !was_just_told(j->diags, at, message))
		diag_add(j->diags, severity, at ? at->path : NULL, at ? at->line : 0,
		    at ? at->column : 0, key, hint, "%s", message);
}

void judge_refuse(struct judge *j, const struct entry *culprit, enum err code,
    const struct place *at, const char *key, const char *hint, const char *fmt, ...)
{
	auto_str message = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(&message, fmt, ap);
	va_end(ap);
	if (j->code == ERR_OK)
		j->code = error_set(j->e, code, "%s", message.s);
	if (culprit && !strv_has(&j->culprits, culprit->name))
		strv_add(&j->culprits, culprit->name);
	if (j->lenient) {
		char *left_out = text_fmt("left out: %s", message.s);

		tell(j, DIAG_WARNING, at, key, hint, left_out);
		free(left_out);
	} else {
		tell(j, DIAG_ERROR, at, key, hint, message.s);
	}
}

void judge_warn(struct judge *j, const struct place *at, const char *key, const char *hint,
    const char *fmt, ...)
{
	auto_str message = {0};
	va_list ap;

	if (j->lenient) /* stored definitions were warned of when they came */
		return;
	va_start(ap, fmt);
	str_vfmt(&message, fmt, ap);
	va_end(ap);
	tell(j, DIAG_WARNING, at, key, hint, message.s);
}
