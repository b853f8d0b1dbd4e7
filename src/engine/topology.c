/* topology.c - the lists of units, jobs, edges and gates; nothing else changes them. */
#include "engine/world.h"

/* ---- allocation by index ------------------------------------------------- */

static unit_id unit_alloc(struct engine *en)
{
	unit_id u = en->free_unit;

	if (u != ID_NONE) {
		en->free_unit = en->units.v[u].next_free;
	} else {
		u = (unit_id)en->units.n;
		vec_push(&en->units);
	}
	en->units.v[u] = (struct unit){.used = true,
	    .first_job = ID_NONE,
	    .last_job = ID_NONE,
	    .first_in = ID_NONE,
	    .first_watch = ID_NONE,
	    .reason_unit = ID_NONE,
	    .conflict_with = ID_NONE,
	    .pulled_by = ID_NONE};
	return u;
}

static job_id job_alloc(struct engine *en)
{
	job_id j = en->free_job;
	uint32_t gen = 0;

	cursors_drop(en);
	if (j != ID_NONE) {
		en->free_job = en->jobs.v[j].next;
		gen = en->jobs.v[j].timer_gen;
	} else {
		j = (job_id)en->jobs.n;
		vec_push(&en->jobs);
	}
	en->jobs.v[j] = (struct job){.used = true,
	    .next = ID_NONE,
	    .first_out = ID_NONE,
	    .last_out = ID_NONE,
	    .first_in = ID_NONE,
	    .timer_gen = gen,
	    .deadline = MSEC_NEVER};
	return j;
}

static edge_id edge_alloc(struct engine *en)
{
	edge_id e = en->free_edge;
	uint32_t gen = 0;

	cursors_drop(en);
	if (e != ID_NONE) {
		en->free_edge = en->edges.v[e].next_out;
		gen = en->edges.v[e].timer_gen;
	} else {
		e = (edge_id)en->edges.n;
		vec_push(&en->edges);
	}
	en->edges.v[e] = (struct edge){.used = true,
	    .to_unit = ID_NONE,
	    .to_job = ID_NONE,
	    .gate = ID_NONE,
	    .next_out = ID_NONE,
	    .next_in = ID_NONE,
	    .prev_in = ID_NONE,
	    .next_gate = ID_NONE,
	    .prev_gate = ID_NONE,
	    .timer_gen = gen,
	    .deadline = MSEC_NEVER};
	return e;
}

unit_id unit_named(struct engine *en, const char *name)
{
	unit_id u = unit_by_name(en, name);

	if (u != ID_NONE)
		return u;
	u = unit_alloc(en);
	en->units.v[u].placeholder = text_dup(name);
	en->units.v[u].name = en->units.v[u].placeholder;
	map_put(&en->by_name, en->units.v[u].name, (void *)((uintptr_t)u + 1));
	unit_touch(en, u);
	return u;
}

/* A name nobody registered and no edge uses any more is forgotten. */
void unit_drop_if_unused(struct engine *en, unit_id u)
{
	struct unit *un = &en->units.v[u];

	if (un->registered || edge_first_in(en, u) != ID_NONE || un->first_job != ID_NONE ||
	    un->first_watch != ID_NONE || un->conflicts.n)
		return;
	map_remove(&en->by_name, un->name);
	free(un->placeholder);
	free(un->conflicts.v);
	*un = (struct unit){.next_free = en->free_unit};
	en->free_unit = u;
}

/* ---- gates --------------------------------------------------------------- */

static gate_id gate_named(struct engine *en, const char *text, unit_id target)
{
	auto_free char *key = text_fmt("%s\x1f%u", text, target);
	void *at = map_get(&en->gate_by_key, key);

	if (at)
		return (gate_id)((uintptr_t)at - 1);
	gate_id g = (gate_id)en->gates.n;
	*vec_push(&en->gates) = (struct gate){.key = take(key), .first_edge = ID_NONE};
	map_put(&en->gate_by_key, en->gates.v[g].key, (void *)((uintptr_t)g + 1));
	return g;
}

/* ---- edges --------------------------------------------------------------- */

/* The list that an edge is in: of the job that it names, or of the whole unit. */
static edge_id *list_of(struct engine *en, const struct edge *ed)
{
	return ed->to_job != ID_NONE ? &en->jobs.v[ed->to_job].first_in
				     : &en->units.v[ed->to_unit].first_in;
}

static void edge_link_in(struct engine *en, edge_id e)
{
	struct edge *ed = &en->edges.v[e];
	edge_id *first = list_of(en, ed);

	ed->next_in = *first;
	ed->prev_in = ID_NONE;
	if (*first != ID_NONE)
		en->edges.v[*first].prev_in = e;
	*first = e;
}

static void edge_unlink_in(struct engine *en, edge_id e)
{
	struct edge *ed = &en->edges.v[e];

	if (ed->prev_in != ID_NONE)
		en->edges.v[ed->prev_in].next_in = ed->next_in;
	else
		*list_of(en, ed) = ed->next_in;
	if (ed->next_in != ID_NONE)
		en->edges.v[ed->next_in].prev_in = ed->prev_in;
}

static void edge_bind(struct engine *en, edge_id e, job_id to)
{
	if (en->edges.v[e].to_job == to)
		return;
	edge_unlink_in(en, e);
	en->edges.v[e].to_job = to;
	edge_link_in(en, e);
}

static void edge_add(struct engine *en, job_id j, const struct engine_edge_spec *is)
{
	edge_id e = edge_alloc(en);
	struct edge *ed = &en->edges.v[e];

	ed->is = is;
	ed->from = j;
	ed->clock_left = is->timeout;
	if (!is->gate_only) {
		unit_id t = unit_named(en, is->service ? is->service : is->key);

		ed = &en->edges.v[e];
		ed->to_unit = t;
		if (is->action)
			ed->to_job = unit_job_named(en, t, is->action);
		edge_link_in(en, e);
	}
	if (is->gate) {
		ed->gate = gate_named(en, is->gate, ed->to_unit);
		en->gates.v[ed->gate].edges++;
	}
	if (en->jobs.v[j].last_out == ID_NONE)
		en->jobs.v[j].first_out = e;
	else
		en->edges.v[en->jobs.v[j].last_out].next_out = e;
	en->jobs.v[j].last_out = e;
}

static void edges_clear(struct engine *en, job_id j)
{
	edge_id next;

	cursors_drop(en);
	for (edge_id e = en->jobs.v[j].first_out; e != ID_NONE; e = next) {
		struct edge *ed = &en->edges.v[e];

		next = ed->next_out;
		edge_leave_gate(en, e);
		if (ed->broken)
			en->units.v[en->jobs.v[j].unit].n_broken--;
		if (ed->to_unit != ID_NONE) {
			unit_id t = ed->to_unit;

			edge_unlink_in(en, e);
			unit_drop_if_unused(en, t);
		}
		ed = &en->edges.v[e];
		if (ed->gate != ID_NONE)
			en->gates.v[ed->gate].edges--;
		*ed = (struct edge){.timer_gen = ed->timer_gen + 1, .next_out = en->free_edge};
		en->free_edge = e;
	}
	en->jobs.v[j].first_out = en->jobs.v[j].last_out = ID_NONE;
	en->jobs.v[j].unmet = en->jobs.v[j].n_blocked = 0;
}

void job_take_spec(struct engine *en, job_id j, struct spec *s, const struct engine_job_spec *is)
{
	struct job *jb = &en->jobs.v[j];

	spec_hold(s);
	job_uncount_stops(en, j); /* counted edges go away with the old definition */
	edges_clear(en, j);
	if (jb->is)
		tally_remove(en, j); /* it knows the name by the old one */
	spec_drop(jb->spec);
	jb->spec = s;
	jb->is = is;
	tally_add(en, j);
	for (size_t i = 0; i < is->n_edges; i++)
		edge_add(en, j, &is->edges[i]);
	job_changed(en, j);
}

static void job_free(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	cursors_drop(en);
	job_leaves_stop(en, j);
	edges_clear(en, j);
	while (jb->first_in != ID_NONE) /* of others, until they find their job again */
		edge_bind(en, jb->first_in, ID_NONE);
	tally_remove(en, j);
	if (jb->token)
		token_remove(en, jb->token);
	spec_drop(jb->spec);
	free(jb->why);
	*jb = (struct job){.timer_gen = jb->timer_gen + 1, .next = en->free_job};
	en->free_job = j;
}

/* Edges that name an action of this unit find their job again. */
static void rebind_in_edges(struct engine *en, unit_id u)
{
	struct ids edges = {0};

	for_in (en, u, e)
		ids_push(&edges, e);
	for (size_t i = 0; i < edges.n; i++) {
		const char *action = en->edges.v[edges.v[i]].is->action;

		edge_bind(en, edges.v[i], action ? unit_job_named(en, u, action) : ID_NONE);
	}
	free(edges.v);
}

static void add_job(struct engine *en, msec now, unit_id u, const struct engine_job_spec *is)
{
	job_id j = job_alloc(en), last = en->units.v[u].last_job;

	*(last == ID_NONE ? &en->units.v[u].first_job : &en->jobs.v[last].next) = j;
	en->units.v[u].last_job = j;
	en->jobs.v[j].unit = u;
	en->jobs.v[j].since = now;
	en->jobs.v[j].core.last.code = -1;
	job_take_spec(en, j, en->units.v[u].spec, is);
}

/* Names of a definition, each once: name -> index + 1. */
static struct map names_of(const struct spec *s)
{
	struct map names = {0};

	for (size_t i = s->is.n_jobs; i-- > 0;)
		map_put(&names, s->is.jobs[i].name, (void *)(uintptr_t)(i + 1));
	return names;
}

static void drop_jobs(struct engine *en, unit_id u, const struct map *stay)
{
	struct unit *un = &en->units.v[u];
	job_id *at = &un->first_job;

	un->last_job = ID_NONE;
	while (*at != ID_NONE) {
		job_id j = *at;

		if (map_get(stay, en->jobs.v[j].is->name)) {
			un->last_job = j;
			at = &en->jobs.v[j].next;
			continue;
		}
		*at = en->jobs.v[j].next;
		job_free(en, j);
	}
}

/* Jobs that stay keep their state; gone actions vanish, new ones are `created`. */
void unit_rebuild(struct engine *en, msec now, unit_id u)
{
	struct spec *s = en->units.v[u].spec;
	struct map names = names_of(s);

	drop_jobs(en, u, &names);
	map_release(&names);
	if (s->is.n_jobs >= en->tallies_from)
		tally_begin(en, u);
	else
		tally_end(en, u);
	for (size_t i = 0; i < s->is.n_jobs; i++) {
		job_id j = unit_job_named(en, u, s->is.jobs[i].name);

		if (j == ID_NONE)
			add_job(en, now, u, &s->is.jobs[i]);
		else if (en->jobs.v[j].spec != s)
			job_take_spec(en, j, s, &s->is.jobs[i]);
	}
	en->units.v[u].definition_changed = false;
	rebind_in_edges(en, u);
}

/* ---- conflicts ----------------------------------------------------------- */

static void mention_remove(struct engine *en, unit_id u, unit_id other)
{
	struct ids *c = &en->units.v[u].conflicts;

	if (en->units.v[u].conflict_with == other) { /* asked anew when it is released */
		en->units.v[u].conflict_with = ID_NONE;
		for_jobs (en, u, j)
			job_recount_later(en, j);
	}
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i] == other) {
			c->v[i] = c->v[--c->n];
			return;
		}
}

static void conflicts_add(struct engine *en, unit_id u, const struct spec *s)
{
	for (size_t i = 0; i < s->is.n_conflicts; i++) {
		unit_id v = unit_named(en, s->is.conflicts[i]);

		if (v == u)
			continue;
		ids_push(&en->units.v[u].conflicts, v);
		ids_push(&en->units.v[v].conflicts, u);
		en->n_mentions += 2;
		unit_touch(en, u);
		unit_touch(en, v);
	}
}

static void conflicts_remove(struct engine *en, unit_id u, const struct spec *s)
{
	for (size_t i = 0; s && i < s->is.n_conflicts; i++) {
		unit_id v = unit_by_name(en, s->is.conflicts[i]);

		if (v == ID_NONE || v == u)
			continue;
		mention_remove(en, u, v);
		mention_remove(en, v, u);
		en->n_mentions -= 2;
		unit_touch(en, u);
		unit_touch(en, v);
		unit_drop_if_unused(en, v);
	}
}

/* ---- definitions --------------------------------------------------------- */

static void unit_set_name(struct engine *en, unit_id u)
{
	struct unit *un = &en->units.v[u];

	map_remove(&en->by_name, un->name);
	un->name = un->spec->is.name;
	map_put(&en->by_name, un->name, (void *)((uintptr_t)u + 1));
	free(take(un->placeholder));
}

void unit_take_spec(struct engine *en, unit_id u, struct spec *take_spec)
{
	const struct spec *old = en->units.v[u].spec;

	en->units.v[u].spec = take_spec;
	unit_set_name(en, u);
	conflicts_add(en, u, take_spec);
	conflicts_remove(en, u, old);
}

void unit_unregister(struct engine *en, unit_id u)
{
	struct unit *un = &en->units.v[u];
	un->live = un->is_run = un->definition_changed = un->stopping = false;
	un->start_after_stop = false;
	un->stop_reason = REASON_NONE;
	un->placeholder = text_dup(un->name);
	map_remove(&en->by_name, un->name);
	un->name = un->placeholder;
	map_put(&en->by_name, un->name, (void *)((uintptr_t)u + 1));
	drop_jobs(en, u, &(struct map){0});
	tally_end(en, u);
	conflicts_remove(en, u, en->units.v[u].spec);
	un = &en->units.v[u];
	spec_drop(take(un->spec));
	un->registered = false; /* last: an unregistered name nobody uses is dropped at once */
	un->wanted = WANTED_IGNORE;
	un->state = SERVICE_INACTIVE;
	un->conflict_with = un->reason_unit = un->pulled_by = ID_NONE;
	rebind_in_edges(en, u);
}
