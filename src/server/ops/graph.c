/* graph.c - everything and what it needs, for pictures. */
#include "server/ops/ops.h"

#include "server/status.h"

static json_t *node_of(struct daemon *d, const struct unit_view *u)
{
	const struct service_def *s = daemon_definition(d, u->name);

	return json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", u->name, "state",
	    u->registered || u->is_run ? service_state_str(u->state) : "missing", "wanted",
	    wanted_str(u->wanted), "class", s ? service_class_str(s->class) : "user", "is_run",
	    u->is_run);
}

static void add_edges(struct daemon *d, const struct unit_view *u, json_t *edges)
{
	struct job_view j;
	struct edge_view e;

	for (size_t i = 0; engine_job_at(d->engine, u->id, i, &j); i++)
		for (size_t k = 0; engine_edge_at(d->engine, j.id, k, &e); k++)
			json_array_append_new(edges,
			    json_pack("{s:s, s:s, s:s, s:s?, s:o, s:s, s:s?, s:s, s:s?, s:s}",
				"from", u->name, "from_action", j.name, "to", e.target, "to_action",
				e.target_action, "kind", status_kinds(e.kinds), "condition",
				condition_str(e.condition), "gate", e.gate_text, "status",
				edge_status_str(e.status), "source", e.source, "text", e.text));
}

static void get(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	json_t *nodes = json_array(), *edges = json_array();
	struct unit_view u;
	(void)params;

	for (unit_id i = 0; i < engine_unit_count(d->engine); i++) {
		if (!engine_unit(d->engine, i, &u))
			continue;
		json_array_append_new(nodes, node_of(d, &u));
		add_edges(d, &u, edges);
	}
	rpc_answer(call, json_pack("{s:o, s:o}", "nodes", nodes, "edges", edges));
}

static const struct rpc_method methods[] = {
    OPS_METHOD_0("graph.get", "All services and edges", get, false),
};
const struct rpc_group ops_graph = OPS_GROUP(methods);
