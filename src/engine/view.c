/* view.c - what callers may see; copies out, changes nothing. */
#include "engine/world.h"

#include <stdio.h>

size_t engine_unit_count(const struct engine *en)
{
	return en->units.n;
}

size_t engine_job_count(const struct engine *en)
{
	return en->jobs.n;
}

static op_id op_in_flight(const struct engine *en, unit_id u)
{
	for (uint32_t w = en->units.v[u].first_watch; w != ID_NONE; w = en->watches.v[w].next)
		if (en->ops.v[en->watches.v[w].op].state == OP_ACTIVE)
			return en->ops.v[en->watches.v[w].op].id;
	return 0;
}

/* What an edge of a blocked job says; REASON_NONE: its gates are in the way. */
static enum reason reason_of_block(const struct engine *en, job_id j)
{
	for_out (en, j, e)
		if (edge_effect(en, e) == EDGE_BLOCKED && !en->edges.v[e].is->gate_only)
			return en->units.v[en->edges.v[e].to_unit].registered
				   ? REASON_DEPENDENCY_FAILED
				   : REASON_MISSING_DEPENDENCY;
	return REASON_NONE;
}

static enum reason reason_of(const struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];
	enum reason found = un->live ? REASON_NONE : un->reason;
	job_id j;

	if (un->conflict_with != ID_NONE)
		return REASON_CONFLICT;
	if (!un->live && un->reason != REASON_NONE)
		return un->reason;
	if ((j = job_of_part(en, u, JOB_FAILED)) != ID_NONE)
		return en->jobs.v[j].core.reason;
	if ((j = job_of_part(en, u, PART_BLOCKED)) != ID_NONE && reason_of_block(en, j))
		return reason_of_block(en, j);
	if (un->live && (j = job_of_part(en, u, PART_REASON)) != ID_NONE)
		return en->jobs.v[j].core.reason;
	return un->n_broken && found == REASON_NONE ? REASON_DEPENDENCY_FAILED : found;
}

static unit_id puller_of(const struct engine *en, const struct unit *un)
{
	edge_id e = un->pulled_by;

	return e < en->edges.n && en->edges.v[e].used ? en->jobs.v[en->edges.v[e].from].unit
						      : ID_NONE;
}

bool engine_unit(const struct engine *en, unit_id u, struct unit_view *out)
{
	if (u >= en->units.n || !en->units.v[u].used)
		return false;
	const struct unit *un = &en->units.v[u];
	unit_id subject = un->conflict_with != ID_NONE ? un->conflict_with : un->reason_unit;
	struct parts space;

	*out = (struct unit_view){.id = u,
	    .name = un->name,
	    .is_run = un->is_run,
	    .registered = un->registered,
	    .class_system = un->spec && un->spec->is.class_system,
	    .critical = un->spec && un->spec->is.critical,
	    .definition_changed = un->definition_changed,
	    .wanted = un->wanted,
	    .state = un->state,
	    .run_state = facts_run_state(en, u),
	    .reason = reason_of(en, u),
	    .reason_subject = subject == ID_NONE ? NULL : unit_title(en, subject),
	    .since = un->since,
	    .run = un->run,
	    .run_live = un->live,
	    .op = op_in_flight(en, u),
	    .cause = un->cause,
	    .stop_cause = un->stop_cause,
	    .pulled_by = puller_of(en, un),
	    .n_jobs = parts_of(en, u, &space)->jobs};
	return true;
}

bool engine_job(const struct engine *en, job_id j, struct job_view *out, unit_id *unit)
{
	if (j >= en->jobs.n || !en->jobs.v[j].used)
		return false;
	const struct job *jb = &en->jobs.v[j];

	*out = (struct job_view){.id = j,
	    .name = jb->is->name,
	    .core = jb->core,
	    .token = jb->token,
	    .since = jb->since,
	    .deadline = jb->deadline,
	    .why = jb->why,
	    .health = jb->health,
	    .restarts = jb->restarts,
	    .attempt = jb->attempt,
	    .virtual = jb->is->policy.virtual};
	if (unit)
		*unit = jb->unit;
	return true;
}

job_id engine_find_job(const struct engine *en, unit_id u, const char *action)
{
	return u < en->units.n && en->units.v[u].used ? unit_job_named(en, u, action) : ID_NONE;
}

job_id engine_next_job(const struct engine *en, job_id j)
{
	return en->jobs.v[j].next;
}

/* The place to go on from for element `i` of `owner`; false: from the first on. */
static bool resume(const struct cursor *c, uint32_t owner, size_t i, uint32_t *at, size_t *from)
{
	if (!c->valid || c->owner != owner || c->i > i)
		return false;
	*at = c->at;
	*from = c->i;
	return true;
}

bool engine_job_at(const struct engine *en, unit_id u, size_t i, struct job_view *out)
{
	/* as in engine_demanded(): a cache, the engine is unchanged to its callers */
	struct cursor *c = &((struct engine *)(uintptr_t)en)->job_cursor;
	job_id j = en->units.v[u].first_job;
	size_t at = 0;

	resume(c, u, i, &j, &at);
	for (; j != ID_NONE && at < i; at++)
		j = en->jobs.v[j].next;
	if (j == ID_NONE)
		return false;
	*c = (struct cursor){true, u, j, i};
	return engine_job(en, j, out, NULL);
}

bool engine_edge(const struct engine *en, edge_id found, struct edge_view *out)
{
	if (found >= en->edges.n || !en->edges.v[found].used)
		return false;
	const struct edge *ed = &en->edges.v[found];
	job_id j = ed->from;
	bool gate, tracked = job_tracks_edges(&en->jobs.v[j]);
	enum edge_status now = tracked ? edge_effect(en, found) : edge_evaluate(en, found, &gate);
	auto_str text = {0};

	if (!tracked && now != EDGE_HOLDS && edge_group_holds(en, found, 0))
		now = EDGE_IGNORED;
	edge_describe(en, found, &text);
	*out = (struct edge_view){.id = found,
	    .from = j,
	    .to_unit = ed->to_unit,
	    .to_job = ed->to_job,
	    .target = ed->to_unit == ID_NONE ? ed->is->key : en->units.v[ed->to_unit].name,
	    .target_action = ed->is->action,
	    .kinds = ed->is->kinds,
	    .condition = ed->is->condition,
	    /* a gate is asked while somebody waits only: afterwards the condition speaks */
	    .status =
		!tracked && now == EDGE_WAITS && edge_target_holds(en, found) ? EDGE_HOLDS : now,
	    .gate_waits = ed->gate_waiting && !en->gates.v[ed->gate].open,
	    .gate = ed->gate,
	    .gate_text = ed->is->gate,
	    .timed_out = ed->timed_out,
	    .timeout = ed->is->timeout,
	    .since = ed->since,
	    .source = ed->is->source,
	    .group = ed->is->group,
	    .need = ed->is->need};
	snprintf(out->text, sizeof(out->text), "%s", str_text(&text));
	return true;
}

bool engine_edge_at(const struct engine *en, job_id j, size_t i, struct edge_view *out)
{
	struct cursor *c = &((struct engine *)(uintptr_t)en)->edge_cursor;
	edge_id e = en->jobs.v[j].first_out;
	size_t at = 0;

	resume(c, j, i, &e, &at);
	for (; e != ID_NONE && at < i; at++)
		e = en->edges.v[e].next_out;
	if (e == ID_NONE)
		return false;
	*c = (struct cursor){true, j, e, i};
	return engine_edge(en, e, out);
}

bool engine_next_into(const struct engine *en, unit_id u, edge_id *at, job_id *from, job_id *to_job)
{
	*at = *at == ID_NONE ? edge_first_in(en, u) : edge_next_in(en, *at);
	if (*at == ID_NONE)
		return false;
	*from = en->edges.v[*at].from;
	*to_job = en->edges.v[*at].to_job;
	return true;
}

bool engine_gate_waiter(const struct engine *en, gate_id gate, size_t i, unit_id *out)
{
	edge_id e = gate < en->gates.n ? en->gates.v[gate].first_edge : ID_NONE;

	for (; e != ID_NONE && i; i--)
		e = en->edges.v[e].next_gate;
	if (e != ID_NONE)
		*out = en->jobs.v[en->edges.v[e].from].unit;
	return e != ID_NONE;
}

unit_id engine_conflict_active(const struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];

	for (size_t i = 0; i < un->conflicts.n; i++)
		if (facts_of(en, un->conflicts.v[i]).active)
			return un->conflicts.v[i];
	return ID_NONE;
}

unit_id engine_conflict_of(const struct engine *en, unit_id u)
{
	return en->units.v[u].conflict_with;
}

void engine_dependents(const struct engine *en, unit_id u, bool hard_only, struct strv *out)
{
	struct engine *marks = (struct engine *)(uintptr_t)en; /* as in engine_demanded() */
	uint32_t epoch = walk_begin(marks);

	for_in (en, u, e) {
		struct unit *from = &marks->units.v[en->jobs.v[en->edges.v[e].from].unit];

		if (from->mark == epoch ||
		    (hard_only && !(en->edges.v[e].is->kinds & DEP_REQUIRES)))
			continue;
		from->mark = epoch;
		strv_add(out, from->name);
	}
}

bool engine_op(const struct engine *en, op_id id, struct op_view *out)
{
	const struct op *op = op_by_id(en, id);

	if (!op)
		return false;
	*out = (struct op_view){.id = id,
	    .kind = op->kind,
	    .state = op->state,
	    .changed = op->changed,
	    .code = op->code,
	    .message = op->message,
	    .chain = &op->chain,
	    .started = &op->started,
	    .names = &op->names,
	    .notes = &op->notes,
	    .steps = op->steps.v,
	    .n_steps = op->steps.n,
	    .was = op->was.v,
	    .n_was = op->was.n,
	    .flags = op->flags,
	    .within = op->within,
	    .superseded_by = op->superseded_by};
	return true;
}

bool engine_op_in_flight(const struct engine *en, op_id before, struct op_view *out)
{
	op_id newest = 0;

	for (size_t i = 0; i < en->ops.n; i++) {
		const struct op *op = &en->ops.v[i];

		if (op->used && op->state == OP_ACTIVE && op->id > newest &&
		    (!before || op->id < before))
			newest = op->id;
	}
	return newest && engine_op(en, newest, out);
}

void engine_op_forget(struct engine *en, op_id id)
{
	struct op *op = op_by_id(en, id);

	if (!op || op->state == OP_ACTIVE)
		return;
	op_release(op);
	*op = (struct op){.timer_gen = op->timer_gen};
}
