/*
 * order.c - circles of order edges, and conflicts inside a hard closure (SPEC 2.3, 2.5.6).
 *
 * Nodes are services and their actions: a service stands before its actions
 * (it is ready when they are), an action before what its edges lead to.  Only
 * what can be reached from the changed entries is built, so a registration
 * pays for its own closure, not for the registry.
 */
#include "graph/digraph.h"
#include "registry/state.h"

#define MEMBERSHIP UINT32_MAX /* payload of the edge from a service to its action */

struct link {
	const struct entry *entry;
	const struct action_def *action;
	const struct dep *dep;
};
struct links {
	struct link *v;
	size_t n, cap;
};
struct order {
	struct judge *j;
	struct digraph g;
	struct links links;	 /* the payloads */
	struct entry_list found; /* in the order of discovery; also the queue */
};

static void discover(struct order *o, struct entry *e)
{
	if (e->seen == o->j->reg->search)
		return;
	e->seen = o->j->reg->search;
	e->node = digraph_add_node(&o->g);
	for (size_t i = 0; i < e->def.actions.n; i++)
		digraph_add_node(&o->g);
	entry_list_add(&o->found, e);
}

static uint32_t node_of(const struct entry *e, const char *action)
{
	const struct action_def *a = action ? service_find_action(&e->def, action) : NULL;

	return a ? e->node + 1 + (uint32_t)(a - e->def.actions.v) : e->node;
}

static struct entry *target_of(const struct order *o, struct entry *e, const struct dep *d)
{
	switch (d->resolved.rule) {
	case RESOLVED_SAME_SERVICE: return e;
	case RESOLVED_SERVICE:
	case RESOLVED_ACTION: return registry_entry(o->j->reg, d->resolved.service);
	case RESOLVED_NOTHING:
	case RESOLVED_GATE:
	case RESOLVED_AMBIGUOUS:
	case RESOLVED_RULE_COUNT: break;
	}
	return NULL;
}

static void add_deps(struct order *o, struct entry *e, const struct action_def *a, uint32_t from,
    const struct dep_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct dep *d = &l->v[i];
		struct entry *t = (d->kinds & DEP_ORDERS) ? target_of(o, e, d) : NULL;

		if (!t)
			continue;
		discover(o, t);
		digraph_add_edge(&o->g, from, node_of(t, d->resolved.action), (uint32_t)o->links.n);
		*vec_push(&o->links) = (struct link){e, a, d};
	}
}

static void add_entry(struct order *o, struct entry *e)
{
	bool is_target = true;

	for (size_t i = 0; i < e->def.actions.n; i++) {
		const struct action_def *a = &e->def.actions.v[i];
		uint32_t node = e->node + 1 + (uint32_t)i;

		if (!action_is_started(a))
			continue;
		is_target = false;
		digraph_add_edge(&o->g, e->node, node, MEMBERSHIP);
		add_deps(o, e, a, node, &a->depends_on);
	}
	if (is_target)
		add_deps(o, e, NULL, e->node, &e->def.dependencies);
}

static void build(struct order *o, const struct entry_list *roots)
{
	o->j->reg->search++;
	for (size_t i = 0; i < roots->n; i++)
		discover(o, roots->v[i]);
	for (size_t i = 0; i < o->found.n; i++)
		add_entry(o, o->found.v[i]);
	digraph_seal(&o->g);
}

static void order_release(struct order *o)
{
	digraph_release(&o->g);
	free(o->links.v);
	free(o->found.v);
}

/* A service with one action is called by its own name, else "service/action". */
static void subject_fmt(struct str *out, const struct entry *e, const char *action)
{
	if (action && e->def.actions.n > 1)
		str_fmt(out, "%s/%s", e->name, action);
	else
		str_add(out, e->name);
}

static const char *kinds_text(unsigned kinds)
{
	if (kinds & DEP_REQUIRES)
		return "requires";
	return kinds & DEP_WANTS ? "wants+after" : "after";
}

static char *link_text(struct order *o, const struct link *l)
{
	auto_str t = {0};
	const struct entry *target = l->dep->resolved.rule == RESOLVED_SAME_SERVICE
					 ? l->entry
					 : registry_entry(o->j->reg, l->dep->resolved.service);

	subject_fmt(&t, l->entry, l->action ? l->action->name : NULL);
	str_fmt(&t, " %s ", kinds_text(l->dep->kinds));
	subject_fmt(&t, target, l->dep->resolved.action);
	str_fmt(&t, " (%s)", l->dep->source_text);
	return str_take(&t);
}

static void links_of(const struct order *o, const struct digraph_path *p, struct links *out)
{
	for (size_t i = 0; i < p->n; i++) {
		uint32_t payload = o->g.v[p->v[i]].payload;

		if (payload != MEMBERSHIP)
			*vec_push(out) = o->links.v[payload];
	}
}

static void chain_fmt(struct order *o, const struct links *path, size_t begin, struct str *out)
{
	for (size_t i = 0; i < path->n; i++) {
		auto_free char *text = link_text(o, &path->v[(begin + i) % path->n]);

		str_fmt(out, "%s%s", i ? " -> " : "", text);
		if (o->j->chain)
			strv_add(o->j->chain, text);
	}
}

/* The same circle is told the same way whoever closes it: the smallest name first. */
static size_t smallest(const struct links *path)
{
	size_t at = 0;

	for (size_t i = 1; i < path->n; i++)
		if (strcmp(path->v[i].entry->name, path->v[at].entry->name) < 0)
			at = i;
	return at;
}

/* Blamed is the edge of an entry that this transaction brought, if it brought few. */
static void refuse_cycle(
    struct order *o, const struct digraph_path *p, const struct entry_list *roots, size_t n_changed)
{
	struct links path = {0};
	const struct link *at;
	auto_str text = {0};

	links_of(o, p, &path);
	chain_fmt(o, &path, smallest(&path), &text);
	at = &path.v[smallest(&path)];
	for (size_t i = 0; i < path.n; i++)
		for (size_t k = 0; k < n_changed && n_changed < 64; k++)
			if (path.v[i].entry == roots->v[k])
				at = &path.v[i];
	judge_refuse(o->j, at->entry, ERR_CYCLE, &at->dep->source, "depends_on",
	    "remove one of these edges, or make it `wants`", "order edges form a cycle: %s",
	    text.s);
	free(path.v);
}

static bool is_in_conflict(const struct registry *reg, const struct entry *e)
{
	return e->def.conflicts.n || registry_claim(reg, "conflict", e->name);
}

/* A member of a group can be done without. */
static bool is_needed(const struct dep *d)
{
	return (d->kinds & DEP_REQUIRES) && !d->any.n;
}

/* Order edges that are not hard lead out of the hard closure. */
static void keep_hard(const struct order *all, struct order *hard)
{
	for (uint32_t i = 0; i < all->g.n_nodes; i++)
		digraph_add_node(&hard->g);
	for (size_t i = 0; i < all->g.n; i++) {
		const struct digraph_edge *edge = &all->g.v[i];

		if (edge->payload == MEMBERSHIP || is_needed(all->links.v[edge->payload].dep))
			digraph_add_edge(&hard->g, edge->from, edge->to, edge->payload);
	}
	digraph_seal(&hard->g);
}

static void reverse(const struct digraph *g, struct digraph *out)
{
	digraph_init(out);
	out->n_nodes = g->n_nodes;
	for (size_t i = 0; i < g->n; i++)
		digraph_add_edge(out, g->v[i].to, g->v[i].from, 0);
	digraph_seal(out);
}

static void refuse_conflict(struct order *o, const struct digraph *hard, const struct entry *root,
    const struct entry *x, const struct entry *y)
{
	const struct entry *ends[] = {x, y};
	struct digraph_path p = {0};
	auto_str text = {0};

	for (size_t i = 0; i < 2; i++) {
		struct links path = {0};

		if (!digraph_find_path(hard, root->node, ends[i]->node, &p))
			continue;
		for (size_t k = 0; k < p.n; k++)
			if (hard->v[p.v[k]].payload != MEMBERSHIP)
				*vec_push(&path) = o->links.v[hard->v[p.v[k]].payload];
		if (path.n && text.n)
			str_add(&text, "; ");
		if (path.n)
			chain_fmt(o, &path, 0, &text);
		free(path.v);
	}
	digraph_path_release(&p);
	judge_refuse(o->j, root, ERR_CONFLICT, &x->def.source, "conflicts",
	    "a service can not require both", "`%s` conflicts with `%s`, and `%s` needs both: %s",
	    x->name, y->name, root->name, text.s);
}

/* A service reached backwards from both ends needs both. */
static void check_pair(struct order *o, const struct digraph *hard, const struct digraph *back,
    const struct entry *x, const struct entry *y)
{
	auto_free bool *needs_x = mem_new(back->n_nodes), *needs_y = mem_new(back->n_nodes);
	const struct entry *root = NULL;

	digraph_reach(back, x->node, needs_x);
	digraph_reach(back, y->node, needs_y);
	for (size_t i = 0; i < o->found.n; i++) {
		const struct entry *e = o->found.v[i];

		if (needs_x[e->node] && needs_y[e->node] &&
		    (!root || strcmp(e->name, root->name) < 0))
			root = e;
	}
	if (root)
		refuse_conflict(o, hard, root, x, y);
}

/* Whoever needs both ends may be any service above the changed ones: the whole
 * registry is built, but only when a conflict is near what changed. */
static void check_conflicts(struct judge *j, const struct order *near)
{
	struct order all = {.j = j}, hard = {.j = j};
	struct digraph back;
	struct entry_list everything = {0};
	bool concerned = false;

	for (size_t i = 0; i < near->found.n && !concerned; i++)
		concerned = is_in_conflict(j->reg, near->found.v[i]);
	if (!concerned)
		return;
	for (size_t i = 0; i < j->reg->entries.n; i++)
		if (!entry_is_loose(j->reg->entries.v[i]))
			entry_list_add(&everything, j->reg->entries.v[i]);
	for (size_t i = 0; i < near->found.n; i++) /* a run is in no index */
		if (near->found.v[i]->def.is_run)
			entry_list_add(&everything, near->found.v[i]);
	build(&all, &everything);
	keep_hard(&all, &hard);
	reverse(&hard.g, &back);
	bool *is_near = mem_new(all.g.n_nodes);

	for (size_t i = 0; i < near->found.n; i++)
		is_near[near->found.v[i]->node] = true;
	for (size_t i = 0; i < all.found.n && j->code == ERR_OK; i++) {
		const struct entry *x = all.found.v[i];

		for (size_t k = 0; k < x->def.conflicts.n && j->code == ERR_OK; k++) {
			const struct entry *y = registry_entry(j->reg, x->def.conflicts.v[k]);

			if (y && y != x && (is_near[x->node] || is_near[y->node]))
				check_pair(&all, &hard.g, &back, x, y);
		}
	}
	free(is_near);
	digraph_release(&back);
	order_release(&hard);
	order_release(&all);
	free(everything.v);
}

void check_order(struct judge *j, const struct entry_list *roots, size_t n_changed)
{
	struct order o = {.j = j};
	struct digraph_path p = {0};

	if (!roots->n)
		return;
	build(&o, roots);
	if (digraph_find_cycle(&o.g, &p))
		refuse_cycle(&o, &p, roots, n_changed);
	else if (j->reg->n_conflicts)
		check_conflicts(j, &o);
	digraph_path_release(&p);
	order_release(&o);
}
