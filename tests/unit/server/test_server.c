/* What the server works out from its arguments alone: times, labels, environments, command lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/change/unit_spec.h"
#include "server/history/retention.h"
#include "server/host/clock.h"
#include "server/supervise/attempt_label.h"
#include "server/supervise/launch.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct paths make_paths(void)
{
	struct paths p = {0};

	setenv("PATH_ROOT", "/r", 1);
	setenv("PATH_VAR", "/r/var", 1);
	setenv("HERO_SOCKET_DIR", "/s", 1);
	paths_init(&p, NULL, NULL);
	return p;
}

static void time_has_microseconds_and_reads_back(void **state)
{
	char text[ISO_TIME_BYTES];
	usec_wall t = 0;
	(void)state;

	assert_string_equal(clock_iso(1700000000000042, text), "2023-11-14T22:13:20.000042Z");
	assert_true(clock_parse(text, &t));
	assert_int_equal(t, 1700000000000042);
	assert_true(clock_parse("1700000000000042", &t));
	assert_int_equal(t, 1700000000000042);
	assert_false(clock_parse("yesterday", &t));
}

static void F42_how_much_is_kept_is_read_in_units_and_wrong_words_are_refused(void **state)
{
	static const char *const wrong[] = {"", "runs", "runs=", "runs=x", "runs=0", "runs=1K",
	    "age=5", "state=1K", "run=5", "runs=5,", "runs=99999999999999999999",
	    "state=9000000000000000G"};
	struct retention k = {0};
	struct error e = {0};
	(void)state;

	assert_int_equal(
	    retention_parse(&k, "runs=50,events=7,state=2M,service-logs=1G,age=12h", &e), ERR_OK);
	assert_int_equal(k.store.keep_runs, 50);
	assert_int_equal(k.store.keep_events, 7);
	assert_int_equal(k.store.keep_bytes, 2 << 20);
	assert_int_equal(k.logs.service_bytes, 1 << 30);
	assert_int_equal(k.logs.total_bytes, 0);
	assert_int_equal(k.store.keep_seconds, 43200);
	assert_int_equal(k.logs.max_age_s, 43200);
	for (size_t i = 0; i < countof(wrong); i++)
		if (retention_parse(&k, wrong[i], &e) != ERR_INVALID)
			fail_msg("%s is taken", wrong[i]);
}

static void label_tells_the_next_server_everything(void **state)
{
	char unit[] = "web@a+b", action[] = "main";
	struct attempt_label in = {.unit = unit,
				 .action = action,
				 .run = 12,
				 .row = 34,
				 .attempt = 5,
				 .restarts = 4,
				 .created = 99,
				 .since = 98,
				 .tries = 3,
				 .failures = 2,
				 .is_run = true},
			     out;
	auto_str text = {0};
	(void)state;

	attempt_label_write(&in, &text);
	assert_true(attempt_label_read(&out, text.s, text.n));
	assert_string_equal(out.unit, unit);
	assert_string_equal(out.action, action);
	assert_int_equal(out.run, 12);
	assert_int_equal(out.row, 34);
	assert_int_equal(out.attempt, 5);
	assert_int_equal(out.since, 98);
	assert_int_equal(out.tries, 3);
	assert_int_equal(out.failures, 2);
	assert_true(out.is_run);
	assert_false(out.aux);
	attempt_label_release(&out);
	assert_false(attempt_label_read(&out, "something", 9));
}

static void later_words_win_and_paths_are_the_supervisors(void **state)
{
	struct paths p = make_paths();
	struct action_def a;
	struct environment env;
	struct error e = {0};
	char name[] = "/tmp/hp-env-XXXXXX";
	int fd = mkstemp(name);
	char one[] = "A=keeper", two[] = "B=keeper", three[] = "C=keeper";
	char *frozen[] = {one, two, three, NULL};
	const struct surroundings around = {.frozen = frozen, .paths = &p};
	(void)state;

	assert_true(fd >= 0);
	assert_true(write(fd, "# words\nexport B='file'\nC=file\n", 31) == 31);
	close(fd);
	action_def_init(&a);
	a.env_file = text_dup(name);
	*vec_push(&a.env) =
	    (struct env_var){.name = text_dup("C"), .value = text_dup("${PATH_VAR}/x")};
	*vec_push(&a.env) =
	    (struct env_var){.name = text_dup("PATH_ROOT"), .value = text_dup("~/hero")};
	assert_int_equal(environment_init(&env, &around, &a, &e), ERR_OK);
	assert_string_equal(environment_get(&env, "A"), "keeper");
	assert_string_equal(environment_get(&env, "B"), "file");
	assert_string_equal(environment_get(&env, "C"), "/r/var/x");
	assert_string_equal(environment_get(&env, "PATH_ROOT"), "/r");
	assert_string_equal(environment_get(&env, "HERO_SOCKET_DIR"), "/s");
	environment_release(&env);

	*vec_push(&a.env) = (struct env_var){.name = text_dup("KEY"), .required = true};
	assert_int_equal(environment_init(&env, &around, &a, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "`KEY`"));
	environment_release(&env);
	unlink(name);
	action_def_release(&a);
	paths_release(&p);
}

static void check_argv(const struct launch *l, const char *const *expected)
{
	size_t n = 0;

	for (; expected[n]; n++)
		assert_string_equal(l->spec.argv[n], expected[n]);
	assert_null(l->spec.argv[n]);
}

static void script_goes_to_its_interpreter_and_exec_is_split_without_a_shell(void **state)
{
	struct paths p = make_paths();
	struct action_def a;
	struct launch l;
	struct error e = {0};
	char *frozen[] = {NULL};
	const struct surroundings around = {.frozen = frozen, .paths = &p};
	(void)state;

	action_def_init(&a);
	a.name = text_dup("web");
	assert_int_equal(launch_init(&l, &a, &around, &e), ERR_OK);
	launch_finish(&l);
	check_argv(&l, (const char *const[]){"/r/bin/web", NULL});
	launch_release(&l);

	a.script = text_dup("serve 'a b' \"$HOME\" c\\ d");
	assert_int_equal(launch_init(&l, &a, &around, &e), ERR_OK);
	launch_finish(&l);
	check_argv(&l, (const char *const[]){"sh", SPAWN_SCRIPT_PATH, NULL});
	assert_string_equal(l.spec.script, a.script);
	launch_release(&l);

	a.interpreter = text_dup("exec");
	assert_int_equal(launch_init(&l, &a, &around, &e), ERR_OK);
	launch_finish(&l);
	check_argv(&l, (const char *const[]){"serve", "a b", "$HOME", "c d", NULL});
	launch_release(&l);
	action_def_release(&a);
	paths_release(&p);
}

static void unknown_user_or_limit_is_refused_by_name(void **state)
{
	struct paths p = make_paths();
	struct action_def a;
	struct launch l;
	struct error e = {0};
	char *frozen[] = {NULL};
	const struct surroundings around = {.frozen = frozen, .paths = &p};
	(void)state;

	action_def_init(&a);
	a.name = text_dup("web");
	a.user = text_dup("no-such-user-here");
	assert_int_equal(launch_init(&l, &a, &around, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "no-such-user-here"));
	launch_release(&l);
	text_set(&a.user, NULL);
	*vec_push(&a.limits) =
	    (struct env_var){.name = text_dup("nofile"), .value = text_dup("64:128")};
	assert_int_equal(launch_init(&l, &a, &around, &e), ERR_OK);
	assert_int_equal(l.spec.limits[0].soft, 64);
	assert_int_equal(l.spec.limits[0].hard, 128);
	launch_release(&l);
	text_set(&a.limits.v[0].value, "many");
	assert_int_equal(launch_init(&l, &a, &around, &e), ERR_INVALID);
	launch_release(&l);
	action_def_release(&a);
	paths_release(&p);
}

static void signals_have_three_spellings(void **state)
{
	char name[16];
	(void)state;

	assert_int_equal(signal_parse("SIGTERM"), SIGTERM);
	assert_int_equal(signal_parse("HUP"), SIGHUP);
	assert_int_equal(signal_parse("9"), SIGKILL);
	assert_int_equal(signal_parse("SIGNONE"), 0);
	assert_string_equal(signal_name(SIGINT, name, sizeof(name)), "SIGINT");
}

static void only_started_actions_become_jobs_and_a_sibling_is_found_under_any_name(void **state)
{
	struct service_def s;
	struct unit_spec u;
	(void)state;

	service_def_init(&s);
	s.name = text_dup("build#7");
	for (size_t i = 0; i < 2; i++) {
		action_def_init(vec_push(&s.actions));
		s.actions.v[i].name = text_dup(i ? "tool" : "main");
	}
	s.actions.v[1].kind = BINARY_CLI;
	struct dep *d = vec_push(&s.actions.v[0].depends_on);
	dep_init(d);
	d->name = text_dup("prepare");
	d->resolved.rule = RESOLVED_SAME_SERVICE;
	d->resolved.action = text_dup("prepare");
	d->gate.kind = GATE_UNIX;
	d->gate.text = text_dup("/x/rpc.sock");
	d->resolved.gate_probe = GATE_PROBE_HEALTH;
	unit_spec_init(&u, &s, 1);
	assert_int_equal(u.is.n_jobs, 1);
	assert_string_equal(u.is.jobs[0].edges[0].service, "build#7");
	assert_string_equal(u.is.jobs[0].edges[0].action, "prepare");
	assert_string_equal(u.is.jobs[0].edges[0].gate, "unix:/x/rpc.sock health");
	unit_spec_release(&u);
	service_def_release(&s);
}

static void what_is_declared_decides_readiness(void **state)
{
	struct action_def a;
	struct job_policy policy;
	(void)state;

	action_def_init(&a);
	assert_int_equal(action_readiness(&a), READY_EXECUTED);
	a.is_process = true;
	*vec_push(&a.sockets) = (struct socket_def){.name = text_dup("rpc.sock")};
	assert_int_equal(action_readiness(&a), READY_SOCKETS);
	job_policy_of(&a, &policy);
	assert_true(policy.readiness);
	a.readiness.given = true;
	a.readiness.kind = READY_EXECUTED;
	job_policy_of(&a, &policy);
	assert_false(policy.readiness);
	action_def_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(time_has_microseconds_and_reads_back),
	    cmocka_unit_test(F42_how_much_is_kept_is_read_in_units_and_wrong_words_are_refused),
	    cmocka_unit_test(label_tells_the_next_server_everything),
	    cmocka_unit_test(later_words_win_and_paths_are_the_supervisors),
	    cmocka_unit_test(script_goes_to_its_interpreter_and_exec_is_split_without_a_shell),
	    cmocka_unit_test(unknown_user_or_limit_is_refused_by_name),
	    cmocka_unit_test(signals_have_three_spellings),
	    cmocka_unit_test(
		only_started_actions_become_jobs_and_a_sibling_is_found_under_any_name),
	    cmocka_unit_test(what_is_declared_decides_readiness),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
