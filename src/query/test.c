/* test.c - one test of an expression, and what its values mean for its field. */
#include "query/parse.h"
#include "query/value.h"

ENUM_DEFINE(own_field, OWN_FIELD_LIST, OWN_FIELD_COUNT)

static const struct op_word {
	const char *text;
	enum test_op op;
} op_words[] = {
    {"=", TEST_EQ},
    {"!=", TEST_NE},
    {">", TEST_GT},
    {">=", TEST_GE},
    {"<", TEST_LT},
    {"<=", TEST_LE},
    {"~", TEST_REGEX},
};

static const char *const keywords[] = {"and", "or", "not", "in", "exists"};

void test_release(struct test *t)
{
	for (size_t i = 0; i < t->n_values; i++)
		free(t->values[i].s);
	free(t->values);
	regex_free(t->regex);
}

static bool is_keyword(const struct parser *p, const struct token *t)
{
	for (size_t i = 0; i < countof(keywords); i++)
		if (lex_is(p->lexer.source, t, keywords[i]))
			return true;
	return false;
}

static enum own_field own_of(const char *s, size_t n)
{
	for (enum own_field f = 0; f < OWN_NONE; f++)
		if (strlen(own_field_words[f]) == n && memcmp(own_field_words[f], s, n) == 0)
			return f;
	return OWN_NONE;
}

/* The field that a word names. */
static bool take_field(struct parser *p, const struct token *t, struct test *out)
{
	const char *s = p->lexer.source + t->at;
	size_t n = t->n;
	bool of_record = *s == '.';
	int field;

	out->own = of_record ? OWN_NONE : own_of(s, n);
	if (out->own != OWN_NONE) {
		p->q->wants_level |= out->own == OWN_LEVEL;
		return true;
	}
	field = query_path(p->q, s + of_record, n - of_record);
	if (field == -1)
		return parse_fail(p, t, NULL, "`%.*s` is no name of a field", (int)n, s);
	if (field == -2)
		return parse_fail(p, t, NULL, "more than %d fields", RECORD_FIELDS_MAX);
	out->field = (uint8_t)field;
	return true;
}

static bool judge_level(struct parser *p, const struct token *t, struct test_value *v)
{
	enum level level = level_of_word(v->s, v->n);
	const char *near;
	auto_free char *hint = NULL;

	if (level) {
		v->whole = level;
		return true;
	}
	near = text_nearest(v->s, level_words + 1, LEVEL_COUNT - 1);
	hint = near ? text_fmt("did you mean `%s`?", near)
		    : text_dup("a level is trace, debug, info, notice, warn, error or fatal");
	return parse_fail(p, t, hint, "`%s` is no level", v->s);
}

static bool judge_stream(struct parser *p, const struct token *t, const struct test_value *v)
{
	enum log_stream stream;

	if (v->n == strlen(v->s) && log_stream_parse(v->s, &stream) && stream != LOG_ANY)
		return true;
	return parse_fail(
	    p, t, "a stream is stdout, stderr or inserted", "`%s` is no stream", v->s);
}

/* What the value means for the field. */
static bool judge_value(
    struct parser *p, const struct token *t, const struct test *test, struct test_value *v)
{
	v->numeric = t->kind == TOKEN_WORD && value_number(v->s, v->n, &v->number);
	if (test->op == TEST_HOLDS || test->op == TEST_REGEX)
		return true;
	switch (test->own) {
	case OWN_TIME:
		if (value_time(v->s, v->n, p->now, &v->whole))
			return true;
		return parse_fail(p, t, "write 2024-05-01T12:30:00Z, -10m or seconds since 1970",
		    "`%s` is no time", v->s);
	case OWN_ATTEMPT:
	case OWN_JOB:
		if (value_number(v->s, v->n, &v->number))
			return v->numeric = true;
		return parse_fail(p, t, NULL, "`%s` is no number", v->s);
	case OWN_LEVEL: return judge_level(p, t, v);
	case OWN_STREAM: return judge_stream(p, t, v);
	case OWN_SERVICE:
	case OWN_ACTION:
	case OWN_RUN:
	case OWN_LINE: v->numeric = false; return true;
	case OWN_NONE:
	case OWN_FIELD_COUNT: break;
	}
	return true;
}

static bool take_value(struct parser *p, struct test *test)
{
	struct token t = p->token;
	struct test_value v = {0};

	if (t.kind == TOKEN_WRONG)
		return parse_fail(p, &t, t.hint, "%s", t.why);
	if ((t.kind != TOKEN_WORD && t.kind != TOKEN_TEXT) || is_keyword(p, &t))
		return parse_fail(p, &t, "a value is a word, a number or a text in quotes",
		    "a value is missing here");
	v.s = lex_value(p->lexer.source, &t, &v.n);
	if (!judge_value(p, &t, test, &v)) {
		free(v.s);
		return false;
	}
	test->values = mem_grow(test->values, test->n_values + 1, sizeof(*test->values));
	test->values[test->n_values++] = v;
	parse_advance(p);
	return true;
}

static bool take_regex(struct parser *p, struct test *test)
{
	struct token t = p->token;
	struct error e;

	if (!take_value(p, test))
		return false;
	if (test->values[0].n != strlen(test->values[0].s))
		return parse_fail(p, &t, NULL, "an expression holds no zero bytes");
	return regex_new(test->values[0].s, &test->regex, &e) == ERR_OK ||
	       parse_fail(p, &t, NULL, "%s", e.msg);
}

static bool take_list(struct parser *p, struct test *test)
{
	test->op = TEST_IN;
	if (!parse_accept(p, TOKEN_OPEN))
		return parse_fail(p, &p->token, "write FIELD in (VALUE, VALUE)",
		    "a list of values is missing here");
	do
		if (!take_value(p, test))
			return false;
	while (parse_accept(p, TOKEN_COMMA));
	if (!parse_accept(p, TOKEN_CLOSE))
		return parse_fail(
		    p, &p->token, "write `,` or `)`", "the list of values has no end");
	return true;
}

/* What may follow a field. */
static bool take_rest(struct parser *p, const struct token *field, struct test *test)
{
	const char *s = p->lexer.source;

	if (parse_accept_word(p, "exists"))
		return test->op = TEST_EXISTS, true;
	if (parse_accept_word(p, "in"))
		return take_list(p, test);
	for (size_t i = 0; p->token.kind == TOKEN_OPERATOR && i < countof(op_words); i++)
		if (strlen(op_words[i].text) == p->token.n &&
		    memcmp(op_words[i].text, s + p->token.at, p->token.n) == 0) {
			test->op = op_words[i].op;
			parse_advance(p);
			return test->op == TEST_REGEX ? take_regex(p, test) : take_value(p, test);
		}
	if (p->token.kind == TOKEN_WRONG)
		return parse_fail(p, &p->token, p->token.hint, "%s", p->token.why);
	auto_free char *hint = text_fmt(
	    "one of = != > >= < <= ~ in exists; to look for the text, "
	    "write \"%.*s\"",
	    (int)field->n, s + field->at);
	return parse_fail(p, &p->token, hint, "an operator is missing after `%.*s`", (int)field->n,
	    s + field->at);
}

/* "text", or "text" in FIELD. */
static bool take_text(struct parser *p, struct test *test)
{
	struct token field;

	test->op = TEST_HOLDS;
	test->own = OWN_LINE;
	if (!take_value(p, test))
		return false;
	if (!parse_accept_word(p, "in"))
		return true;
	field = p->token;
	if (field.kind != TOKEN_WORD || is_keyword(p, &field))
		return parse_fail(p, &field, "write \"TEXT\" in FIELD", "a field is missing here");
	parse_advance(p);
	return take_field(p, &field, test);
}

static bool take_test(struct parser *p, struct test *test)
{
	struct token t = p->token;

	if (t.kind == TOKEN_TEXT)
		return take_text(p, test);
	if (t.kind == TOKEN_WRONG)
		return parse_fail(p, &t, t.hint, "%s", t.why);
	if (t.kind != TOKEN_WORD || is_keyword(p, &t))
		return parse_fail(p, &t, "write FIELD OPERATOR VALUE, or a text in quotes",
		    "a test is missing here");
	if (!take_field(p, &t, test))
		return false;
	parse_advance(p);
	return take_rest(p, &t, test);
}

bool parse_test(struct parser *p, uint16_t *out)
{
	struct test test = {0};

	if (p->tests.n == QUERY_TESTS_MAX)
		return parse_fail(p, &p->token, NULL, "more than %d tests", QUERY_TESTS_MAX);
	if (!take_test(p, &test)) {
		test_release(&test);
		return false;
	}
	*vec_push(&p->tests) = test;
	*out = (uint16_t)(p->tests.n - 1);
	return true;
}
