#include "server/supervise/gates.h"
#include "server/supervise/supervision_state.h"

#include "base/map.h"
#include "probe/gate.h"
#include "server/history/events.h"
#include "server/supervise/perform.h"

struct gate {
	struct gates *gates;
	gate_id id;
	struct gate_watch *watch; /* NULL: a flag, or not understood */
	char *flag, *trouble;
};

struct flag {
	char *name;
	usec_wall since;
};

struct gates {
	struct supervision *d;
	struct gate_hub *hub;
	struct { /* by gate_id; NULL: nobody waits */
		struct gate **v;
		size_t n, cap;
	} open;
	struct map flags; /* struct flag */
};

struct gates *gates_new(struct supervision *d)
{
	struct gates *g = mem_new(sizeof(*g));
	struct error e = {0};

	g->d = d;
	if (gate_hub_new(d->base, &g->hub, &e)) {
		report(REPORT_ERROR, "gates: %s", e.msg);
		abort(); /* the keeper starts another server; this one could start nothing */
	}
	return g;
}

struct gate_hub *gates_hub(const struct supervision *d)
{
	return d->gates->hub;
}

static void gate_free(struct gate *g)
{
	if (!g)
		return;
	gate_watch_free(g->watch);
	free(g->flag);
	free(g->trouble);
	free(g);
}

void gates_free(struct gates *g)
{
	const char *key;
	void *value;

	if (!g)
		return;
	for (size_t i = 0; i < g->open.n; i++)
		gate_free(g->open.v[i]);
	free(g->open.v);
	for (size_t i = 0; map_next(&g->flags, &i, &key, &value);) {
		free(((struct flag *)value)->name);
		free(value);
	}
	map_release(&g->flags);
	gate_hub_free(g->hub);
	free(g);
}

static void opened(struct supervision *d, gate_id id)
{
	engine_gate_open(d->engine, clock_mono(), id);
	perform_effects(d);
}

static void on_open(void *ctx)
{
	struct gate *g = ctx;

	opened(g->gates->d, g->id); /* may drop this gate */
}

#define WAITERS_TOLD 3 /* of thousands that may wait for one gate */

static void on_news(void *ctx, const char *text)
{
	const struct gate *g = ctx;
	struct supervision *d = g->gates->d;
	unit_id unit;

	for (size_t i = 0; i < WAITERS_TOLD && engine_gate_waiter(d->engine, g->id, i, &unit); i++)
		events_note(d->history, unit, NULL, engine_gate_text(d->engine, g->id), text);
}

static struct gate **place(struct gates *g, gate_id id)
{
	while (g->open.n <= id)
		vec_push(&g->open);
	return &g->open.v[id];
}

void gates_watch(struct supervision *d, gate_id id)
{
	const char *text = engine_gate_text(d->engine, id);
	struct gate **at = place(d->gates, id);
	struct error e = {0};

	gate_free(*at);
	struct gate *g = *at = mem_new(sizeof(*g));
	*g = (struct gate){.gates = d->gates, .id = id};
	if (strncmp(text, "flag:", 5) == 0) {
		g->flag = text_dup(text + 5);
		if (map_get(&d->gates->flags, g->flag))
			engine_gate_open(
			    d->engine, clock_mono(), id); /* its effects follow in this pass */
	} else if (gate_watch_new(d->gates->hub, text, on_open, g, &g->watch, &e)) {
		g->trouble = text_dup(e.msg);
		report(REPORT_ERROR, "gate %s: %s", text, e.msg);
	} else {
		gate_watch_on_event(g->watch, on_news, g);
	}
}

void gates_drop(struct supervision *d, gate_id id)
{
	struct gate **at = place(d->gates, id);

	gate_free(*at);
	*at = NULL;
}

const char *gates_last(const struct supervision *d, gate_id id)
{
	const struct gate *g = id < d->gates->open.n ? d->gates->open.v[id] : NULL;

	if (!g)
		return NULL;
	if (g->watch)
		return gate_watch_last(g->watch);
	return g->flag ? "the flag is not set" : g->trouble;
}

/* ---- flags ------------------------------------------------------------------------ */

static void put_flag(struct gates *g, const char *name, usec_wall since)
{
	struct flag *f = mem_new(sizeof(*f));

	f->name = text_dup(name);
	f->since = since;
	map_put(&g->flags, f->name, f);
}

static bool take_flag(const struct store_flag *row, void *ctx)
{
	put_flag(ctx, row->name, row->since);
	return true;
}

enum err gates_load_flags(struct supervision *d, struct error *e)
{
	return store_load_flags(d->store, take_flag, d->gates, e);
}

void gates_store_flags(struct supervision *d)
{
	const char *name;
	usec_wall since;

	for (size_t i = 0; gates_next_flag(d, &i, &name, &since);)
		store_put_flag(d->store, &(struct store_flag){.name = name, .since = since});
}

bool gates_set_flag(struct supervision *d, const char *name)
{
	struct gates *g = d->gates;
	usec_wall now = clock_wall();

	if (map_get(&g->flags, name))
		return false;
	events_flag(d->history, name, true);
	put_flag(g, name, now);
	store_put_flag(d->store, &(struct store_flag){.name = name, .since = now});
	for (size_t i = 0; i < g->open.n; i++)
		if (g->open.v[i] && text_eq(g->open.v[i]->flag, name))
			opened(d, g->open.v[i]->id);
	return true;
}

bool gates_clear_flag(struct supervision *d, const char *name)
{
	struct flag *f = map_remove(&d->gates->flags, name);

	if (!f)
		return false;
	free(f->name);
	free(f);
	store_remove_flag(d->store, name);
	events_flag(d->history, name, false);
	return true;
}

bool gates_next_flag(const struct supervision *d, size_t *i, const char **name, usec_wall *since)
{
	void *value;

	if (!map_next(&d->gates->flags, i, name, &value))
		return false;
	*since = ((struct flag *)value)->since;
	return true;
}
