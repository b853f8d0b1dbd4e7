#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define REPO "lhumina_code/hero_collab"

static void a_transaction_is_all_or_nothing(void **state)
{
	struct world w;
	struct service_def *set[3];

	(void)state;
	world_init(&w);
	define(&w, needs("old", DEP_REQUIRES, "a", "old.toml", 1));
	set[0] = simple("a");
	set[1] = needs("b", DEP_REQUIRES, "b", "b.toml", 1);
	set[2] = simple("old");
	assert_int_equal(give_all(&w, set, 3, NULL, CONTRIBUTE_SET, 0), ERR_INVALID);
	assert_int_equal(registry_count(w.reg), 1);
	assert_null(registry_find(w.reg, "a"));
	assert_int_equal(dep_at(&w, "old", "old", 0)->resolved.rule, RESOLVED_NOTHING);
	set[0] = simple("a");
	assert_int_equal(give_all(&w, set, 1, "x", CONTRIBUTE_SET, REGISTRY_DRY_RUN), ERR_OK);
	assert_change(&w, "a", CHANGE_CREATED);
	assert_null(registry_find(w.reg, "a"));
	world_release(&w);
}

static void an_edge_gated_on_execution_only_is_warned_of(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	define(&w, simple("db"));
	define(&w, needs("web", DEP_REQUIRES, "db", "web.toml", 1));
	assert_told(&w, DIAG_WARNING, "`web` waits only until `db` is executed");
	struct service_def *s = simple("x");

	edge_bin(&s->actions.v[0].depends_on, REPO, NULL, NULL, "x.toml", 1);
	define(&w, s);
	assert_told(&w, DIAG_WARNING, "names only a repo; taken as the service `hero_collab`");
	world_release(&w);
}

static void contributions_are_united_and_replaced_by_source(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(
	    give(&w, needs("web", DEP_REQUIRES, "a", "1.toml", 1), "1.toml", CONTRIBUTE_REGISTER),
	    ERR_OK);
	assert_int_equal(
	    give(&w, needs("web", DEP_REQUIRES, "b", "2.toml", 1), "2.toml", CONTRIBUTE_REGISTER),
	    ERR_OK);
	assert_change(&w, "web", CHANGE_UPDATED);
	assert_int_equal(registry_find(w.reg, "web")->actions.v[0].depends_on.n, 2);
	assert_int_equal(
	    give(&w, needs("web", DEP_REQUIRES, "a", "2.toml", 8), "2.toml", CONTRIBUTE_REGISTER),
	    ERR_OK);
	assert_int_equal(registry_find(w.reg, "web")->actions.v[0].depends_on.n, 1);
	assert_string_equal(dep_at(&w, "web", "web", 0)->source_text, "1.toml:1, 2.toml:8");
	struct service_def *s = simple("web");

	s->actions.v[0].cwd = text_dup("/tmp");
	s->actions.v[0].source.path = text_dup("3.toml");
	s->actions.v[0].source.line = 6;
	assert_int_equal(give(&w, s, "3.toml", CONTRIBUTE_REGISTER), ERR_CONFLICT);
	assert_told(
	    &w, DIAG_ERROR, "`web` is declared twice with different `cwd`: 1.toml and 3.toml:6");
	registry_outcome_release(&w.out);
	assert_int_equal(registry_remove_source(w.reg, "1.toml", &w.out, &w.e), ERR_OK);
	assert_change(&w, "web", CHANGE_UNCHANGED);
	registry_outcome_release(&w.out);
	assert_int_equal(registry_remove_source(w.reg, "2.toml", &w.out, &w.e), ERR_OK);
	assert_change(&w, "web", CHANGE_REMOVED);
	world_release(&w);
}

static void a_manifest_that_names_a_service_no_more_withdraws_it(void **state)
{
	struct world w;
	struct service_def *set[] = {simple("a"), simple("b")};

	(void)state;
	world_init(&w);
	assert_int_equal(give_all(&w, set, 2, "m.toml", CONTRIBUTE_REGISTER, 0), ERR_OK);
	assert_int_equal(give(&w, simple("a"), "m.toml", CONTRIBUTE_REGISTER), ERR_OK);
	assert_change(&w, "a", CHANGE_UNCHANGED);
	assert_change(&w, "b", CHANGE_REMOVED);
	assert_null(registry_find(w.reg, "b"));
	world_release(&w);
}

static struct service_def *composite(const char *target_folder)
{
	struct service_def *s = service("hero_collab");

	s->socket_folder = text_dup(target_folder);
	listens(action(s, "hero_collab_server"), "rpc.sock");
	edge_bin(&action(s, "hero_collab_web")->depends_on, REPO, "hero_collab_server", "rpc.sock",
	    "service.toml", 20);
	return s;
}

static void per_binary(struct service_def *out[2])
{
	out[0] = simple("hero_collab_server");
	out[1] = simple("hero_collab_web");
	out[0]->socket_folder = text_dup("hero_collab");
	out[1]->socket_folder = text_dup("hero_collab");
	listens(&out[0]->actions.v[0], "rpc.sock");
	edge_bin(&out[1]->actions.v[0].depends_on, REPO, "hero_collab_server", "rpc.sock",
	    "service.toml", 20);
}

static void the_other_shape_of_a_thing_answers_unchanged_with_its_owner(void **state)
{
	struct world w;
	struct service_def *two[2];

	(void)state;
	world_init(&w);
	define(&w, composite(NULL));
	per_binary(two);
	assert_int_equal(give_all(&w, two, 2, "--start", CONTRIBUTE_REGISTER, 0), ERR_OK);
	assert_change(&w, "hero_collab_web", CHANGE_UNCHANGED);
	assert_string_equal(w.out.v[0].owners.v[0], "hero_collab");
	assert_int_equal(registry_count(w.reg), 1);
	world_release(&w);

	world_init(&w);
	per_binary(two);
	assert_int_equal(give_all(&w, two, 2, "service.toml", CONTRIBUTE_REGISTER, 0), ERR_OK);
	assert_int_equal(give(&w, composite(NULL), "--start", CONTRIBUTE_REGISTER), ERR_OK);
	assert_change(&w, "hero_collab", CHANGE_UNCHANGED);
	assert_int_equal(w.out.v[0].owners.n, 2);
	assert_string_equal(w.out.v[0].owners.v[1], "hero_collab_web");
	assert_int_equal(registry_count(w.reg), 2);
	world_release(&w);
}

static void both_shapes_have_the_same_gate_on_the_same_edge(void **state)
{
	struct world one, two;
	struct service_def *set[2];
	const struct dep *a, *b;

	(void)state;
	world_init(&one);
	world_init(&two);
	define(&one, composite(NULL));
	per_binary(set);
	assert_int_equal(give_all(&two, set, 2, "m", CONTRIBUTE_REGISTER, 0), ERR_OK);
	a = dep_at(&one, "hero_collab", "hero_collab_web", 0);
	b = dep_at(&two, "hero_collab_web", "hero_collab_web", 0);
	assert_string_equal(a->resolved.gate_path, "/run/hero/hero_collab/rpc.sock");
	assert_string_equal(a->resolved.gate_path, b->resolved.gate_path);
	assert_int_equal(a->resolved.rule, RESOLVED_SAME_SERVICE);
	assert_int_equal(b->resolved.rule, RESOLVED_SERVICE);
	world_release(&one);
	world_release(&two);
}

static void a_second_definition_of_a_binary_socket_or_port_is_refused_naming_the_owner(void **state)
{
	struct world w;
	struct service_def *s;

	(void)state;
	world_init(&w);
	s = simple("db");
	listens(&s->actions.v[0], "rpc.sock");
	vec_push(&s->actions.v[0].tcp)->port = 8080;
	define(&w, s);
	s = service("other");
	action(s, "db");
	assert_int_equal(give(&w, s, "o.toml", CONTRIBUTE_REGISTER), ERR_CONFLICT);
	assert_told(&w, DIAG_ERROR, "the binary `db` of `other` already belongs to `db` (db.toml)");
	s = simple("other");
	listens(&s->actions.v[0], "x");
	s->actions.v[0].sockets.v[0].path = text_dup("/run/hero/db/rpc.sock");
	assert_int_equal(give(&w, s, "o.toml", CONTRIBUTE_REGISTER), ERR_CONFLICT);
	assert_told(&w, DIAG_ERROR,
	    "`other` claims socket /run/hero/db/rpc.sock, which belongs to `db` (db.toml)");
	s = simple("other");
	vec_push(&s->actions.v[0].tcp)->port = 8080;
	assert_int_equal(give(&w, s, "o.toml", CONTRIBUTE_REGISTER), ERR_CONFLICT);
	assert_told(&w, DIAG_ERROR, "`other` claims port 8080, which belongs to `db`");
	s = simple("other");
	vec_push(&s->actions.v[0].tcp)->port = 8080;
	strv_add(&s->conflicts, "db");
	define(&w, s); /* never both active */
	world_release(&w);
}

static void equal_actions_with_a_generic_name_are_two_things(void **state)
{
	struct world w;
	struct service_def *a = service("a"), *b = service("b");

	(void)state;
	world_init(&w);
	action_running(a, "main", "sleep");
	action_running(b, "main", "sleep");
	define(&w, a);
	define(&w, b);
	assert_change(&w, "b", CHANGE_CREATED);
	world_release(&w);
}

static void define_is_refused_where_another_definition_exists_and_set_replaces_it(void **state)
{
	struct world w;
	struct service_def *s;

	(void)state;
	world_init(&w);
	define(&w, simple("db"));
	assert_int_equal(give(&w, simple("db"), "rpc", CONTRIBUTE_DEFINE), ERR_OK);
	assert_change(&w, "db", CHANGE_UNCHANGED);
	s = simple("db");
	s->actions.v[0].cwd = text_dup("/tmp");
	assert_int_equal(give(&w, s, "rpc", CONTRIBUTE_DEFINE), ERR_CONFLICT);
	assert_told(&w, DIAG_ERROR, "`db` exists with another definition (db.toml): `cwd` differs");
	s = simple("db");
	s->actions.v[0].cwd = text_dup("/tmp");
	assert_int_equal(give(&w, s, "rpc", CONTRIBUTE_SET), ERR_OK);
	assert_change(&w, "db", CHANGE_UPDATED);
	assert_string_equal(registry_find(w.reg, "db")->actions.v[0].cwd, "/tmp");
	assert_int_equal(registry_find(w.reg, "db")->sources.n, 1);
	world_release(&w);
}

static void a_raw_action_inherits_edges_unless_it_says_something(void **state)
{
	struct world w;
	const struct service_def *owner;
	const struct action_def *a;

	(void)state;
	for (int said = 0; said < 2; said++) {
		struct service_def *in_service = service("web"), *loose = service(NULL);

		world_init(&w);
		define(&w, simple("db"));
		define(&w, needs("web", DEP_REQUIRES, "db", "web.toml", 1));
		action(in_service, "web")->depends_on_given = said;
		in_service->actions.v[0].cwd = text_dup("/tmp");
		action(loose, "web")->depends_on_given = said;
		loose->actions.v[0].context = text_dup("mine");
		assert_int_equal(give(&w, in_service, "rpc", CONTRIBUTE_ACTION), ERR_OK);
		assert_string_equal(registry_find(w.reg, "web")->actions.v[0].cwd, "/tmp");
		assert_int_equal(registry_find(w.reg, "web")->actions.v[0].depends_on.n, 1);
		text_set(&loose->actions.v[0].context, NULL);
		assert_int_equal(give(&w, loose, "rpc", CONTRIBUTE_ACTION), ERR_OK);
		assert_change(&w, "/default/web", CHANGE_CREATED);
		assert_int_equal(registry_count(w.reg), 2);
		struct registry_outcome out = {0};

		assert_int_equal(
		    registry_delete_action(w.reg, "web", NULL, "web", &out, &w.e), ERR_OK);
		registry_outcome_release(&out);
		assert_int_equal(
		    registry_find_action(w.reg, NULL, NULL, "web", &owner, &a, NULL, &w.e), ERR_OK);
		assert_null(owner->name);
		world_release(&w);
	}
}

static void a_loose_action_has_the_edges_of_its_registered_namesake(void **state)
{
	struct world w;
	struct service_def *loose = service(NULL), *s = composite(NULL);
	struct contribution part;

	(void)state;
	world_init(&w);
	define(&w, s);
	action(loose, "hero_collab_web");
	assert_int_equal(give(&w, loose, "rpc", CONTRIBUTE_ACTION), ERR_OK);
	assert_true(registry_contribution(w.reg, "/default/hero_collab_web", 0, &part));
	assert_int_equal(part.mode, CONTRIBUTE_ACTION);
	assert_false(registry_contribution(w.reg, "/default/hero_collab_web", 1, &part));
	world_release(&w);
}

static struct service_def *run_of(const char *const *names, size_t n)
{
	struct service_def *run = service("run-1");

	for (size_t i = 0; i < n; i++)
		action_running(run, names[i], NULL);
	return run;
}

static void a_run_gets_command_and_edges_from_the_registry(void **state)
{
	static const char *const both[] = {"hero_collab_web", "hero_collab/hero_collab_server"};
	struct world w;

	(void)state;
	world_init(&w);
	define(&w, composite(NULL));
	for (size_t n = 1; n <= 2; n++) {
		struct service_def *run = run_of(both, n);
		const struct dep *d;

		assert_int_equal(registry_resolve_run(w.reg, run, &w.diags, NULL, &w.e), ERR_OK);
		assert_string_equal(run->actions.v[0].argv.v[0], "/opt/bin/hero_collab_web");
		assert_int_equal(run->actions.v[0].depends_on.n, 1);
		d = &run->actions.v[0].depends_on.v[0];
		assert_string_equal(d->resolved.action, "hero_collab_server");
		assert_string_equal(d->resolved.service, n == 1 ? "hero_collab" : "run-1");
		assert_int_equal(
		    d->resolved.rule, n == 1 ? RESOLVED_ACTION : RESOLVED_SAME_SERVICE);
		assert_int_equal(registry_resolve_run(w.reg, run, &w.diags, NULL, &w.e), ERR_OK);
		assert_int_equal(run->actions.v[0].depends_on.n, 1);
		service_def_release(run);
		free(run);
	}
	world_release(&w);
}

static void a_run_that_says_no_edges_has_none_and_a_full_action_inherits(void **state)
{
	struct world w;
	struct service_def *run = service("run-2");

	(void)state;
	world_init(&w);
	define(&w, composite(NULL));
	action(run, "hero_collab_web")->depends_on_given = true;
	assert_int_equal(registry_resolve_run(w.reg, run, &w.diags, NULL, &w.e), ERR_OK);
	assert_int_equal(run->actions.v[0].depends_on.n, 0);
	run->actions.v[0].depends_on_given = false;
	edge(&run->dependencies, DEP_REQUIRES, "hero_db", NULL, 0);
	assert_int_equal(registry_resolve_run(w.reg, run, &w.diags, NULL, &w.e), ERR_OK);
	assert_int_equal(run->actions.v[0].depends_on.n, 2);
	assert_string_equal(run->actions.v[0].depends_on.v[1].source_text, "run.submit");
	service_def_release(run);
	free(run);
	world_release(&w);
}

static void a_run_of_an_unknown_action_is_told_what_was_meant(void **state)
{
	static const char *const wrong[] = {"hero_colab_web"};
	struct world w;
	struct service_def *run = run_of(wrong, 1);

	(void)state;
	world_init(&w);
	define(&w, composite(NULL));
	assert_int_equal(registry_resolve_run(w.reg, run, &w.diags, NULL, &w.e), ERR_NOT_FOUND);
	assert_non_null(strstr(w.e.msg, "did you mean `hero_collab_web`?"));
	service_def_release(run);
	free(run);
	world_release(&w);
}

static void services_are_listed_by_name_with_a_cursor(void **state)
{
	struct world w;
	const struct service_def *s = NULL;
	auto_str seen = {0};
	struct strv needing = {0};

	(void)state;
	world_init(&w);
	define(&w, needs("c", DEP_WANTS, "a", NULL, 0));
	define(&w, needs("b", DEP_REQUIRES, "a", NULL, 0));
	define(&w, simple("a"));
	define(&w, needs("d", DEP_AFTER, "a", NULL, 0));
	while ((s = registry_next(w.reg, s ? s->name : NULL)))
		str_add(&seen, s->name);
	assert_string_equal(seen.s, "abcd");
	registry_dependents(w.reg, "a", &needing);
	assert_int_equal(needing.n, 2);
	assert_string_equal(needing.v[0], "b");
	assert_string_equal(needing.v[1], "c");
	strv_release(&needing);
	assert_int_equal(registry_delete(w.reg, "zzzzzzzzz", &w.out, &w.e), ERR_NOT_FOUND);
	world_release(&w);
}

static void a_boot_loads_in_any_order_and_leaves_out_what_does_not_fit(void **state)
{
	struct world w;
	struct service_def *set[5];

	(void)state;
	world_init(&w);
	set[0] = needs("web", DEP_REQUIRES, "db", NULL, 0);
	set[1] = simple("db");
	set[2] = needs("x", DEP_REQUIRES, "y", NULL, 0);
	set[3] = needs("y", DEP_REQUIRES, "x", NULL, 0);
	set[4] = needs("self", DEP_REQUIRES, "self", NULL, 0);
	assert_int_equal(give_all(&w, set, 5, NULL, CONTRIBUTE_DEFINE, REGISTRY_LOAD), ERR_OK);
	assert_int_equal(registry_count(w.reg), 3);
	assert_told(&w, DIAG_WARNING, "left out: order edges form a cycle");
	assert_told(&w, DIAG_WARNING, "left out: `self` depends on itself");
	assert_string_equal(dep_at(&w, "web", "web", 0)->resolved.service, "db");
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_transaction_is_all_or_nothing),
	    cmocka_unit_test(an_edge_gated_on_execution_only_is_warned_of),
	    cmocka_unit_test(contributions_are_united_and_replaced_by_source),
	    cmocka_unit_test(a_manifest_that_names_a_service_no_more_withdraws_it),
	    cmocka_unit_test(the_other_shape_of_a_thing_answers_unchanged_with_its_owner),
	    cmocka_unit_test(both_shapes_have_the_same_gate_on_the_same_edge),
	    cmocka_unit_test(
		a_second_definition_of_a_binary_socket_or_port_is_refused_naming_the_owner),
	    cmocka_unit_test(equal_actions_with_a_generic_name_are_two_things),
	    cmocka_unit_test(define_is_refused_where_another_definition_exists_and_set_replaces_it),
	    cmocka_unit_test(a_raw_action_inherits_edges_unless_it_says_something),
	    cmocka_unit_test(a_loose_action_has_the_edges_of_its_registered_namesake),
	    cmocka_unit_test(a_run_gets_command_and_edges_from_the_registry),
	    cmocka_unit_test(a_run_that_says_no_edges_has_none_and_a_full_action_inherits),
	    cmocka_unit_test(a_run_of_an_unknown_action_is_told_what_was_meant),
	    cmocka_unit_test(services_are_listed_by_name_with_a_cursor),
	    cmocka_unit_test(a_boot_loads_in_any_order_and_leaves_out_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
