/*
 * record.h - fields of a line that is JSON or logfmt, found without making a tree of it.
 *
 * A line that begins with `{` is JSON: read once from the left, until all wanted fields were seen;
 * what is not wanted is stepped over.  It counts as far as it is well-formed, so the beginning of a
 * cut line has its fields.  Every other line is logfmt: `key=value` and `key="a value"` anywhere
 * in it are fields.  Of a doubled key the first counts.
 *
 * Depends on: base.
 */
#ifndef HP_QUERY_RECORD_H
#define HP_QUERY_RECORD_H

#include "base/str.h"

#define RECORD_FIELDS_MAX 32
#define RECORD_PARTS_MAX  8

/* `req.headers.host`, `items.0.id`; a key with dots in it is found by its whole text, too. */
struct record_path {
	char *text;
	struct {
		const char *s; /* in text */
		size_t n;
	} parts[RECORD_PARTS_MAX];
	size_t n_parts, n;
};
/* Of a name as it is written: parts may stand in quotes.  False when it has too many parts or an
 * empty one. */
bool record_path_init(struct record_path *p, const char *s, size_t n);
void record_path_release(struct record_path *p);

enum field_kind {
	FIELD_ABSENT,
	FIELD_TEXT, /* a string; `escaped`: it holds backslashes */
	FIELD_WORD, /* a number, true, false, a bare word of logfmt */
	FIELD_NULL,
	FIELD_TREE, /* an object or an array, as it is written */
};
struct field {
	enum field_kind kind;
	bool escaped;
	const char *s; /* in the line */
	size_t n;
};

/* Fill out[0..n): n is at most RECORD_FIELDS_MAX. */
void record_find(
    const char *line, size_t len, const struct record_path *paths, size_t n, struct field *out);

/* The value without escapes: f->s itself, or `scratch` after it was filled. */
const char *field_text(const struct field *f, struct str *scratch, size_t *n);

#endif
