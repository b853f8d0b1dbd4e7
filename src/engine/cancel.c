/* cancel.c - an operation is called off: what it has not begun does not begin (ADR 9). */
#include "engine/world.h"

void op_want(struct engine *en, op_id id, unit_id u, enum wanted wanted)
{
	const struct unit *un = &en->units.v[u];
	struct op *op = op_by_id(en, id);

	if (op && un->wanted != wanted && !un->is_run)
		*vec_push(&op->was) = (struct op_was){text_dup(un->name), un->wanted};
	want(en, u, wanted);
}

/* Somebody else waits for it to come. */
static bool is_awaited(const struct engine *en, unit_id u)
{
	for (uint32_t w = en->units.v[u].first_watch; w != ID_NONE; w = en->watches.v[w].next)
		if (en->watches.v[w].goal != GOAL_STOPPED && !en->watches.v[w].settled)
			return true;
	return false;
}

/* Nothing of it was executed since the operation began it. */
static bool is_not_begun(const struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];
	const struct facts *f = &un->facts;

	if (un->start_after_stop || !un->live)
		return true;
	return !un->stopping && !f->process && !f->was_executed && !f->ready && !f->ended;
}

/* The newest entry first, so that the oldest word has the last one. */
static void want_as_before(struct engine *en, const struct op *op)
{
	for (size_t i = op->was.n; i-- > 0;) {
		unit_id u = engine_find(en, op->was.v[i].service);

		if (u != ID_NONE && is_not_begun(en, u) && !is_awaited(en, u) &&
		    en->units.v[u].wanted != WANTED_STOP)
			want(en, u, op->was.v[i].before);
	}
}

/* It began it, or was asked for it while it waited already. */
static bool is_of(const struct engine *en, op_id id, unit_id u)
{
	const struct unit *un = &en->units.v[u];

	return un->cause == id || strv_has(&op_by_id(en, id)->names, un->name);
}

static void call_off(struct engine *en, op_id id)
{
	struct closure c = {0};

	for (unit_id u = 0; u < en->units.n; u++) {
		struct unit *un = &en->units.v[u];

		if (!un->used || !is_of(en, id, u) || !is_not_begun(en, u) || is_awaited(en, u) ||
		    (!un->is_run && engine_demanded(en, u)))
			continue;
		if (un->start_after_stop) {
			un->start_after_stop = false;
			unit_touch(en, u);
		} else if (un->live) {
			*vec_push(&c) = (struct member){u, ID_NONE, true};
		}
	}
	stop_members(en, &c, 0, false);
	free(c.v);
}

enum err engine_op_cancel(struct engine *en, msec now, op_id id, const char *who, struct error *e)
{
	struct op *op = op_by_id(en, id);

	if (!op)
		return error_set(
		    e, ERR_NOT_FOUND, "no operation %llu is in flight", (unsigned long long)id);
	if (op->state != OP_ACTIVE)
		return error_set(e, ERR_INVALID_STATE, "operation %llu is over: %s",
		    (unsigned long long)id, op_state_str(op->state));
	if (op->kind == OP_STOP)
		return error_set(e, ERR_INVALID_STATE,
		    "operation %llu is a stop, which can not be taken back; a start is the later "
		    "word",
		    (unsigned long long)id);
	auto_free char *text = text_fmt("called off by %s", who);
	op_end(en, op, OP_CANCELLED, ERR_CANCELLED, text);
	want_as_before(en, op);
	call_off(en, id); /* twice: a run that ended here demands nothing any more */
	run_passes(en, now);
	call_off(en, id);
	run_passes(en, now);
	return ERR_OK;
}
