/* Texts without which a line can not match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "query/query.h"

/* "a|b&c": clauses by `&`, texts by `|`. */
static void needs(const char *where, const char *expected)
{
	struct query *q;
	struct error e;
	auto_str got = {0};
	const struct log_needles *l;

	if (query_new(where, 0, &q, NULL, &e))
		fail_msg("%s", e.msg);
	l = query_needles(q);
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < l->all[i].n; k++) {
			str_add(&got, k ? "|" : i ? "&" : "");
			str_add_n(&got, l->all[i].any[k].s, l->all[i].any[k].n);
		}
	assert_string_equal(str_text(&got), expected);
	query_free(q);
}

static void a_text_and_a_name_are_needed(void **state)
{
	(void)state;
	needs("\"refused\"", "refused");
	needs("status >= 500", "status");
	needs("user.id = 'ab-12'", "ab-12&user&id");
	needs("items.0.id exists", "items&id");
	needs("line ~ '^listening on'", "listening on");
	needs("line ~ 'colou?r'", "colo");
	needs("msg in (refused, reset)", "refused|reset&msg");
	needs("service = web and \"x1\"", "x1");
}

static void a_choice_needs_one_of_both_and_only_if_both_sides_have_one(void **state)
{
	(void)state;
	needs("\"refused\" or \"reset\"", "refused|reset");
	needs("\"refused\" or service = web", "");
	needs("(\"refused\" or \"reset\") and status = 5", "refused|reset&status");
}

static void what_may_be_absent_is_not_needed(void **state)
{
	(void)state;
	needs("not \"refused\"", "");
	needs("level >= warn", "");
	needs("status = 500", "status");
	needs("line ~ 'a|b'", "");
	needs("line ~ '(?i)error'", "");
	needs("msg = 'a\"b/c'", "msg");
	needs("line = 'a/\"b'", "a/\"b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_text_and_a_name_are_needed),
	    cmocka_unit_test(a_choice_needs_one_of_both_and_only_if_both_sides_have_one),
	    cmocka_unit_test(what_may_be_absent_is_not_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
