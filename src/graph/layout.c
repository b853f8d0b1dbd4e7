#include "graph/layout.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define BENDS_MAX 100000 /* beyond, edges are straight lines */
#define SWEEPS	  12
#define SETTLES	  12
#define SHELF_MIN 1400 /* what hangs together nowhere stands side by side up to this width */
#define NONE	  UINT32_MAX

/* A node of the caller, or a point where an edge crosses a layer. */
struct spot {
	uint32_t layer, place; /* place: in its layer, from the left */
	double width, x, y, weight;
	uint32_t part; /* of the graph: what hangs together */
};

/* Between neighbouring layers only, from the upper to the lower one. */
struct link {
	uint32_t up, down;
};

/* For each spot, the spots it is linked with in one direction. */
struct near {
	uint32_t *first, *to;
};

struct work {
	struct layout *l;
	struct spot *spots;
	size_t n_spots;
	struct link *links;
	size_t n_links, cap_links;
	uint32_t *layers; /* spots, layer by layer */
	uint32_t *begin;  /* where each layer begins in `layers`; one more at the end */
	size_t n_layers, n_parts;
	uint32_t *first_bend; /* of each edge: its first spot, or NONE */
	bool *turned;	      /* an edge that would close a cycle */
	struct near above, below;
};

/* ---- neighbours ------------------------------------------------------------------ */

static void near_build(
    struct near *n, size_t n_spots, const struct link *links, size_t n_links, bool down)
{
	n->first = mem_new((n_spots + 2) * sizeof(*n->first));
	n->to = mem_new((n_links + 1) * sizeof(*n->to));
	for (size_t i = 0; i < n_links; i++)
		n->first[(down ? links[i].up : links[i].down) + 2]++;
	for (size_t i = 2; i < n_spots + 2; i++)
		n->first[i] += n->first[i - 1];
	for (size_t i = 0; i < n_links; i++) {
		uint32_t at = down ? links[i].up : links[i].down;

		n->to[n->first[at + 1]++] = down ? links[i].down : links[i].up;
	}
}

static void near_free(struct near *n)
{
	free(n->first);
	free(n->to);
}

/* ---- layers ---------------------------------------------------------------------- */

/* The order in which a depth-first walk is finished with each node. */
static void finish_order(const struct near *out, size_t n, uint32_t *finished)
{
	uint32_t *stack = mem_new((n + 1) * sizeof(*stack)),
		 *next = mem_new((n + 1) * sizeof(*next));
	bool *seen = mem_new(n + 1);
	uint32_t count = 0;

	for (size_t root = 0; root < n; root++) {
		size_t top = 0;

		if (!seen[root])
			stack[top++] = (uint32_t)root;
		while (top) {
			uint32_t at = stack[top - 1];

			if (!seen[at]) {
				seen[at] = true;
				next[at] = out->first[at];
			}
			while (next[at] < out->first[at + 1] && seen[out->to[next[at]]])
				next[at]++;
			if (next[at] < out->first[at + 1]) {
				stack[top++] = out->to[next[at]];
				continue;
			}
			finished[at] = count++;
			top--;
		}
	}
	free(stack);
	free(next);
	free(seen);
}

/* A walk finishes with what an edge leads to first, unless the edge closes a cycle. */
static void turn_edges(struct work *w)
{
	const struct layout *l = w->l;
	struct link *links = mem_new((l->n_edges + 1) * sizeof(*links));
	uint32_t *finished = mem_new((l->n_nodes + 1) * sizeof(*finished));
	struct near out;

	for (size_t i = 0; i < l->n_edges; i++)
		links[i] = (struct link){l->edges[i].from, l->edges[i].to};
	near_build(&out, l->n_nodes, links, l->n_edges, true);
	finish_order(&out, l->n_nodes, finished);
	for (size_t i = 0; i < l->n_edges; i++)
		w->turned[i] = finished[links[i].up] <= finished[links[i].down];
	near_free(&out);
	free(links);
	free(finished);
}

static struct link straight(const struct work *w, size_t edge)
{
	const struct layout_edge *e = &w->l->edges[edge];

	return w->turned[edge] ? (struct link){e->to, e->from} : (struct link){e->from, e->to};
}

/* Longest path from above; Kahn's order. */
static void layer_nodes(struct work *w)
{
	size_t n = w->l->n_nodes, head = 0, tail = 0;
	struct link *links = mem_new((w->l->n_edges + 1) * sizeof(*links));
	uint32_t *missing = mem_new((n + 1) * sizeof(*missing)),
		 *queue = mem_new((n + 1) * sizeof(*queue));
	struct near out;

	for (size_t i = 0; i < w->l->n_edges; i++) {
		links[i] = straight(w, i);
		missing[links[i].down] += links[i].up != links[i].down;
	}
	near_build(&out, n, links, w->l->n_edges, true);
	for (size_t i = 0; i < n; i++)
		if (!missing[i])
			queue[tail++] = (uint32_t)i;
	while (head < tail) {
		uint32_t at = queue[head++];

		for (uint32_t k = out.first[at]; k < out.first[at + 1]; k++) {
			uint32_t to = out.to[k];

			if (to == at)
				continue;
			if (w->spots[to].layer < w->spots[at].layer + 1)
				w->spots[to].layer = w->spots[at].layer + 1;
			if (--missing[to] == 0)
				queue[tail++] = to;
		}
	}
	near_free(&out);
	free(links);
	free(missing);
	free(queue);
}

/* What needs nothing above it comes as close to what it leads to as it can. */
static void pull_down(struct work *w)
{
	size_t n = w->l->n_nodes;
	uint32_t *lowest = mem_new((n + 1) * sizeof(*lowest));
	bool *has_above = mem_new(n + 1);

	memset(lowest, 0xff, n * sizeof(*lowest));
	for (size_t i = 0; i < w->l->n_edges; i++) {
		struct link k = straight(w, i);

		if (k.up == k.down)
			continue;
		has_above[k.down] = true;
		if (w->spots[k.down].layer < lowest[k.up])
			lowest[k.up] = w->spots[k.down].layer;
	}
	for (size_t i = 0; i < n; i++)
		if (!has_above[i] && lowest[i] != NONE)
			w->spots[i].layer = lowest[i] - 1;
	free(lowest);
	free(has_above);
}

/* ---- bends ------------------------------------------------------------------------ */

static void add_link(struct work *w, uint32_t up, uint32_t down)
{
	if (w->n_links == w->cap_links) {
		w->cap_links = w->cap_links ? w->cap_links * 2 : 64;
		w->links = realloc(w->links, w->cap_links * sizeof(*w->links));
		if (!w->links)
			abort();
	}
	w->links[w->n_links++] = (struct link){up, down};
}

static size_t count_bends(const struct work *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->l->n_edges; i++) {
		struct link k = straight(w, i);

		if (w->spots[k.down].layer > w->spots[k.up].layer)
			n += w->spots[k.down].layer - w->spots[k.up].layer - 1;
	}
	return n;
}

static void make_links(struct work *w)
{
	size_t bends = count_bends(w), at = w->l->n_nodes;
	bool bent = bends <= BENDS_MAX;

	w->n_spots = at + (bent ? bends : 0);
	w->spots = realloc(w->spots, (w->n_spots + 1) * sizeof(*w->spots));
	if (!w->spots)
		abort();
	for (size_t i = 0; i < w->l->n_edges; i++) {
		struct link k = straight(w, i);
		uint32_t from = k.up, layer = w->spots[k.up].layer;

		w->first_bend[i] = NONE;
		if (k.up == k.down)
			continue;
		if (bent && w->spots[k.down].layer > layer + 1)
			w->first_bend[i] = (uint32_t)at;
		while (bent && ++layer < w->spots[k.down].layer) {
			w->spots[at] = (struct spot){.layer = layer, .width = 4};
			add_link(w, from, (uint32_t)at);
			from = (uint32_t)at++;
		}
		if (w->spots[k.down].layer == w->spots[from].layer + 1)
			add_link(w, from, k.down);
	}
}

/* ---- order in the layers ------------------------------------------------------------ */

static void fill_layers(struct work *w)
{
	for (size_t i = 0; i < w->n_spots; i++)
		if (w->spots[i].layer >= w->n_layers)
			w->n_layers = w->spots[i].layer + 1;
	w->begin = mem_new((w->n_layers + 2) * sizeof(*w->begin));
	w->layers = mem_new((w->n_spots + 1) * sizeof(*w->layers));
	for (size_t i = 0; i < w->n_spots; i++)
		w->begin[w->spots[i].layer + 2]++;
	for (size_t i = 2; i < w->n_layers + 2; i++)
		w->begin[i] += w->begin[i - 1];
	for (size_t i = 0; i < w->n_spots; i++)
		w->layers[w->begin[w->spots[i].layer + 1]++] = (uint32_t)i;
	for (size_t i = 0; i < w->n_layers; i++)
		for (uint32_t k = w->begin[i]; k < w->begin[i + 1]; k++)
			w->spots[w->layers[k]].place = k - w->begin[i];
}

static double mean_place(const struct work *w, uint32_t spot, const struct near *n)
{
	double sum = 0;
	uint32_t first = n->first[spot], end = n->first[spot + 1];

	for (uint32_t k = first; k < end; k++)
		sum += w->spots[n->to[k]].place;
	return end > first ? sum / (end - first) : w->spots[spot].place;
}

static int by_weight(const void *a, const void *b, void *spots)
{
	const struct spot *x = (struct spot *)spots + *(const uint32_t *)a,
			  *y = (struct spot *)spots + *(const uint32_t *)b;

	if (x->weight < y->weight || x->weight > y->weight)
		return x->weight < y->weight ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static void order_layer(struct work *w, size_t layer, const struct near *n)
{
	uint32_t *v = w->layers + w->begin[layer];
	size_t count = w->begin[layer + 1] - w->begin[layer];

	for (size_t i = 0; i < count; i++)
		w->spots[v[i]].weight = mean_place(w, v[i], n);
	qsort_r(v, count, sizeof(*v), by_weight, w->spots);
	for (size_t i = 0; i < count; i++)
		w->spots[v[i]].place = (uint32_t)i;
}

static void order(struct work *w)
{
	for (int sweep = 0; sweep < SWEEPS; sweep++)
		for (size_t i = 1; i < w->n_layers; i++)
			if (sweep % 2)
				order_layer(w, w->n_layers - 1 - i, &w->below);
			else
				order_layer(w, i, &w->above);
}

/* ---- coordinates ----------------------------------------------------------------------- */

static double room(const struct work *w, uint32_t left, uint32_t right)
{
	return (w->spots[left].width + w->spots[right].width) / 2 + w->l->gap_x;
}

/* Nobody overlaps: what was wished is moved apart, half to each side. */
static void keep_apart(struct work *w, size_t layer)
{
	uint32_t *v = w->layers + w->begin[layer];
	size_t n = w->begin[layer + 1] - w->begin[layer];
	double *right = mem_new((n + 1) * sizeof(*right));

	for (size_t i = 0; i < n; i++) { /* as far left as allowed */
		right[i] = w->spots[v[i]].weight;
		if (i && right[i] < right[i - 1] + room(w, v[i - 1], v[i]))
			right[i] = right[i - 1] + room(w, v[i - 1], v[i]);
	}
	double limit = 0;
	for (size_t i = n; i-- > 0;) { /* as far right as allowed */
		double x = w->spots[v[i]].weight;

		if (i + 1 < n && x > limit - room(w, v[i], v[i + 1]))
			x = limit - room(w, v[i], v[i + 1]);
		limit = x;
		w->spots[v[i]].x = (x + right[i]) / 2;
	}
	free(right);
}

static void settle_layer(struct work *w, size_t layer, const struct near *n)
{
	for (uint32_t i = w->begin[layer]; i < w->begin[layer + 1]; i++) {
		uint32_t spot = w->layers[i], first = n->first[spot], end = n->first[spot + 1];
		double sum = 0;

		for (uint32_t k = first; k < end; k++)
			sum += w->spots[n->to[k]].x;
		w->spots[spot].weight = end > first ? sum / (end - first) : w->spots[spot].x;
	}
	keep_apart(w, layer);
}

static void place_across(struct work *w)
{
	for (size_t i = 0; i < w->n_layers; i++) {
		for (uint32_t k = w->begin[i]; k < w->begin[i + 1]; k++)
			w->spots[w->layers[k]].weight = 0;
		keep_apart(w, i);
	}
	for (int turn = 0; turn < SETTLES; turn++)
		for (size_t i = 1; i < w->n_layers; i++)
			if (turn % 2)
				settle_layer(w, w->n_layers - 1 - i, &w->below);
			else
				settle_layer(w, i, &w->above);
}

static double layer_height(const struct work *w, size_t layer)
{
	double height = 0;

	for (uint32_t i = w->begin[layer]; i < w->begin[layer + 1]; i++)
		if (w->layers[i] < w->l->n_nodes && w->l->nodes[w->layers[i]].height > height)
			height = w->l->nodes[w->layers[i]].height;
	return height;
}

static void give_back(struct work *w)
{
	struct layout *l = w->l;
	size_t used = 0;

	for (size_t i = 0; i < l->n_nodes; i++) {
		l->nodes[i].x = w->spots[i].x;
		l->nodes[i].y = w->spots[i].y;
	}
	l->points = mem_new((w->n_spots - l->n_nodes + 1) * sizeof(*l->points));
	for (size_t i = 0; i < l->n_edges; i++) {
		struct layout_edge *e = &l->edges[i];
		struct link k = straight(w, i);

		e->bends = l->points + used;
		e->n_bends = w->first_bend[i] == NONE
				 ? 0
				 : w->spots[k.down].layer - w->spots[k.up].layer - 1;
		for (size_t b = 0; b < e->n_bends; b++) {
			const struct spot *s = &w->spots[w->first_bend[i] + b];
			size_t at = w->turned[i] ? e->n_bends - 1 - b : b;

			e->bends[at] = (struct layout_point){s->x, s->y};
		}
		used += e->n_bends;
	}
}

/* ---- parts that do not hang together ------------------------------------------------------- */

struct box {
	double left, right, top, bottom, dx, dy;
	uint32_t part;
};

static void find_parts(struct work *w)
{
	uint32_t *stack = mem_new((w->n_spots + 1) * sizeof(*stack)), parts = 0;
	const struct near *both[] = {&w->above, &w->below};

	for (size_t root = 0; root < w->n_spots; root++) {
		size_t top = 0;

		if (w->spots[root].part)
			continue;
		w->spots[root].part = ++parts;
		stack[top++] = (uint32_t)root;
		while (top) {
			uint32_t at = stack[--top];

			for (size_t d = 0; d < 2; d++)
				for (uint32_t k = both[d]->first[at]; k < both[d]->first[at + 1];
				     k++) {
					uint32_t to = both[d]->to[k];

					if (w->spots[to].part)
						continue;
					w->spots[to].part = parts;
					stack[top++] = to;
				}
		}
	}
	w->n_parts = parts;
	free(stack);
}

static void measure(const struct work *w, struct box *boxes)
{
	for (size_t i = 0; i < w->n_spots; i++) {
		const struct spot *s = &w->spots[i];
		struct box *b = &boxes[s->part - 1];
		double half = i < w->l->n_nodes ? w->l->nodes[i].height / 2 : 0;
		bool first = !b->part;

		b->part = s->part;
		b->left = first || s->x - s->width / 2 < b->left ? s->x - s->width / 2 : b->left;
		b->right = first || s->x + s->width / 2 > b->right ? s->x + s->width / 2 : b->right;
		b->top = first || s->y - half < b->top ? s->y - half : b->top;
		b->bottom = first || s->y + half > b->bottom ? s->y + half : b->bottom;
	}
}

/* The tallest first, so that a shelf wastes little. */
static int by_height(const void *a, const void *b)
{
	const struct box *x = a, *y = b;
	double i = x->bottom - x->top, j = y->bottom - y->top;

	if (i < j || i > j)
		return i < j ? 1 : -1;
	return x->part < y->part ? -1 : x->part > y->part;
}

static void put_on_shelves(struct layout *l, struct box *boxes, size_t n)
{
	double width = SHELF_MIN, x = 0, y = 0, high = 0;

	for (size_t i = 0; i < n; i++)
		if (boxes[i].right - boxes[i].left > width)
			width = boxes[i].right - boxes[i].left;
	qsort(boxes, n, sizeof(*boxes), by_height);
	for (size_t i = 0; i < n; i++) {
		struct box *b = &boxes[i];

		if (x > 0 && x + b->right - b->left > width) {
			y += high + l->gap_y;
			x = high = 0;
		}
		b->dx = x - b->left;
		b->dy = y - b->top;
		x += b->right - b->left + l->gap_x;
		high = b->bottom - b->top > high ? b->bottom - b->top : high;
		l->width = x - l->gap_x > l->width ? x - l->gap_x : l->width;
		l->height = y + high;
	}
}

static void place_parts(struct work *w)
{
	find_parts(w);
	struct box *boxes = mem_new((w->n_parts + 1) * sizeof(*boxes));
	struct box *by_part = mem_new((w->n_parts + 1) * sizeof(*boxes));

	measure(w, boxes);
	put_on_shelves(w->l, boxes, w->n_parts);
	for (size_t i = 0; i < w->n_parts; i++)
		by_part[boxes[i].part - 1] = boxes[i];
	for (size_t i = 0; i < w->n_spots; i++) {
		w->spots[i].x += by_part[w->spots[i].part - 1].dx;
		w->spots[i].y += by_part[w->spots[i].part - 1].dy;
	}
	free(boxes);
	free(by_part);
}

static void place_down(struct work *w)
{
	double at = 0;

	for (size_t i = 0; i < w->n_layers; i++) {
		double height = layer_height(w, i);

		for (uint32_t k = w->begin[i]; k < w->begin[i + 1]; k++)
			w->spots[w->layers[k]].y = at + height / 2;
		at += height + w->l->gap_y;
	}
}

void layout_run(struct layout *l)
{
	struct work w = {.l = l, .n_spots = l->n_nodes};

	l->width = l->height = 0;
	w.spots = mem_new((l->n_nodes + 1) * sizeof(*w.spots));
	w.turned = mem_new(l->n_edges + 1);
	w.first_bend = mem_new((l->n_edges + 1) * sizeof(*w.first_bend));
	for (size_t i = 0; i < l->n_nodes; i++)
		w.spots[i].width = l->nodes[i].width;
	turn_edges(&w);
	layer_nodes(&w);
	pull_down(&w);
	make_links(&w);
	fill_layers(&w);
	near_build(&w.above, w.n_spots, w.links, w.n_links, false);
	near_build(&w.below, w.n_spots, w.links, w.n_links, true);
	order(&w);
	place_across(&w);
	place_down(&w);
	place_parts(&w);
	give_back(&w);
	near_free(&w.above);
	near_free(&w.below);
	free(w.spots);
	free(w.links);
	free(w.layers);
	free(w.begin);
	free(w.first_bend);
	free(w.turned);
}

void layout_release(struct layout *l)
{
	free(l->points);
	l->points = NULL;
	for (size_t i = 0; i < l->n_edges; i++) {
		l->edges[i].bends = NULL;
		l->edges[i].n_bends = 0;
	}
}
