/* builder.c - definitions made in C, checked before anything is sent. */
#include "hero_proc.h"

#include "base/error.h"
#include "base/str.h"

#include <jansson.h>
#include <stdio.h>

/* A definition in the making: the JSON that will be sent, and the first mistake. */
struct draft {
	json_t *json;
	json_t *actions;
	char mistake[256];
	struct {
		hp_action **v;
		size_t n, cap;
	} made;
};
struct hp_service {
	struct draft d;
};
struct hp_run {
	struct draft d;
};
struct hp_action {
	struct draft *d;
	json_t *json; /* borrowed from the draft */
};

static void mistake(struct draft *d, const char *fmt, ...) attr_fmt(2, 3);

static void mistake(struct draft *d, const char *fmt, ...)
{
	va_list ap;

	if (*d->mistake)
		return; /* the first one is told */
	va_start(ap, fmt);
	vsnprintf(d->mistake, sizeof(d->mistake), fmt, ap);
	va_end(ap);
}

static bool is_name(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n < 1 || n > 255 || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	return strspn(s,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:+-\\") == n;
}

static void check_name(struct draft *d, const char *name)
{
	if (!is_name(name))
		mistake(d, "`%s` is not a name", name ? name : "(null)");
}

/* Text that JSON can not carry is a mistake, never left out in silence. */
static json_t *text(struct draft *d, const char *what, const char *s)
{
	json_t *v = s ? json_string(s) : NULL;

	if (!v)
		mistake(d, s ? "%s is not UTF-8" : "%s is missing", what);
	return v ? v : json_string("");
}

static void draft_init(struct draft *d)
{
	d->json = json_object();
	d->actions = json_array();
	json_object_set_new(d->json, "actions", d->actions);
}

static void draft_release(struct draft *d)
{
	for (size_t i = 0; i < d->made.n; i++)
		free(d->made.v[i]);
	free(d->made.v);
	json_decref(d->json);
}

static hp_action *draft_action(struct draft *d, const char *name)
{
	hp_action *a = mem_new(sizeof(*a));
	json_t *other;
	size_t i;

	check_name(d, name);
	json_array_foreach (d->actions, i, other)
		if (text_eq(json_string_value(json_object_get(other, "name")), name))
			mistake(d, "two actions are named `%s`", name);
	a->d = d;
	a->json = json_pack("{s:o}", "name", text(d, "a name", name));
	json_array_append_new(d->actions, a->json);
	*vec_push(&d->made) = a;
	return a;
}

/* ---- circles among the actions -------------------------------------------------- */

static size_t index_of(const struct draft *d, const char *name)
{
	json_t *a;
	size_t i;

	json_array_foreach (d->actions, i, a)
		if (text_eq(json_string_value(json_object_get(a, "name")), name))
			return i;
	return SIZE_MAX;
}

static const char *target_of(const json_t *edge)
{
	static const char *const keys[] = {"bin", "name"};

	for (size_t i = 0; i < countof(keys); i++)
		if (json_object_get(edge, keys[i]))
			return json_string_value(json_object_get(edge, keys[i]));
	return NULL;
}

/* Take away actions without an unresolved sibling until nothing changes. */
static void check_circle(struct draft *d)
{
	size_t n = json_array_size(d->actions), left = n;
	bool *done = mem_new(n ? n : 1), progress = true;

	while (left && progress) {
		progress = false;
		for (size_t i = 0; i < n; i++) {
			json_t *deps = json_object_get(json_array_get(d->actions, i), "depends_on"),
			       *e;
			bool free_to_go = !done[i];
			size_t k;

			json_array_foreach (deps, k, e) {
				size_t t = target_of(e) ? index_of(d, target_of(e)) : SIZE_MAX;

				free_to_go = free_to_go && (t == SIZE_MAX || done[t]);
			}
			if (!free_to_go)
				continue;
			done[i] = progress = true;
			left--;
		}
	}
	for (size_t i = 0; i < n && left; i++)
		if (!done[i]) {
			mistake(d, "the actions depend on each other in a circle, `%s` among them",
			    json_string_value(
				json_object_get(json_array_get(d->actions, i), "name")));
			break;
		}
	free(done);
}

static int refuse(const struct draft *d, struct hp_error *e)
{
	if (e) {
		*e = (struct hp_error){.code = err_rpc_code(ERR_INVALID)};
		snprintf(e->name, sizeof(e->name), "%s", err_str(ERR_INVALID));
		snprintf(e->message, sizeof(e->message), "%s", d->mistake);
	}
	return err_rpc_code(ERR_INVALID);
}

static int send_draft(hp_client *c, const char *method, const struct draft *d, json_t *take_params,
    char **result, struct hp_error *e)
{
	struct draft checked = *d;

	check_circle(&checked);
	if (*checked.mistake) {
		json_decref(take_params);
		return refuse(&checked, e);
	}
	auto_free char *text = json_dumps(take_params, JSON_COMPACT);
	json_decref(take_params);
	return hp_call(c, method, text, result, e);
}

/* ---- services ---------------------------------------------------------------------- */

hp_service *hp_service_new(const char *name)
{
	hp_service *s = mem_new(sizeof(*s));

	draft_init(&s->d);
	check_name(&s->d, name);
	json_object_set_new(s->d.json, "name", text(&s->d, "a name", name));
	json_object_set_new(s->d.json, "dependencies", json_object());
	return s;
}

void hp_service_free(hp_service *s)
{
	if (!s)
		return;
	draft_release(&s->d);
	free(s);
}

void hp_service_description(hp_service *s, const char *description)
{
	json_object_set_new(s->d.json, "description", text(&s->d, "the description", description));
}

static void add_edge(hp_service *s, const char *kind, const char *name)
{
	json_t *deps = json_object_get(s->d.json, "dependencies");

	check_name(&s->d, name);
	if (text_eq(name, json_string_value(json_object_get(s->d.json, "name"))))
		mistake(&s->d, "`%s` depends on itself", name);
	if (!json_object_get(deps, kind))
		json_object_set_new(deps, kind, json_array());
	json_array_append_new(json_object_get(deps, kind), text(&s->d, "a name", name));
}

void hp_service_requires(hp_service *s, const char *service)
{
	add_edge(s, "requires", service);
}
void hp_service_wants(hp_service *s, const char *service)
{
	add_edge(s, "wants", service);
}
void hp_service_after(hp_service *s, const char *service)
{
	add_edge(s, "after", service);
}
void hp_service_conflicts(hp_service *s, const char *service)
{
	add_edge(s, "conflicts", service);
}

hp_action *hp_service_action(hp_service *s, const char *name)
{
	return draft_action(&s->d, name);
}

static int send_service(hp_client *c, const char *method, const hp_service *s, struct hp_error *e)
{
	return send_draft(c, method, &s->d, json_pack("{s:O}", "service", s->d.json), NULL, e);
}

int hp_service_define(hp_client *c, const hp_service *s, struct hp_error *e)
{
	return send_service(c, "service.define", s, e);
}

int hp_service_set(hp_client *c, const hp_service *s, struct hp_error *e)
{
	return send_service(c, "service.set", s, e);
}

/* ---- actions --------------------------------------------------------------------------- */

void hp_action_exec(hp_action *a, const char *const *argv)
{
	json_t *list = json_array();

	for (; argv && *argv; argv++)
		json_array_append_new(list, text(a->d, "an argument of `exec`", *argv));
	if (!json_array_size(list))
		mistake(a->d, "`%s` executes nothing",
		    json_string_value(json_object_get(a->json, "name")));
	json_object_set_new(a->json, "exec", list);
}

void hp_action_script(hp_action *a, const char *script)
{
	json_object_set_new(a->json, "script", text(a->d, "a script", script));
}

void hp_action_env(hp_action *a, const char *name, const char *value)
{
	if (!json_object_get(a->json, "env"))
		json_object_set_new(a->json, "env", json_object());
	if (!name || !*name || strchr(name, '='))
		mistake(a->d, "`%s` is not the name of a variable", name ? name : "(null)");
	else if (json_object_set_new(json_object_get(a->json, "env"), name,
		     text(a->d, "the value of a variable", value)))
		mistake(a->d, "the name of a variable is not UTF-8");
}

void hp_action_one_shot(hp_action *a)
{
	json_object_set_new(a->json, "is_process", json_false());
}

static json_t *list_of(hp_action *a, const char *key)
{
	if (!json_object_get(a->json, key))
		json_object_set_new(a->json, key, json_array());
	return json_object_get(a->json, key);
}

void hp_action_socket(hp_action *a, const char *name)
{
	json_array_append_new(list_of(a, "sockets"),
	    json_pack("{s:o}", "name", text(a->d, "the name of a socket", name)));
}

void hp_action_depends_on(
    hp_action *a, const char *target, const char *condition, const char *socket)
{
	check_name(a->d, target);
	json_t *e = json_pack("{s:o}", "name", text(a->d, "a name", target));

	if (condition)
		json_object_set_new(e, "condition", text(a->d, "a condition", condition));
	if (socket)
		json_object_set_new(e, "socket", text(a->d, "a socket", socket));
	json_array_append_new(list_of(a, "depends_on"), e);
}

void hp_action_needs_binary(hp_action *a, const char *repo, const char *bin, const char *socket)
{
	check_name(a->d, bin);
	json_t *e = json_pack("{s:o}", "bin", text(a->d, "a name", bin));

	if (repo)
		json_object_set_new(e, "repo", text(a->d, "a repo", repo));
	if (socket)
		json_object_set_new(e, "socket", text(a->d, "a socket", socket));
	json_array_append_new(list_of(a, "depends_on"), e);
}

/* ---- runs ---------------------------------------------------------------------------------- */

hp_run *hp_run_new(const char *name)
{
	hp_run *r = mem_new(sizeof(*r));

	draft_init(&r->d);
	if (name) {
		check_name(&r->d, name);
		json_object_set_new(r->d.json, "name", text(&r->d, "a name", name));
	}
	return r;
}

void hp_run_free(hp_run *r)
{
	if (!r)
		return;
	draft_release(&r->d);
	free(r);
}

hp_action *hp_run_action(hp_run *r, const char *name)
{
	return draft_action(&r->d, name);
}

void hp_run_depends_on(hp_run *r, const char *service)
{
	check_name(&r->d, service);
	if (!json_object_get(r->d.json, "depends_on"))
		json_object_set_new(r->d.json, "depends_on", json_array());
	json_array_append_new(
	    json_object_get(r->d.json, "depends_on"), text(&r->d, "a name", service));
}

int hp_run_submit(hp_client *c, const hp_run *r, int wait, char **result, struct hp_error *e)
{
	json_t *params = json_copy(r->d.json);

	json_object_set_new(params, "wait", json_boolean(wait));
	return send_draft(c, "run.submit", &r->d, params, result, e);
}
