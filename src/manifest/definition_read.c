/* definition_read.c - services and ad-hoc runs from a tree, and definitions back to JSON. */
#include "manifest/definition_read.h"

#include "base/map.h"

#include "manifest/dependency.h"

/* ---- a service ------------------------------------------------------------------------- */

#define SERVICE(member) .at = offsetof(struct service_def, member)

static void read_requires(struct reader *r, void *obj, const struct node *n)
{
	struct service_def *s = obj;

	dependencies_read(r, n, DEP_REQUIRES, &s->dependencies);
}
static void read_wants(struct reader *r, void *obj, const struct node *n)
{
	struct service_def *s = obj;

	dependencies_read(r, n, DEP_WANTS, &s->dependencies);
}
static void read_after(struct reader *r, void *obj, const struct node *n)
{
	struct service_def *s = obj;

	dependencies_read(r, n, DEP_AFTER, &s->dependencies);
}

static const struct field service_fields[] = {
    {"name", {0}, F_STR, SERVICE(name), .doc = "unique in the supervisor"},
    {"context", {0}, F_STR, SERVICE(context), .doc = "the namespace of its actions"},
    {"description", {"desc", "title"}, F_STR, SERVICE(description), .doc = "for people"},
    {"category", {0}, F_STR, SERVICE(category), .doc = "core storage ai network ui tool"},
    {"class", {0}, F_ENUM, SERVICE(class), .words = service_class_words,
	.doc = "user, or system: left alone by start-all and stop-all"},
    {"status", {0}, F_ENUM, SERVICE(status), .words = wanted_words,
	.doc = "wanted at first registration"},
    {"critical", {0}, F_BOOL, SERVICE(critical),
	.doc = "giving up ends the daemon in container mode"},
    {"tags", {0}, F_STRV, SERVICE(tags), .doc = "for filters"},
    {"requires", {0}, F_CUSTOM, .read = read_requires, .doc = "services that must be ready before"},
    {"wants", {0}, F_CUSTOM, .read = read_wants, .doc = "services that are started along"},
    {"after", {0}, F_CUSTOM, .read = read_after,
	.doc = "services that settle before, if they start"},
    {"conflicts", {0}, F_STRV, SERVICE(conflicts),
	.doc = "services that are never active together with it"},
    {"socket_folder", {0}, F_STR, SERVICE(socket_folder),
	.doc = "below $HERO_SOCKET_DIR; default: the service's name"},
    {"source_path", {0}, F_STR, SERVICE(source.path), .internal = true},
    {"sources", {0}, F_STRV, SERVICE(sources), .internal = true},
    {"is_run", {0}, F_BOOL, SERVICE(is_run), .internal = true},
    {"abort_on_failure", {0}, F_BOOL, SERVICE(abort_on_failure), .internal = true},
};
const struct schema service_schema = {"a service", service_fields, countof(service_fields)};

struct json_service { /* keys of the JSON form only */
	struct service_def *s;
	const struct node *actions, *sockets;
};

static void keep_actions(struct reader *r, void *obj, const struct node *n)
{
	if (n->kind != NODE_ARRAY)
		reader_error(r, n, NULL, "`actions` must be a list");
	else
		((struct json_service *)obj)->actions = n;
}

static void keep_sockets(struct reader *r, void *obj, const struct node *n)
{
	if (n->kind != NODE_ARRAY)
		reader_error(r, n, NULL, "`sockets` must be a list");
	else
		((struct json_service *)obj)->sockets = n;
}

static void read_dependencies(struct reader *r, void *obj, const struct node *n)
{
	struct service_def *s = ((struct json_service *)obj)->s;
	static const struct field only[] = {
	    {"requires", {0}, F_CUSTOM, .read = read_requires},
	    {"wants", {0}, F_CUSTOM, .read = read_wants},
	    {"after", {0}, F_CUSTOM, .read = read_after},
	    {"conflicts", {0}, F_STRV, SERVICE(conflicts)},
	};
	static const struct schema schema = {"dependencies", only, countof(only)};

	if (n->kind == NODE_ARRAY)
		dependencies_read(r, n, DEP_REQUIRES, &s->dependencies);
	else if (n->kind == NODE_TABLE)
		schema_read(r, &(struct part){&schema, s}, 1, n);
	else
		reader_error(r, n, NULL, "`dependencies` must be a table");
}

static const struct field json_fields[] = {
    {"actions", {0}, F_CUSTOM, .read = keep_actions},
    {"sockets", {0}, F_CUSTOM, .read = keep_sockets},
    {"dependencies", {0}, F_CUSTOM, .read = read_dependencies},
};
static const struct schema json_schema = {"a service", json_fields, countof(json_fields)};

static void mark_of_service(struct service_def *s)
{
	for (size_t i = 0; i < s->dependencies.n; i++)
		s->dependencies.v[i].of_service = true;
}

static void refuse_same_names(struct reader *r, const struct node *n, const struct service_def *s)
{
	struct map names = {0};

	for (size_t i = 0; i < s->actions.n; i++) {
		const char *name = s->actions.v[i].name;

		if (name && map_get(&names, name))
			reader_error(r, n, NULL, "two actions are named `%s`", name);
		else if (name)
			map_put(&names, name, &names);
	}
	map_release(&names);
}

static void check_service(struct reader *r, const struct node *n, const struct service_def *s)
{
	/* A stored one without a name holds an action of no service. */
	if (!s->name ? !s->is_run && !r->stored : !name_is_valid(s->name))
		reader_error(r, n, "1 to 255 letters, digits and . _ @ : + - or a backslash",
		    s->name ? "`%s` is not a name" : "a service needs a `name`%s",
		    s->name ? s->name : "");
	if (s->socket_folder && !name_is_valid(s->socket_folder))
		reader_error(r, n, NULL, "`socket_folder`: `%s` is not a name", s->socket_folder);
	for (size_t i = 0; i < s->conflicts.n; i++)
		if (!name_is_valid(s->conflicts.v[i]))
			reader_error(r, n, NULL, "`%s` is not a name", s->conflicts.v[i]);
	refuse_same_names(r, n, s);
}

static bool no_errors_since(const struct diags *d, size_t before)
{
	for (size_t i = before; i < d->n; i++)
		if (d->v[i].severity == DIAG_ERROR)
			return false;
	return true;
}

bool service_def_read(struct reader *r, const struct node *n, struct service_def *out)
{
	struct json_service js = {.s = out};
	struct part parts[] = {{&service_schema, out}, {&json_schema, &js}};
	size_t before = r->diags->n;

	service_def_init(out);
	if (n->kind != NODE_TABLE) {
		reader_error(r, n, NULL, "a service is an object, not %s", node_kind_str(n->kind));
		return false;
	}
	schema_read(r, parts, 2, n);
	mark_of_service(out);
	for (const struct node *c = js.actions ? js.actions->first : NULL; c; c = c->next)
		action_def_read(
		    r, c, (struct part){0}, !out->is_run && !r->stored, vec_push(&out->actions));
	if (js.sockets && out->actions.n == 1)
		action_sockets_read(r, &out->actions.v[0], js.sockets);
	else if (js.sockets && js.sockets->n)
		reader_error(r, js.sockets, "give them to the action that opens them",
		    "`sockets` of a service with %u actions belong to nobody", out->actions.n);
	check_service(r, n, out);
	if (!r->stored)
		out->source = (struct place){text_dup(r->file), n->line, n->column};
	return no_errors_since(r->diags, before);
}

bool service_def_read_json(
    const json_t *j, const char *who, bool stored, struct diags *diags, struct service_def *out)
{
	struct reader r = {.diags = diags, .who = who, .stored = stored};
	struct node *n = node_of_json(j);
	bool ok = service_def_read(&r, n, out);

	node_free(n);
	return ok;
}

bool action_def_read_json(
    const json_t *j, const char *who, struct diags *diags, struct action_def *out)
{
	struct reader r = {.diags = diags, .who = who};
	struct node *n = node_of_json(j);
	bool ok = action_def_read(&r, n, (struct part){0}, true, out);

	node_free(n);
	return ok;
}

/* ---- an ad-hoc run ------------------------------------------------------------------------ */

/* {action: "name", ...} refers to a registered one: its name, and no command. */
static void read_reference(struct reader *r, void *obj, const struct node *n)
{
	read_text(r, n, &((struct action_def *)obj)->name);
}
static const struct field reference_fields[] = {{"action", {0}, F_CUSTOM, .read = read_reference}};
static const struct schema reference_schema = {"a reference", reference_fields, 1};

static void read_run_actions(struct reader *r, const struct node *list, struct service_def *out)
{
	for (const struct node *c = list->first; c; c = c->next) {
		struct action_def *a = vec_push(&out->actions);

		if (c->kind == NODE_STRING) {
			action_def_init(a);
			read_text(r, c, &a->name);
			continue;
		}
		action_def_read(r, c, (struct part){&reference_schema, a}, false, a);
		const struct node *kind = node_get(c, "is_process");
		if (!kind && !node_get(c, "kind") && (a->argv.n || a->script)) {
			a->is_process =
			    false; /* what is submitted ends, unless it says otherwise */
			if (!node_get(c, "retry_policy") && !node_get(c, "retry"))
				retry_policy_default(&a->retry, false);
		}
	}
}

bool run_def_read_json(
    const json_t *params, const char *who, struct diags *diags, struct service_def *out)
{
	struct reader r = {.diags = diags, .who = who};
	struct node *n = node_of_json(params);
	const struct node *name = node_get(n, "name"), *actions = node_get(n, "actions"),
			  *needs = node_get(n, "depends_on"), *context = node_get(n, "context");
	size_t before = diags->n;

	service_def_init(out);
	out->is_run = true;
	if (name && name->kind != NODE_NULL)
		read_text(&r, name, &out->name);
	if (context && context->kind != NODE_NULL)
		read_text(&r, context, &out->context);
	if (!actions || actions->kind != NODE_ARRAY || !actions->n)
		reader_error(&r, actions, NULL, "a run needs `actions`, a list");
	else
		read_run_actions(&r, actions, out);
	out->abort_on_failure = json_is_true(json_object_get(params, "abort_on_failure"));
	if (needs && needs->kind != NODE_NULL)
		dependencies_read(&r, needs, DEP_REQUIRES, &out->dependencies);
	mark_of_service(out);
	check_service(&r, n, out);
	node_free(n);
	return no_errors_since(diags, before);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* What is as the reader would have it anyway is not written: most keys of most actions. */
static json_t *action_stored(const struct action_def *a)
{
	static const char *const always[] = {"name", "is_process", "depends_on", NULL};
	struct action_def base;
	json_t *o = json_object();

	action_def_init(&base);
	base.is_process = a->is_process;
	retry_policy_default(&base.retry, a->is_process);
	schema_json_beside(&action_schema, a, &base, always, o);
	action_def_release(&base);
	return o;
}

json_t *service_def_stored(const struct service_def *s)
{
	json_t *o = json_object(), *deps = json_array(), *actions = json_array();

	schema_json(&service_schema, s, true, o);
	for (size_t i = 0; i < s->dependencies.n; i++)
		if (dependency_is_written(&s->dependencies.v[i]))
			json_array_append_new(deps, dependency_stored(&s->dependencies.v[i]));
	for (size_t i = 0; i < s->actions.n; i++)
		json_array_append_new(actions, action_stored(&s->actions.v[i]));
	json_object_set_new(o, "dependencies", deps);
	json_object_set_new(o, "actions", actions);
	return o;
}

json_t *action_def_shown(const struct action_def *a)
{
	json_t *o = json_object(), *deps = json_array();

	schema_json(&action_schema, a, false, o);
	for (size_t i = 0; i < a->depends_on.n; i++)
		json_array_append_new(deps, dependency_shown(&a->depends_on.v[i]));
	json_object_set_new(o, "depends_on", deps);
	json_object_set_new(o, "is_process", json_boolean(a->is_process));
	return o;
}

json_t *service_def_shown(const struct service_def *s)
{
	json_t *o = json_object(), *deps = json_object(), *actions = json_array();
	static const char *const kinds[] = {"requires", "wants", "after"};

	schema_json(&service_schema, s, false, o);
	for (size_t k = 0; k < countof(kinds); k++) {
		json_t *list = json_array();

		for (size_t i = 0; i < s->dependencies.n; i++)
			if (s->dependencies.v[i].kinds & (1u << k))
				json_array_append_new(
				    list, dependency_shown(&s->dependencies.v[i]));
		json_object_set_new(deps, kinds[k], list);
	}
	json_t *conflicts = json_object_get(o, "conflicts");
	if (conflicts)
		json_object_set(deps, "conflicts", conflicts);
	else
		json_object_set_new(deps, "conflicts", json_array());
	json_object_del(o, "conflicts");
	for (size_t i = 0; i < s->actions.n; i++)
		json_array_append_new(actions, action_def_shown(&s->actions.v[i]));
	json_object_set_new(o, "dependencies", deps);
	json_object_set_new(o, "actions", actions);
	json_t *sources = json_array();
	for (size_t i = 0; i < s->sources.n; i++)
		json_array_append_new(sources, json_string(s->sources.v[i]));
	json_object_set_new(o, "sources", sources);
	return o;
}

static void drop_sources(json_t *o)
{
	json_t *v;
	size_t i;

	json_object_del(o, "source_path");
	json_object_del(o, "source_text");
	json_object_del(o, "sources");
	json_array_foreach (json_object_get(o, "dependencies"), i, v)
		drop_sources(v);
	json_array_foreach (json_object_get(o, "depends_on"), i, v)
		drop_sources(v);
	json_array_foreach (json_object_get(o, "actions"), i, v)
		drop_sources(v);
}

char *service_def_meaning(const struct service_def *s)
{
	json_t *o = service_def_stored(s);

	drop_sources(o);
	char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	return text;
}
