/*
 * program.h - a compiled expression; for the files of query/ only.
 *
 * Steps are tests with two ways on; the first is `start`.  What costs less is asked first where
 * the order does not matter.
 */
#ifndef HP_QUERY_PROGRAM_H
#define HP_QUERY_PROGRAM_H

#include "base/regex.h"
#include "query/level.h"
#include "query/query.h"

/* clang-format off */
#define OWN_FIELD_LIST(X)          \
	X(OWN_SERVICE, "service")  \
	X(OWN_ACTION,  "action")   \
	X(OWN_RUN,     "run")      \
	X(OWN_ATTEMPT, "attempt")  \
	X(OWN_JOB,     "job")      \
	X(OWN_STREAM,  "stream")   \
	X(OWN_TIME,    "time")     \
	X(OWN_LEVEL,   "level")    \
	X(OWN_LINE,    "line")     \
	X(OWN_NONE,    "")
ENUM_DECLARE(own_field, OWN_FIELD_LIST, OWN_FIELD_COUNT);
/* clang-format on */

enum test_op {
	TEST_EQ,
	TEST_NE,
	TEST_GT,
	TEST_GE,
	TEST_LT,
	TEST_LE,
	TEST_REGEX,
	TEST_IN,    /* the field is one of the values */
	TEST_HOLDS, /* the value is a substring of the field */
	TEST_EXISTS,
};

struct test_value {
	char *s;
	size_t n;
	bool numeric;
	double number;
	int64_t whole; /* a time in microseconds, a level */
};
struct test {
	enum own_field own; /* OWN_NONE: record field number `field` */
	uint8_t field;
	enum test_op op;
	struct test_value *values;
	size_t n_values;
	struct regex *regex;
};

#define STEP_ACCEPT 0xffff
#define STEP_REJECT 0xfffe
struct step {
	uint16_t test, yes, no;
};

struct query {
	struct test *tests;
	size_t n_tests;
	struct step *steps;
	size_t n_steps;
	uint16_t start;
	struct record_path paths[RECORD_FIELDS_MAX];
	size_t n_paths;
	uint8_t level_paths; /* the first of those that say the level, when a test wants it */
	bool wants_level;
	struct log_needles needles;
	struct str scratch;
	bool gave_up;
	uint64_t parsed;

	/* of the line that is looked at */
	const struct log_line *line;
	bool is_parsed;
	struct field fields[RECORD_FIELDS_MAX];
};

/* Where a record says how bad it is, in the order in which they are looked at. */
#define LEVEL_KEYS 4
extern const char *const level_keys[LEVEL_KEYS];
/* The level of a line whose level keys are fields[0..LEVEL_KEYS). */
enum level line_level(const struct log_line *l, const struct field *fields);

/* needles.c: what the tree below `node` can not do without. */
enum node_kind { NODE_TEST, NODE_AND, NODE_OR, NODE_NOT };
struct node {
	enum node_kind kind;
	uint16_t left, right; /* nodes; of a test: its number */
};
void query_find_needles(struct query *q, const struct node *nodes, uint16_t root);

#endif
