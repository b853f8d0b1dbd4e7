#include "server/explain/drawing.h"

#include "base/map.h"
#include "graph/layout.h"

#define CHAR_WIDTH 7.4 /* of the widest usual font at 12 px */
#define NODE_HIGH  38
#define MARGIN	   20

static const char *text_in(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* "requires", or "wants, after". */
static void add_kinds(const json_t *edge, struct str *out)
{
	json_t *kind = json_object_get(edge, "kind"), *k;
	size_t i;

	if (json_is_string(kind))
		str_add(out, json_string_value(kind));
	json_array_foreach (kind, i, k)
		str_fmt(out, "%s%s", i ? ", " : "", json_string_value(k));
}

/* clang-format off */
static const struct look {
	const char *state, *fill, *border;
} looks[] = {
	{ "running",      "#d9f2e0", "#2e7d4f" }, { "exited",   "#dbe9f8", "#34679a" },
	{ "starting",     "#fff4cf", "#a07d10" }, { "waiting_deps", "#fff4cf", "#a07d10" },
	{ "stopping",     "#ece6f5", "#6d5a94" }, { "degraded", "#ffe3c7", "#b3600b" },
	{ "blocked",      "#f9dcdc", "#b03030" }, { "failed",   "#f9dcdc", "#b03030" },
	{ "inactive",     "#eeeeee", "#777777" }, { "missing",  "#ffffff", "#b03030" },
	{ "ready",        "#d9f2e0", "#2e7d4f" }, { "succeeded", "#dbe9f8", "#34679a" },
	{ "retrying",     "#ffe3c7", "#b3600b" }, { "pending",  "#fff4cf", "#a07d10" },
	{ "created",      "#eeeeee", "#777777" }, { "cancelled", "#eeeeee", "#777777" },
	{ "skipped",      "#eeeeee", "#777777" },
};
/* clang-format on */

static const struct look *look_of(const json_t *node)
{
	static const struct look plain = {"", "#f4f4f4", "#555555"};

	for (size_t i = 0; i < countof(looks); i++)
		if (strcmp(looks[i].state, text_in(node, "state")) == 0)
			return &looks[i];
	return &plain;
}

/* How an edge is drawn: by its first kind. */
enum line { LINE_SOLID, LINE_DASHED, LINE_DOTTED, LINE_CONFLICT };

static enum line line_of(const json_t *edge)
{
	auto_str kinds = {0};

	add_kinds(edge, &kinds);
	const char *k = str_text(&kinds);
	return strstr(k, "requires")	? LINE_SOLID
	       : strstr(k, "wants")	? LINE_DASHED
	       : strstr(k, "conflicts") ? LINE_CONFLICT
					: LINE_DOTTED;
}

/* "rpc.sock" of "unix:/run/db/rpc.sock health", "succeeded": what is tested beside readiness. */
static void add_label(const json_t *edge, struct str *out)
{
	const char *gate = text_in(edge, "gate"), *slash = strrchr(gate, '/');
	const char *condition = text_in(edge, "condition");

	if (*condition && strcmp(condition, "ready") != 0)
		str_add(out, condition);
	if (!*gate || strcmp(gate, text_in(edge, "to")) == 0)
		return;
	str_add(out, out->n ? ", " : "");
	if (strncmp(gate, "unix:", 5) == 0 && slash)
		str_add_n(out, slash + 1, strcspn(slash + 1, " "));
	else
		str_add(out, gate);
}

/* ---- composites ---- their actions follow them ------------------------------------------- */

/* How many of the nodes behind it are its actions. */
static size_t actions_of(const json_t *nodes, size_t i)
{
	const json_t *node = json_array_get(nodes, i);
	size_t n = 0;

	while (!*text_in(node, "service") && i + n + 1 < json_array_size(nodes) &&
	       strcmp(text_in(json_array_get(nodes, i + n + 1), "service"),
		   text_in(node, "name")) == 0)
		n++;
	return n;
}

/* Asked of each node in order: an action that no other one of its service needs, to which a thin
 * line leads from *service, the last node that is none. */
static bool hangs_below(const json_t *nodes, size_t i, size_t *service)
{
	const json_t *node = json_array_get(nodes, i);

	if (!*text_in(node, "service"))
		*service = i;
	return json_is_true(json_object_get(node, "top")) &&
	       strcmp(text_in(json_array_get(nodes, *service), "name"), text_in(node, "service")) ==
		   0;
}

/* ---- DOT -------------------------------------------------------------------------- */

static void add_quoted(struct str *out, const char *s)
{
	str_add_char(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			str_add_char(out, '\\');
		str_add_char(out, *s);
	}
	str_add_char(out, '"');
}

static void add_dot_node(const json_t *node, struct str *out)
{
	const struct look *look = look_of(node);

	str_add(out, "\t");
	add_quoted(out, text_in(node, "name"));
	str_fmt(out, " [fillcolor=\"%s\", color=\"%s\", tooltip=\"%s\"", look->fill, look->border,
	    text_in(node, "state"));
	if (*text_in(node, "action")) {
		str_add(out, ", label=");
		add_quoted(out, text_in(node, "action"));
	}
	str_add(out, "];\n");
}

/* A composite is a box around its actions, and a node for what concerns it as a whole. */
static void add_dot_nodes(const json_t *nodes, struct str *out)
{
	size_t i, left = 0;
	json_t *v;

	json_array_foreach (nodes, i, v) {
		if (left && --left == 0)
			str_add(out, "\t}\n");
		if (actions_of(nodes, i)) {
			left = actions_of(nodes, i) + 1;
			str_fmt(out, "\tsubgraph cluster_%zu {\n\tlabel=", i);
			add_quoted(out, text_in(v, "name"));
			str_add(out, ";\n");
		}
		add_dot_node(v, out);
	}
	str_add(out, left ? "\t}\n" : "");
}

static void add_dot_edge(const json_t *v, struct str *out)
{
	static const char *const styles[] = {"solid", "dashed", "dotted", "solid"};
	auto_str label = {0};
	enum line line = line_of(v);

	add_label(v, &label);
	str_add(out, "\t");
	add_quoted(out, text_in(v, "from"));
	str_add(out, " -> ");
	add_quoted(out, text_in(v, "to"));
	str_fmt(out, " [style=%s", styles[line]);
	if (line == LINE_CONFLICT)
		str_add(out, ", color=red, dir=none");
	if (label.n) {
		str_add(out, ", label=");
		add_quoted(out, str_text(&label));
	}
	str_add(out, "];\n");
}

void drawing_dot(const json_t *graph, struct str *out)
{
	json_t *nodes = json_object_get(graph, "nodes"), *v;
	size_t i, service = 0;

	str_add(out,
	    "digraph hero_proc {\n\trankdir=TB;\n"
	    "\tnode [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n");
	add_dot_nodes(nodes, out);
	json_array_foreach (nodes, i, v) {
		if (!hangs_below(nodes, i, &service))
			continue;
		str_add(out, "\t");
		add_quoted(out, text_in(v, "service"));
		str_add(out, " -> ");
		add_quoted(out, text_in(v, "name"));
		str_add(out, " [color=gray, arrowhead=none];\n");
	}
	json_array_foreach (json_object_get(graph, "edges"), i, v)
		add_dot_edge(v, out);
	str_add(out, "}\n");
}

/* ---- Mermaid ------------------------------------------------------------------------ */

static void add_escaped(struct str *out, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '&': str_add(out, "&amp;"); break;
		case '<': str_add(out, "&lt;"); break;
		case '>': str_add(out, "&gt;"); break;
		case '"': str_add(out, "&quot;"); break;
		default: str_add_char(out, *s);
		}
}

/* name -> index + 1; names are the graph's */
static struct map index_nodes(const json_t *graph)
{
	struct map m = {0};
	json_t *v;
	size_t i;

	json_array_foreach (json_object_get(graph, "nodes"), i, v)
		map_put(&m, text_in(v, "name"), (void *)(uintptr_t)(i + 1));
	return m;
}

static size_t index_of(const struct map *m, const char *name)
{
	return (size_t)(uintptr_t)map_get(m, name);
}

static void add_mermaid_nodes(const json_t *nodes, struct str *out)
{
	size_t i, left = 0;
	json_t *v;

	json_array_foreach (nodes, i, v) {
		const char *label = text_in(v, *text_in(v, "action") ? "action" : "name");

		if (left && --left == 0)
			str_add(out, "    end\n");
		if (actions_of(nodes, i)) {
			left = actions_of(nodes, i) + 1;
			str_fmt(out, "    subgraph s%zu[\"", i + 1);
			add_escaped(out, label);
			str_add(out, "\"]\n");
		}
		str_fmt(out, "    n%zu[\"", i + 1);
		add_escaped(out, label);
		str_add(out, "\"]\n");
		if (*text_in(v, "state"))
			str_fmt(out, "    style n%zu fill:%s,stroke:%s\n", i + 1, look_of(v)->fill,
			    look_of(v)->border);
	}
	str_add(out, left ? "    end\n" : "");
}

void drawing_mermaid(const json_t *graph, struct str *out)
{
	static const char *const arrows[] = {"-->", "-.->", "-.->", "x--x"};
	struct map names = index_nodes(graph);
	json_t *nodes = json_object_get(graph, "nodes"), *v;
	size_t i, service = 0;

	str_add(out, "flowchart TB\n");
	add_mermaid_nodes(nodes, out);
	json_array_foreach (nodes, i, v)
		if (hangs_below(nodes, i, &service))
			str_fmt(out, "    n%zu --- n%zu\n", service + 1, i + 1);
	json_array_foreach (json_object_get(graph, "edges"), i, v) {
		auto_str label = {0};
		size_t from = index_of(&names, text_in(v, "from")),
		       to = index_of(&names, text_in(v, "to"));

		if (line_of(v) == LINE_DOTTED || line_of(v) == LINE_DASHED) {
			add_kinds(v, &label);
			str_add(&label, " ");
		}
		add_label(v, &label);
		if (!from || !to)
			continue;
		str_fmt(out, "    n%zu %s", from, arrows[line_of(v)]);
		if (label.n) {
			str_add(out, "|\"");
			add_escaped(out, str_text(&label));
			str_add(out, "\"|");
		}
		str_fmt(out, " n%zu\n", to);
	}
	map_release(&names);
}

/* ---- SVG --------------------------------------------------------------------------------- */

#define ROW_NONE SIZE_MAX /* a line from a composite to one of its actions */

struct canvas {
	struct layout l;
	const json_t *nodes, *edges;
	size_t *edge_rows; /* of l.edges: which of `edges` */
};

static void add_canvas_edge(struct canvas *c, size_t from, size_t to, size_t row)
{
	c->edge_rows[c->l.n_edges] = row;
	c->l.edges[c->l.n_edges++] =
	    (struct layout_edge){.from = (uint32_t)from, .to = (uint32_t)to};
}

static void canvas_init(struct canvas *c, const json_t *graph)
{
	struct map names = index_nodes(graph);
	json_t *v;
	size_t i;

	*c = (struct canvas){
	    .nodes = json_object_get(graph, "nodes"), .edges = json_object_get(graph, "edges")};
	c->l.gap_x = 22;
	c->l.gap_y = 54;
	c->l.n_nodes = json_array_size(c->nodes);
	c->l.nodes = mem_new((c->l.n_nodes + 1) * sizeof(*c->l.nodes));
	size_t lines = json_array_size(c->edges) + c->l.n_nodes, service = 0;
	c->l.edges = mem_new((lines + 1) * sizeof(*c->l.edges));
	c->edge_rows = mem_new((lines + 1) * sizeof(*c->edge_rows));
	json_array_foreach (c->nodes, i, v) {
		size_t name = strlen(text_in(v, "name")), state = strlen(text_in(v, "state"));
		double chars = (double)(name > state ? name : state);

		c->l.nodes[i].width = chars * CHAR_WIDTH + 22;
		c->l.nodes[i].height = NODE_HIGH;
		if (hangs_below(c->nodes, i, &service))
			add_canvas_edge(c, service, i, ROW_NONE);
	}
	json_array_foreach (c->edges, i, v) {
		size_t from = index_of(&names, text_in(v, "from")),
		       to = index_of(&names, text_in(v, "to"));

		if (from && to && from != to)
			add_canvas_edge(c, from - 1, to - 1, i);
	}
	layout_run(&c->l);
	map_release(&names);
}

static void canvas_release(struct canvas *c)
{
	layout_release(&c->l);
	free(c->l.nodes);
	free(c->l.edges);
	free(c->edge_rows);
}

static void add_curve(struct str *out, struct layout_point from, struct layout_point to)
{
	double middle = (from.y + to.y) / 2;

	str_fmt(out, " C%.1f %.1f %.1f %.1f %.1f %.1f", from.x, middle, to.x, middle, to.x, to.y);
}

/* Only then an edge that does not hold is in the way of somebody. */
static bool is_waiting(const json_t *node)
{
	const char *state = text_in(node, "state");

	return strcmp(state, "waiting_deps") == 0 || strcmp(state, "blocked") == 0 ||
	       strcmp(state, "degraded") == 0 || strcmp(state, "starting") == 0;
}

static void add_svg_edge(
    const struct canvas *c, const struct layout_edge *e, const json_t *row, struct str *out)
{
	static const char *const classes[] = {"r", "w", "a", "c"};
	const struct layout_node *a = &c->l.nodes[e->from], *b = &c->l.nodes[e->to];
	bool down = a->y < b->y;
	struct layout_point at = {a->x, a->y + (down ? NODE_HIGH / 2.0 : -NODE_HIGH / 2.0)},
			    end = {b->x, b->y + (down ? -NODE_HIGH / 2.0 : NODE_HIGH / 2.0)};
	bool unmet = row && is_waiting(json_array_get(c->nodes, e->from)) &&
		     (strcmp(text_in(row, "status"), "waits") == 0 ||
			 strcmp(text_in(row, "status"), "blocked") == 0);
	auto_str label = {0};

	struct layout_point label_at =
	    e->n_bends ? e->bends[e->n_bends / 2]
		       : (struct layout_point){(at.x + end.x) / 2, (at.y + end.y) / 2};
	str_fmt(out, "<path class=\"e %s%s\" d=\"M%.1f %.1f", row ? classes[line_of(row)] : "h",
	    unmet ? " u" : "", at.x, at.y);
	for (size_t i = 0; i < e->n_bends; i++) {
		add_curve(out, at, e->bends[i]);
		at = e->bends[i];
	}
	add_curve(out, at, end);
	str_add(out, "\"/>\n");
	if (row)
		add_label(row, &label);
	if (!label.n)
		return;
	str_fmt(out, "<text class=\"g\" x=\"%.1f\" y=\"%.1f\">", label_at.x, label_at.y + 3);
	add_escaped(out, str_text(&label));
	str_add(out, "</text>\n");
}

static void add_svg_node(const struct layout_node *n, const json_t *row, struct str *out)
{
	const struct look *look = look_of(row);
	bool outside = json_is_true(json_object_get(row, "external")),
	     missing = strcmp(look->state, "missing") == 0;
	const char *state = text_in(row, "state");

	str_fmt(out,
	    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"%d\" fill=\"%s\" "
	    "stroke=\"%s\"%s/>\n<text x=\"%.1f\" y=\"%.1f\">",
	    n->x - n->width / 2, n->y - NODE_HIGH / 2.0, n->width, NODE_HIGH, outside ? 19 : 6,
	    look->fill, look->border, outside || missing ? " stroke-dasharray=\"4 3\"" : "", n->x,
	    n->y + (*state ? -2 : 4));
	add_escaped(out, text_in(row, "name"));
	str_add(out, "</text>\n");
	if (*state)
		str_fmt(out, "<text class=\"s\" fill=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
		    look->border, n->x, n->y + 12, state);
}

void drawing_svg(const json_t *graph, struct str *out)
{
	struct canvas c;

	canvas_init(&c, graph);
	double width = c.l.width + 2 * MARGIN, height = c.l.height + 2 * MARGIN;
	str_fmt(out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
	    "viewBox=\"%d %d %.0f %.0f\">\n",
	    width, height, -MARGIN, -MARGIN, width, height);
	str_add(out,
	    "<style>text{font:12px 'DejaVu "
	    "Sans',Verdana,sans-serif;text-anchor:middle;fill:#1c1c1c}"
	    "text.s{font-size:10px}text.g{font-size:10px;fill:#444;paint-order:stroke;stroke:#fff;"
	    "stroke-width:4px}.e{fill:none;stroke:#555;stroke-width:1.3;marker-end:url(#t)}"
	    ".w{stroke-dasharray:6 4}.a{stroke-dasharray:2 3}.u{stroke:#c77700;stroke-width:2}"
	    ".c{stroke:#c03030;marker-end:none}.h{stroke:#bbb;marker-end:none}</style>\n"
	    "<defs><marker id=\"t\" markerWidth=\"9\" markerHeight=\"8\" refX=\"8\" refY=\"4\" "
	    "orient=\"auto\" markerUnits=\"userSpaceOnUse\"><path d=\"M0 0L9 4L0 8z\" "
	    "fill=\"#555\"/></marker></defs>\n");
	str_fmt(out, "<rect x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n",
	    -MARGIN, -MARGIN, width, height);
	for (size_t i = 0; i < c.l.n_edges; i++)
		add_svg_edge(&c, &c.l.edges[i],
		    c.edge_rows[i] == ROW_NONE ? NULL : json_array_get(c.edges, c.edge_rows[i]),
		    out);
	for (size_t i = 0; i < c.l.n_nodes; i++)
		add_svg_node(&c.l.nodes[i], json_array_get(c.nodes, i), out);
	str_add(out, "</svg>\n");
	canvas_release(&c);
}
