/* What an expression means, one line at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "query/query.h"

#define NOW 1714566600000000 /* 2024-05-01T12:30:00Z */

static const struct log_line sample = {.time = NOW - 60000000,
    .service = "web",
    .action = "main",
    .run = "web#3",
    .job = 7,
    .attempt = 2,
    .stream = LOG_STDERR};

static bool holds(const char *where, const char *text)
{
	struct log_line l = sample;
	struct query *q;
	struct error e;
	bool yes;

	if (query_new(where, NOW, &q, NULL, &e))
		fail_msg("%s", e.msg);
	l.bytes = text;
	l.n = strlen(text);
	yes = query_match(q, &l);
	/* What is skipped without a look must not be what would have matched. */
	assert_true(!yes || log_needles_in(query_needles(q), text, l.n));
	query_free(q);
	return yes;
}

static void refused(const char *where, size_t at, const char *part)
{
	struct query *q;
	struct query_fault fault;
	struct error e = {0};

	assert_int_equal(query_new(where, NOW, &q, &fault, &e), ERR_INVALID);
	if (!strstr(e.msg, part) || fault.at != at)
		fail_msg("at %zu: %s", fault.at, e.msg);
}

static const char json[] =
    "{\"level\":\"error\",\"status\":502,\"duration\":0.75,\"user\":{\"id\":"
    "\"u-1\",\"tags\":[\"a\",\"b\"]},\"msg\":\"can not \\\"reach\\\" db\","
    "\"gone\":null,\"took\":\"512ms\",\"user.flat\":1}";
static const char pairs[] = "time=2024 level=warn status=404 took=1m5s msg=\"not found\" path=/a";

static void a_text_is_a_substring_of_the_line(void **state)
{
	(void)state;
	assert_true(holds("\"reach\"", json));
	assert_true(holds("'not found'", pairs));
	assert_false(holds("\"nowhere\"", json));
	assert_true(holds("\"512\" in took", json));
	assert_false(holds("\"512\" in msg", json));
}

static void words_join_tests_with_the_usual_precedence(void **state)
{
	(void)state;
	assert_true(holds("level >= warn and (status >= 500 or duration > 0.5)", json));
	assert_false(holds("level >= warn and (status >= 600 or duration > 1)", json));
	assert_true(holds("service = no and service = no or service = web", json));
	assert_false(holds("service = no and (service = no or service = web)", json));
	assert_true(holds("not service = no and service = web", json));
	assert_true(holds("not not not service = no", json));
	assert_true(holds("service = no or not (service = no or stream = stdout)", json));
}

static void fields_of_the_line_are_known_by_name(void **state)
{
	(void)state;
	assert_true(holds("service = web and action = main and run = web#3 and job = 7", ""));
	assert_true(holds("attempt >= 2 and stream = stderr and attempt in (1, 2)", ""));
	assert_true(holds("service ~ '^w.b$' and line = ''", ""));
	assert_true(holds("time > -2m and time < -30s", ""));
	assert_true(holds("time >= 2024-05-01T12:29:00Z and time < 2024-05-01T14:30:00+02:00", ""));
	assert_false(holds("time > 2024-05-02", ""));
}

static void fields_of_records_are_found_in_json_and_logfmt(void **state)
{
	(void)state;
	assert_true(holds("status = 502 and user.id = u-1 and user.tags.1 = b", json));
	assert_true(holds("status = 404 and path = /a and msg = 'not found'", pairs));
	assert_true(holds("user.flat = 1 and .level = error", json));
	assert_true(holds("msg = 'can not \"reach\" db'", json));
	assert_true(holds("user.\"id\" exists", json));
	assert_true(holds("status in (500, 502)", json));
	assert_false(holds("status in (500, 503)", json));
	assert_true(holds("msg ~ 'reach.* db$'", json));
}

static void a_field_that_is_not_there_makes_every_test_false(void **state)
{
	(void)state;
	assert_false(holds("absent = 1", json));
	assert_false(holds("absent != 1", json));
	assert_true(holds("not absent = 1", json));
	assert_false(holds("absent exists", json));
	assert_false(holds("gone exists", json));
	assert_true(holds("not gone exists", json));
	assert_false(holds("status exists", "a line of text"));
}

static void numbers_have_units_and_are_compared_as_numbers(void **state)
{
	(void)state;
	assert_true(holds("took > 500ms and took < 0.6 and took <= 0.512", json));
	assert_true(holds("took > 1m and took = 65 and took < 1h", pairs));
	assert_true(holds("duration > 500ms", json));
	assert_true(holds("status > 99 and status < 1e3", json));
	assert_true(holds("size > 1MiB", "size=2MB"));
	assert_false(holds("msg > 1", json));
	assert_true(holds("msg != 1", json));
	assert_false(holds("status > 600", "status=nan"));
}

static void levels_are_one_scale_for_json_logfmt_and_text(void **state)
{
	(void)state;
	assert_true(holds("level = error", json));
	assert_true(holds("level = warning", pairs));
	assert_true(holds("level >= warn and level < fatal", "2024 ERROR it broke"));
	assert_true(holds("level = warn", "[warn] low"));
	assert_true(holds("level = info", "info: fine"));
	assert_true(holds("level = fatal", "<2>the disk"));
	assert_true(holds("level = error", "{\"level\":50}"));
	assert_true(holds("level = debug", "{\"severity\":\"DEBUG\"}"));
	assert_false(holds("level exists", "an error of the word, no level"));
	assert_false(holds("level exists", "{\"msg\":\"ERROR\"}"));
}

static void an_error_says_where_and_what_to_write(void **state)
{
	(void)state;
	refused("", 0, "a test is missing here");
	refused("status == 500", 7, "write `=`");
	refused("status >= 500 && level = warn", 14, "write `and`");
	refused("level >= wern", 9, "did you mean `warn`?");
	refused("level > 'x\\", 8, "the text has no end");
	refused("error", 5, "write \"error\"");
	refused("status 500", 7, "an operator is missing after `status`");
	refused("(status = 1", 0, "the `(` here has no end");
	refused("status = 1)", 10, "closes nothing");
	refused("status = 1 level = warn", 11, "write `and` or `or`");
	refused("msg ~ '('", 6, "missing closing parenthesis");
	refused("status in 500", 10, "write FIELD in (VALUE, VALUE)");
	refused("status in (500", 14, "has no end");
	refused("job = x", 6, "is no number");
	refused("time > yesterday", 7, "is no time");
	refused("stream = stdin", 9, "is no stream");
	refused("a..b = 1", 0, "is no name of a field");
	refused("and = 1", 0, "a test is missing here");
	refused("status = and", 9, "a value is missing here");
	refused("! status = 1", 0, "write `not`");
}

static void depth_and_number_of_tests_are_bounded(void **state)
{
	auto_str deep = {0}, many = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		str_add_char(&deep, '(');
	refused(str_text(&deep), 64, "more than 64 levels");
	str_add(&many, "a = 1");
	for (int i = 0; i < 128; i++)
		str_add(&many, " or a = 1");
	refused(str_text(&many), 1152, "more than 128 tests");
	while (many.n < 9000)
		str_add(&many, " or a = 1");
	refused(str_text(&many), 0, "longer than");
}

static void an_expression_that_runs_away_is_given_up(void **state)
{
	struct log_line l = sample;
	struct query *q;
	struct error e;

	(void)state;
	assert_int_equal(query_new("line ~ '^(a+)+$'", NOW, &q, NULL, &e), ERR_OK);
	l.bytes = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
	l.n = strlen(l.bytes);
	assert_false(query_match(q, &l));
	assert_true(query_gave_up(q));
	query_free(q);
}

/* What is known without reading the record decides first, however it was written. */
static void a_line_that_can_not_match_is_not_parsed(void **state)
{
	struct log_line l = sample;
	struct query *q;
	struct error e;

	(void)state;
	assert_int_equal(query_new("status >= 500 and service = db", NOW, &q, NULL, &e), ERR_OK);
	l.bytes = json;
	l.n = strlen(json);
	for (int i = 0; i < 10; i++)
		assert_false(query_match(q, &l));
	assert_int_equal(query_parsed(q), 0);
	l.service = "db";
	assert_true(query_match(q, &l));
	assert_int_equal(query_parsed(q), 1);
	query_free(q);
}

static void fields_are_given_as_text(void **state)
{
	static const char *const names[] = {"level", "msg", "user.id", "time", "job", "absent"};
	struct log_line l = sample;
	struct query_fields *f;
	struct query_text out[6];
	struct error e;

	(void)state;
	assert_int_equal(query_fields_new(names, 6, &f, &e), ERR_OK);
	l.bytes = json;
	l.n = strlen(json);
	query_fields_of(f, &l, out);
	assert_string_equal(out[0].s, "error");
	assert_string_equal(out[1].s, "can not \"reach\" db");
	assert_memory_equal(out[2].s, "u-1", 3);
	assert_string_equal(out[3].s, "2024-05-01T12:29:00.000000Z");
	assert_string_equal(out[4].s, "7");
	assert_null(out[5].s);
	query_fields_free(f);
	assert_int_equal(query_fields_new((const char *const[]){"a..b"}, 1, &f, &e), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_text_is_a_substring_of_the_line),
	    cmocka_unit_test(words_join_tests_with_the_usual_precedence),
	    cmocka_unit_test(fields_of_the_line_are_known_by_name),
	    cmocka_unit_test(fields_of_records_are_found_in_json_and_logfmt),
	    cmocka_unit_test(a_field_that_is_not_there_makes_every_test_false),
	    cmocka_unit_test(numbers_have_units_and_are_compared_as_numbers),
	    cmocka_unit_test(levels_are_one_scale_for_json_logfmt_and_text),
	    cmocka_unit_test(an_error_says_where_and_what_to_write),
	    cmocka_unit_test(depth_and_number_of_tests_are_bounded),
	    cmocka_unit_test(an_expression_that_runs_away_is_given_up),
	    cmocka_unit_test(a_line_that_can_not_match_is_not_parsed),
	    cmocka_unit_test(fields_are_given_as_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
