/* Fields of JSON and logfmt lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "query/record.h"

/* The text of one field, "-" when it is absent, "null", or NULL when the name is none. */
static const char *of(const char *line, const char *name)
{
	static char text[256];
	struct record_path path;
	struct field f;
	auto_str scratch = {0};
	size_t n;
	const char *s;

	if (!record_path_init(&path, name, strlen(name)))
		return NULL;
	record_find(line, strlen(line), &path, 1, &f);
	record_path_release(&path);
	if (f.kind == FIELD_ABSENT || f.kind == FIELD_NULL)
		return f.kind == FIELD_NULL ? "null" : "-";
	s = field_text(&f, &scratch, &n);
	memcpy(text, s, n);
	text[n] = '\0';
	return text;
}

static void json_values_of_every_kind(void **state)
{
	static const char line[] =
	    "  { \"s\" : \"x\" , \"n\":-1.5e3,\"t\":true,\"z\":null,\"a\":[1,"
	    "{\"b\":\"c\"}],\"o\":{\"p\":{\"q\":2}},\"e\":{},\"l\":[] }";

	(void)state;
	assert_string_equal(of(line, "s"), "x");
	assert_string_equal(of(line, "n"), "-1.5e3");
	assert_string_equal(of(line, "t"), "true");
	assert_string_equal(of(line, "z"), "null");
	assert_string_equal(of(line, "a"), "[1,{\"b\":\"c\"}]");
	assert_string_equal(of(line, "a.0"), "1");
	assert_string_equal(of(line, "a.1.b"), "c");
	assert_string_equal(of(line, "o.p.q"), "2");
	assert_string_equal(of(line, "o.p"), "{\"q\":2}");
	assert_string_equal(of(line, "e.x"), "-");
	assert_string_equal(of(line, "l.0"), "-");
	assert_string_equal(of(line, "p"), "-");
}

static void escapes_are_undone(void **state)
{
	(void)state;
	assert_string_equal(of("{\"a\":\"q\\\"b\\\\c\\/d\\n\"}", "a"), "q\"b\\c/d\n");
	assert_string_equal(of("{\"a\":\"\\u20ac\\u00e9\\u0041\"}", "a"), "€éA");
	assert_string_equal(of("{\"a\":\"\\ud83d\\ude00\"}", "a"), "😀");
	assert_string_equal(of("{\"a\":\"\\ud83dx\"}", "a"), "\xef\xbf\xbdx");
	assert_string_equal(of("{\"a\":\"\\u12\"}", "a"), "\xef\xbf\xbd");
}

static void strings_hide_brackets_and_keys(void **state)
{
	(void)state;
	assert_string_equal(of("{\"x\":\"{\\\"a\\\":1}\",\"a\":2}", "a"), "2");
	assert_string_equal(of("{\"x\":[\"]}\",{\"y\":\"}\"}],\"a\":3}", "a"), "3");
	assert_string_equal(of("{\"x\":{\"a\":1},\"a\":4}", "a"), "4");
}

static void a_cut_line_has_the_fields_of_its_beginning(void **state)
{
	(void)state;
	assert_string_equal(of("{\"a\":1,\"b\":\"cut he", "a"), "1");
	assert_string_equal(of("{\"a\":1,\"b\":\"cut he", "b"), "-");
	assert_string_equal(of("{\"a\":\"x\\", "a"), "-");
	assert_string_equal(of("{\"a\"", "a"), "-");
	assert_string_equal(of("{", "a"), "-");
	assert_string_equal(of("{\"a\":", "a"), "-");
	assert_string_equal(of("{a:1}", "a"), "-");
}

static void the_first_of_doubled_keys_counts(void **state)
{
	(void)state;
	assert_string_equal(of("{\"a\":1,\"a\":2}", "a"), "1");
	assert_string_equal(of("a=1 a=2", "a"), "1");
}

static void a_key_with_dots_is_found_by_its_whole_text(void **state)
{
	(void)state;
	assert_string_equal(of("{\"log.level\":\"warn\"}", "log.level"), "warn");
	assert_string_equal(of("{\"log\":{\"level\":\"warn\"}}", "log.level"), "warn");
	assert_string_equal(of("{\"a b\":{\"c.d\":1}}", "\"a b\".\"c.d\""), "1");
}

static void pairs_stand_anywhere_in_a_line_of_text(void **state)
{
	(void)state;
	assert_string_equal(of("GET /x status=200 took=3ms", "status"), "200");
	assert_string_equal(of("msg=\"a \\\"b\\\" c\" n=1", "msg"), "a \"b\" c");
	assert_string_equal(of("msg=\"a \\\"b\\\" c\" n=1", "n"), "1");
	assert_string_equal(of("msg=\"x status=1\" status=2", "status"), "2");
	assert_string_equal(of("done (status=7, retries=2)", "status"), "7");
	assert_string_equal(of("done (status=7, retries=2)", "retries"), "2");
	assert_string_equal(of("empty= next=1", "empty"), "");
	assert_string_equal(of("= a=1", "a"), "1");
	assert_string_equal(of("xa=1", "a"), "-");
	assert_string_equal(of("msg=\"open", "msg"), "open");
}

static void names_have_at_most_eight_parts_and_none_is_empty(void **state)
{
	(void)state;
	assert_null(of("{}", ""));
	assert_null(of("{}", "a."));
	assert_null(of("{}", ".a"));
	assert_null(of("{}", "a..b"));
	assert_null(of("{}", "\"a"));
	assert_null(of("{}", "a.b.c.d.e.f.g.h.i"));
	assert_non_null(of("{}", "a.b.c.d.e.f.g.h"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_values_of_every_kind),
	    cmocka_unit_test(escapes_are_undone),
	    cmocka_unit_test(strings_hide_brackets_and_keys),
	    cmocka_unit_test(a_cut_line_has_the_fields_of_its_beginning),
	    cmocka_unit_test(the_first_of_doubled_keys_counts),
	    cmocka_unit_test(a_key_with_dots_is_found_by_its_whole_text),
	    cmocka_unit_test(pairs_stand_anywhere_in_a_line_of_text),
	    cmocka_unit_test(names_have_at_most_eight_parts_and_none_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
