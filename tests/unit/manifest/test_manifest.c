/* Manifests: what is an edge, what is an error, and that silence is never the answer. */
#include "manifest/dependency.h"
#include "manifest/manifest.h"

#include <dirent.h>
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

static struct result read_as(const char *text, const char *binary)
{
	struct result r = {0};

	r.code = manifest_read(text, strlen(text),
	    &(struct manifest_options){.path = "web/service.toml", .binary = binary}, &r.m, &r.d,
	    &r.e);
	return r;
}

static void done(struct result *r)
{
	manifest_release(&r->m);
	diags_release(&r->d);
}

static void expect_error(const char *text, int line, int column, const char *part, const char *hint)
{
	struct result r = read_as(text, NULL);
	bool found = false;

	assert_int_equal(r.code, ERR_INVALID);
	assert_int_equal(r.m.n, 0);
	for (size_t i = 0; i < r.d.n; i++) {
		const struct diag *d = &r.d.v[i];

		if (d->severity != DIAG_ERROR || !strstr(d->message, part))
			continue;
		found = true;
		assert_int_equal(d->line, line);
		if (column)
			assert_int_equal(d->column, column);
		if (hint)
			assert_non_null(strstr(d->hint, hint));
		assert_non_null(d->source_line);
	}
	if (!found)
		for (size_t i = 0; i < r.d.n; i++)
			print_message(
			    "got %d:%d %s\n", r.d.v[i].line, r.d.v[i].column, r.d.v[i].message);
	assert_true(found);
	done(&r);
}

static const char full[] =
    "[[dependencies]]\nrepo        = \"lhumina_code/hero_collab\"\n"
    "crate_name  = \"hero_collab_server\"\nbin_name    = \"hero_collab_server\"\n"
    "socket_name = \"rpc.sock\"\n";
static const char shorts[] =
    "[[dependencies]]\nrepo = \"lhumina_code/hero_collab\"\n"
    "crate = \"hero_collab_server\"\nbin = \"hero_collab_server\"\nsocket = \"rpc.sock\"\n";

static char *meaning(const char *text, const char *binary)
{
	struct result r = read_as(text, binary);

	if (r.code)
		print_message("%s\n", r.e.msg);
	assert_int_equal(r.code, ERR_OK);
	assert_int_equal(r.m.n, 1);
	char *m = service_def_meaning(&r.m.v[0]);
	done(&r);
	return m;
}

static void both_key_forms_give_the_same_edge(void **state)
{
	(void)state;
	auto_free char *a = meaning(full, "hero_collab_web"),
		       *b = meaning(shorts, "hero_collab_web");

	assert_string_equal(a, b);
	struct result r = read_as(full, "hero_collab_web");
	const struct dep *d = &r.m.v[0].actions.v[0].depends_on.v[0];
	assert_int_equal(r.m.v[0].actions.v[0].depends_on.n, 1);
	assert_string_equal(dep_key(d), "hero_collab_server");
	assert_int_equal(d->kinds, DEP_REQUIRES);
	assert_int_equal(d->gate.kind, GATE_SOCKET);
	assert_string_equal(d->gate.text, "rpc.sock");
	assert_string_equal(d->source_text, "web/service.toml:1");
	done(&r);
}

static void the_block_of_issue_135_survives_a_round_trip(void **state)
{
	(void)state;
	struct result r = read_as(full, "hero_collab_web");
	auto_str text = {0};

	manifest_write(&r.m.v[0], &text);
	auto_free char *before = service_def_meaning(&r.m.v[0]);
	auto_free char *after = meaning(str_text(&text), NULL);
	assert_string_equal(before, after);
	done(&r);
}

static void the_stored_form_reads_back_to_the_same(void **state)
{
	(void)state;
	const char *text =
	    "[service]\nname = \"a\"\nrequires = [\"db\"]\nwants = [{name = \"x\", timeout = "
	    "\"5s\"}]\n"
	    "[[binaries]]\nname = \"a1\"\nkind = \"job\"\nexec = [\"/bin/true\", \"x\"]\n"
	    "env = {A = \"1\"}\nretry_policy = {restart = \"on-failure\", delay_ms = 0, "
	    "max_attempts = 3}\n"
	    "[[binaries]]\nname = \"a2\"\nnice = 5\nreadiness = {after_ms = 200}\n"
	    "[[binaries.sockets]]\nname = \"rpc.sock\"\n"
	    "[[dependencies]]\nbin = \"b\"\nkind = [\"wants\", \"after\"]\nfor = \"a2\"\n";
	struct result r = read_as(text, NULL);
	struct service_def back;
	struct diags d = {0};

	assert_int_equal(r.code, ERR_OK);
	json_t *j = service_def_stored(&r.m.v[0]);
	assert_true(service_def_read_json(j, "store", true, &d, &back));
	json_t *again = service_def_stored(&back);
	assert_true(json_equal(j, again));
	assert_int_equal(back.actions.v[0].is_process, false);
	assert_string_equal(back.actions.v[1].depends_on.v[0].source_text, "web/service.toml:17");
	json_decref(j);
	json_decref(again);
	service_def_release(&back);
	diags_release(&d);
	done(&r);
}

static void every_mistake_is_an_error_with_its_place(void **state)
{
	(void)state;
	expect_error(
	    "[[binaries]]\nname=\"w\"\n[[dependencies]]\nrepo = \"o/r\"\ncrate_nme = \"c\"\n", 5, 1,
	    "no key `crate_nme`", "crate_name");
	expect_error("[[binaries]]\nname=\"w\"\n[[dependencies]]\nbin = \"b\"\nbin_name = \"x\"\n",
	    5, 0, "`bin_name` and `bin` (line 4) say different things", "keep one");
	expect_error("[[dependencies]]\nbin = \"b\"\n", 1, 0, "applies to no started binary",
	    "[[binaries]]");
	expect_error("[[binaries]]\nname=\"w\"\n[[dependencies]]\nbin = \"b\"\nfor = \"nobody\"\n",
	    3, 0, "names `nobody`", NULL);
	expect_error("[dependencies]\nrepo = \"o/r\"\nbin_name = \"b\"\n", 2, 0,
	    "has no key `repo`", "two brackets");
	expect_error("[[binaries]]\nname=\"w\"\nstart_timeout = \"10 s\"\n", 3, 0,
	    "is not a duration", "10s");
	expect_error(
	    "[[binaries]]\nname=\"w\"\nkind = \"sever\"\n", 3, 0, "not one of its words", "server");
	expect_error("[[binaries]]\nname=\"a b\"\n", 1, 0, "not a name", NULL);
	expect_error("[[binaries]]\nname=\"w\"\n[[binaries]]\nname=\"w\"\n", 3, 0,
	    "two binaries are named `w`", NULL);
	expect_error("[[binaries]]\nname=\"w\"\n[[dependencies]]\nbin = \"b\"\nsocket = \"../x\"\n",
	    5, 0, "no socket", NULL);
	expect_error("name = \"x\nexec = 1\n", 1, 0, "", NULL);
}

static void repo_only_is_an_edge_with_a_warning(void **state)
{
	(void)state;
	struct result r =
	    read_as("[[binaries]]\nname = \"w\"\n[[dependencies]]\nrepo = \"o/hero_db\"\n", NULL);

	assert_int_equal(r.code, ERR_OK);
	assert_string_equal(dep_key(&r.m.v[0].actions.v[0].depends_on.v[0]), "hero_db");
	assert_int_equal(r.d.n, 1);
	assert_int_equal(r.d.v[0].severity, DIAG_WARNING);
	assert_int_equal(r.d.v[0].line, 3);
	done(&r);
}

static void a_composite_that_names_its_own_binaries_has_no_false_cycle(void **state)
{
	(void)state;
	struct result r = read_as(
	    "[service]\nname = \"c\"\n[[binaries]]\nname = \"server\"\n[[binaries]]\nname = "
	    "\"admin\"\n"
	    "[[binaries]]\nname = \"web\"\n[[dependencies]]\nbin = "
	    "\"server\"\n[[dependencies]]\nbin = \"admin\"\n"
	    "[[dependencies]]\nbin = \"db\"\n",
	    NULL);

	assert_int_equal(r.code, ERR_OK);
	assert_int_equal(r.m.n, 1);
	assert_int_equal(r.m.v[0].actions.v[0].depends_on.n, 1); /* server: db */
	assert_int_equal(r.m.v[0].actions.v[1].depends_on.n, 1); /* admin: db */
	assert_int_equal(r.m.v[0].actions.v[2].depends_on.n, 3); /* web: all */
	done(&r);
}

static void without_a_service_name_each_binary_is_a_service(void **state)
{
	(void)state;
	struct result r = read_as(
	    "[[binaries]]\nname = \"a\"\n[[binaries]]\nname = \"b\"\nkind = \"cli\"\n[[env]]\nname "
	    "= \"K\"\ndefault = \"v\"\n",
	    NULL);

	assert_int_equal(r.code, ERR_OK);
	assert_int_equal(r.m.n, 2);
	assert_string_equal(r.m.v[0].name, "a");
	assert_string_equal(r.m.v[0].socket_folder, "web");
	assert_string_equal(r.m.v[0].actions.v[0].env.v[0].value, "v");
	assert_string_equal(r.m.v[0].actions.v[0].argv.v[0], "${PATH_ROOT}/bin/a");
	assert_false(action_is_started(&r.m.v[1].actions.v[0]));
	done(&r);
}

static void zinit_form_is_read_as_it_is(void **state)
{
	(void)state;
	struct result r = read_as(
	    "[service]\nname = \"app\"\nexec = \"sleep 9\"\noneshot = false\n[lifecycle]\nrestart "
	    "= \"on-failure\"\nmax_restarts = 3\n"
	    "[dependencies]\nrequires = [\"db\"]\nafter = [\"db\"]\nconflicts = "
	    "[\"old\"]\n[logging]\nbuffer_lines = 100\n",
	    NULL);

	assert_int_equal(r.code, ERR_OK);
	const struct service_def *s = &r.m.v[0];
	assert_string_equal(s->actions.v[0].script, "sleep 9");
	assert_int_equal(s->actions.v[0].retry.restart, RESTART_ON_FAILURE);
	assert_int_equal(s->actions.v[0].retry.max_attempts, 4);
	assert_int_equal(s->dependencies.n, 1);
	assert_int_equal(s->dependencies.v[0].kinds, DEP_REQUIRES);
	assert_string_equal(s->conflicts.v[0], "old");
	done(&r);
}

/* Written as JSON and read back, as the store does it. */
static void assert_survives(const struct service_def *s)
{
	struct service_def again;
	struct diags diags = {0};
	json_t *stored = service_def_stored(s);

	assert_true(service_def_read_json(stored, NULL, true, &diags, &again));
	auto_free char *before = service_def_meaning(s), *after = service_def_meaning(&again);
	assert_string_equal(before, after);
	for (int role = 0; role < PROBE_ROLE_COUNT; role++) {
		const struct probe_def *a = s->actions.v[0].probes[role];
		const struct probe_def *b = again.actions.v[0].probes[role];

		assert_int_equal(a != NULL, b != NULL);
		assert_true(
		    !a || (a->interval == b->interval && a->interval_given == b->interval_given &&
			      a->failure_threshold == b->failure_threshold &&
			      a->threshold_given == b->threshold_given));
	}
	json_decref(stored);
	service_def_release(&again);
	diags_release(&diags);
}

static void health_of_the_zinit_form_is_a_readiness_and_a_liveness_probe(void **state)
{
	(void)state;
	static const struct {
		const char *written, *target;
		enum probe_kind kind;
	} forms[] = {
	    {"http = \"http://127.0.0.1:80/up\"\nretries = 5", "http://127.0.0.1:80/up",
		PROBE_HTTP},
	    {"tcp = \"127.0.0.1:80\"\ninterval_ms = 500", "127.0.0.1:80", PROBE_TCP},
	    {"exec = \"pg_isready\"\ntimeout_ms = 500", "pg_isready", PROBE_EXEC},
	    {"type = \"tcp\"\ntarget = \"127.0.0.1:80\"", "127.0.0.1:80", PROBE_TCP},
	};

	for (size_t i = 0; i < countof(forms); i++) {
		auto_free char *text =
		    text_fmt("[service]\nname = \"app\"\nexec = \"sleep 9\"\n[health]\n%s\n",
			forms[i].written);
		struct result r = read_as(text, NULL);

		assert_int_equal(r.code, ERR_OK);
		assert_int_equal(r.d.n, 0);
		const struct action_def *a = &r.m.v[0].actions.v[0];
		assert_true(a->probes[PROBE_READINESS] && a->probes[PROBE_LIVENESS] &&
			    !a->probes[PROBE_STARTUP]);
		assert_int_equal(a->probes[PROBE_LIVENESS]->kind, forms[i].kind);
		assert_int_equal(a->probes[PROBE_READINESS]->kind, forms[i].kind);
		for (enum probe_role k = PROBE_READINESS; k <= PROBE_LIVENESS; k++)
			assert_string_equal(forms[i].kind == PROBE_EXEC ? a->probes[k]->command.text
									: a->probes[k]->target,
			    forms[i].target);
		assert_int_equal(a->probes[PROBE_LIVENESS]->failure_threshold, i == 0 ? 5 : 3);
		assert_false(a->probes[PROBE_READINESS]->threshold_given);
		assert_survives(&r.m.v[0]);
		done(&r);
	}
}

static void probes_are_read_in_each_form_and_survive(void **state)
{
	(void)state;
	struct result r = read_as(
	    "[[binaries]]\nname = \"w\"\n[binaries.probes]\n"
	    "startup = {tcp = 8080}\n"
	    "readiness = {socket = \"rpc.sock\", path = \"/ready\", failure_threshold = 4}\n"
	    "liveness = {exec = [\"it's\", \"up\"], action = \"warn\", interval = \"2s\"}\n",
	    NULL);

	assert_int_equal(r.code, ERR_OK);
	assert_int_equal(r.d.n, 0);
	const struct action_def *a = &r.m.v[0].actions.v[0];
	assert_string_equal(a->probes[PROBE_STARTUP]->target, "127.0.0.1:8080");
	assert_int_equal(a->probes[PROBE_STARTUP]->interval, 1000);
	assert_int_equal(a->probes[PROBE_READINESS]->kind, PROBE_HTTP);
	assert_true(a->probes[PROBE_READINESS]->threshold_given);
	assert_string_equal(a->probes[PROBE_LIVENESS]->command.argv.v[0], "it's");
	assert_int_equal(a->probes[PROBE_LIVENESS]->action, PROBE_WARNS);
	assert_int_equal(a->probes[PROBE_LIVENESS]->interval, 2000);
	assert_survives(&r.m.v[0]);
	done(&r);
}

static void kinds_and_conditions_have_their_defaults(void **state)
{
	(void)state;
	struct result r = read_as(
	    "[[binaries]]\nname = \"w\"\n[[dependencies]]\nbin = \"a\"\ncondition = "
	    "\"succeeded\"\n[[dependencies]]\nbin = \"b\"\nwhen = {env = \"M\", is = \"p\"}\n",
	    NULL);

	assert_int_equal(r.code, ERR_OK);
	const struct dep_list *l = &r.m.v[0].actions.v[0].depends_on;
	assert_int_equal(l->v[0].on_stop, ON_STOP_KEEP);
	assert_int_equal(l->v[0].timeout, 60000);
	assert_int_equal(l->v[1].on_stop, ON_STOP_STOP);
	assert_string_equal(l->v[1].when_is, "p");
	done(&r);
}

/* ---- data from outside ------------------------------------------------------------- */

static char *slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	char *text = mem_new(1 << 20);

	assert_non_null(f);
	*n = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	return text;
}

static const char *cases(void)
{
	const char *dir = getenv("HERO_PROC_CASES");

	return dir ? dir : "../shared/cases";
}

static void check_expect(const char *name, const json_t *expect, struct result *r)
{
	json_t *deps = json_object_get(expect, "dependencies"), *d;
	size_t i;

	if (json_object_get(expect, "rejected_or_warned") || json_object_get(expect, "warned"))
		assert_true(r->d.n > 0);
	if (!deps)
		return;
	if (r->code)
		print_message("%s: %s\n", name, r->e.msg);
	assert_int_equal(r->code, ERR_OK);
	const struct dep_list *l = &r->m.v[0].actions.v[0].depends_on;
	assert_int_equal(l->n, json_array_size(deps));
	json_array_foreach (deps, i, d) {
		const char *socket = json_string_value(json_object_get(d, "socket"));

		assert_string_equal(l->v[i].bin, json_string_value(json_object_get(d, "bin")));
		assert_string_equal(l->v[i].repo, json_string_value(json_object_get(d, "repo")));
		assert_true(text_eq(l->v[i].gate.text, socket));
	}
}

static void every_case_gives_its_expect_or_a_message(void **state)
{
	(void)state;
	char path[512];
	size_t n, i;

	snprintf(path, sizeof(path), "%s/service_toml/INDEX.json", cases());
	json_t *index = json_load_file(path, 0, NULL), *c;
	if (!index)
		skip();
	json_array_foreach (index, i, c) {
		const char *name = json_string_value(json_object_get(c, "name"));

		snprintf(path, sizeof(path), "%s/service_toml/%s.toml", cases(), name);
		auto_free char *text = slurp(path, &n);
		struct result r = {0};
		const json_t *expect = json_object_get(c, "expect");
		r.code = manifest_read(text, n,
		    &(struct manifest_options){.path = path,
			.binary = json_object_get(expect, "dependencies") ||
					  strncmp(name, "keyform", 7) == 0
				      ? "caller"
				      : NULL},
		    &r.m, &r.d, &r.e);
		if (r.code)
			assert_true(diags_has_error(&r.d));
		else
			assert_true(r.m.n > 0);
		check_expect(name, expect, &r);
		done(&r);
	}
	json_decref(index);
}

static bool same_as_tagged(const struct node *n, const json_t *t)
{
	const char *type = json_string_value(json_object_get(t, "type"));
	const char *value = json_string_value(json_object_get(t, "value"));
	const json_t *v;
	size_t i;

	if (n->kind == NODE_TABLE) {
		if (json_object_size(t) != n->n)
			return false;
		for (const struct node *c = n->first; c; c = c->next)
			if (!(v = json_object_get(t, c->key)) || !same_as_tagged(c, v))
				return false;
		return true;
	}
	if (n->kind == NODE_ARRAY) {
		const struct node *c = n->first;

		if (json_array_size(t) != n->n)
			return false;
		json_array_foreach (t, i, v) {
			if (!same_as_tagged(c, v))
				return false;
			c = c->next;
		}
		return true;
	}
	if (!type || !value)
		return false;
	if (n->kind == NODE_STRING)
		return strcmp(type, "string") == 0 &&
		       json_string_length(json_object_get(t, "value")) == n->s_bytes &&
		       memcmp(value, n->s, n->s_bytes) == 0;
	if (n->kind == NODE_INT)
		return strcmp(type, "integer") == 0 && strtoll(value, NULL, 10) == n->i;
	if (n->kind == NODE_BOOL)
		return strcmp(type, "bool") == 0 && (strcmp(value, "true") == 0) == (n->i != 0);
	return n->kind == NODE_FLOAT ? strcmp(type, "float") == 0 : n->kind == NODE_TIME;
}

/* What TOML 1.1 alone decides otherwise is no case of ours. */
static bool is_of_toml_1_0(const char *path)
{
	static json_t *index;
	char file[512];
	const json_t *c;
	size_t i;

	snprintf(file, sizeof(file), "%s/toml/INDEX.json", cases());
	if (!index)
		index = json_load_file(file, 0, NULL);
	json_array_foreach (index, i, c) {
		const char *name = json_string_value(json_object_get(c, "case"));
		const char *at = name ? strstr(path, name) : NULL;

		if (at && strcmp(at + strlen(name), ".toml") == 0)
			return json_is_true(json_object_get(c, "toml_1_0"));
	}
	return true;
}

static unsigned walk_toml(const char *dir, bool valid)
{
	unsigned seen = 0;
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[1024];

	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name), n;
		struct error err = {0};
		int line = 0, column = 0;

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.' && e->d_type == DT_DIR)
			seen += walk_toml(path, valid);
		if (len < 6 || strcmp(e->d_name + len - 5, ".toml") != 0 || !is_of_toml_1_0(path))
			continue;
		auto_free char *text = slurp(path, &n);
		struct node *root = node_of_toml(text, n, &err, &line, &column);
		seen++;
		if (valid) {
			snprintf(path + strlen(path) - 5, 6, ".json");
			json_t *want = json_load_file(path, JSON_ALLOW_NUL, NULL);
			if (root && want && !same_as_tagged(root, want))
				fail_msg("another tree: %s", path);
			json_decref(want);
		} else if (root || line <= 0) {
			fail_msg(
			    "%s: %s", root ? "taken for valid" : "refused without a line", path);
		}
		node_free(root);
	}
	if (d)
		closedir(d);
	return seen;
}

static void toml_test_agrees(void **state)
{
	(void)state;
	char path[512];

	snprintf(path, sizeof(path), "%s/toml/valid", cases());
	unsigned seen = walk_toml(path, true);
	snprintf(path, sizeof(path), "%s/toml/invalid", cases());
	seen += walk_toml(path, false);
	if (!seen)
		skip();
	print_message("%u TOML files\n", seen);
}

static void text_that_is_no_toml_is_refused_with_its_line(void **state)
{
	(void)state;
	expect_error("[[binaries]]\nname = \"a\n", 2, 0, "", NULL);
	expect_error("[[binaries]]\nname = a\n", 2, 0, "", NULL);
	expect_error("[[binaries]]\nname = \"a\"\nname = \"b\"\n", 3, 0, "", NULL);
	expect_error("[[binaries]]\nname = \"a\"\nenv = {A = 1,,}\n", 3, 0, "", NULL);
	expect_error("[service\n", 1, 0, "", NULL);
	expect_error("[[binaries]]\nname = \"\xff\"\n", 2, 0, "", NULL);
}

static void bombs_are_refused_before_they_are_parsed(void **state)
{
	(void)state;
	struct error e;
	int line, column;
	auto_str deep = {0}, dotted = {0};

	str_add(&deep, "x = ");
	for (int i = 0; i < 50000; i++)
		str_add_char(&deep, '[');
	assert_null(node_of_toml(str_text(&deep), deep.n, &e, &line, &column));
	for (int i = 0; i < 60000; i++)
		str_add(&dotted, "a.");
	str_add(&dotted, "a = 1");
	assert_null(node_of_toml(str_text(&dotted), dotted.n, &e, &line, &column));
	assert_int_equal(e.code, ERR_LIMIT);
}

static void durations_are_exact(void **state)
{
	(void)state;
	msec m;

	assert_true(msec_parse("1h30m", &m) && m == 5400000);
	assert_true(msec_parse("500ms", &m) && m == 500);
	assert_true(msec_parse("10s", &m) && m == 10000);
	assert_false(msec_parse("10", &m));
	assert_false(msec_parse("", &m));
	assert_false(msec_parse("-1s", &m));
	assert_false(msec_parse("1x", &m));
	assert_false(msec_parse("99999999999999999h", &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_key_forms_give_the_same_edge),
	    cmocka_unit_test(the_block_of_issue_135_survives_a_round_trip),
	    cmocka_unit_test(the_stored_form_reads_back_to_the_same),
	    cmocka_unit_test(every_mistake_is_an_error_with_its_place),
	    cmocka_unit_test(repo_only_is_an_edge_with_a_warning),
	    cmocka_unit_test(a_composite_that_names_its_own_binaries_has_no_false_cycle),
	    cmocka_unit_test(without_a_service_name_each_binary_is_a_service),
	    cmocka_unit_test(zinit_form_is_read_as_it_is),
	    cmocka_unit_test(health_of_the_zinit_form_is_a_readiness_and_a_liveness_probe),
	    cmocka_unit_test(probes_are_read_in_each_form_and_survive),
	    cmocka_unit_test(kinds_and_conditions_have_their_defaults),
	    cmocka_unit_test(every_case_gives_its_expect_or_a_message),
	    cmocka_unit_test(toml_test_agrees),
	    cmocka_unit_test(text_that_is_no_toml_is_refused_with_its_line),
	    cmocka_unit_test(bombs_are_refused_before_they_are_parsed),
	    cmocka_unit_test(durations_are_exact),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
