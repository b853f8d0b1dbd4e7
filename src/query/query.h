/*
 * query.h - which lines are meant: an expression, compiled once, asked for each line.
 *
 *	expression = term { "or" term }
 *	term       = factor { "and" factor }
 *	factor     = "not" factor | "(" expression ")" | test
 *	test       = text                                a substring of the line
 *	           | field operator value
 *	           | field "in" "(" value { "," value } ")"
 *	           | text "in" field                     a substring of the field
 *	           | field "exists"
 *	operator   = "=" | "!=" | ">" | ">=" | "<" | "<=" | "~"
 *	text       = '"' ... '"' | "'" ... "'"           \" \' \\ \n \t within
 *	value      = text | word
 *	field      = name { "." name }                   a name may be a text: .req."user id"
 *
 * Fields of the line itself: service action run attempt job stream time level line.  Every other
 * field is one of the record that the line is (record.h); `.level` is the record's own.  `~` is a
 * PCRE2 expression within bounds (regex.h).  A test of a field that a line has not is false, `!=`
 * too.  Where the value is a number (with a unit: value.h) numbers are compared, and a field that
 * is none is false (for `!=`: true); else bytes.  docs/query.md tells it to people.
 *
 * Depends on: base, logs/query.h.
 */
#ifndef HP_QUERY_QUERY_H
#define HP_QUERY_QUERY_H

#include "base/error.h"
#include "logs/needles.h"
#include "logs/query.h"
#include "query/record.h"

#define QUERY_TEXT_MAX	(8u << 10)
#define QUERY_TESTS_MAX 128
#define QUERY_DEPTH_MAX 64

struct query;

/* Where the text is wrong: bytes [at, at + n) of it. */
struct query_fault {
	size_t at, n;
	char hint[160]; /* what to write; may be empty */
};

/* ERR_INVALID with the place in *e and in *fault (may be NULL).  `now` is what `-10m` counts from.
 */
enum err query_new(const char *text, usec_wall now, struct query **out, struct query_fault *fault,
    struct error *e);
void query_free(struct query *q);

bool query_match(struct query *q, const struct log_line *l);

/* Texts without which no line can match; borrowed from q. */
const struct log_needles *query_needles(const struct query *q);

/* An expression ran into its bound: lines from then on are judged as if it did not match. */
bool query_gave_up(const struct query *q);
/* How many lines were read as records so far. */
uint64_t query_parsed(const struct query *q);

/* Any field of a line as text, of the line itself or of its record: for output and counting. */
struct query_fields;
/* ERR_INVALID names the one that is no field. */
enum err query_fields_new(
    const char *const *names, size_t n, struct query_fields **out, struct error *e);
void query_fields_free(struct query_fields *f);
/* Fill out[0..n) with the texts; s NULL: the line has no such field.  Borrowed until the next call
 * and as long as the line. */
struct query_text {
	const char *s;
	size_t n;
	bool number; /* of a record, and written as one */
};
void query_fields_of(struct query_fields *f, const struct log_line *l, struct query_text *out);

#endif
