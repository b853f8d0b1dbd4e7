/* graph.c - everything and what it needs, as data and as pictures. */
#include "server/history/definitions.h"
#include "server/methods/methods.h"

#include "server/explain/drawing.h"
#include "server/explain/scene.h"
#include "server/explain/status.h"
#include "server/explain/tree.h"

static const struct rpc_param get_params[] = {
    {"names", RPC_STRING_OR_ARRAY, false,
	"services or `service/action`, and what they need; absent: everything"},
    {"format", RPC_STRING, false, "json (default), dot, mermaid or svg"},
    {"with_state", RPC_BOOL, false, "states in the picture (default true)"}};

static const struct rpc_param tree_params[] = {
    {"name", RPC_STRING, false, "a service, or `service/action`; absent: all"},
    {"reverse", RPC_BOOL, false, "what needs it instead of what it needs"}};

/* SCENE_NONE: not_found was answered. */
static uint32_t find_node(struct rpc_call *call, const struct scene *s, const char *name, bool runs)
{
	job_id job;
	unit_id unit = ops_find_node(call, name, runs, &job);

	if (unit == ID_NONE)
		return SCENE_NONE;
	return job == ID_NONE ? s->by_unit[unit] : s->by_job[job];
}

/* ---- graph ------------------------------------------------------------------------- */

/* What is drawn. */
struct view {
	struct daemon *d;
	struct scene s;
	bool with_state;
	bool *chosen; /* by node */
	json_t *nodes, *edges;
};

static json_t *service_json(const struct view *v, const struct scene_node *n)
{
	struct unit_view u = {0};

	engine_unit(v->d->engine, n->unit, &u);
	const struct service_def *s = definition_find(v->d->history, u.name);
	json_t *o =
	    json_pack("{s:s, s:s, s:s, s:b}", "name", n->name, "wanted", wanted_str(u.wanted),
		"class", s ? service_class_str(s->class) : "user", "is_run", u.is_run);

	if (n->n_actions)
		json_object_set_new(o, "actions", json_integer(n->n_actions));
	return o;
}

static json_t *action_json(const struct view *v, const struct scene_node *n)
{
	struct job_view j = {0};

	engine_job(v->d->engine, n->job, &j, NULL);
	return json_pack("{s:s, s:s, s:s, s:b}", "name", n->name, "service",
	    v->s.nodes.v[n->service].name, "action", j.name, "top", n->top);
}

static void add_node(struct view *v, const struct scene_node *n)
{
	const char *state = scene_state_str(v->d->engine, n);
	json_t *o = n->kind == SCENE_SERVICE ? service_json(v, n)
		    : n->kind == SCENE_ACTION
			? action_json(v, n)
			: json_pack("{s:s, s:b}", "name", n->name, "external", 1);

	if (state && v->with_state)
		json_object_set_new(o, "state", json_string(state));
	json_array_append_new(v->nodes, o);
}

/* The action of an edge's end: of a node that is one, or the only one of a service. */
static json_t *action_of(const struct view *v, uint32_t node, const char *name)
{
	return v->s.nodes.v[node].n_actions || !name ? json_null() : json_string(name);
}

static void add_edge(struct view *v, const struct scene_edge *se)
{
	const struct scene_node *from = &v->s.nodes.v[se->from], *to = &v->s.nodes.v[se->to];
	struct edge_view e = {0};
	struct job_view j = {0};
	struct unit_view u = {0};

	engine_edge(v->d->engine, se->id, &e);
	engine_job(v->d->engine, e.from, &j, NULL);
	engine_unit(v->d->engine, from->unit, &u);
	json_array_append_new(v->edges,
	    json_pack("{s:s, s:s, s:o, s:s, s:s?, s:o, s:o, s:s, s:s?, s:s, s:s?, s:s}", "from",
		from->name, "from_service", u.name, "from_action", action_of(v, se->from, j.name),
		"to", to->name, "to_service", e.to_unit == ID_NONE ? NULL : e.target, "to_action",
		action_of(v, se->to, e.target_action), "kind", status_kinds(e.kinds), "condition",
		condition_str(e.condition), "gate", e.gate_text, "status",
		edge_status_str(se->status), "source", e.source, "text", e.text));
}

static void add_conflicts(struct view *v, const struct scene_node *n)
{
	const struct service_def *s = definition_find(v->d->history, n->name);

	for (size_t i = 0; s && i < s->conflicts.n; i++) {
		unit_id other = engine_find(v->d->engine, s->conflicts.v[i]);

		if (other != ID_NONE && v->chosen[v->s.by_unit[other]])
			json_array_append_new(v->edges,
			    json_pack("{s:s, s:s, s:s, s:s, s:n}", "from", n->name, "to",
				s->conflicts.v[i], "kind", "conflicts", "status", "holds", "gate"));
	}
}

static void choose(struct view *v, uint32_t node, uint32_t *stack, size_t *top)
{
	if (v->chosen[node])
		return;
	v->chosen[node] = true;
	stack[(*top)++] = node;
}

/* Marks a node and what it needs: with a composite its actions, with an action that another
 * service needs all of its service, for that is started. */
static void choose_cone(struct view *v, uint32_t root, uint32_t *stack)
{
	size_t top = 0;

	choose(v, root, stack, &top);
	while (top) {
		uint32_t at = stack[--top];
		const struct scene_node *n = &v->s.nodes.v[at];

		for (uint32_t a = at + 1; a <= at + n->n_actions; a++)
			choose(v, a, stack, &top);
		scene_each_out(&v->s, at, e)
		{
			const struct scene_node *to = &v->s.nodes.v[v->s.edges.v[e].to];

			choose(v, v->s.edges.v[e].to, stack, &top);
			if (to->kind == SCENE_ACTION && to->unit != n->unit)
				choose(v, to->service, stack, &top);
		}
	}
}

/* False: not_found was answered. */
static bool choose_all(struct view *v, struct rpc_call *call, const struct strv *names)
{
	uint32_t *stack = mem_new((v->s.nodes.n + 1) * sizeof(*stack));
	bool known = true;

	v->chosen = mem_new(v->s.nodes.n + 1);
	for (size_t i = 0; known && i < names->n; i++) {
		uint32_t node = find_node(call, &v->s, names->v[i], true);

		known = node != SCENE_NONE;
		if (known)
			choose_cone(v, node, stack);
	}
	if (names->n == 0)
		memset(v->chosen, true, v->s.nodes.n);
	free(stack);
	return known;
}

static void collect(struct view *v)
{
	for (uint32_t i = 0; i < v->s.nodes.n; i++) {
		const struct scene_node *n = &v->s.nodes.v[i];

		if (!v->chosen[i])
			continue;
		add_node(v, n);
		if (n->kind == SCENE_SERVICE)
			add_conflicts(v, n);
		scene_each_out(&v->s, i, e) add_edge(v, &v->s.edges.v[e]);
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
	    .edges = json_array()};
	struct strv names = {0};

	param_names(params, "names", &names);
	scene_init(&v.s, v.d->engine);
	bool known = choose_all(&v, call, &names);
	if (known)
		collect(&v);
	json_t *graph = json_pack("{s:o, s:o}", "nodes", v.nodes, "edges", v.edges);
	scene_release(&v.s);
	free(v.chosen);
	strv_release(&names);
	if (known)
		answer(call, param_text(params, "format"), graph);
	else
		json_decref(graph);
}

/* ---- tree -------------------------------------------------------------------------- */

static void tree(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *name = param_text(params, "name");
	bool reverse = param_bool(params, "reverse", false);
	struct scene s;

	scene_init(&s, d->engine);
	uint32_t node = name ? find_node(call, &s, name, true) : SCENE_NONE;
	if (!name)
		rpc_answer(
		    call, json_pack("{s:o}", "trees", tree_all_json(d->engine, &s, reverse)));
	else if (node != SCENE_NONE)
		rpc_answer(call, tree_json(d->engine, &s, node, reverse));
	scene_release(&s);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("graph.get", "Services, actions and edges, as data or as a picture", get_params, get,
	false),
    OPS_METHOD("service.tree", "What it needs, or what needs it", tree_params, tree, false),
};
const struct rpc_group ops_graph = OPS_GROUP(methods);
