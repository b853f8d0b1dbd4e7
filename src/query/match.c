/* match.c - a compiled expression and one line. */
#include "query/program.h"
#include "query/value.h"

const char *const level_keys[LEVEL_KEYS] = {"level", "severity", "lvl", "log.level"};

enum level line_level(const struct log_line *l, const struct field *fields)
{
	size_t blanks = 0;

	for (size_t i = 0; i < LEVEL_KEYS; i++)
		if (fields[i].kind == FIELD_TEXT || fields[i].kind == FIELD_WORD) {
			enum level level = level_of_word(fields[i].s, fields[i].n);

			if (level)
				return level;
		}
	while (blanks < l->n && l->bytes[blanks] == ' ')
		blanks++;
	return blanks < l->n && l->bytes[blanks] == '{' ? LEVEL_NONE
							: level_of_text(l->bytes, l->n);
}

static void parse_line(struct query *q)
{
	if (q->is_parsed)
		return;
	record_find(q->line->bytes, q->line->n, q->paths, q->n_paths, q->fields);
	q->is_parsed = true;
	q->parsed++;
}

static int compare_bytes(const char *a, size_t na, const char *b, size_t nb)
{
	int rc = memcmp(a, b, na < nb ? na : nb);

	return rc ? rc : (na > nb) - (na < nb);
}

/* What an order says to an operator. */
static bool decide(enum test_op op, int order)
{
	switch (op) {
	case TEST_IN:
	case TEST_EQ: return order == 0;
	case TEST_NE: return order != 0;
	case TEST_GT: return order > 0;
	case TEST_GE: return order >= 0;
	case TEST_LT: return order < 0;
	case TEST_LE: return order <= 0;
	case TEST_REGEX:
	case TEST_HOLDS:
	case TEST_EXISTS: break;
	}
	return false;
}

static bool holds_whole(const struct test *t, int64_t n)
{
	for (size_t i = 0; i < t->n_values; i++)
		if (decide(t->op, (n > t->values[i].whole) - (n < t->values[i].whole)))
			return true;
	return false;
}

static bool holds_number(const struct test *t, double n)
{
	for (size_t i = 0; i < t->n_values; i++)
		if (decide(t->op, (n > t->values[i].number) - (n < t->values[i].number)))
			return true;
	return false;
}

/* One value against bytes, as numbers where it is one. */
static bool holds_value(const struct test *t, const struct test_value *v, const char *s, size_t n)
{
	double number;

	if (!v->numeric)
		return decide(t->op, compare_bytes(s, n, v->s, v->n));
	if (!value_number(s, n, &number))
		return t->op == TEST_NE;
	return decide(t->op, (number > v->number) - (number < v->number));
}

static bool holds_text(struct query *q, const struct test *t, const char *s, size_t n)
{
	int rc;

	if (!s)
		return false;
	switch (t->op) {
	case TEST_EXISTS: return true;
	case TEST_HOLDS: return memmem(s, n, t->values[0].s, t->values[0].n) != NULL;
	case TEST_REGEX:
		rc = q->gave_up ? 0 : regex_match(t->regex, s, n);
		q->gave_up |= rc < 0;
		return rc == 1;
	case TEST_EQ:
	case TEST_NE:
	case TEST_GT:
	case TEST_GE:
	case TEST_LT:
	case TEST_LE:
	case TEST_IN: break;
	}
	for (size_t i = 0; i < t->n_values; i++)
		if (holds_value(t, &t->values[i], s, n))
			return true;
	return false;
}

static bool holds_named(struct query *q, const struct test *t, const char *s)
{
	return holds_text(q, t, s, s ? strlen(s) : 0);
}

/* As text, where the operator wants one. */
static bool wants_text(const struct test *t)
{
	return t->op == TEST_HOLDS || t->op == TEST_REGEX;
}

static bool holds_count(struct query *q, const struct test *t, int64_t n)
{
	auto_free char *text = wants_text(t) ? text_fmt("%lld", (long long)n) : NULL;

	if (text)
		return holds_named(q, t, text);
	return t->op == TEST_EXISTS ? n != 0 : holds_number(t, (double)n);
}

static bool holds_level(struct query *q, const struct test *t)
{
	enum level level;

	parse_line(q);
	level = line_level(q->line, q->fields + q->level_paths);
	if (level == LEVEL_NONE)
		return false;
	return wants_text(t)	      ? holds_named(q, t, level_str(level))
	       : t->op == TEST_EXISTS ? true
				      : holds_whole(t, level);
}

static bool holds_field(struct query *q, const struct test *t)
{
	const struct field *f = &q->fields[t->field];
	const char *s;
	size_t n;

	parse_line(q);
	if (f->kind == FIELD_ABSENT || f->kind == FIELD_NULL)
		return false;
	s = field_text(f, &q->scratch, &n);
	return holds_text(q, t, s, n);
}

static bool holds(struct query *q, const struct test *t)
{
	const struct log_line *l = q->line;

	switch (t->own) {
	case OWN_SERVICE: return holds_named(q, t, l->service);
	case OWN_ACTION: return holds_named(q, t, l->action);
	case OWN_RUN: return holds_named(q, t, l->run);
	case OWN_STREAM: return holds_named(q, t, log_stream_str(l->stream));
	case OWN_ATTEMPT: return holds_count(q, t, l->attempt);
	case OWN_JOB: return holds_count(q, t, l->job);
	case OWN_TIME:
		return wants_text(t) ? holds_count(q, t, l->time)
				     : t->op == TEST_EXISTS || holds_whole(t, l->time);
	case OWN_LEVEL: return holds_level(q, t);
	case OWN_LINE: return holds_text(q, t, l->bytes, l->n);
	case OWN_NONE: return holds_field(q, t);
	case OWN_FIELD_COUNT: break;
	}
	return false;
}

bool query_match(struct query *q, const struct log_line *l)
{
	uint16_t at = q->start;

	q->line = l;
	q->is_parsed = false;
	while (at < q->n_steps)
		at = holds(q, &q->tests[q->steps[at].test]) ? q->steps[at].yes : q->steps[at].no;
	return at == STEP_ACCEPT;
}
