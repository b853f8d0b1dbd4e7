/* JSON-RPC: one table dispatches, checks and describes itself. */
#include "rpc/rpc.h"

#include "base/limits.h"
#include "base/str.h"
#include "rpc/json_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct rpc_call *kept;
static json_t *got; /* parameters of the last call */

static void keep(struct rpc_call *call, json_t *params)
{
	(void)params;
	kept = call;
}

static void echo(struct rpc_call *call, json_t *params)
{
	json_decref(got);
	got = json_deep_copy(params);
	rpc_answer(call, json_deep_copy(params));
}

static void subtract(struct rpc_call *call, json_t *params)
{
	rpc_answer(call, json_integer(json_integer_value(json_object_get(params, "minuend")) -
				      json_integer_value(json_object_get(params, "subtrahend"))));
}

static void sum(struct rpc_call *call, json_t *params)
{
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	json_int_t total = 0;

	for (size_t i = 0; i < countof(names); i++)
		total += json_integer_value(json_object_get(params, names[i]));
	rpc_answer(call, json_integer(total));
}

static void get_data(struct rpc_call *call, json_t *params)
{
	(void)params;
	rpc_answer(call, json_pack("[s, i]", "hello", 5));
}

static void refuse(struct rpc_call *call, json_t *params)
{
	struct error e;

	(void)params;
	error_set(&e, ERR_CONFLICT, "a conflicts with b");
	rpc_fail(call, &e, json_pack("{s:[s]}", "chain", "a -> b"));
}

static void speak_latin(struct rpc_call *call, json_t *params)
{
	struct error e;

	(void)params;
	error_set(&e, ERR_CONFLICT, "held by `caf\xe9`, not by `caf\xc3\xa9`, cut: \xe2\x82");
	rpc_fail(call, &e, NULL);
}

static const struct rpc_param sum_params[] = {{"a", RPC_INT, false, ""}, {"b", RPC_INT, false, ""},
    {"c", RPC_INT, false, ""}, {"d", RPC_INT, false, ""}, {"e", RPC_INT, false, ""}};
static const struct rpc_param subtract_params[] = {
    {"minuend", RPC_INT, true, "from this"}, {"subtrahend", RPC_INT, true, "that much"}};
static const struct rpc_param start_params[] = {{"name", RPC_STRING_OR_ARRAY, true, "of a service"},
    {"wait", RPC_BOOL, false, "until it is ready"}};
static const struct rpc_method methods[] = {
    {"subtract", "", subtract_params, 2, subtract, false},
    {"sum", "", sum_params, 5, sum, false},
    {"get_data", "", NULL, 0, get_data, false},
    {"update", "", sum_params, 5, sum, true},
    {"notify_hello", "", sum_params, 5, sum, true},
    {"notify_sum", "", sum_params, 5, sum, true},
    {"service.start", "Start", start_params, 2, echo, true},
    {"later", "", NULL, 0, keep, false},
    {"refuse", "", NULL, 0, refuse, true},
    {"latin", "", NULL, 0, speak_latin, false},
};
static const struct rpc_group groups[] = {{methods, countof(methods)}};
static const struct rpc_service service = {groups, 1, NULL, "test", "1"};

struct answer {
	bool came;
	char *text;
};

static void done(void *ctx, char *take_text, size_t n)
{
	struct answer *a = ctx;

	assert_false(a->came);
	a->came = true;
	a->text = take_text;
	assert_int_equal(n, take_text ? strlen(take_text) : 0);
}

static json_t *ask(const char *body)
{
	struct answer a = {0};
	const struct rpc_peer peer = {0};

	rpc_dispatch(&service, body, strlen(body), &peer, done, &a);
	assert_true(a.came);
	json_t *v = a.text ? json_loads(a.text, JSON_DECODE_ANY, NULL) : NULL;
	free(a.text);
	return v;
}

static int code_of(const json_t *answer)
{
	return (int)json_integer_value(json_object_get(json_object_get(answer, "error"), "code"));
}

static void expect_code(const char *body, int code)
{
	json_t *v = ask(body);

	assert_int_equal(code_of(v), code);
	json_decref(v);
}

static void the_examples_of_the_specification_hold(void **state)
{
	static const struct {
		const char *request, *answer; /* NULL: nothing */
	} rows[] = {
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"params\":[42,23],\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"result\":19,\"id\":1}"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"params\":{\"subtrahend\":23,"
	     "\"minuend\":42},\"id\":3}",
		"{\"jsonrpc\":\"2.0\",\"result\":19,\"id\":3}"},
	    {"{\"jsonrpc\":\"2.0\",\"method\":\"update\",\"params\":[1,2,3,4,5]}", NULL},
	    {"[{\"jsonrpc\":\"2.0\",\"method\":\"notify_sum\",\"params\":[1,2,4]},{\"jsonrpc\":\"2."
	     "0\",\"method\":\"notify_hello\",\"params\":[7]}]",
		NULL},
	    {"[{\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"params\":[1,2,4],\"id\":\"1\"},{"
	     "\"jsonrpc\":\"2.0\",\"method\":\"notify_hello\",\"params\":[7]},{\"jsonrpc\":\"2.0\","
	     "\"method\":\"get_data\",\"id\":\"9\"}]",
		"[{\"jsonrpc\":\"2.0\",\"result\":7,\"id\":\"1\"},{\"jsonrpc\":\"2.0\",\"result\":["
		"\"hello\",5],\"id\":\"9\"}]"},
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		json_t *have = ask(rows[i].request),
		       *want = rows[i].answer ? json_loads(rows[i].answer, 0, NULL) : NULL;

		assert_true(have == want || json_equal(have, want));
		json_decref(have);
		json_decref(want);
	}
	expect_code("{\"jsonrpc\":\"2.0\",\"method\":\"foobar, \"params\":\"bar\",\"baz]", -32700);
	expect_code("{\"jsonrpc\":\"2.0\",\"method\":1,\"params\":\"bar\"}", -32600);
	expect_code("[]", -32600);
	expect_code("{\"jsonrpc\":\"2.0\",\"method\":\"foobar\",\"id\":\"1\"}", -32601);
	json_t *v = ask("[1,2,3]");
	assert_int_equal(json_array_size(v), 3);
	assert_int_equal(code_of(json_array_get(v, 2)), -32600);
	json_decref(v);
}

/* The answers of others to the same requests: "*" stands for anything, the words of a
 * message are ours. */
static bool is_like(json_t *have, json_t *want)
{
	const char *key;
	json_t *value;

	if (json_is_string(want) && strcmp(json_string_value(want), "*") == 0)
		return have != NULL;
	if (json_is_array(want) && json_array_size(want) == json_array_size(have)) {
		for (size_t i = 0; i < json_array_size(want); i++)
			if (!is_like(json_array_get(have, i), json_array_get(want, i)))
				return false;
		return true;
	}
	if (!json_is_object(want))
		return json_equal(have, want);
	json_object_foreach (want, key, value)
		if (strcmp(key, "message") != 0 && !is_like(json_object_get(have, key), value))
			return false;
	return true;
}

static char *with_our_method(const char *request)
{
	const char *at = strstr(request, "${OK}");

	return at ? text_fmt("%.*sget_data%s", (int)(at - request), request, at + 5)
		  : text_dup(request);
}

static void the_collected_requests_are_answered_as_collected(void **state)
{
	const char *dir = getenv("HERO_PROC_CASES");
	auto_free char *path = text_fmt("%s/jsonrpc/requests.json", dir ? dir : ".");
	json_t *all = json_load_file(path, 0, NULL), *one;
	size_t i;

	(void)state;
	if (!all)
		skip();
	json_array_foreach (json_object_get(all, "cases"), i, one) {
		auto_free char *request =
		    with_our_method(json_string_value(json_object_get(one, "request_raw")));
		json_t *have = ask(request), *want = json_object_get(one, "expect");
		bool nothing = json_is_true(json_object_get(one, "expect_nothing"));

		if (nothing ? have != NULL : !is_like(have, want))
			fail_msg("%s: %s", json_string_value(json_object_get(one, "id")), request);
		json_decref(have);
	}
	assert_true(i > 0);
	json_decref(all);
}

static void underscore_names_are_aliases(void **state)
{
	(void)state;
	json_t *v =
	    ask("{\"jsonrpc\":\"2.0\",\"method\":\"service_start\",\"params\":[\"web\"],\"id\":1}");

	assert_string_equal(json_string_value(json_object_get(got, "name")), "web");
	json_decref(v);
}

static void a_wrong_parameter_is_named_with_a_suggestion(void **state)
{
	(void)state;
	json_t *v =
	    ask("{\"jsonrpc\":\"2.0\",\"method\":\"service.start\",\"params\":{\"nmae\":\"web\","
		"\"wait\":1},\"id\":1}");
	json_t *data = json_object_get(json_object_get(v, "error"), "data"),
	       *errors = json_object_get(data, "errors");

	assert_int_equal(code_of(v), -32602);
	assert_int_equal(json_array_size(errors), 3); /* nmae, wait, and name is missing */
	assert_non_null(strstr(json_string_value(json_object_get(data, "hint")), "`name`"));
	json_decref(v);
	expect_code(
	    "{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"params\":[1,2,3],\"id\":1}", -32602);
}

static void a_failure_carries_name_and_data(void **state)
{
	(void)state;
	json_t *v = ask("{\"jsonrpc\":\"2.0\",\"method\":\"refuse\",\"id\":1}");
	json_t *data = json_object_get(json_object_get(v, "error"), "data");

	assert_int_equal(code_of(v), -32002);
	assert_string_equal(json_string_value(json_object_get(data, "name")), "conflict");
	assert_int_equal(json_array_size(json_object_get(data, "chain")), 1);
	json_decref(v);
}

/* A message may quote a path or a command, which are bytes, or be cut within a letter. */
static void bytes_that_are_no_text_do_not_cost_the_message(void **state)
{
	(void)state;
	json_t *v = ask("{\"jsonrpc\":\"2.0\",\"method\":\"latin\",\"id\":1}");

	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(v, "error"), "message")),
	    "held by `caf\xef\xbf\xbd`, not by `caf\xc3\xa9`, cut: "
	    "\xef\xbf\xbd\xef\xbf\xbd");
	json_decref(v);
}

static void a_batch_is_answered_when_its_last_call_is(void **state)
{
	struct answer a = {0};
	const struct rpc_peer peer = {0};
	const char *body =
	    "[{\"jsonrpc\":\"2.0\",\"method\":\"later\",\"id\":1},{\"jsonrpc\":\"2.0\",\"method\":"
	    "\"get_data\",\"id\":2}]";

	(void)state;
	rpc_dispatch(&service, body, strlen(body), &peer, done, &a);
	assert_false(a.came);
	rpc_answer(kept, json_true());
	assert_true(a.came);
	json_t *v = json_loads(a.text, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(v, 0), "id")), 1);
	json_decref(v);
	free(a.text);
}

static void bombs_and_doubles_are_refused(void **state)
{
	auto_str deep = {0}, many = {0};

	(void)state;
	for (int i = 0; i < 100000; i++)
		str_add_char(&deep, '[');
	expect_code(str_text(&deep), -32700);
	expect_code("{\"jsonrpc\":\"2.0\",\"method\":\"get_data\",\"id\":1,\"id\":2}", -32700);
	expect_code("{\"jsonrpc\":\"2.0\",\"method\":\"get_data\",\"id\":{}}", -32600);
	str_add_char(&many, '[');
	for (int i = 0; i <= LIMIT_BATCH; i++)
		str_fmt(&many, "%s{\"jsonrpc\":\"2.0\",\"method\":\"get_data\",\"id\":%d}",
		    i ? "," : "", i);
	str_add_char(&many, ']');
	expect_code(str_text(&many), -32012);
}

static void the_document_comes_from_the_table(void **state)
{
	(void)state;
	json_t *v = ask("{\"jsonrpc\":\"2.0\",\"method\":\"rpc.discover\",\"id\":1}");
	json_t *doc = json_object_get(v, "result"), *list = json_object_get(doc, "methods"), *m;
	size_t i;

	assert_non_null(json_object_get(doc, "openrpc"));
	assert_non_null(json_object_get(json_object_get(doc, "info"), "version"));
	assert_int_equal(json_array_size(list), countof(methods) + 1);
	json_array_foreach (list, i, m) {
		assert_true(json_is_string(json_object_get(m, "name")));
		assert_true(json_is_array(json_object_get(m, "params")));
		assert_true(
		    json_is_object(json_object_get(json_object_get(m, "result"), "schema")));
	}
	json_decref(v);
	json_decref(got);
	got = NULL;
}

/* ---- answers that are written as text ------------------------------------------------ */

static void commas_stand_where_they_are_due(void **state)
{
	auto_str out = {0};
	json_t *two = json_pack("{s:i, s:[i]}", "x", 1, "y", 2), *none = json_object();

	(void)state;
	json_out_open(&out, NULL, '{');
	json_out_members(&out, none);
	json_out_members(&out, two);
	json_out_open(&out, "list", '[');
	json_out_int(&out, NULL, INT64_MIN);
	json_out_int(&out, NULL, 0);
	json_out_open(&out, NULL, '{');
	json_out_members(&out, two);
	json_out_close(&out, '}');
	json_out_close(&out, ']');
	json_out_open(&out, "empty", '[');
	json_out_close(&out, ']');
	json_out_bool(&out, "yes", true);
	json_out_text(&out, "no", NULL);
	json_out_tree(&out, "tree", two);
	json_out_close(&out, '}');
	assert_string_equal(str_text(&out),
	    "{\"x\":1,\"y\":[2],\"list\":[-9223372036854775808,0,{\"x\":1,\"y\":[2]}],"
	    "\"empty\":[],\"yes\":true,\"no\":null,\"tree\":{\"x\":1,\"y\":[2]}}");
	json_decref(two);
	json_decref(none);
}

/* jansson is the judge: whatever is written is read, and what was text is the same text. */
static void every_pair_of_bytes_becomes_json(void **state)
{
	(void)state;
	for (unsigned i = 1; i < 0x10000; i++) {
		char raw[] = {'a', (char)(i >> 8 ? i >> 8 : 'b'), (char)(i & 0xff ? i & 0xff : 'c'),
		    (char)0x80, (char)0xbf, '\0'};
		auto_str out = {0};
		json_t *valid = json_string(raw);

		json_out_text(&out, NULL, raw);
		json_t *back = json_loads(out.s, JSON_DECODE_ANY, NULL);
		assert_non_null(back);
		assert_true(!valid || json_equal(valid, back));
		assert_int_equal(!valid, strstr(out.s, "\\ufffd") != NULL);
		json_decref(valid);
		json_decref(back);
	}
}

static void a_tree_is_written_as_jansson_reads_it(void **state)
{
	static const char *const texts[] = {"[]", "{}", "null", "\"\"", "-0.1", "1e300",
	    "[true,false,null,[[]],{},[{}],0,-9223372036854775808,9223372036854775807,2.5]",
	    "{\"a "
	    "\\\"key\\\"\\n\":{\"\\u00e9\":[1,{\"x\":\"\\ud83d\\ude00\\u001f\\\\\"}]},\"z\":\"]"
	    "\"}"};

	(void)state;
	for (size_t i = 0; i < countof(texts); i++) {
		auto_str out = {0};
		json_t *tree = json_loads(texts[i], JSON_DECODE_ANY, NULL);

		assert_non_null(tree);
		json_out_tree(&out, NULL, tree);
		json_t *back = json_loads(out.s, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
		assert_true(json_equal(tree, back));
		json_decref(tree);
		json_decref(back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_examples_of_the_specification_hold),
	    cmocka_unit_test(the_collected_requests_are_answered_as_collected),
	    cmocka_unit_test(underscore_names_are_aliases),
	    cmocka_unit_test(a_wrong_parameter_is_named_with_a_suggestion),
	    cmocka_unit_test(a_failure_carries_name_and_data),
	    cmocka_unit_test(bytes_that_are_no_text_do_not_cost_the_message),
	    cmocka_unit_test(a_batch_is_answered_when_its_last_call_is),
	    cmocka_unit_test(bombs_and_doubles_are_refused),
	    cmocka_unit_test(the_document_comes_from_the_table),
	    cmocka_unit_test(commas_stand_where_they_are_due),
	    cmocka_unit_test(every_pair_of_bytes_becomes_json),
	    cmocka_unit_test(a_tree_is_written_as_jansson_reads_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
