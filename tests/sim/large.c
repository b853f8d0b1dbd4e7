#include "large.h"

#include "engine/engine.h"
#include "shape.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/*
 * The world here is smaller than world.c: no gates, nobody ignores TERM.  It judges each
 * execution and each stop by the edges of that one node, so that judging is linear too.
 */
enum kind { NODE_SERVICE, NODE_ONCE, NODE_TARGET };

struct node {
	char name[12];
	enum kind kind;
	uint32_t first_out, first_in; /* into large.out and large.in; the next node's is the end */
	uint64_t token;
	bool alive, holds; /* holds: it is ready, or it is a one-shot that succeeded */
	uint32_t unheld;   /* of a target: hard edges that do not hold */
	uint32_t executions;
};

struct happening { /* of a process */
	msec at;
	uint64_t token;
	uint32_t node;
	enum { EXECUTED, READY, EXITED, KILLED } what;
};

struct large {
	struct shape_graph g;
	struct node *nodes;    /* n + 1 */
	struct shape_edge *in; /* the edges again, by `to` */
	uint32_t *of_unit;
	struct engine *en;
	uint64_t rng;
	msec now;
	struct {
		struct happening *v;
		size_t n, cap;
	} heap, torn;	/* torn: scratch of the failures */
	uint32_t *todo; /* scratch of hold_changed() */
	unsigned long executions, happenings, broken;
	unsigned stop_order; /* DEP_*: kinds whose dependents are to be gone first */
	double judging;	     /* seconds that are not the engine's */
};

static uint32_t draw(struct large *w, uint32_t below)
{
	uint64_t z = w->rng += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) % below);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void broke(struct large *w, const char *fmt, ...) attr_fmt(2, 3);
static void broke(struct large *w, const char *fmt, ...)
{
	va_list ap;

	if (w->broken++ > 5)
		return;
	va_start(ap, fmt);
	printf("  BROKEN at %lld: ", (long long)w->now);
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

/* ---- what will happen ------------------------------------------------------------------ */

static void later(struct large *w, msec at, uint32_t node, int what)
{
	size_t i = w->heap.n;

	vec_push(&w->heap);
	struct happening *h = w->heap.v;
	for (; i && h[(i - 1) / 2].at > at; i = (i - 1) / 2)
		h[i] = h[(i - 1) / 2];
	h[i] = (struct happening){at, w->nodes[node].token, node, (unsigned)what};
}

static struct happening soonest(struct large *w)
{
	struct happening *h = w->heap.v, top = h[0], last = h[--w->heap.n];
	size_t i = 0, n = w->heap.n;

	for (size_t c = 1; c < n; i = c, c = 2 * i + 1) {
		c += c + 1 < n && h[c + 1].at < h[c].at;
		if (h[c].at >= last.at)
			break;
		h[i] = h[c];
	}
	h[i] = last;
	return top;
}

/* ---- what is true, by the world's own books ---------------------------------------------- */

#define for_needs(w, i, e)                                                          \
	for (const struct shape_edge *e = (w)->g.edges.v + (w)->nodes[i].first_out; \
	     e < (w)->g.edges.v + (w)->nodes[(i) + 1].first_out; e++)
#define for_dependents(w, i, e)                                             \
	for (const struct shape_edge *e = (w)->in + (w)->nodes[i].first_in; \
	     e < (w)->in + (w)->nodes[(i) + 1].first_in; e++)

/* A target holds while all that it requires does; chains of them are a queue here too. */
static void hold_changed(struct large *w, uint32_t node, bool holds)
{
	size_t n = 0;

	if (w->nodes[node].holds == holds)
		return;
	w->nodes[node].holds = holds;
	w->todo[n++] = node;
	while (n) {
		uint32_t at = w->todo[--n];

		for_dependents(w, at, e)
		{
			struct node *d = &w->nodes[e->from];

			if (d->kind != NODE_TARGET || !(e->kinds & DEP_REQUIRES))
				continue;
			d->unheld += w->nodes[at].holds ? (uint32_t)-1 : 1u;
			if (d->holds == (d->unheld == 0))
				continue;
			d->holds = d->unheld == 0;
			w->todo[n++] = e->from;
		}
	}
}

static void judge_spawn(struct large *w, uint32_t node)
{
	if (w->nodes[node].alive)
		broke(w, "two processes of %s", w->nodes[node].name);
	for_needs(w, node, e) if ((e->kinds & DEP_REQUIRES) && !w->nodes[e->to].holds) broke(
	    w, "%s is executed, and %s does not hold", w->nodes[node].name, w->nodes[e->to].name);
}

static void judge_stop(struct large *w, uint32_t node)
{
	for_dependents(w, node, e) if ((e->kinds & w->stop_order) && w->nodes[e->from].alive)
	    broke(w, "%s is told to stop before %s", w->nodes[node].name, w->nodes[e->from].name);
}

/* ---- effects out, news in ------------------------------------------------------------------ */

static void spawned(struct large *w, const struct effect *fx)
{
	uint32_t i = w->of_unit[fx->unit];
	struct node *n = &w->nodes[i];

	judge_spawn(w, i);
	hold_changed(w, i, false);
	n->alive = true;
	n->token = fx->token;
	n->executions++;
	w->executions++;
	later(w, w->now + draw(w, 3), i, EXECUTED);
}

static void told_to_stop(struct large *w, const struct effect *fx)
{
	uint32_t i = w->of_unit[fx->unit];

	if (fx->kind == EFFECT_TERM)
		judge_stop(w, i);
	hold_changed(w, i, false);
	later(w, w->now + 1 + draw(w, 20), i, KILLED);
}

static void perform(struct large *w)
{
	double begin = seconds();
	size_t n;
	const struct effect *fx = engine_effects(w->en, &n);

	for (size_t i = 0; i < n; i++) {
		if (fx[i].kind == EFFECT_SPAWN)
			spawned(w, &fx[i]);
		else if (fx[i].kind == EFFECT_TERM || fx[i].kind == EFFECT_KILL)
			told_to_stop(w, &fx[i]);
	}
	engine_effects_clear(w->en);
	w->judging += seconds() - begin;
}

static void exited(struct large *w, uint32_t i, bool success)
{
	struct node *n = &w->nodes[i];
	const struct job_exit x = {.code = success ? 0 : 1, .success = success, .empty = true};

	n->alive = false;
	hold_changed(w, i, n->kind == NODE_ONCE && success);
	engine_exited(w->en, w->now, n->token, &x);
}

static void happen(struct large *w, struct happening h)
{
	struct node *n = &w->nodes[h.node];

	if (!n->alive || n->token != h.token)
		return;
	w->happenings++;
	switch (h.what) {
	case EXECUTED:
		engine_executed(w->en, w->now, n->token);
		later(w, w->now + draw(w, 300), h.node, n->kind == NODE_ONCE ? EXITED : READY);
		break;
	case READY:
		hold_changed(w, h.node, true);
		engine_ready(w->en, w->now, n->token);
		break;
	case EXITED:
	case KILLED: exited(w, h.node, h.what == EXITED); break;
	}
	perform(w);
}

/* Until nothing moves: no process has anything before it, and the operation is over. */
static void settle(struct large *w)
{
	for (;;) {
		msec timer = engine_deadline(w->en);

		if (w->heap.n && w->heap.v[0].at <= timer) {
			struct happening h = soonest(w);

			w->now = h.at > w->now ? h.at : w->now;
			happen(w, h);
		} else if (timer != MSEC_NEVER && timer < w->now + 60000) {
			w->now = timer > w->now ? timer : w->now;
			engine_tick(w->en, w->now);
			perform(w);
		} else {
			return;
		}
	}
}

/* ---- the story ------------------------------------------------------------------------------- */

static void define(struct large *w, uint32_t i)
{
	struct node *n = &w->nodes[i];
	uint32_t first = n->first_out, count = w->nodes[i + 1].first_out - first;
	struct engine_edge_spec *edges = mem_new((count + 1) * sizeof(*edges));

	for (uint32_t k = 0; k < count; k++) {
		const struct shape_edge *e = &w->g.edges.v[first + k];

		edges[k] = (struct engine_edge_spec){.kinds = e->kinds,
		    .service = w->nodes[e->to].name,
		    .key = w->nodes[e->to].name,
		    .source = "x"};
	}
	const struct engine_job_spec job = {n->name,
	    {.one_shot = n->kind == NODE_ONCE,
		.readiness = n->kind == NODE_SERVICE,
		.restart = n->kind == NODE_ONCE ? RESTART_NEVER : RESTART_ALWAYS,
		.delay = 100,
		.factor = 2,
		.delay_max = 3000,
		.stability = 10000,
		.stop_timeout = 10000},
	    edges, count};
	const struct engine_unit_spec spec = {.name = n->name,
	    .revision = 1,
	    .jobs = n->kind == NODE_TARGET ? NULL : &job,
	    .n_jobs = n->kind != NODE_TARGET,
	    .edges = n->kind == NODE_TARGET ? edges : NULL,
	    .n_edges = n->kind == NODE_TARGET ? count : 0};
	unit_id u = engine_define(w->en, 0, &spec);
	w->of_unit[u] = i;
	free(edges);
}

static void index_edges(struct large *w)
{
	uint32_t n = w->g.n, *at = mem_new((n + 1) * sizeof(*at));

	for (size_t k = 0; k < w->g.edges.n; k++) {
		w->nodes[w->g.edges.v[k].from + 1].first_out++;
		w->nodes[w->g.edges.v[k].to + 1].first_in++;
	}
	for (uint32_t i = 0; i < n; i++) {
		w->nodes[i + 1].first_out += w->nodes[i].first_out;
		w->nodes[i + 1].first_in += w->nodes[i].first_in;
	}
	for (size_t k = 0; k < w->g.edges.n; k++) {
		const struct shape_edge *e = &w->g.edges.v[k];

		w->in[w->nodes[e->to].first_in + at[e->to]++] = *e;
		if (w->nodes[e->from].kind == NODE_TARGET)
			w->nodes[e->from].unheld += !!(e->kinds & DEP_REQUIRES);
	}
	free(at);
}

static void large_init(struct large *w, enum shape shape, uint32_t n, uint64_t seed)
{
	bool mixed = shape == SHAPE_SPARSE || shape == SHAPE_DENSE;

	*w = (struct large){.rng = seed, .now = 1000};
	shape_graph_init(&w->g, shape, n, seed);
	w->nodes = mem_new((n + 1) * sizeof(*w->nodes));
	w->in = mem_new((w->g.edges.n + 1) * sizeof(*w->in));
	w->of_unit = mem_new((n + 1) * sizeof(*w->of_unit));
	w->todo = mem_new((n + w->g.edges.n + 1) * sizeof(*w->todo));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t what = mixed ? draw(w, 10) : 9;

		snprintf(w->nodes[i].name, sizeof(w->nodes[i].name), "n%u", i % 1000000);
		w->nodes[i].kind = what == 0 ? NODE_ONCE : what == 1 ? NODE_TARGET : NODE_SERVICE;
	}
	index_edges(w);
	/* a target holds from the beginning if it requires nothing; rows come before who needs them
	 */
	for (uint32_t i = 0; i < n; i++)
		if (w->nodes[i].kind == NODE_TARGET && !w->nodes[i].unheld)
			hold_changed(w, i, true);
	w->en = engine_new(seed);
}

static void large_release(struct large *w)
{
	engine_free(w->en);
	shape_graph_release(&w->g);
	free(w->nodes);
	free(w->in);
	free(w->of_unit);
	free(w->todo);
	free(w->heap.v);
}

/* Every operation of a kind world reaches what was asked. */
static size_t request(struct large *w, enum op_kind kind, uint32_t first, uint32_t count)
{
	const char **names = mem_new(count * sizeof(*names));
	struct strv chain = {0};
	struct error e = {0};
	struct op_view op = {0};
	op_id id = 0;

	for (uint32_t i = 0; i < count; i++)
		names[i] = w->nodes[first + i].name;
	const struct engine_request rq = {.kind = kind, .names = names, .n_names = count};
	if (engine_request(w->en, w->now, &rq, &id, &chain, &e))
		broke(w, "%s was refused: %s", op_kind_str(kind), e.msg);
	perform(w);
	settle(w);
	if (!engine_op(w->en, id, &op) || op.state != OP_DONE)
		broke(w, "%s of %s ended %s: %s", op_kind_str(kind), names[0],
		    op_state_str(op.state), op.message ? op.message : "");
	size_t steps = op.n_steps;
	engine_op_forget(w->en, id);
	strv_release(&chain);
	free(names);
	return steps;
}

static size_t plan(struct large *w)
{
	const char **names = mem_new(w->g.n * sizeof(*names));
	struct op_plan p = {0};
	struct strv chain = {0};
	struct error e = {0};

	for (uint32_t i = 0; i < w->g.n; i++)
		names[i] = w->nodes[i].name;
	const struct engine_request rq = {.kind = OP_START, .names = names, .n_names = w->g.n};
	if (engine_plan(w->en, w->now, &rq, &p, &chain, &e))
		broke(w, "the plan was refused: %s", e.msg);
	size_t steps = p.n;
	op_plan_release(&p);
	strv_release(&chain);
	free(names);
	return steps;
}

static void judge_rest(struct large *w, bool up)
{
	double begin = seconds();
	struct error e;

	if (engine_check(w->en, &e))
		broke(w, "belief is not a recount: %s", e.msg);
	for (uint32_t i = 0; i < w->g.n; i++) {
		const struct node *n = &w->nodes[i];

		if (n->kind == NODE_TARGET)
			continue;
		if (up ? !n->holds : n->alive)
			broke(w, "%s is %s", n->name, up ? "not up" : "not gone");
	}
	w->judging += seconds() - begin;
}

/* One in a hundred dies, all at the same moment. */
static void tear(struct large *w)
{
	for (uint32_t i = 0; i < w->g.n / 100 + 1; i++) {
		uint32_t at = draw(w, w->g.n);

		if (w->nodes[at].kind == NODE_SERVICE && w->nodes[at].alive)
			later(w, w->now, at, KILLED);
	}
	settle(w);
}

enum phase { DEFINE, PLAN, START, FAIL, RESTART, STOP, AGAIN, DOWN, TOP, PHASES };
static const char *const phase_names[] = {
    "define", "plan", "start", "fail", "restart", "stop", "again", "down", "top"};

/* CPU time of the engine in each phase, in seconds. */
static void tell(struct large *w, double took[PHASES])
{
	uint32_t n = w->g.n;
	size_t planned = 0, done = 0;

	for (enum phase p = DEFINE; p < PHASES; p++) {
		double begin = seconds();

		w->judging = 0;
		switch (p) {
		case DEFINE:
			for (uint32_t i = 0; i < n; i++)
				define(w, i);
			break;
		case PLAN: planned = plan(w); break;
		case START: done = request(w, OP_START, 0, n); break;
		case FAIL: tear(w); break;
		case RESTART: request(w, OP_RESTART, n / 2, 1); break;
		case STOP:
			w->stop_order = DEP_REQUIRES;
			request(w, OP_STOP, n / 2, 1);
			break;
		case AGAIN: request(w, OP_START, 0, n); break;
		case DOWN:
			w->stop_order = DEP_ORDERS;
			request(w, OP_STOP, 0, n);
			break;
		case TOP: /* those that need come first, with what they waited for last time behind
			     them */
			request(w, OP_START, n - 1 - n / 20, n / 20 + 1);
			request(w, OP_STOP, 0, n);
			break;
		case PHASES: break;
		}
		if (p >= START && p != STOP)
			judge_rest(w, p < DOWN);
		took[p] = seconds() - begin - w->judging;
		if (p == START && planned != done)
			broke(w, "%zu steps were planned and %zu done", planned, done);
	}
}

/* n log n, six times over for caches and other tenants (n squared is seven and a half);
 * short phases tell nothing. */
static void judge_growth(struct large *w, const double small[PHASES], const double big[PHASES])
{
	for (enum phase p = DEFINE; p < PHASES; p++)
		if (big[p] > 0.05 && big[p] > small[p] * 10 * 1.34 * 6)
			broke(w, "%s takes %.1f times as long for ten times as much",
			    phase_names[p], big[p] / small[p]);
}

static void print_row(const struct large *w, enum shape shape, const double took[PHASES])
{
	printf("%-8s %6u %7zu", shape_str(shape), w->g.n, w->g.edges.n);
	for (enum phase p = DEFINE; p < PHASES; p++)
		printf(" %8.2f", took[p] * 1000);
	printf(" %9lu %9lu\n", w->executions, w->happenings);
}

unsigned large_run(uint32_t n, uint64_t seed)
{
	unsigned broken = 0;

	printf("%-8s %6s %7s", "shape", "nodes", "edges");
	for (enum phase p = DEFINE; p < PHASES; p++)
		printf(" %8s", phase_names[p]);
	printf(" %9s %9s   (ms of CPU, of the engine alone)\n", "executed", "news");
	for (enum shape s = SHAPE_CHAIN; s < SHAPE_COUNT; s++) {
		double took[2][PHASES];

		for (unsigned big = 0; big < 2; big++) {
			struct large w;

			large_init(&w, s, big ? n : n / 10, seed);
			tell(&w, took[big]);
			print_row(&w, s, took[big]);
			if (big)
				judge_growth(&w, took[0], took[1]);
			broken += (unsigned)w.broken;
			large_release(&w);
		}
	}
	printf("%u rules broken\n", broken);
	return broken;
}
