#include "server/explain/tree.h"

#include "server/explain/status.h"

#define DEPTH_MAX 64

struct walk {
	const struct engine *en;
	const struct scene *s;
	bool reverse;
	bool *seen; /* by node */
};

const char *scene_state_str(const struct engine *en, const struct scene_node *n)
{
	struct unit_view u;
	struct job_view j;

	if (n->kind == SCENE_ACTION && engine_job(en, n->job, &j, NULL))
		return job_state_str(j.core.state);
	if (n->kind != SCENE_SERVICE || !engine_unit(en, n->unit, &u))
		return NULL;
	return u.registered || u.is_run ? service_state_str(u.state) : "missing";
}

static json_t *subtree(struct walk *w, uint32_t node, int depth);

static void add_edge(struct walk *w, uint32_t edge, uint32_t to, int depth, json_t *into)
{
	const struct scene_edge *se = &w->s->edges.v[edge];
	json_t *o = subtree(w, to, depth + 1);
	struct edge_view e;

	engine_edge(w->en, se->id, &e);
	json_object_set_new(o, "kind", status_kinds(e.kinds));
	json_object_set_new(o, "condition", json_string(condition_str(e.condition)));
	json_object_set_new(o, "gate", e.gate_text ? json_string(e.gate_text) : json_null());
	json_object_set_new(o, "status", json_string(edge_status_str(se->status)));
	json_array_append_new(into, o);
}

/* Its edges, then the actions that no other one of it needs; those in a circle of wants last. */
static void add_needs(struct walk *w, uint32_t node, int depth, json_t *into)
{
	const struct scene_node *n = &w->s->nodes.v[node];

	scene_each_out(w->s, node, e) add_edge(w, e, w->s->edges.v[e].to, depth, into);
	for (int round = 0; round < 2; round++)
		for (uint32_t a = node + 1; a <= node + n->n_actions; a++)
			if (!w->seen[a] && (round || w->s->nodes.v[a].top))
				json_array_append_new(into, subtree(w, a, depth + 1));
}

/* Of a composite: who needs it, and who outside needs one of its actions. */
static void add_needed_by(struct walk *w, uint32_t node, int depth, json_t *into)
{
	const struct scene_node *n = &w->s->nodes.v[node];

	for (uint32_t a = node; a <= node + n->n_actions; a++)
		scene_each_in(w->s, a, e)
		{
			uint32_t from = w->s->edges.v[e].from;

			if (a == node || w->s->nodes.v[from].unit != n->unit)
				add_edge(w, e, from, depth, into);
		}
	if (n->kind == SCENE_ACTION && n->top)
		json_array_append_new(into, subtree(w, n->service, depth + 1));
}

static void add_action(const struct walk *w, const struct scene_node *n, json_t *o)
{
	struct job_view j;

	if (n->kind != SCENE_ACTION || !engine_job(w->en, n->job, &j, NULL))
		return;
	json_object_set_new(o, "service", json_string(w->s->nodes.v[n->service].name));
	json_object_set_new(o, "action", json_string(j.name));
}

static bool has_branch(const struct walk *w, const struct scene_node *n)
{
	return n->n_actions || (w->reverse ? n->first_in : n->first_out) != SCENE_NONE;
}

static json_t *subtree(struct walk *w, uint32_t node, int depth)
{
	const struct scene_node *n = &w->s->nodes.v[node];
	const char *state = scene_state_str(w->en, n);
	json_t *below = json_array(), *o = json_pack("{s:s}", "name", n->name);

	if (state)
		json_object_set_new(o, "state", json_string(state));
	else
		json_object_set_new(o, "external", json_true());
	add_action(w, n, o);
	if (w->seen[node] && has_branch(w, n)) {
		json_object_set_new(o, "repeated", json_true());
	} else if (depth == DEPTH_MAX) {
		json_object_set_new(o, "more", json_true());
	} else {
		w->seen[node] = true;
		if (w->reverse)
			add_needed_by(w, node, depth, below);
		else
			add_needs(w, node, depth, below);
	}
	json_object_set_new(o, w->reverse ? "needed_by" : "needs", below);
	return o;
}

json_t *tree_json(const struct engine *en, const struct scene *s, uint32_t node, bool reverse)
{
	struct walk w = {en, s, reverse, mem_new(s->nodes.n + 1)};
	json_t *o = subtree(&w, node, 0);

	free(w.seen);
	return o;
}

/* Somebody else needs the service as a whole, or the only thing that it does. */
static bool is_needed(const struct scene *s, uint32_t node)
{
	scene_each_in(s, node,
	    e) if (s->nodes.v[s->edges.v[e].from].unit != s->nodes.v[node].unit) return true;
	return false;
}

json_t *tree_all_json(const struct engine *en, const struct scene *s, bool reverse)
{
	struct walk w = {en, s, reverse, mem_new(s->nodes.n + 1)};
	json_t *trees = json_array();
	struct unit_view u;

	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < s->nodes.n; i++)
			if (s->nodes.v[i].kind == SCENE_SERVICE && !w.seen[i] &&
			    engine_unit(en, s->nodes.v[i].unit, &u) && (u.registered || u.is_run) &&
			    (round || !is_needed(s, i)))
				json_array_append_new(trees, subtree(&w, i, 0));
	free(w.seen);
	return trees;
}
