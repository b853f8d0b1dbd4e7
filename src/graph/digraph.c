#include "graph/digraph.h"

#include "base/str.h"

void digraph_init(struct digraph *g)
{
	*g = (struct digraph){0};
}

void digraph_release(struct digraph *g)
{
	free(g->v);
	free(g->first);
	free(g->out);
	*g = (struct digraph){0};
}

uint32_t digraph_add_node(struct digraph *g)
{
	return g->n_nodes++;
}

void digraph_add_edge(struct digraph *g, uint32_t from, uint32_t to, uint32_t payload)
{
	*vec_push(g) = (struct digraph_edge){from, to, payload};
}

/* Counting sort by `from`; edges of one node keep the order of adding. */
void digraph_seal(struct digraph *g)
{
	g->first = mem_grow(g->first, g->n_nodes + 2u, sizeof(*g->first));
	g->out = mem_grow(g->out, g->n, sizeof(*g->out));
	memset(g->first, 0, (g->n_nodes + 2u) * sizeof(*g->first));
	for (size_t i = 0; i < g->n; i++)
		g->first[g->v[i].from + 2]++;
	for (uint32_t i = 1; i <= g->n_nodes; i++)
		g->first[i + 1] += g->first[i];
	for (size_t i = 0; i < g->n; i++)
		g->out[g->first[g->v[i].from + 1]++] = (uint32_t)i;
}

void digraph_path_release(struct digraph_path *p)
{
	free(p->v);
	*p = (struct digraph_path){0};
}

static void path_set(struct digraph_path *p, const uint32_t *edges, size_t n)
{
	p->n = 0;
	for (size_t i = 0; i < n; i++)
		*vec_push(p) = edges[i];
}

/* Depth first.  The walk from the root is the stack of edges `path`; a node on
 * it is OPEN, and an edge to an OPEN node closes a circle. */
enum { NEW, OPEN, DONE };
struct search {
	const struct digraph *g;
	unsigned char *state;
	uint32_t *next; /* per node: its next out-edge to look at */
	uint32_t *path;
	size_t depth;
};

static bool search_from(struct search *s, uint32_t root, struct digraph_path *out)
{
	const struct digraph *g = s->g;
	uint32_t at = root;

	s->state[at] = OPEN;
	for (;;) {
		if (s->next[at] == g->first[at + 1]) {
			s->state[at] = DONE;
			if (!s->depth)
				return false;
			at = g->v[s->path[--s->depth]].from;
			continue;
		}
		uint32_t edge = g->out[s->next[at]++], to = g->v[edge].to;

		if (s->state[to] == DONE)
			continue;
		s->path[s->depth++] = edge;
		if (s->state[to] == OPEN) {
			size_t begin = s->depth;

			while (g->v[s->path[--begin]].from != to)
				;
			path_set(out, s->path + begin, s->depth - begin);
			return true;
		}
		s->state[at = to] = OPEN;
	}
}

bool digraph_find_cycle(const struct digraph *g, struct digraph_path *out)
{
	auto_free unsigned char *state = mem_new(g->n_nodes);
	auto_free uint32_t *next = mem_grow(NULL, g->n_nodes + 1u, sizeof(*next));
	auto_free uint32_t *path = mem_grow(NULL, g->n_nodes + 1u, sizeof(*path));
	struct search s = {g, state, next, path, 0};

	memcpy(next, g->first, g->n_nodes * sizeof(*next));
	for (uint32_t i = 0; i < g->n_nodes; i++)
		if (state[i] == NEW && search_from(&s, i, out))
			return true;
	return false;
}

bool digraph_find_path(
    const struct digraph *g, uint32_t from, uint32_t to, struct digraph_path *out)
{
	auto_free uint32_t *queue = mem_grow(NULL, g->n_nodes + 1u, sizeof(*queue));
	auto_free uint32_t *by = mem_grow(NULL, g->n_nodes + 1u, sizeof(*by)); /* edge into node */
	uint32_t head = 0, tail = 0;

	memset(by, 0xff, g->n_nodes * sizeof(*by));
	queue[tail++] = from;
	while (head < tail && (to == from || by[to] == DIGRAPH_NONE)) {
		uint32_t at = queue[head++];

		if (at == to)
			break;
		for (uint32_t i = g->first[at]; i < g->first[at + 1]; i++) {
			uint32_t next = g->v[g->out[i]].to;

			if (next == from || by[next] != DIGRAPH_NONE)
				continue;
			by[next] = g->out[i];
			queue[tail++] = next;
		}
	}
	if (to != from && by[to] == DIGRAPH_NONE)
		return false;
	out->n = 0;
	for (uint32_t at = to; at != from; at = g->v[by[at]].from)
		*vec_push(out) = by[at];
	for (size_t i = 0; i < out->n / 2; i++) {
		uint32_t kept = out->v[i];

		out->v[i] = out->v[out->n - 1 - i];
		out->v[out->n - 1 - i] = kept;
	}
	return true;
}

void digraph_reach(const struct digraph *g, uint32_t from, bool *marks)
{
	auto_free uint32_t *stack = mem_grow(NULL, g->n_nodes + 1u, sizeof(*stack));
	size_t depth = 0;

	if (marks[from])
		return;
	marks[from] = true;
	stack[depth++] = from;
	while (depth) {
		uint32_t at = stack[--depth];

		for (uint32_t i = g->first[at]; i < g->first[at + 1]; i++) {
			uint32_t to = g->v[g->out[i]].to;

			if (!marks[to]) {
				marks[to] = true;
				stack[depth++] = to;
			}
		}
	}
}

/* Kahn, from the leaves: a node gets its rank when all it points at have one.
 * Walking edges backwards needs the in-edges: the sealed form of the reverse. */
bool digraph_find_ranks(const struct digraph *g, uint32_t *ranks)
{
	auto_free uint32_t *left = mem_new((g->n_nodes + 1u) * sizeof(*left));
	auto_free uint32_t *queue = mem_grow(NULL, g->n_nodes + 1u, sizeof(*queue));
	struct digraph back = {.n_nodes = g->n_nodes};
	uint32_t head = 0, tail = 0;

	for (size_t i = 0; i < g->n; i++) {
		digraph_add_edge(&back, g->v[i].to, g->v[i].from, 0);
		left[g->v[i].from]++;
	}
	digraph_seal(&back);
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		ranks[i] = 0;
		if (!left[i])
			queue[tail++] = i;
	}
	while (head < tail) {
		uint32_t at = queue[head++];

		for (uint32_t i = back.first[at]; i < back.first[at + 1]; i++) {
			uint32_t from = back.v[back.out[i]].to;

			if (ranks[from] <= ranks[at])
				ranks[from] = ranks[at] + 1;
			if (!--left[from])
				queue[tail++] = from;
		}
	}
	digraph_release(&back);
	return tail == g->n_nodes;
}
