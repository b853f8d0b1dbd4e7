#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define REPO "lhumina_code/hero_collab"

/* What an edge means, without where it was written. */
static void meaning(const struct dep *d, struct str *out)
{
	str_fmt(out, "%u %s/%s %s %s %d|", d->kinds, d->resolved.service, d->resolved.action,
	    condition_str(d->condition), d->resolved.gate_path, (int)d->resolved.gate_probe);
}

static char *meaning_of(const struct world *w, const char *name, const char *action_name)
{
	auto_str t = {0};
	const struct action_def *a = service_find_action(registry_find(w->reg, name), action_name);

	for (size_t i = 0; i < a->depends_on.n; i++)
		meaning(&a->depends_on.v[i], &t);
	return str_take(&t);
}

static void both_facets_in_any_order_from_any_source_give_one_list(void **state)
{
	static const enum contribution_mode modes[] = {
	    CONTRIBUTE_REGISTER, CONTRIBUTE_DEFINE, CONTRIBUTE_SET};
	char *first = NULL;

	(void)state;
	for (int way = 0; way < 6; way++) {
		struct world w;
		struct service_def *s = service("web"), *collab = service("collab");
		struct action_def *a = action(s, "web");
		char *text;

		world_init(&w);
		define(&w, simple("db"));
		listens(action(collab, "collab_server"), "rpc.sock");
		define(&w, collab);
		if (way % 2) {
			edge_bin(&a->depends_on, REPO, "collab_server", "rpc.sock", "w.toml", 9);
			edge(&s->dependencies, DEP_REQUIRES, "db", "w.toml", 2);
		} else {
			edge(&s->dependencies, DEP_REQUIRES, "db", NULL, 0);
			edge(&a->depends_on, DEP_REQUIRES, "db", NULL, 0);
			edge_bin(&a->depends_on, NULL, "collab_server", "rpc.sock", NULL, 0);
		}
		assert_int_equal(give(&w, s, "caller", modes[way / 2]), ERR_OK);
		text = meaning_of(&w, "web", "web");
		if (!first)
			first = text_dup(text);
		assert_string_equal(text, first);
		free(text);
		world_release(&w);
	}
	assert_string_equal(first,
	    "1 collab/collab_server ready /run/hero/collab/rpc.sock 2|"
	    "1 db/(null) ready (null) 1|");
	free(first);
}

static void an_edge_of_the_service_is_on_each_started_action_and_never_leads_to_a_sibling(
    void **state)
{
	struct world w;
	struct service_def *s = service("web");

	(void)state;
	world_init(&w);
	define(&w, simple("db"));
	action(s, "server");
	action_running(s, "db", "cache")->context = text_dup("default");
	action(s, "tool")->kind = BINARY_CLI;
	edge(&s->dependencies, DEP_REQUIRES, "db", "web.toml", 3);
	define(&w, s);
	assert_int_equal(dep_at(&w, "web", "server", 0)->resolved.rule, RESOLVED_SERVICE);
	assert_string_equal(dep_at(&w, "web", "server", 0)->resolved.service, "db");
	assert_string_equal(dep_at(&w, "web", "server", 0)->source_text, "web.toml:3");
	assert_true(dep_at(&w, "web", "db", 0)->of_service);
	assert_int_equal(service_find_action(registry_find(w.reg, "web"), "tool")->depends_on.n, 0);
	assert_int_equal(registry_find(w.reg, "web")->dependencies.n, 1);
	world_release(&w);
}

static void a_target_keeps_its_edges_in_dependencies(void **state)
{
	struct world w;
	struct service_def *s = service("all");

	(void)state;
	world_init(&w);
	define(&w, simple("db"));
	edge(&s->dependencies, DEP_WANTS, "db", "all.toml", 1);
	define(&w, s);
	assert_string_equal(dep_at(&w, "all", NULL, 0)->resolved.service, "db");
	world_release(&w);
}

static void an_edge_exists_only_if_the_environment_says_so(void **state)
{
	struct contribution said;
	struct world w;

	(void)state;
	for (int proxy = 0; proxy < 2; proxy++) {
		struct service_def *s = simple("web");
		struct dep *d = edge(&s->actions.v[0].depends_on, DEP_REQUIRES, "proxy", NULL, 0);

		d->when_env = text_dup("AUTH_MODE");
		d->when_is = text_dup("proxy");
		env(&s->actions.v[0], "AUTH_MODE", proxy ? "proxy" : "none");
		world_init(&w);
		define(&w, s);
		assert_int_equal(registry_find(w.reg, "web")->actions.v[0].depends_on.n, proxy);
		assert_true(registry_contribution(w.reg, "web", 0, &said));
		assert_int_equal(said.def->actions.v[0].depends_on.n, 1);
		world_release(&w);
	}
}

static void a_sibling_comes_before_a_service_and_a_service_before_an_action_elsewhere(void **state)
{
	struct world w;
	struct service_def *s = service("web"), *other = service("other");

	(void)state;
	world_init(&w);
	action(other, "cache");
	action_running(other, "queue", "sleep");
	define(&w, other);
	define(&w, simple("prepare"));
	define(&w, simple("queue"));
	action(s, "prepare")->argv.v[0][1] = 'x'; /* not the binary of service prepare */
	edge(&action(s, "web")->depends_on, DEP_REQUIRES, "prepare", NULL, 0);
	edge(&s->actions.v[1].depends_on, DEP_REQUIRES, "queue", NULL, 0);
	edge(&s->actions.v[1].depends_on, DEP_REQUIRES, "cache", NULL, 0);
	define(&w, s);
	assert_int_equal(dep_at(&w, "web", "web", 0)->resolved.rule, RESOLVED_ACTION);
	assert_string_equal(dep_at(&w, "web", "web", 0)->resolved.service, "other");
	assert_int_equal(dep_at(&w, "web", "web", 1)->resolved.rule, RESOLVED_SAME_SERVICE);
	assert_int_equal(dep_at(&w, "web", "web", 2)->resolved.rule, RESOLVED_SERVICE);
	world_release(&w);
}

static void an_edge_is_resolved_again_when_its_target_comes_and_goes(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	define(&w, needs("web", DEP_REQUIRES, "db", "web.toml", 4));
	assert_told(&w, DIAG_WARNING, "`web` depends on `db`, which is not registered");
	assert_int_equal(dep_at(&w, "web", "web", 0)->resolved.rule, RESOLVED_NOTHING);
	define(&w, simple("db"));
	assert_change(&w, "db", CHANGE_CREATED);
	assert_change(&w, "web", CHANGE_RESOLVED);
	assert_string_equal(dep_at(&w, "web", "web", 0)->resolved.service, "db");
	registry_outcome_release(&w.out);
	assert_int_equal(registry_delete(w.reg, "db", &w.out, &w.e), ERR_OK);
	assert_change(&w, "db", CHANGE_REMOVED);
	assert_change(&w, "web", CHANGE_RESOLVED);
	assert_int_equal(dep_at(&w, "web", "web", 0)->resolved.rule, RESOLVED_NOTHING);
	world_release(&w);
}

static void several_matches_are_refused_with_the_candidates(void **state)
{
	struct world w;
	struct service_def *a = service("a"), *b = service("b"), *other = service("o");

	(void)state;
	world_init(&w);
	action_running(a, "main", "sleep");
	action_running(b, "main", "sleep");
	action_running(other, "main", "sleep")->context = text_dup("other");
	define(&w, a);
	define(&w, b);
	define(&w, other);
	assert_int_equal(
	    give(&w, needs("c", DEP_REQUIRES, "main", "c.toml", 2), "c.toml", CONTRIBUTE_REGISTER),
	    ERR_INVALID);
	assert_told(&w, DIAG_ERROR, "`main`, which is ambiguous: a/main, b/main");
	assert_null(registry_find(w.reg, "c"));
	world_release(&w);
}

static void the_path_of_a_socket_gate_follows_declaration_then_folder_then_repo(void **state)
{
	struct world w;
	struct service_def *db = simple("db"), *web = simple("web");
	struct dep_list *l = &web->actions.v[0].depends_on;

	(void)state;
	world_init(&w);
	listens(&db->actions.v[0], "own.sock");
	db->actions.v[0].sockets.v[0].path = text_dup("/srv/own.sock");
	db->socket_folder = text_dup("hero_db");
	define(&w, db);
	edge_bin(l, REPO, "absent", "rpc.sock", NULL, 0);
	edge_bin(l, REPO, "db", "/abs/admin.sock", NULL, 0);
	edge_bin(l, REPO, "db", "own.sock", NULL, 0);
	edge_bin(l, REPO, "db", "rpc.sock", NULL, 0);
	edge_bin(l, REPO, "db", "z.sock", NULL, 0)->gate.probe_given = true;
	l->v[4].gate.probe = GATE_PROBE_HEALTH;
	define(&w, web);
	static const char *const paths[] = {"/run/hero/hero_collab/rpc.sock", "/abs/admin.sock",
	    "/srv/own.sock", "/run/hero/hero_db/rpc.sock", "/run/hero/hero_db/z.sock"};
	static const enum gate_probe probes[] = {GATE_PROBE_HEALTH, GATE_PROBE_HEALTH,
	    GATE_PROBE_CONNECT, GATE_PROBE_HEALTH, GATE_PROBE_HEALTH};

	for (size_t i = 0; i < countof(paths); i++) {
		assert_string_equal(dep_at(&w, "web", "web", i)->resolved.gate_path, paths[i]);
		assert_int_equal(dep_at(&w, "web", "web", i)->resolved.gate_probe, probes[i]);
	}
	world_release(&w);
}

static void the_edge_overrides_the_probe_of_the_socket(void **state)
{
	struct world w;
	struct service_def *db = simple("db"), *web = simple("web");

	(void)state;
	world_init(&w);
	listens(&db->actions.v[0], "rpc.sock");
	db->actions.v[0].sockets.v[0].probe = GATE_PROBE_CONNECT;
	define(&w, db);
	edge_bin(&web->actions.v[0].depends_on, NULL, "db", "rpc.sock", NULL, 0);
	define(&w, web);
	assert_int_equal(dep_at(&w, "web", "web", 0)->resolved.gate_probe, GATE_PROBE_CONNECT);
	world_release(&w);
}

static void what_is_never_started_is_a_gate_and_must_name_a_socket(void **state)
{
	struct world w;
	struct service_def *kit = service("kit"), *web = simple("web");

	(void)state;
	world_init(&w);
	action(kit, "kit_server");
	action(kit, "backend")->supervised = true;
	define(&w, kit);
	assert_int_equal(give(&w, needs("bad", DEP_REQUIRES, "backend", "bad.toml", 2), "bad.toml",
			     CONTRIBUTE_REGISTER),
	    ERR_INVALID);
	assert_told(&w, DIAG_ERROR, "`backend`, which is never started by the supervisor");
	edge_bin(&web->actions.v[0].depends_on, NULL, "backend", "b.sock", NULL, 0);
	define(&w, web);
	assert_int_equal(dep_at(&w, "web", "web", 0)->resolved.rule, RESOLVED_GATE);
	assert_string_equal(
	    dep_at(&w, "web", "web", 0)->resolved.gate_path, "/run/hero/kit/b.sock");
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_facets_in_any_order_from_any_source_give_one_list),
	    cmocka_unit_test(
		an_edge_of_the_service_is_on_each_started_action_and_never_leads_to_a_sibling),
	    cmocka_unit_test(a_target_keeps_its_edges_in_dependencies),
	    cmocka_unit_test(an_edge_exists_only_if_the_environment_says_so),
	    cmocka_unit_test(
		a_sibling_comes_before_a_service_and_a_service_before_an_action_elsewhere),
	    cmocka_unit_test(an_edge_is_resolved_again_when_its_target_comes_and_goes),
	    cmocka_unit_test(several_matches_are_refused_with_the_candidates),
	    cmocka_unit_test(the_path_of_a_socket_gate_follows_declaration_then_folder_then_repo),
	    cmocka_unit_test(the_edge_overrides_the_probe_of_the_socket),
	    cmocka_unit_test(what_is_never_started_is_a_gate_and_must_name_a_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
