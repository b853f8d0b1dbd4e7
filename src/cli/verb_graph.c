/* verb_graph.c - the graph as lines, or as a picture. */
#include "cli/call.h"
#include "cli/edges.h"
#include "cli/out.h"
#include "cli/table.h"
#include "cli/verbs.h"

static void print_edges(const json_t *graph)
{
	struct table t = {.state = 1};
	json_t *e;
	size_t i;

	table_row(
	    &t, (const char *const[]){"FROM", "STATUS", "KIND", "TO", "CONDITION", "GATE", NULL});
	json_array_foreach (json_object_get(graph, "edges"), i, e) {
		auto_str kinds = {0};

		edges_add_kinds(e, &kinds);
		table_row(&t, (const char *const[]){text_of(e, "from"), text_of(e, "status"),
				  str_text(&kinds), text_of(e, "to"), text_of(e, "condition"),
				  text_of(e, "gate"), NULL});
	}
	table_print(&t);
}

int verb_graph(struct cli *c)
{
	json_t *names = json_array();
	int status;

	for (int i = 0; i < c->n; i++)
		json_array_append_new(names, json_string(c->args[i]));
	json_t *v = cli_call(c, "graph.get",
	    json_pack("{s:o, s:s}", "names", names, "format", c->format ? c->format : "json"),
	    &status);
	if (!v)
		return status;
	if (c->json)
		return print_json(v);
	if (c->format)
		fputs(text_of(v, "text"), stdout);
	else
		print_edges(v);
	json_decref(v);
	return 0;
}
