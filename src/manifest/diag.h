/*
 * diag.h - everything that is wrong with a text, at once, with place and mend.
 *
 * Depends on: base.
 */
#ifndef HP_MANIFEST_DIAG_H
#define HP_MANIFEST_DIAG_H

#include "base/str.h"

#include <jansson.h>

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

struct diag {
	enum diag_severity severity;
	char *file;	  /* NULL: not from a file */
	int line, column; /* from 1; 0: unknown */
	char *key, *message, *hint, *source_line;
};
struct diags {
	struct diag *v;
	size_t n, cap;
};

/* Texts are copied; file, key and hint may be NULL. */
void diag_add(struct diags *l, enum diag_severity s, const char *file, int line, int column,
    const char *key, const char *hint, const char *fmt, ...) attr_fmt(8, 9);
void diags_release(struct diags *l);
bool diags_has_error(const struct diags *l);
void diags_sort(struct diags *l); /* by file, line, column; stable */

/* Give each entry of `file` the line of `text` that it speaks of. */
void diags_quote(struct diags *l, const char *file, const char *text, size_t n);

/* [{file, line, column, key, message, hint}], of one severity. */
json_t *diags_json(const struct diags *l, enum diag_severity s);

/* `file:line:column: error: message`, the line with a caret, `hint: ...`. */
void diag_print(const struct diag *d, struct str *out);

#endif
