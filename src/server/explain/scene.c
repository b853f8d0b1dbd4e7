#include "server/explain/scene.h"

#include "base/map.h"
#include "base/str.h"

struct building {
	struct scene *s;
	const struct engine *en;
	struct map outside; /* name -> node + 1 */
	uint32_t *last_out; /* by node: where its list of edges ends */
	size_t last_out_cap;
	struct map of_all; /* edges of one composite: what they say -> index + 1 in `said` */
	struct {
		struct said {
			char *words;
			size_t n;      /* actions that have it */
			job_id by;     /* the last one that was counted */
			uint32_t edge; /* the one edge of all, or SCENE_NONE */
		} * v;
		size_t n, cap;
	} said;
};

static uint32_t add_node(struct building *b, struct scene_node node)
{
	struct scene *s = b->s;

	node.first_out = node.first_in = SCENE_NONE;
	*vec_push(&s->nodes) = node;
	if (s->nodes.n > b->last_out_cap) {
		b->last_out_cap = s->nodes.cap;
		b->last_out = mem_grow(b->last_out, b->last_out_cap, sizeof(*b->last_out));
	}
	b->last_out[s->nodes.n - 1] = SCENE_NONE;
	return (uint32_t)s->nodes.n - 1;
}

static uint32_t count_actions(const struct engine *en, unit_id u)
{
	struct job_view j;
	uint32_t n = 0;

	for (size_t i = 0; engine_job_at(en, u, i, &j); i++)
		n += !j.virtual;
	return n;
}

static void add_unit(struct building *b, const struct unit_view *u)
{
	struct scene *s = b->s;
	uint32_t n = count_actions(b->en, u->id);
	struct job_view j;
	uint32_t service = add_node(b, (struct scene_node){.kind = SCENE_SERVICE,
					   .name = text_dup(u->name),
					   .unit = u->id,
					   .job = ID_NONE,
					   .service = SCENE_NONE,
					   .n_actions = n > 1 ? n : 0});

	s->by_unit[u->id] = service;
	for (size_t i = 0; engine_job_at(b->en, u->id, i, &j); i++)
		s->by_job[j.id] = n < 2 || j.virtual
				      ? service
				      : add_node(b, (struct scene_node){.kind = SCENE_ACTION,
							.name = text_fmt("%s/%s", u->name, j.name),
							.unit = u->id,
							.job = j.id,
							.service = service,
							.top = true});
}

/* ---- edges ------------------------------------------------------------------------- */

static uint32_t add_edge(struct building *b, uint32_t from, uint32_t to, const struct edge_view *e)
{
	struct scene *s = b->s;
	uint32_t id = (uint32_t)s->edges.n;

	*vec_push(&s->edges) = (struct scene_edge){.from = from,
	    .to = to,
	    .id = e->id,
	    .status = e->status,
	    .next_out = SCENE_NONE,
	    .next_in = SCENE_NONE};
	if (b->last_out[from] == SCENE_NONE)
		s->nodes.v[from].first_out = id;
	else
		s->edges.v[b->last_out[from]].next_out = id;
	b->last_out[from] = id;
	return id;
}

/* In reverse, so that each list is in order. */
static void link_in_edges(struct scene *s)
{
	for (size_t i = s->edges.n; i-- > 0;) {
		struct scene_node *to = &s->nodes.v[s->edges.v[i].to];

		s->edges.v[i].next_in = to->first_in;
		to->first_in = (uint32_t)i;
	}
}

/* A socket, port or flag that nobody here provides. */
static uint32_t outside_node(struct building *b, const char *name)
{
	void *known = map_get(&b->outside, name);

	if (known)
		return (uint32_t)((uintptr_t)known - 1);
	uint32_t id = add_node(b, (struct scene_node){.kind = SCENE_OUTSIDE,
				      .name = text_dup(name),
				      .unit = ID_NONE,
				      .job = ID_NONE,
				      .service = SCENE_NONE});
	map_put(&b->outside, b->s->nodes.v[id].name, (void *)((uintptr_t)id + 1));
	return id;
}

static uint32_t target_of(struct building *b, const struct edge_view *e)
{
	if (e->to_unit == ID_NONE)
		return outside_node(b, e->target);
	return e->to_job != ID_NONE ? b->s->by_job[e->to_job] : b->s->by_unit[e->to_unit];
}

static char *words_of(const struct edge_view *e)
{
	return text_fmt("%s/%s %u %d %s %u", e->target, e->target_action ? e->target_action : "",
	    e->kinds, (int)e->condition, e->gate_text ? e->gate_text : "", e->group);
}

/* Counts who of a composite has which edge to the outside. */
static void count_edges(struct building *b, const struct scene_node *service)
{
	struct job_view j;
	struct edge_view e;

	for (size_t i = 0; engine_job_at(b->en, service->unit, i, &j); i++)
		for (size_t k = 0; engine_edge_at(b->en, j.id, k, &e); k++) {
			auto_free char *words = words_of(&e);
			size_t at = (size_t)(uintptr_t)map_get(&b->of_all, words);

			if (e.to_unit == service->unit)
				continue;
			if (!at) {
				*vec_push(&b->said) =
				    (struct said){take(words), 0, ID_NONE, SCENE_NONE};
				at = b->said.n;
				map_put(&b->of_all, b->said.v[at - 1].words, (void *)(uintptr_t)at);
			}
			struct said *said = &b->said.v[at - 1];
			said->n += said->by != j.id;
			said->by = j.id;
		}
}

static int badness(enum edge_status s)
{
	return s == EDGE_BLOCKED ? 3 : s == EDGE_WAITS ? 2 : s == EDGE_HOLDS ? 1 : 0;
}

/* What every action of a composite needs is one edge, of the service. */
static void add_edge_of(struct building *b, uint32_t service, job_id job, const struct edge_view *e)
{
	struct scene *s = b->s;
	uint32_t from = s->by_job[job], to = target_of(b, e);
	auto_free char *words = words_of(e);
	size_t at = (size_t)(uintptr_t)map_get(&b->of_all, words);
	struct said *said = at ? &b->said.v[at - 1] : NULL;

	if (s->nodes.v[to].service == service && service != SCENE_NONE && to != from)
		s->nodes.v[to].top = false;
	if (!said || said->n < s->nodes.v[service].n_actions)
		add_edge(b, from, to, e);
	else if (said->edge == SCENE_NONE)
		said->edge = add_edge(b, service, to, e);
	else if (badness(e->status) > badness(s->edges.v[said->edge].status))
		s->edges.v[said->edge].status = e->status;
}

static void forget_counts(struct building *b)
{
	map_release(&b->of_all);
	while (b->said.n)
		free(b->said.v[--b->said.n].words);
}

static void add_edges(struct building *b, uint32_t node)
{
	const struct scene_node service = b->s->nodes.v[node];
	struct job_view j;
	struct edge_view e;

	forget_counts(b);
	if (service.n_actions)
		count_edges(b, &service);
	for (size_t i = 0; engine_job_at(b->en, service.unit, i, &j); i++)
		for (size_t k = 0; engine_edge_at(b->en, j.id, k, &e); k++)
			add_edge_of(b, node, j.id, &e);
}

void scene_init(struct scene *s, const struct engine *en)
{
	struct building b = {.s = s, .en = en};
	size_t n_units = engine_unit_count(en);
	struct unit_view u;

	*s = (struct scene){0};
	s->by_unit = mem_new((n_units + 1) * sizeof(*s->by_unit));
	s->by_job = mem_new((engine_job_count(en) + 1) * sizeof(*s->by_job));
	for (unit_id i = 0; i < n_units; i++) {
		s->by_unit[i] = SCENE_NONE;
		if (engine_unit(en, i, &u))
			add_unit(&b, &u);
	}
	for (uint32_t i = 0, n = (uint32_t)s->nodes.n; i < n; i++)
		if (s->nodes.v[i].kind == SCENE_SERVICE)
			add_edges(&b, i);
	link_in_edges(s);
	map_release(&b.outside);
	forget_counts(&b);
	free(b.said.v);
	free(b.last_out);
}

void scene_release(struct scene *s)
{
	for (size_t i = 0; i < s->nodes.n; i++)
		free(s->nodes.v[i].name);
	free(s->nodes.v);
	free(s->edges.v);
	free(s->by_unit);
	free(s->by_job);
	*s = (struct scene){0};
}
