/* What a manifest must not lose in silence, and what it must not cost. */
#include "manifest/dependency.h"
#include "manifest/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

struct result {
	enum err code;
	struct manifest m;
	struct diags d;
	struct error e;
};

static struct result read_n(const char *text, size_t n)
{
	struct result r = {0};

	r.code = manifest_read(
	    text, n, &(struct manifest_options){.path = "web/service.toml"}, &r.m, &r.d, &r.e);
	return r;
}

static void done(struct result *r)
{
	manifest_release(&r->m);
	diags_release(&r->d);
}

/* Exactly this diagnosis is among them. */
static void expect(
    const char *text, enum diag_severity severity, int line, int column, const char *part)
{
	struct result r = read_n(text, strlen(text));
	bool found = false;

	for (size_t i = 0; i < r.d.n; i++)
		found = found || (r.d.v[i].severity == severity && r.d.v[i].line == line &&
				     r.d.v[i].column == column && strstr(r.d.v[i].message, part));
	for (size_t i = 0; i < r.d.n && !found; i++)
		print_message("got %d:%d: %s\n", r.d.v[i].line, r.d.v[i].column, r.d.v[i].message);
	assert_true(found);
	assert_int_equal(r.code, severity == DIAG_ERROR ? ERR_INVALID : ERR_OK);
	done(&r);
}

#define W "[[binaries]]\nname = \"w\"\n"
#define E DIAG_ERROR

static void an_entry_for_nobody_is_an_error(void **state)
{
	(void)state;
	expect(W "[[dependencies]]\nbin = \"w\"\nfor = \"w\"\n", E, 3, 1,
	    "applies to no started binary");
	expect(W
	    "[[binaries]]\nname = \"c\"\nkind = \"cli\"\n[[dependencies]]\nbin = \"b\"\nfor = "
	    "\"c\"\n",
	    E, 6, 1, "applies to no started binary");
}

static void two_words_on_one_thing_are_an_error(void **state)
{
	(void)state;
	expect(W "[[dependencies]]\nbin = \"b\"\nsocket = \"s\"\ngate = \"tcp:h:1\"\n", E, 6, 8,
	    "`gate` and `socket` (line 5)");
	expect("name = \"a\"\n[service]\nname = \"b\"\n" W, E, 3, 8, "top level (line 1)");
	expect(W "exec = \"a\"\nscript = \"b\"\n", E, 1, 1, "both given");
	expect(W "sockets = [\"a\", \"a\"]\n", E, 1, 1, "two sockets are named `a`");
}

static void equal_durations_in_two_spellings_are_fine(void **state)
{
	(void)state;
	struct result r = read_n(W "stop_timeout = \"5s\"\nstop_timeout_ms = 5000\n",
	    strlen(W "stop_timeout = \"5s\"\nstop_timeout_ms = 5000\n"));

	assert_int_equal(r.code, ERR_OK);
	assert_int_equal(r.m.v[0].actions.v[0].stop_timeout, 5000);
	done(&r);
}

static void no_key_is_dropped_in_silence(void **state)
{
	(void)state;
	expect(W "[[binaries.tcp]]\nport = 1\nhots = \"x\"\n", E, 5, 1, "no key `hots`");
	expect(W "retry_policy = {rules = [{code = 3, then = \"fail\", xx = 1}]}\n", E, 3, 52,
	    "no key `xx`");
	expect(W "kill_other = {sokets = true}\n", E, 3, 15, "no key `sokets`");
	expect(W "kill_other = true\n", E, 3, 14, "must be a table");
	expect("[service]\nname = \"s\"\n[lifecycle]\nmax_restarts = 3\n" W, DIAG_WARNING, 3, 1,
	    "`lifecycle` speaks of");
	expect("[service]\nname = \"s\"\noneshot = true\n" W, DIAG_WARNING, 3, 11,
	    "`oneshot` speaks of");
}

static void a_warning_hides_no_error(void **state)
{
	(void)state;
	expect(
	    W "[[dependencies]]\nany = [\"x\"]\nbin = \"b b\"\n", E, 3, 1, "`b b` is not a name");
	expect(W "[[dependencies]]\nany = [\"x x\"]\n", E, 3, 1, "`x x` is not a name");
}

/* A stored definition with such a name was refused when the daemon came back. */
static void every_name_is_checked_wherever_it_stands(void **state)
{
	(void)state;
	expect("name = \"a b\"\n" W, E, 1, 8, "`a b` is not a name");
	expect("[service]\nname = \"a b\"\n" W, E, 2, 8, "`a b` is not a name");
	expect("socket_folder = \"../x\"\n" W, E, 1, 17, "`../x` is not a name");
	expect("repo = \"o/..\"\n" W, E, 1, 8, "`o/..` is not a name");
	expect("[service]\nname = \"a\"\nconflicts = [\"b\", \"c(\"]\n" W, E, 3, 19,
	    "`c(` is not a name");
	expect("[service]\nname = \"a\"\n[dependencies]\nconflicts = [\"c(\"]\n", E, 4, 14,
	    "`c(` is not a name");
	struct diags d = {0};
	struct service_def s;
	json_t *j = json_pack("{s:s, s:s}", "name", "a", "socket_folder", "../x");
	assert_false(service_def_read_json(j, "test", false, &d, &s));
	service_def_release(&s);
	diags_release(&d);
	json_decref(j);
}

static const struct dep *only_edge(const struct result *r, size_t action)
{
	assert_int_equal(r->code, ERR_OK);
	assert_int_equal(r->m.v[0].actions.v[action].depends_on.n, 1);
	return &r->m.v[0].actions.v[action].depends_on.v[0];
}

static void entries_for_different_binaries_are_two(void **state)
{
	(void)state;
	static const char text[] =
	    "[service]\nname = \"s\"\n[[binaries]]\nname = \"a\"\n[[binaries]]\nname = \"c\"\n"
	    "[[dependencies]]\nbin = \"b\"\nfor = \"a\"\n[[dependencies]]\nbin = \"b\"\nfor = "
	    "\"c\"\n";
	struct result r = read_n(text, sizeof(text) - 1);

	assert_string_equal(only_edge(&r, 0)->bin, "b");
	assert_string_equal(only_edge(&r, 1)->source_text, "web/service.toml:10");
	done(&r);
}

static void what_requires_is_not_softened_by_what_wants(void **state)
{
	(void)state;
	static const char text[] = W
	    "[[dependencies]]\nbin = \"b\"\nkind = \"wants\"\noptional = true\ntimeout = \"1s\"\n"
	    "[[dependencies]]\nbin = \"b\"\ntimeout = \"9s\"\n";
	struct result r = read_n(text, sizeof(text) - 1);
	const struct dep *d = only_edge(&r, 0);

	assert_int_equal(d->kinds, DEP_REQUIRES);
	assert_false(d->optional);
	assert_int_equal(d->timeout, 9000);
	done(&r);
}

static void refuse(const char *key, const char *value, const char *message)
{
	auto_free char *text = text_fmt(W "%s = %s\n", key, value);
	struct result r = read_n(text, strlen(text));
	bool found = false;

	for (size_t i = 0; i < r.d.n; i++)
		found = found || strstr(r.d.v[i].message, message);
	if (!found)
		fail_msg("%s = %s: %s", key, value, r.d.n ? r.d.v[0].message : "taken");
	assert_int_equal(r.code, ERR_INVALID);
	done(&r);
}

/* `exec = 5` and `exec = true` were scripts, 1.10 in a list was "1.1", and what stood behind a
 * NUL was dropped. */
static void a_string_takes_a_string_only(void **state)
{
	(void)state;
	static const char *const strings[] = {"description", "script", "interpreter", "cwd",
	    "env_file", "stop_signal", "user", "group", "umask", "context", "kind"};
	static const char *const lists[] = {"args", "tags", "groups"};
	static const char *const commands[] = {"exec", "stop_exec", "reload"};
	static const char *const wrong[] = {"5", "true", "1.10", "2024-01-01", "{a = \"b\"}"};

	for (size_t i = 0; i < countof(wrong); i++) {
		for (size_t k = 0; k < countof(strings); k++)
			refuse(strings[k], wrong[i], "must be a string, not");
		for (size_t k = 0; k < countof(lists); k++) {
			auto_free char *list = text_fmt("[\"a\", %s]", wrong[i]);

			refuse(lists[k], wrong[i], "must be a string, not");
			refuse(lists[k], list, "must be a string, not");
		}
		for (size_t k = 0; k < countof(commands); k++) {
			auto_free char *list = text_fmt("[\"a\", %s]", wrong[i]);

			refuse(commands[k], wrong[i], "must be a string or a list of strings, not");
			refuse(commands[k], list, "must be a string, not");
		}
	}
	refuse("stop_exec", "[]", "`stop_exec` is empty");
	refuse("probes", "{liveness = {exec = 5}}", "must be a string or a list of strings");
	refuse("probes", "{liveness = {exec = [1]}}", "must be a string, not");
	refuse("probes", "{liveness = {log = true}}", "must be a string, not");
	refuse("probes", "{liveness = {kind = \"exec\", target = 5}}", "must be a string, not");
	refuse("probes", "{liveness = {kind = \"tcp\", target = [\"a\"]}}", "a list is a command");
	refuse("sockets", "[{name = 5}]", "must be a string, not");
	refuse("tcp", "[{port = 80, host = 5}]", "must be a string, not");
	refuse("readiness", "{log = 5}", "must be a string, not");
	refuse("depends_on", "[{name = 5}]", "must be a string, not");
	refuse("depends_on", "[{name = \"a\", for = [5]}]", "must be a string, not");
	refuse("success_exit_codes", "[true]", "must be a string, not");
}

static void a_NUL_cuts_no_text(void **state)
{
	(void)state;
	refuse("args", "[\"a\\u0000b\"]", "holds a NUL byte");
	refuse("env", "{A = \"a\\u0000b\"}", "holds a NUL byte");
	refuse("env", "{\"A\\u0000B\" = \"a\"}", "holds a NUL byte");
	refuse("\"cwd\\u0000x\"", "\"/\"", "holds a NUL byte");
	refuse("env", "[{name = \"A\", value = \"a\\u0000b\"}]", "holds a NUL byte");
	refuse("env", "[{name = \"A\\u0000B\", value = \"a\"}]", "holds a NUL byte");
	refuse("kind", "\"job\\u0000b\"", "holds a NUL byte");
	refuse("readiness", "\"notify\\u0000\"", "holds a NUL byte");
	refuse("start_timeout", "\"10s\\u0000\"", "holds a NUL byte");
	refuse("depends_on", "[{gate = \"file:/a\\u0000b\"}]", "holds a NUL byte");
	refuse("depends_on", "[{name = \"a\", when = {env = \"A\", is = \"b\\u0000\"}}]",
	    "holds a NUL byte");
}

static void a_variable_takes_what_has_one_way_to_be_written(void **state)
{
	(void)state;
	refuse("env", "{A = 1.10}", "must be a string, a whole number, true or false");
	refuse("env", "{A = [1]}", "must be a string, a whole number, true or false");
	refuse("env", "[{name = \"A\", default = {b = 1}}]", "must be a string, a whole number");
	refuse("env", "[{name = \"A\", desc = 5}]", "must be a string, not");
	static const char text[] = W "env = {A = 8080, B = true, C = \"1.10\"}\n";
	struct result r = read_n(text, sizeof(text) - 1);
	const struct env_list *env = &r.m.v[0].actions.v[0].env;

	assert_string_equal(env->v[0].value, "8080");
	assert_string_equal(env->v[1].value, "true");
	assert_string_equal(env->v[2].value, "1.10");
	done(&r);
}

static void a_command_is_a_text_or_a_list_wherever_it_stands(void **state)
{
	(void)state;
	static const char text[] = W
	    "exec = [\"a\", \"b c\"]\nstop_exec = [\"s\", \"it's\"]\nreload = [\"SIGHUP\"]\n"
	    "probes = {startup = {exec = [\"p\", \"\"]}, liveness = {exec = \"p | q\"}}\n";
	struct result r = read_n(text, sizeof(text) - 1);
	assert_int_equal(r.code, ERR_OK);
	const struct action_def *a = &r.m.v[0].actions.v[0];
	auto_str shown = {0};

	assert_int_equal(a->argv.n, 2);
	assert_int_equal(a->stop_exec.argv.n, 2);
	command_fmt(&shown, &a->stop_exec);
	assert_string_equal(shown.s, "s 'it'\\''s'");
	assert_int_equal(a->reload.argv.n, 1); /* a program of that name */
	assert_int_equal(a->probes[PROBE_STARTUP]->command.argv.n, 2);
	assert_string_equal(a->probes[PROBE_LIVENESS]->command.text, "p | q");
	done(&r);
}

static void what_is_written_reads_back(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    W "description = \"a\\u007fb\"\n",
	    W "stop_exec = [\"a\", \"b c\"]\nreload = [\"r\"]\n",
	    W "probes = {liveness = {exec = [\"p\"]}}\n",
	    W "inputs = {\"$x\" = {\"a b\" = 1}}\n",
	    W "depends_on = []\n",
	    ("[service]\nname = \"s\"\n[[binaries]]\nname = \"a\"\n[[binaries]]\nname = "
	     "\"c\"\n[[dependencies]]\nbin = \"b\"\n"),
	};

	for (size_t i = 0; i < countof(texts); i++) {
		struct result r = read_n(texts[i], strlen(texts[i]));
		auto_str text = {0};

		assert_int_equal(r.code, ERR_OK);
		manifest_write(&r.m.v[0], &text);
		struct result back = read_n(str_text(&text), text.n);
		assert_int_equal(back.code, ERR_OK);
		auto_free char *a = service_def_meaning(&r.m.v[0]),
			       *b = service_def_meaning(&back.m.v[0]);
		assert_string_equal(a, b);
		done(&r);
		done(&back);
	}
}

/* They were found out when the service was to be stopped, or never. */
static void what_nobody_could_act_on_is_refused_when_it_is_said(void **state)
{
	(void)state;
	expect(W "stop_signal = \"SIGTREM\"\n", E, 3, 15, "`stop_signal`: `SIGTREM` is no signal");
	expect(W "stop_signal = \"0\"\n", E, 3, 15, "is no signal");
	expect(W "stop_signal = \"SIGRTMIN+99\"\n", E, 3, 15, "is no signal");
	expect(W "success_exit_codes = [0, 256]\n", E, 3, 26, "`256` is neither");
	expect(W "success_exit_codes = [0, \"SIGNONE\"]\n", E, 3, 26, "`SIGNONE` is neither");
	expect(W "success_exit_codes = -1\n", E, 3, 22, "`-1` is neither");
	expect(W "limits = {nofiles = 10}\n", E, 3, 21, "there is no limit `nofiles`");
	expect(W "limits = {core = 0, nofile = \"9:3\"}\n", E, 3, 30,
	    "`nofile = 9:3` is not soft or soft:hard");
	expect(W "limits = {nofile = \"many\"}\n", E, 3, 20, "`nofile = many`");
	expect(W "umask = \"0999\"\n", E, 3, 9, "`0999` is not octal");
	expect(W "umask = \"-2\"\n", E, 3, 9, "is not octal");
	expect(W "readiness = {log = \"ready(\"}\n", E, 3, 20, "missing closing parenthesis");
	expect(W "readiness = {fd = 2}\n", E, 3, 19, "outside 3..63");
	expect(W "script = \"true\"\nreadiness = {fd = 19}\n", E, 1, 1,
	    "descriptor 19 is that of the script");
	expect(W "retry_policy = {rules = [{signal = \"KIL\", then = \"stop\"}]}\n", E, 3, 36,
	    "`KIL` is no signal");
	expect(W "retry_policy = {rules = [{code = 300, then = \"stop\"}]}\n", E, 3, 34,
	    "outside 0..255");
	expect(W "retry_policy = {rules = [{code = 3, then = \"retry\"}]}\n", E, 3, 44, "`retry`");
	expect(W "retry_policy = {rules = [{code = 3}]}\n", E, 3, 26, "a rule needs `then`");
	expect("[service]\nname = \"s\"\nexec = \"true\"\n[lifecycle]\nstop_signal = \"NO\"\n", E,
	    5, 15, "`NO` is no signal");
}

static void what_can_be_acted_on_is_taken(void **state)
{
	(void)state;
	static const char text[] = W
	    "stop_signal = \"SIGRTMIN+3\"\nsuccess_exit_codes = [0, 143, \"SIGTERM\", \"HUP\"]\n"
	    "limits = {nofile = \"1024:unlimited\", core = 0}\numask = \"0027\"\n"
	    "readiness = {log = \"^ready \\\\d+$\"}\nuser = \"nobody-of-that-name\"\n"
	    "retry_policy = {rules = [{code = 3, then = \"fail\"}, {signal = \"9\", then = "
	    "\"stop\"}]}\n";
	struct result r = read_n(text, sizeof(text) - 1);

	for (size_t i = 0; i < r.d.n; i++)
		print_message("%s\n", r.d.v[i].message);
	assert_int_equal(r.code, ERR_OK);
	assert_int_equal(r.d.n, 0);
	assert_int_equal(r.m.v[0].actions.v[0].retry.rules.n, 2);
	done(&r);
}

/* "\33[31m" in a manifest turned the operator's terminal red. */
static void a_terminal_is_told_nothing_by_a_manifest(void **state)
{
	(void)state;
	static const char text[] = W "\"\\u001b[31m\" = 1\nx = \"\33[2J\"\n";
	struct result r = read_n(text, sizeof(text) - 1);
	auto_str out = {0};

	assert_int_equal(r.code, ERR_INVALID);
	for (size_t i = 0; i < r.d.n; i++)
		diag_print(&r.d.v[i], &out);
	assert_null(strchr(str_text(&out), '\33'));
	done(&r);
}

static void the_caret_counts_characters(void **state)
{
	(void)state;
	struct diags d = {0};
	auto_str out = {0};

	diag_add(&d, DIAG_ERROR, "f", 1, 4, NULL, NULL, "m");
	diags_quote(&d, "f", "\xc3\xa9 = x\r\n", 8);
	diag_print(&d.v[0], &out);
	assert_string_equal(str_text(&out), "f:1:4: error: m\n    \xc3\xa9 = x\n       ^\n");
	diags_release(&d);
}

/* A thousand binaries times a thousand entries took 45 s, and twelve thousand all memory. */
static void a_full_manifest_is_answered_at_once(void **state)
{
	(void)state;
	auto_str grid = {0}, wrong = {0};

	for (int i = 0; i < 12000; i++)
		str_fmt(
		    &grid, "[[binaries]]\nname = \"b%d\"\n[[dependencies]]\nbin = \"d%d\"\n", i, i);
	struct result r = read_n(str_text(&grid), grid.n);
	assert_int_equal(r.code, ERR_INVALID);
	assert_non_null(strstr(r.d.v[0].message, "more than 100000 edges"));
	done(&r);
	str_add(&wrong, W);
	for (int i = 0; i < 60000; i++)
		str_fmt(&wrong, "k%d = 1\n", i);
	r = read_n(str_text(&wrong), wrong.n);
	assert_int_equal(r.d.n, 60000);
	for (size_t i = 1; i < r.d.n; i++)
		assert_true(r.d.v[i - 1].line < r.d.v[i].line);
	done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_entry_for_nobody_is_an_error),
	    cmocka_unit_test(two_words_on_one_thing_are_an_error),
	    cmocka_unit_test(equal_durations_in_two_spellings_are_fine),
	    cmocka_unit_test(no_key_is_dropped_in_silence),
	    cmocka_unit_test(a_warning_hides_no_error),
	    cmocka_unit_test(every_name_is_checked_wherever_it_stands),
	    cmocka_unit_test(entries_for_different_binaries_are_two),
	    cmocka_unit_test(what_requires_is_not_softened_by_what_wants),
	    cmocka_unit_test(a_string_takes_a_string_only),
	    cmocka_unit_test(a_NUL_cuts_no_text),
	    cmocka_unit_test(a_variable_takes_what_has_one_way_to_be_written),
	    cmocka_unit_test(a_command_is_a_text_or_a_list_wherever_it_stands),
	    cmocka_unit_test(what_is_written_reads_back),
	    cmocka_unit_test(what_nobody_could_act_on_is_refused_when_it_is_said),
	    cmocka_unit_test(what_can_be_acted_on_is_taken),
	    cmocka_unit_test(a_terminal_is_told_nothing_by_a_manifest),
	    cmocka_unit_test(the_caret_counts_characters),
	    cmocka_unit_test(a_full_manifest_is_answered_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
