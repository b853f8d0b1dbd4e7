/* graph.c - everything and what it needs, as data and as pictures. */
#include "server/methods/methods.h"

#include "server/explain/drawing.h"
#include "server/explain/status.h"

static const struct rpc_param get_params[] = {
    {"names", RPC_STRING_OR_ARRAY, false, "these, and what they need; absent: everything"},
    {"format", RPC_STRING, false, "json (default), dot, mermaid or svg"},
    {"with_state", RPC_BOOL, false, "states in the picture (default true)"}};

/* What is drawn. */
struct view {
	struct daemon *d;
	bool with_state;
	bool *chosen; /* by unit_id */
	json_t *nodes, *edges;
	json_t *outside; /* names of what is not ours */
};

static void add_node(struct view *v, const struct unit_view *u)
{
	const struct service_def *s = daemon_definition(v->d, u->name);
	json_t *o =
	    json_pack("{s:s, s:s, s:s, s:b}", "name", u->name, "wanted", wanted_str(u->wanted),
		"class", s ? service_class_str(s->class) : "user", "is_run", u->is_run);

	if (v->with_state)
		json_object_set_new(o, "state",
		    json_string(
			u->registered || u->is_run ? service_state_str(u->state) : "missing"));
	json_array_append_new(v->nodes, o);
}

/* A socket, port or flag that nobody here provides is a node of its own. */
static void add_outside(struct view *v, const char *name)
{
	if (json_object_get(v->outside, name))
		return;
	json_object_set_new_nocheck(v->outside, name, json_true());
	json_array_append_new(v->nodes, json_pack("{s:s, s:b}", "name", name, "external", 1));
}

static void add_edge(
    struct view *v, const struct unit_view *u, const struct job_view *j, const struct edge_view *e)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s?, s:o, s:s, s:s?, s:s, s:s?, s:s}", "from",
	    u->name, "from_action", j->name, "to", e->target, "to_action", e->target_action, "kind",
	    status_kinds(e->kinds), "condition", condition_str(e->condition), "gate", e->gate_text,
	    "status", edge_status_str(e->status), "source", e->source, "text", e->text);

	if (e->to_unit == ID_NONE)
		add_outside(v, e->target);
	json_array_append_new(v->edges, o);
}

static void add_conflicts(struct view *v, const struct unit_view *u)
{
	const struct service_def *s = daemon_definition(v->d, u->name);

	for (size_t i = 0; s && i < s->conflicts.n; i++) {
		unit_id other = engine_find(v->d->engine, s->conflicts.v[i]);

		if (other != ID_NONE && v->chosen[other])
			json_array_append_new(v->edges,
			    json_pack("{s:s, s:s, s:s, s:s, s:n}", "from", u->name, "to",
				s->conflicts.v[i], "kind", "conflicts", "status", "holds", "gate"));
	}
}

/* Marks a unit and what it needs. */
static void choose(struct view *v, unit_id root, unit_id *stack)
{
	size_t top = 0;
	struct job_view j;
	struct edge_view e;

	stack[top++] = root;
	v->chosen[root] = true;
	while (top) {
		unit_id at = stack[--top];

		for (size_t i = 0; engine_job_at(v->d->engine, at, i, &j); i++)
			for (size_t k = 0; engine_edge_at(v->d->engine, j.id, k, &e); k++) {
				if (e.to_unit == ID_NONE || v->chosen[e.to_unit])
					continue;
				v->chosen[e.to_unit] = true;
				stack[top++] = e.to_unit;
			}
	}
}

/* False: not_found was answered. */
static bool choose_all(struct view *v, struct rpc_call *call, const struct strv *names)
{
	size_t n = engine_unit_count(v->d->engine);
	unit_id *stack = mem_new((n + 1) * sizeof(*stack));
	bool known = true;

	v->chosen = mem_new(n + 1);
	for (size_t i = 0; known && i < names->n; i++) {
		unit_id id = ops_find_unit(call, names->v[i], true);

		known = id != ID_NONE;
		if (known)
			choose(v, id, stack);
	}
	if (names->n == 0)
		memset(v->chosen, true, n);
	free(stack);
	return known;
}

static void collect(struct view *v)
{
	struct unit_view u;
	struct job_view j;
	struct edge_view e;

	for (unit_id i = 0; i < engine_unit_count(v->d->engine); i++) {
		if (!v->chosen[i] || !engine_unit(v->d->engine, i, &u))
			continue;
		add_node(v, &u);
		add_conflicts(v, &u);
		for (size_t k = 0; engine_job_at(v->d->engine, i, k, &j); k++)
			for (size_t m = 0; engine_edge_at(v->d->engine, j.id, m, &e); m++)
				add_edge(v, &u, &j, &e);
	}
}

static void answer(struct rpc_call *call, const char *format, json_t *take_graph)
{
	static const struct {
		const char *format;
		void (*draw)(const json_t *graph, struct str *out);
	} rows[] = {{"dot", drawing_dot}, {"mermaid", drawing_mermaid}, {"svg", drawing_svg}};
	auto_str text = {0};

	for (size_t i = 0; i < countof(rows); i++)
		if (text_eq(format, rows[i].format)) {
			rows[i].draw(take_graph, &text);
			json_decref(take_graph);
			rpc_answer(call,
			    json_pack("{s:s, s:s}", "format", format, "text", str_text(&text)));
			return;
		}
	if (!format || strcmp(format, "json") == 0) {
		rpc_answer(call, take_graph);
		return;
	}
	json_decref(take_graph);
	ops_fail(call, ERR_INVALID, "format: `%s` is none of json, dot, mermaid, svg", format);
}

static void get(struct rpc_call *call, json_t *params)
{
	struct view v = {.d = ops_daemon(call),
	    .with_state = param_bool(params, "with_state", true),
	    .nodes = json_array(),
	    .edges = json_array(),
	    .outside = json_object()};
	struct strv names = {0};

	param_names(params, "names", &names);
	bool known = choose_all(&v, call, &names);
	if (known)
		collect(&v);
	json_t *graph = json_pack("{s:o, s:o}", "nodes", v.nodes, "edges", v.edges);
	json_decref(v.outside);
	free(v.chosen);
	strv_release(&names);
	if (known)
		answer(call, param_text(params, "format"), graph);
	else
		json_decref(graph);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("graph.get", "Services and edges, as data or as a picture", get_params, get, false),
};
const struct rpc_group ops_graph = OPS_GROUP(methods);
