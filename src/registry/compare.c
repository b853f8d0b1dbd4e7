/* compare.c - do two definitions mean the same?  Places and sources are not meaning. */
#include "manifest/definition_read.h"
#include "manifest/dependency.h"
#include "registry/state.h"

/* Identity, texts for people, and edges, which have a comparison of their own. */
static const char *const action_apart[] = {"name", "context", "description", "depends_on", NULL};
static const char *const service_apart[] = {"name", "socket_folder", NULL};
static const char *const edge_apart[] = {
    "name", "service", "action", "repo", "crate", "bin", "when", "for", "any", NULL};

const char *action_difference(const struct action_def *a, const struct action_def *b)
{
	return schema_difference(&action_schema, a, b, action_apart);
}

/* What an edge asks for, as one text: the identity of its target before resolution. */
const char *dep_target(const struct dep *d, struct str *scratch)
{
	const char *key = dep_key(d);

	if (d->service && d->action && key == d->action) {
		str_clear(scratch);
		str_fmt(scratch, "%s/%s", d->service, d->action);
		return str_text(scratch);
	}
	return key ? key : d->gate.text ? d->gate.text : "";
}

static int text_order(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int number_order(long long a, long long b)
{
	return (a > b) - (a < b);
}

/* The stable order of a list; 0: one edge (SPEC 7.1). */
int dep_order(const struct dep *a, const struct dep *b)
{
	auto_str left = {0}, right = {0};
	int by = text_order(dep_target(a, &left), dep_target(b, &right));

	by = by ? by : number_order(a->gate.kind, b->gate.kind);
	by = by ? by : text_order(a->gate.text, b->gate.text);
	by = by ? by : number_order(a->kinds, b->kinds);
	by = by ? by : number_order(a->condition, b->condition);
	by = by ? by : number_order((long long)a->any.n, (long long)b->any.n);
	for (size_t i = 0; !by && i < a->any.n; i++)
		by = text_order(a->any.v[i], b->any.v[i]);
	return by;
}

static bool dep_same(const struct dep *a, const struct dep *b)
{
	return dep_order(a, b) == 0 && a->gate.probe == b->gate.probe &&
	       a->gate.probe_given == b->gate.probe_given && a->timeout == b->timeout &&
	       a->optional == b->optional && a->on_failure == b->on_failure &&
	       a->on_restart == b->on_restart && a->on_stop == b->on_stop && a->need == b->need;
}

bool dep_list_same(const struct dep_list *a, const struct dep_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!dep_same(&a->v[i], &b->v[i]))
			return false;
	return true;
}

static const char *actions_difference(const struct service_def *a, const struct service_def *b)
{
	if (a->actions.n != b->actions.n)
		return "actions";
	for (size_t i = 0; i < a->actions.n; i++) {
		const struct action_def *x = &a->actions.v[i];
		const struct action_def *y = service_find_action(b, x->name);
		const char *key;

		if (!y)
			return "actions";
		key = action_difference(x, y);
		if (key)
			return key;
		if (!text_eq(x->description, y->description))
			return "description";
		if (!dep_list_same(&x->depends_on, &y->depends_on))
			return "depends_on";
	}
	return NULL;
}

/* What acts without a restart, or only tells people. */
static const char *const service_idle[] = {"name", "socket_folder", "context", "description",
    "category", "tags", "class", "status", "critical", "conflicts", NULL};
static const char *const action_idle[] = {
    "name", "context", "description", "depends_on", "tags", NULL};

static bool folder_same(const struct service_def *a, const struct service_def *b)
{
	return text_eq(a->socket_folder ? a->socket_folder : a->name,
	    b->socket_folder ? b->socket_folder : b->name);
}

const char *service_difference(const struct service_def *a, const struct service_def *b)
{
	const char *key = actions_difference(a, b);

	if (!key)
		key = schema_difference(&service_schema, a, b, service_apart);
	if (!key && !folder_same(a, b))
		key = "socket_folder";
	if (!key && !dep_list_same(&a->dependencies, &b->dependencies))
		key = "dependencies";
	return key;
}

bool service_executes_same(const struct service_def *a, const struct service_def *b)
{
	if (a->actions.n != b->actions.n || !folder_same(a, b) ||
	    schema_difference(&service_schema, a, b, service_idle) ||
	    !dep_list_same(&a->dependencies, &b->dependencies))
		return false;
	for (size_t i = 0; i < a->actions.n; i++) {
		const struct action_def *x = &a->actions.v[i];
		const struct action_def *y = service_find_action(b, x->name);

		if (!y || schema_difference(&action_schema, x, y, action_idle) ||
		    !dep_list_same(&x->depends_on, &y->depends_on))
			return false;
	}
	return true;
}

static const struct action_def *counterpart(
    const struct service_def *a, const struct action_def *x, const struct service_def *b)
{
	return service_find_action(b, text_eq(x->name, a->name) ? b->name : x->name);
}

bool service_is_renamed(const struct service_def *a, const struct service_def *b)
{
	if (a->actions.n != b->actions.n ||
	    schema_difference(&service_schema, a, b, service_apart) ||
	    !dep_list_same(&a->dependencies, &b->dependencies))
		return false;
	for (size_t i = 0; i < a->actions.n; i++) {
		const struct action_def *x = &a->actions.v[i], *y = counterpart(a, x, b);

		if (!y || action_difference(x, y) || !dep_list_same(&x->depends_on, &y->depends_on))
			return false;
	}
	return true;
}

/* ---- to the letter ------------------------------------------------------------------------ */

static bool place_same(const struct place *a, const struct place *b)
{
	return a->line == b->line && a->column == b->column && text_eq(a->path, b->path);
}

static bool deps_identical(const struct dep_list *a, const struct dep_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (schema_difference(&dependency_schema, &a->v[i], &b->v[i], NULL) ||
		    a->v[i].of_service != b->v[i].of_service ||
		    !text_eq(a->v[i].source_text, b->v[i].source_text) ||
		    !place_same(&a->v[i].source, &b->v[i].source))
			return false;
	return true;
}

static bool action_identical(const struct action_def *a, const struct action_def *b)
{
	static const char *const apart[] = {"depends_on", NULL};

	return !schema_difference(&action_schema, a, b, apart) &&
	       a->depends_on_given == b->depends_on_given && place_same(&a->source, &b->source) &&
	       deps_identical(&a->depends_on, &b->depends_on);
}

bool definition_identical(const struct service_def *a, const struct service_def *b)
{
	if (schema_difference(&service_schema, a, b, NULL) || a->actions.n != b->actions.n ||
	    !place_same(&a->source, &b->source) ||
	    !deps_identical(&a->dependencies, &b->dependencies))
		return false;
	for (size_t i = 0; i < a->actions.n; i++)
		if (!action_identical(&a->actions.v[i], &b->actions.v[i]))
			return false;
	return true;
}

/* ---- in words -------------------------------------------------------------------------- */

static void say(struct strv *out, const char *owner, const char *sentence)
{
	auto_free char *text = text_fmt("%s%s%s", owner, *owner ? ": " : "", sentence);

	if (!strv_has(out, text))
		strv_add(out, text);
}

static void say_edge(struct strv *out, const char *owner, const struct dep *d, const char *what)
{
	auto_str target = {0}, text = {0};

	str_fmt(&text, "edge to %s %s", dep_target(d, &target), what);
	if (d->source_text)
		str_fmt(&text, " (%s)", d->source_text);
	say(out, d->of_service ? "" : owner, str_text(&text));
}

static void say_policies(
    struct strv *out, const char *owner, const struct dep *from, const struct dep *to)
{
	struct strv keys = {0};
	auto_str what = {0};

	schema_differences(&dependency_schema, from, to, edge_apart, &keys);
	str_add(&what, "changed");
	for (size_t i = 0; i < keys.n; i++)
		str_fmt(&what, "%s%s", i ? ", " : ": ", keys.v[i]);
	say_edge(out, owner, to, str_text(&what));
	strv_release(&keys);
}

/* Both are sorted (registry.h). */
static void say_edges(
    struct strv *out, const char *owner, const struct dep_list *a, const struct dep_list *b)
{
	size_t i = 0, k = 0;

	while (i < a->n || k < b->n) {
		int by = i == a->n ? 1 : k == b->n ? -1 : dep_order(&a->v[i], &b->v[k]);

		if (by < 0) {
			say_edge(out, owner, &a->v[i++], "removed");
		} else if (by > 0) {
			say_edge(out, owner, &b->v[k++], "added");
		} else {
			if (!dep_same(&a->v[i], &b->v[k]))
				say_policies(out, owner, &a->v[i], &b->v[k]);
			i++, k++;
		}
	}
}

static void say_action(struct strv *out, const struct service_def *s, const struct action_def *from,
    const struct action_def *to)
{
	const char *owner = s->actions.n == 1 || text_eq(s->name, to->name) ? "" : to->name;
	struct strv sentences = {0};

	schema_differences(&action_schema, from, to, action_apart, &sentences);
	if (!text_eq(from->description, to->description))
		strv_add(&sentences, "description changed");
	for (size_t i = 0; i < sentences.n; i++)
		say(out, owner, sentences.v[i]);
	say_edges(out, owner, &from->depends_on, &to->depends_on);
	strv_release(&sentences);
}

void service_differences(const struct service_def *a, const struct service_def *b, struct strv *out)
{
	for (size_t i = 0; i < a->actions.n; i++)
		if (!service_find_action(b, a->actions.v[i].name))
			strv_take(out, text_fmt("action %s removed", a->actions.v[i].name));
	for (size_t i = 0; i < b->actions.n; i++) {
		const struct action_def *to = &b->actions.v[i];
		const struct action_def *from = service_find_action(a, to->name);

		if (from)
			say_action(out, b, from, to);
		else
			strv_take(out, text_fmt("action %s added", to->name));
	}
	say_edges(out, "", &a->dependencies, &b->dependencies);
	schema_differences(&service_schema, a, b, service_apart, out);
	if (!folder_same(a, b))
		strv_add(out, "socket_folder changed");
}
