/*
 * change.c - the requests that change something: start, stop, restart, run, boot, shutdown.
 */
#include "engine/world.h"

static enum err find_names(
    struct engine *en, const struct engine_request *rq, struct ids *out, struct error *e)
{
	for (size_t i = 0; i < rq->n_names; i++) {
		unit_id u = engine_find(en, rq->names[i]);

		if (u == ID_NONE)
			return error_set(e, ERR_NOT_FOUND, "no service `%s`", rq->names[i]);
		*vec_push(out) = u;
	}
	return ERR_OK;
}

/* Notes of an equal request are told once. */
static void add_notes(struct op *op, const struct strv *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		if (!strv_has(&op->notes, notes->v[i]))
			strv_add(&op->notes, notes->v[i]);
}

static void stop_replaced(struct engine *en, const struct ids *replaced, op_id cause)
{
	struct closure c = {0};

	if (!replaced->n)
		return;
	closure_of_stop(en, replaced, false, &c);
	for (size_t i = 0; i < replaced->n; i++)
		op_want(en, cause, replaced->v[i], WANTED_STOP);
	stop_members(en, &c, cause, false);
	free(c.v);
}

static void want_members(
    struct engine *en, const struct closure *c, const struct engine_request *rq, op_id id)
{
	for (size_t i = 0; i < c->n && !rq->keep_wanted; i++) {
		unit_id u = c->v[i].unit;

		if (c->v[i].by == ID_NONE) {
			op_want(en, id, u, WANTED_START);
		} else if (en->units.v[u].wanted == WANTED_STOP) {
			strv_take(&op_by_id(en, id)->notes,
			    text_fmt("%s was wanted stop; it is needed, so that is now ignore",
				unit_title(en, u)));
			op_want(en, id, u, WANTED_IGNORE);
		}
	}
}

static enum err start(struct engine *en, msec now, const struct engine_request *rq,
    const struct ids *asked, op_id *out, struct strv *chain, struct error *e)
{
	bool boot = rq->kind == OP_BOOT;
	struct closure members = {0};
	struct ids replaced = {0};
	struct strv notes = {0};
	enum err code = closure_of_start(en, rq, boot, &members, &replaced, &notes, chain, e);

	if (!code) {
		struct op *op = op_open(en, rq);
		uint32_t slot = op_slot(en, op);
		op_id id = *out = op->id;

		add_notes(op, &notes);
		want_members(en, &members, rq, id);
		stop_replaced(en, &replaced, id);
		for (size_t i = 0; i < members.n; i++)
			supersede(en, members.v[i].unit, false, id);
		begin_members(en, now, &members, id);
		run_passes(en, now); /* what waits already is judged by what its needs are now */
		for (size_t i = 0; i < asked->n; i++)
			watch_add(en, slot, asked->v[i], boot ? GOAL_SETTLED : GOAL_READY);
		for (size_t i = 0; i < members.n; i++)
			if (member_is_wish(en, &members.v[i]))
				watch_add(en, slot, members.v[i].unit, GOAL_SETTLED);
		run_passes(en, now);
		op_close(en, slot);
		run_passes(en, now);
	}
	strv_release(&notes);
	free(members.v);
	free(replaced.v);
	return code;
}

static enum err stop(struct engine *en, msec now, const struct engine_request *rq,
    const struct ids *asked, op_id *out)
{
	struct closure members = {0};
	struct op *op = op_open(en, rq);
	uint32_t slot = op_slot(en, op);

	*out = op->id;
	closure_of_stop(en, asked, rq->with_unneeded, &members);
	for (size_t i = 0; i < asked->n && !rq->keep_wanted; i++)
		op_want(en, *out, asked->v[i], WANTED_STOP);
	for (size_t i = 0; i < members.n; i++)
		if (en->units.v[members.v[i].unit].live)
			en->ops.v[slot].changed = true;
	stop_members(en, &members, *out, false);
	for (size_t i = 0; i < members.n; i++) /* a start of what was asked for is the later word */
		if (members.v[i].by == ID_NONE || en->units.v[members.v[i].unit].live)
			watch_add(en, slot, members.v[i].unit, GOAL_STOPPED);
	free(members.v);
	run_passes(en, now);
	op_close(en, slot);
	run_passes(en, now);
	return ERR_OK;
}

/* Stop the set with the promise to start it again; the rest is a start. */
static enum err restart(struct engine *en, msec now, const struct engine_request *rq,
    const struct ids *asked, op_id *out, struct strv *chain, struct error *e)
{
	struct closure again = {0}, needed = {0};
	struct ids replaced = {0};
	struct strv notes = {0};
	enum err code = closure_of_start(en, rq, false, &needed, &replaced, &notes, chain, e);

	if (!code) {
		struct op *op = op_open(en, rq);
		uint32_t slot = op_slot(en, op);
		op_id id = *out = op->id;

		op->changed = true;
		add_notes(op, &notes);
		want_members(en, &needed, rq, id);
		stop_replaced(en, &replaced, id);
		closure_of_restart(en, asked, rq->with_deps, &again);
		for (size_t i = 0; i < needed.n; i++)
			supersede(en, needed.v[i].unit, false, id);
		for (size_t i = 0; i < again.n; i++)
			supersede(en, again.v[i].unit, false, id);
		stop_members(en, &again, id, true);
		begin_members(en, now, &needed, id);
		for (size_t i = 0; i < again.n; i++) /* those that stop start when they are gone */
			if (en->units.v[again.v[i].unit].stopping)
				unit_begin(en, now, again.v[i].unit, id, again.v[i].by);
		for (size_t i = 0; i < asked->n; i++)
			watch_add(en, slot, asked->v[i], GOAL_READY);
		for (size_t i = 0; i < again.n; i++)
			if (again.v[i].by != ID_NONE)
				watch_add(en, slot, again.v[i].unit, GOAL_SETTLED);
		run_passes(en, now);
		op_close(en, slot);
		run_passes(en, now);
	}
	strv_release(&notes);
	free(again.v);
	free(needed.v);
	free(replaced.v);
	return code;
}

enum err engine_request(struct engine *en, msec now, const struct engine_request *rq, op_id *out,
    struct strv *chain, struct error *e)
{
	struct ids asked = {0};
	enum err code = find_names(en, rq, &asked, e);

	if (!code && en->shutdown && rq->kind != OP_STOP)
		code = error_set(e, ERR_INVALID_STATE, "the supervisor is shutting down");
	if (!code)
		switch (rq->kind) {
		case OP_START:
		case OP_BOOT: code = start(en, now, rq, &asked, out, chain, e); break;
		case OP_STOP: code = stop(en, now, rq, &asked, out); break;
		case OP_RESTART: code = restart(en, now, rq, &asked, out, chain, e); break;
		case OP_RUN:
		case OP_KIND_COUNT:
			code = error_set(e, ERR_BUG, "a run is submitted, not requested");
			break;
		}
	free(asked.v);
	return code;
}

enum err engine_submit(struct engine *en, msec now, const char *name, const char *who, op_id *out,
    struct strv *chain, struct error *e)
{
	const struct engine_request rq = {.kind = OP_RUN, .names = &name, .n_names = 1, .who = who};
	struct closure members = {0};
	struct ids replaced = {0};
	struct strv notes = {0};
	unit_id u = engine_find(en, name);

	if (u == ID_NONE)
		return error_set(e, ERR_NOT_FOUND, "no run `%s`", name);
	enum err code = closure_of_start(en, &rq, false, &members, &replaced, &notes, chain, e);
	if (!code) {
		struct op *op = op_open(en, &rq);
		uint32_t slot = op_slot(en, op);

		*out = op->id;
		want_members(en, &members, &rq, *out);
		for (size_t i = 0; i < members.n; i++)
			supersede(en, members.v[i].unit, false, *out);
		begin_members(en, now, &members, *out);
		watch_add(en, slot, u, GOAL_ENDED);
		run_passes(en, now);
		op_close(en, slot);
		run_passes(en, now);
	}
	free(members.v);
	free(replaced.v);
	strv_release(&notes);
	return code;
}

/* What waits below a unit that is demanded now looks again at whom it may pull in. */
static void look_below(struct engine *en, unit_id top)
{
	uint32_t epoch = walk_begin(en);
	struct ids todo = {0};
	unit_id u;

	ids_push(&todo, top);
	while (ids_pop(&todo, &u)) {
		if (en->units.v[u].mark == epoch)
			continue;
		en->units.v[u].mark = epoch;
		for_jobs (en, u, j) {
			if (!en->units.v[u].live || !job_tracks_edges(&en->jobs.v[j]))
				continue;
			job_recount_later(en, j);
			for_out (en, j, e)
				if ((en->edges.v[e].is->kinds & DEP_PULLS) &&
				    en->edges.v[e].to_unit != ID_NONE)
					ids_push(&todo, en->edges.v[e].to_unit);
		}
	}
	free(todo.v);
}

enum err engine_set_wanted(
    struct engine *en, msec now, const char *name, enum wanted wanted, struct error *e)
{
	unit_id u = engine_find(en, name);

	if (u == ID_NONE)
		return error_set(e, ERR_NOT_FOUND, "no service `%s`", name);
	want(en, u, wanted);
	unit_touch(en, u);
	if (wanted == WANTED_START)
		look_below(en, u);
	run_passes(en, now);
	return ERR_OK;
}

void shutdown_all(struct engine *en, msec now, uint32_t slot, msec within)
{
	struct op *op = &en->ops.v[slot];
	op_id id = op->id;
	struct closure all = {0};

	en->shutdown = true;
	op->within = within;
	if (within) {
		op->deadline = now + within;
		timer_push(en, op->deadline, TIMER_OP, slot, op->timer_gen);
	}
	for (unit_id u = 0; u < en->units.n; u++)
		if (en->units.v[u].used && (en->units.v[u].live || en->units.v[u].stopping))
			*vec_push(&all) = (struct member){u, ID_NONE, true};
	stop_members(en, &all, id, false);
	for (size_t i = 0; i < all.n; i++)
		watch_add(en, slot, all.v[i].unit, GOAL_STOPPED);
	en->ops.v[slot].changed = all.n;
	free(all.v);
}

op_id engine_shutdown(struct engine *en, msec now, msec within)
{
	struct op *op = op_new(en, OP_STOP);
	uint32_t slot = op_slot(en, op);
	op_id id = op->id;

	op->flags = 1u << OP_FLAG_SHUTDOWN;
	shutdown_all(en, now, slot, within);
	run_passes(en, now);
	op_close(en, slot);
	run_passes(en, now);
	return id;
}
