/* Text of programs: escape sequences, and bytes that are no UTF-8. */
#include "base/escape.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void an_escape_sequence_ends_where_a_terminal_ends_it(void **state)
{
	static const struct {
		const char *text;
		size_t bytes;
	} cases[] = {{"\033", 1}, {"\033[31mx", 5}, {"\033[?25lx", 6}, {"\033[1;2 qx", 7},
	    {"\033[3", 3}, {"\033]0;t\ax", 6}, {"\033]0;t\033\\x", 7}, {"\033]0;t", 5},
	    {"\033P1$r\033\\x", 7}, {"\033(Bx", 3}, {"\0337x", 2}, {"\033cx", 2}, {"\033\033[m", 1},
	    {"\033[3\001x", 3}, {"\033\xc3\xa9", 1}};
	(void)state;

	for (size_t i = 0; i < countof(cases); i++)
		if (escape_bytes(cases[i].text, strlen(cases[i].text)) != cases[i].bytes)
			fail_msg("%zu: %zu", i, escape_bytes(cases[i].text, strlen(cases[i].text)));
}

static void only_colours_are_colours(void **state)
{
	(void)state;
	assert_true(escape_is_colour("\033[m", 3));
	assert_true(escape_is_colour("\033[1;38:5:9mx", 12));
	assert_false(escape_is_colour("\033[2J", 4));
	assert_false(escape_is_colour("\033[?1m", 5));
	assert_false(escape_is_colour("\033[>4m", 5)); /* the keyboard of xterm */
	assert_false(escape_is_colour("\033[31", 4));
	assert_false(escape_is_colour("\033]m", 3));
}

static void characters_are_those_of_RFC_3629(void **state)
{
	static const struct {
		const char *text;
		size_t bytes;
	} cases[] = {{"a", 1}, {"\xc3\xa9", 2}, {"\xe2\x82\xac", 3}, {"\xf0\x9f\x98\x80", 4},
	    {"\xc3", 0}, {"\xc3(", 0}, {"\xc0\x80", 0}, {"\xc1\xbf", 0}, {"\xe0\x80\x80", 0},
	    {"\xed\xa0\x80", 0}, {"\xf0\x80\x80\x80", 0}, {"\xf4\x90\x80\x80", 0}, {"\xf5", 0},
	    {"\x80", 0}, {"\xff", 0}, {"\xe2\x82", 0}};
	(void)state;

	for (size_t i = 0; i < countof(cases); i++)
		if (utf8_bytes(cases[i].text, strlen(cases[i].text)) != cases[i].bytes)
			fail_msg("%zu", i);
	assert_int_equal(utf8_bytes("\0x", 2), 1);
	assert_int_equal(utf8_bytes("", 0), 0);
}

static void what_people_read_is_one_line_that_nobody_obeys(void **state)
{
	static const char said[] =
	    "a\033[31mb\0c\td\xff\xc2\x9b"
	    "e\xc3\xa9\033]0;x\a!";
	auto_str out = {0};
	(void)state;

	utf8_readable(&out, said, sizeof(said) - 1, 100);
	assert_string_equal(out.s, "ab c d" UTF8_REPLACEMENT " e\xc3\xa9!");
	str_clear(&out);
	utf8_readable(&out, "ab\xc3\xa9", 4, 3); /* cut between characters */
	assert_string_equal(out.s, "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_escape_sequence_ends_where_a_terminal_ends_it),
	    cmocka_unit_test(only_colours_are_colours),
	    cmocka_unit_test(characters_are_those_of_RFC_3629),
	    cmocka_unit_test(what_people_read_is_one_line_that_nobody_obeys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
