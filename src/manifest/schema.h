/*
 * schema.h - describe a struct once; read, check, write and document it with the
 * same rows.
 *
 * A schema is a const table of fields over one struct.  schema_read() takes the
 * keys of a table node, whichever text it came from, and reports all that is
 * wrong at once: unknown keys with a suggestion, two spellings of one key with
 * different values, values of the wrong kind, numbers out of range.  The writer
 * and the JSON Schema come from the same rows.  Adding a key is adding one row.
 *
 * Depends on: base, diag.h, node.h.
 */
#ifndef HP_MANIFEST_SCHEMA_H
#define HP_MANIFEST_SCHEMA_H

#include "manifest/diag.h"
#include "manifest/node.h"

struct reader {
	struct diags *diags;
	const char *file; /* for messages and sources; NULL: not from a file */
	const char *who;  /* the caller, where there is no file: "service.define (uid 0)" */
	bool stored;	  /* our own writing: internal keys are allowed, nothing is warned of */
};

enum field_kind {
	F_STR,
	F_BOOL,
	F_INT,
	F_DOUBLE,
	F_MSEC,	   /* "10s", "1h30m" or milliseconds */
	F_ENUM,	   /* by words; - and _ are the same */
	F_STRV,	   /* a list of strings, or one; with `numbers` whole numbers, too */
	F_COMMAND, /* a string, or a list that is argv */
	F_ENV,	   /* {K = "v"} or [{name, value|default, required, secret}] */
	F_JSON,	   /* anything, kept as JSON text */
	F_CUSTOM,  /* read and write */
};

struct field {
	const char *key;
	const char *aka[3]; /* other spellings */
	enum field_kind kind;
	size_t at; /* offsetof() in the struct */
	size_t
	    given_at; /* a bool that says that it was written; 0: none (never the first member) */
	int64_t min, max; /* F_INT, F_MSEC, inclusive; both 0: min 0, no max */
	const char *const *words;
	void (*read)(struct reader *r, void *obj, const struct node *n);
	json_t *(*write)(const void *obj); /* NULL result: leave it out */
	bool (*same)(
	    const void *a, const void *b); /* F_CUSTOM; NULL: what write() gives is equal */
	/* Does the value that was read make sense? (judge.h)  Not asked of stored ones. */
	bool (*judge)(struct reader *r, const void *value, const struct node *n);
	bool numbers;  /* of F_STRV */
	bool later;    /* kept, and not acted on yet: a warning says so */
	bool internal; /* of our own stored form only */
	const char *doc;
};

struct schema {
	const char *name; /* "a dependency", for messages */
	const struct field *fields;
	size_t n;
};
/* Several schemas may share one table (a binary is also an action). */
struct part {
	const struct schema *schema;
	void *obj;
};

void schema_read(struct reader *r, const struct part *parts, size_t n, const struct node *table);
void schema_json(const struct schema *s, const void *obj, bool stored, json_t *into);
/* As stored, without what is as in `base` (NULL: all of it), which the reader must know. */
void schema_json_beside(const struct schema *s, const void *obj, const void *base,
    const char *const *always, json_t *into);
json_t *schema_field_json(const struct field *f, const void *obj); /* as shown; may be NULL */

/* The first key that differs, or NULL; internal ones and those in `except` (NULL-ended, may be
 * NULL) do not count.  A key that neither wrote is equal. */
const char *schema_difference(
    const struct schema *s, const void *a, const void *b, const char *const *except);
/* A sentence for each: "cwd: /a -> /b", "environment PORT: 8080 -> 8081", "script changed".
 * Secrets are not shown. */
void schema_differences(const struct schema *s, const void *a, const void *b,
    const char *const *except, struct strv *out);
json_t *schema_describe(const struct schema *s); /* JSON Schema */

void reader_error(struct reader *r, const struct node *at, const char *hint, const char *fmt, ...)
    attr_fmt(4, 5);
void reader_warn(struct reader *r, const struct node *at, const char *hint, const char *fmt, ...)
    attr_fmt(4, 5);

/* One value by its kind; false after an error was reported. */
bool read_text(struct reader *r, const struct node *n, char **out); /* replaces */
bool read_bool(struct reader *r, const struct node *n, bool *out);
bool read_int(struct reader *r, const struct node *n, int64_t min, int64_t max, int64_t *out);
bool read_msec(struct reader *r, const struct node *n, msec *out);
bool read_words(struct reader *r, const struct node *n, const char *const *words, int *out);
bool read_strv(struct reader *r, const struct node *n, struct strv *out); /* replaces */
struct command;
bool read_command(struct reader *r, const struct node *n, struct command *out); /* replaces */
bool msec_parse(const char *text, msec *out);

/* Errors for the keys of a table that are none of `known` (NULL-ended). */
void read_only_keys(
    struct reader *r, const struct node *table, const char *what, const char *const *known);

/* The place of an edge or action in the reader's text, as people read it. */
char *reader_place(const struct reader *r, const struct node *n); /* caller frees */

#endif
