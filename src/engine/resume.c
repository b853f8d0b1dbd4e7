/*
 * resume.c - operations of a killed server are taken up again.
 *
 * What was committed is all that is known, and it may be a moment behind the world.
 * So nothing is replayed: each operation looks at what it asked for, begins what is
 * missing, and waits for the rest as it did before.
 */
#include "engine/world.h"

static const char *step_word(const char *step)
{
	return strcmp(step, "stop") == 0 ? "stop" : "start";
}

void engine_restore_op(struct engine *en, const struct op_view *m)
{
	struct op *op = op_add(en, m->kind, m->id);

	op->restored = true;
	op->changed = m->changed;
	op->flags = m->flags;
	op->within = m->within;
	strv_copy(&op->names, m->names);
	strv_copy(&op->started, m->started);
	strv_copy(&op->notes, m->notes);
	for (size_t i = 0; i < m->n_steps; i++)
		*vec_push(&op->steps) = (struct op_step){.step = step_word(m->steps[i].step),
		    .service = text_dup(m->steps[i].service),
		    .action = text_dup(m->steps[i].action),
		    .reason = text_dup(m->steps[i].reason),
		    .at = m->steps[i].at};
	for (size_t i = 0; i < m->n_was; i++)
		*vec_push(&op->was) =
		    (struct op_was){text_dup(m->was[i].service), m->was[i].before};
}

static bool did(const struct op *op, const char *step, const char *service)
{
	for (size_t i = 0; i < op->steps.n; i++)
		if ((!step || strcmp(op->steps.v[i].step, step) == 0) &&
		    strcmp(op->steps.v[i].service, service) == 0)
			return true;
	return false;
}

static void find_asked(const struct engine *en, const struct op *op, struct ids *out)
{
	for (size_t i = 0; i < op->names.n; i++) {
		unit_id u = engine_find(en, op->names.v[i]);

		if (u != ID_NONE)
			*vec_push(out) = u;
	}
}

/* What it had begun is its own again. */
static void own(struct engine *en, uint32_t slot)
{
	const struct op *op = &en->ops.v[slot];

	for (size_t i = 0; i < op->started.n; i++) {
		unit_id u = engine_find(en, op->started.v[i]);

		if (u != ID_NONE && en->units.v[u].live && !en->units.v[u].cause)
			en->units.v[u].cause = op->id;
	}
}

static void begin_if_missing(struct engine *en, msec now, unit_id u, op_id id, edge_id by)
{
	const struct unit *un = &en->units.v[u];

	if (un->wanted != WANTED_STOP && !un->start_after_stop && (!un->live || un->stopping))
		unit_begin(en, now, u, id, by);
}

static void resume_start(struct engine *en, msec now, uint32_t slot, const struct ids *asked)
{
	struct op *op = &en->ops.v[slot];
	op_id id = op->id;
	enum watch_goal goal = op->kind == OP_BOOT ? GOAL_SETTLED : GOAL_READY;
	const struct engine_request rq = {.kind = op->kind,
	    .names = (const char *const *)op->names.v,
	    .n_names = asked->n == op->names.n ? asked->n : 0, /* one was deleted: no closure */
	    .no_deps = op_has(op, OP_FLAG_NO_DEPS)};
	struct closure members = {0};
	struct ids replaced = {0};
	struct strv notes = {0}, chain = {0};
	struct error e;

	if (closure_of_start(en, &rq, true, &members, &replaced, &notes, &chain, &e))
		members.n = 0; /* what no_deps forbids shows in the units themselves */
	for (size_t i = 0; i < asked->n; i++) {
		begin_if_missing(en, now, asked->v[i], id, ID_NONE);
		watch_add(en, slot, asked->v[i], goal);
		if (goal == GOAL_READY && en->units.v[asked->v[i]].facts.was_executed &&
		    !en->units.v[asked->v[i]].facts.ready)
			op_clock_begin(en, now, slot, asked->v[i]);
	}
	for (size_t i = 0; i < members.n; i++) {
		begin_if_missing(en, now, members.v[i].unit, id, members.v[i].by);
		if (member_is_wish(en, &members.v[i]))
			watch_add(en, slot, members.v[i].unit, GOAL_SETTLED);
	}
	free(members.v);
	free(replaced.v);
	strv_release(&notes);
	strv_release(&chain);
}

/* Asked for, alive, and neither told to stop nor executed by this restart. */
static void not_restarted(
    const struct engine *en, uint32_t slot, const struct ids *asked, struct ids *out)
{
	for (size_t i = 0; i < asked->n; i++) {
		const struct unit *un = &en->units.v[asked->v[i]];

		if (un->facts.process && !un->stopping && !did(&en->ops.v[slot], NULL, un->name))
			*vec_push(out) = asked->v[i];
	}
}

static void resume_restart(struct engine *en, msec now, uint32_t slot, const struct ids *asked)
{
	bool with_deps = op_has(&en->ops.v[slot], OP_FLAG_WITH_DEPS);
	op_id id = en->ops.v[slot].id;
	struct closure again = {0};
	struct ids left = {0};

	not_restarted(en, slot, asked, &left);
	closure_of_restart(en, &left, with_deps, &again);
	stop_members(en, &again, id, true);
	again.n = 0;
	closure_of_restart(en, asked, with_deps, &again);
	for (size_t i = 0; i < again.n; i++) {
		unit_id u = again.v[i].unit;

		if (en->units.v[u].stopping)
			begin_if_missing(en, now, u, id, again.v[i].by);
		if (again.v[i].by != ID_NONE)
			watch_add(en, slot, u, GOAL_SETTLED);
	}
	for (size_t i = 0; i < en->ops.v[slot].steps.n; i++) {
		unit_id u = engine_find(en, en->ops.v[slot].steps.v[i].service);

		if (u != ID_NONE)
			begin_if_missing(en, now, u, id, ID_NONE);
	}
	free(again.v);
	free(left.v);
}

/* A stop that goes on knows again what it takes along, and why. */
static void resume_cascade(struct engine *en, const struct member *m, op_id id)
{
	struct unit *un = &en->units.v[m->unit];

	if (un->stopping && !un->stop_cause)
		un->stop_cause = id;
	if (m->by != ID_NONE && un->stopping && un->stop_reason == REASON_CANCELLED &&
	    en->edges.v[m->by].to_unit != m->unit)
		unit_stops_along(en, m->unit, m->by);
}

static void resume_stop(struct engine *en, msec now, uint32_t slot, const struct ids *asked)
{
	struct op *op = &en->ops.v[slot];
	struct closure members = {0};

	if (op_has(op, OP_FLAG_SHUTDOWN)) {
		shutdown_all(en, now, slot, op->within);
		return;
	}
	op_id id = op->id;
	closure_of_stop(en, asked, op_has(op, OP_FLAG_WITH_UNNEEDED), &members);
	for (size_t i = 0; i < members.n; i++)
		resume_cascade(en, &members.v[i], id);
	stop_members(en, &members, id, false);
	for (size_t i = 0; i < members.n; i++)
		if (members.v[i].by == ID_NONE || en->units.v[members.v[i].unit].live)
			watch_add(en, slot, members.v[i].unit, GOAL_STOPPED);
	free(members.v);
}

static void resume_run(struct engine *en, uint32_t slot, const struct ids *asked)
{
	struct op *op = &en->ops.v[slot];

	if (asked->n == 0) {
		op_end(en, op, OP_FAILED, ERR_SYSTEM,
		    "the supervisor was killed before it knew of the run");
		return;
	}
	en->units.v[asked->v[0]].cause = op->id;
	watch_add(en, slot, asked->v[0], GOAL_ENDED);
}

static void resume(struct engine *en, msec now, uint32_t slot)
{
	struct ids asked = {0};

	find_asked(en, &en->ops.v[slot], &asked);
	own(en, slot);
	switch (en->ops.v[slot].kind) {
	case OP_RESTART: resume_restart(en, now, slot, &asked); __attribute__((fallthrough));
	case OP_START:
	case OP_BOOT: resume_start(en, now, slot, &asked); break;
	case OP_STOP: resume_stop(en, now, slot, &asked); break;
	case OP_RUN: resume_run(en, slot, &asked); break;
	case OP_KIND_COUNT: break;
	}
	free(asked.v);
}

/* In order of arrival: the last word is the last one again. */
void ops_resume(struct engine *en, msec now)
{
	for (uint32_t slot = 0; slot < en->ops.n; slot++)
		if (en->ops.v[slot].used && en->ops.v[slot].restored)
			resume(en, now, slot);
	run_passes(en, now);
	for (uint32_t slot = 0; slot < en->ops.n; slot++) {
		if (!en->ops.v[slot].used || !en->ops.v[slot].restored)
			continue;
		en->ops.v[slot].restored = false;
		op_close(en, slot);
	}
}
