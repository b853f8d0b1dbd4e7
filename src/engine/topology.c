/* topology.c - units, jobs, edges and gates come and go here, and nowhere else. */
#include "engine/world.h"

#include <stdio.h>

/* ---- names and tokens ---------------------------------------------------- */

unit_id unit_by_name(const struct engine *en, const char *name)
{
	const struct engine *where = en->original ? en->original : en;
	void *at = map_get(&where->by_name, name);

	return at ? (unit_id)((uintptr_t)at - 1) : ID_NONE;
}

static size_t token_slot(const struct engine *en, uint64_t token)
{
	return (size_t)((token * 0x9e3779b97f4a7c15u) >> 20) & (en->tokens.n - 1);
}

static void tokens_grow(struct engine *en)
{
	struct token_slot *old = en->tokens.v;
	size_t n = en->tokens.n;

	en->tokens.n = en->tokens.cap = n ? n * 2 : 64;
	en->tokens.v = mem_new(en->tokens.n * sizeof(*en->tokens.v));
	en->n_tokens = 0;
	for (size_t i = 0; i < n; i++)
		if (old[i].token)
			token_put(en, old[i].token, old[i].job);
	free(old);
}

void token_put(struct engine *en, uint64_t token, job_id j)
{
	if ((en->n_tokens + 1) * 2 > en->tokens.n)
		tokens_grow(en);
	size_t i = token_slot(en, token);
	while (en->tokens.v[i].token && en->tokens.v[i].token != token)
		i = (i + 1) & (en->tokens.n - 1);
	en->n_tokens += !en->tokens.v[i].token;
	en->tokens.v[i] = (struct token_slot){token, j};
}

job_id engine_job_by_token(const struct engine *en, uint64_t token)
{
	if (!en->tokens.n || !token)
		return ID_NONE;
	for (size_t i = token_slot(en, token); en->tokens.v[i].token;
	     i = (i + 1) & (en->tokens.n - 1))
		if (en->tokens.v[i].token == token)
			return en->tokens.v[i].job;
	return ID_NONE;
}

/* Backward-shift deletion: no tombstones in a table that lives for years. */
void token_remove(struct engine *en, uint64_t token)
{
	size_t mask = en->tokens.n - 1, i;

	if (engine_job_by_token(en, token) == ID_NONE)
		return;
	for (i = token_slot(en, token); en->tokens.v[i].token != token; i = (i + 1) & mask)
		;
	for (size_t j = (i + 1) & mask; en->tokens.v[j].token; j = (j + 1) & mask) {
		size_t home = token_slot(en, en->tokens.v[j].token);

		if (((j - home) & mask) >= ((j - i) & mask)) {
			en->tokens.v[i] = en->tokens.v[j];
			i = j;
		}
	}
	en->tokens.v[i] = (struct token_slot){0};
	en->n_tokens--;
}

uint32_t walk_begin(struct engine *en)
{
	return ++en->epoch;
}

void cursors_drop(struct engine *en)
{
	en->job_cursor.valid = en->edge_cursor.valid = false;
}

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
static void unit_drop_if_unused(struct engine *en, unit_id u)
{
	struct unit *un = &en->units.v[u];

	if (un->registered || un->first_in != ID_NONE || un->first_job != ID_NONE ||
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

const char *engine_gate_text(const struct engine *en, gate_id gate)
{
	static _Thread_local char text[1024];
	const char *key = en->gates.v[gate].key;

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(key, "\x1f"), key);
	return text;
}

/* ---- edges --------------------------------------------------------------- */

job_id unit_job_named(const struct engine *en, unit_id u, const char *action)
{
	for_jobs (en, u, j)
		if (strcmp(en->jobs.v[j].is->name, action) == 0)
			return j;
	return ID_NONE;
}

static void edge_link_in(struct engine *en, edge_id e)
{
	struct unit *t = &en->units.v[en->edges.v[e].to_unit];

	en->edges.v[e].next_in = t->first_in;
	if (t->first_in != ID_NONE)
		en->edges.v[t->first_in].prev_in = e;
	t->first_in = e;
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

static void edge_unlink_in(struct engine *en, edge_id e)
{
	struct edge *ed = &en->edges.v[e];

	if (ed->prev_in != ID_NONE)
		en->edges.v[ed->prev_in].next_in = ed->next_in;
	else
		en->units.v[ed->to_unit].first_in = ed->next_in;
	if (ed->next_in != ID_NONE)
		en->edges.v[ed->next_in].prev_in = ed->prev_in;
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
	spec_drop(jb->spec);
	jb->spec = s;
	jb->is = is;
	for (size_t i = 0; i < is->n_edges; i++)
		edge_add(en, j, &is->edges[i]);
}

static void job_free(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];

	cursors_drop(en);
	job_leaves_stop(en, j);
	edges_clear(en, j);
	if (jb->token)
		token_remove(en, jb->token);
	spec_drop(jb->spec);
	free(jb->why);
	*jb = (struct job){.timer_gen = jb->timer_gen + 1, .next = en->free_job};
	en->free_job = j;
}

/* Edges of others that name an action of this unit find their job again. */
static void rebind_in_edges(struct engine *en, unit_id u)
{
	for_in (en, u, e) {
		struct edge *ed = &en->edges.v[e];

		ed->to_job = ed->is->action ? unit_job_named(en, u, ed->is->action) : ID_NONE;
	}
}

static const struct engine_job_spec *spec_job(const struct spec *s, const char *name)
{
	for (size_t i = 0; i < s->is.n_jobs; i++)
		if (strcmp(s->is.jobs[i].name, name) == 0)
			return &s->is.jobs[i];
	return NULL;
}

static void add_job(struct engine *en, msec now, unit_id u, const struct engine_job_spec *is)
{
	job_id j = job_alloc(en);
	job_id *at = &en->units.v[u].first_job;

	while (*at != ID_NONE)
		at = &en->jobs.v[*at].next;
	*at = j;
	en->jobs.v[j].unit = u;
	en->jobs.v[j].since = now;
	en->jobs.v[j].core.last.code = -1;
	job_take_spec(en, j, en->units.v[u].spec, is);
}

/* Jobs that stay keep their state; gone actions vanish, new ones are `created`. */
void unit_rebuild(struct engine *en, msec now, unit_id u)
{
	struct spec *s = en->units.v[u].spec;
	job_id *at = &en->units.v[u].first_job;

	while (*at != ID_NONE) {
		job_id j = *at;

		if (spec_job(s, en->jobs.v[j].is->name)) {
			at = &en->jobs.v[j].next;
			continue;
		}
		*at = en->jobs.v[j].next;
		job_free(en, j);
	}
	for (size_t i = 0; i < s->is.n_jobs; i++) {
		job_id j = unit_job_named(en, u, s->is.jobs[i].name);

		if (j == ID_NONE)
			add_job(en, now, u, &s->is.jobs[i]);
		else if (en->jobs.v[j].spec != s)
			job_take_spec(en, j, s, &s->is.jobs[i]);
	}
	en->units.v[u].definition_changed = false;
	rebind_in_edges(en, u);
	for_jobs (en, u, j) {
		for_out (en, j, e)
			if (en->edges.v[e].to_unit == u && en->edges.v[e].is->action)
				en->edges.v[e].to_job =
				    unit_job_named(en, u, en->edges.v[e].is->action);
		if (job_tracks_edges(&en->jobs.v[j]))
			job_recount_later(en, j);
		if (en->units.v[u].live && !en->units.v[u].stopping &&
		    en->jobs.v[j].core.state == JOB_CREATED)
			job_event_now(en, now, j, JOB_EV_BEGIN, NULL);
	}
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

static bool may_rebuild(const struct engine *en, unit_id u)
{
	for_jobs (en, u, j)
		if (job_state_has_process(en->jobs.v[j].core.state) &&
		    !en->jobs.v[j].is->policy.virtual)
			return false;
	return true;
}

static void unit_set_name(struct engine *en, unit_id u)
{
	struct unit *un = &en->units.v[u];

	map_remove(&en->by_name, un->name);
	un->name = un->spec->is.name;
	map_put(&en->by_name, un->name, (void *)((uintptr_t)u + 1));
	free(take(un->placeholder));
}

/* Who waits for this name and is demanded gets it started (SPEC 2.5.6). */
static void pull_for_waiting(struct engine *en, unit_id u)
{
	for_in (en, u, e) {
		const struct edge *ed = &en->edges.v[e];
		const struct job *from = &en->jobs.v[ed->from];

		if (en->units.v[from->unit].live && job_tracks_edges(from) &&
		    (ed->is->kinds & DEP_PULLS)) {
			unit_pull_later(en, u, e);
			return;
		}
	}
}

/* Another definition, nothing running: what one-shots achieved no longer counts. */
static void forget_results(struct engine *en, unit_id u)
{
	bool all_ended = true;

	for_jobs (en, u, j) {
		struct job_core *c = &en->jobs.v[j].core;

		all_ended = all_ended && (job_state_is_end(c->state) || c->state == JOB_CREATED);
		if (c->state == JOB_SUCCEEDED)
			*c = (struct job_core){.last = c->last};
	}
	if (all_ended)
		en->units.v[u].live = false;
}

unit_id engine_define(struct engine *en, msec now, const struct engine_unit_spec *from)
{
	unit_id u = unit_named(en, from->name);
	struct unit *un = &en->units.v[u];
	struct spec *old = un->spec;
	bool is_new = !un->registered;

	un->spec = spec_dup(from);
	unit_set_name(en, u);
	conflicts_add(en, u, un->spec);
	conflicts_remove(en, u, old);
	un = &en->units.v[u];
	un->registered = true;
	un->is_run = from->is_run;
	if (is_new) {
		un->wanted = from->wanted;
		un->since = now;
	}
	if (may_rebuild(en, u)) {
		if (old && old->is.revision != from->revision)
			forget_results(en, u);
		unit_rebuild(en, now, u);
	} else {
		en->units.v[u].definition_changed = true;
	}
	spec_drop(old);
	unit_touch(en, u);
	if (is_new && !en->restoring)
		pull_for_waiting(en, u);
	run_passes(en, now);
	return u;
}

bool engine_remove(struct engine *en, msec now, const char *name)
{
	unit_id u = unit_by_name(en, name);

	if (u == ID_NONE || !en->units.v[u].registered)
		return false;
	for_jobs (en, u, j)
		if (job_state_has_process(en->jobs.v[j].core.state) &&
		    !en->jobs.v[j].is->policy.virtual)
			return false;
	struct unit *un = &en->units.v[u];
	un->live = un->is_run = un->definition_changed = un->stopping = false;
	un->start_after_stop = false;
	un->stop_reason = REASON_NONE;
	un->placeholder = text_dup(un->name);
	map_remove(&en->by_name, un->name);
	un->name = un->placeholder;
	map_put(&en->by_name, un->name, (void *)((uintptr_t)u + 1));
	while (en->units.v[u].first_job != ID_NONE) {
		job_id j = en->units.v[u].first_job;

		en->units.v[u].first_job = en->jobs.v[j].next;
		job_free(en, j);
	}
	conflicts_remove(en, u, en->units.v[u].spec);
	un = &en->units.v[u];
	spec_drop(take(un->spec));
	un->registered = false; /* last: an unregistered name nobody uses is dropped at once */
	un->wanted = WANTED_IGNORE;
	un->state = SERVICE_INACTIVE;
	un->conflict_with = un->reason_unit = un->pulled_by = ID_NONE;
	rebind_in_edges(en, u);
	unit_touch(en, u);
	run_passes(en, now);
	unit_drop_if_unused(en, u);
	return true;
}

unit_id engine_find(const struct engine *en, const char *name)
{
	unit_id u = unit_by_name(en, name);

	return u != ID_NONE && en->units.v[u].registered ? u : ID_NONE;
}
