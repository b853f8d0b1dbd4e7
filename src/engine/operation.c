/* operation.c - what was asked, from the request to its answer. */
#include "engine/world.h"

#include <stdio.h>

ENUM_DEFINE(op_kind, OP_KIND_LIST, OP_KIND_COUNT)
ENUM_DEFINE(op_state, OP_STATE_LIST, OP_STATE_COUNT)
ENUM_DEFINE(op_flag, OP_FLAG_LIST, OP_FLAG_COUNT)

/* ---- the list of operations ------------------------------------------------- */

struct op *op_add(struct engine *en, enum op_kind kind, op_id id)
{
	struct op *op = NULL;

	for (size_t i = 0; i < en->ops.n && !op; i++)
		if (!en->ops.v[i].used)
			op = &en->ops.v[i];
	if (!op)
		op = vec_push(&en->ops);
	uint32_t gen = op->timer_gen + 1;
	*op = (struct op){.used = true,
	    .id = id,
	    .kind = kind,
	    .holding = true,
	    .timer_gen = gen,
	    .deadline = MSEC_NEVER};
	effect_push(en, (struct effect){.kind = EFFECT_OP, .op = op->id});
	return op;
}

struct op *op_new(struct engine *en, enum op_kind kind)
{
	return op_add(en, kind, engine_op_number(en));
}

op_id engine_op_number(struct engine *en)
{
	return en->next_op++;
}

bool op_has(const struct op *op, enum op_flag flag)
{
	return op->flags & 1u << flag;
}

static unsigned flags_of(const struct engine_request *rq)
{
	return (unsigned)rq->replace << OP_FLAG_REPLACE | (unsigned)rq->no_deps << OP_FLAG_NO_DEPS |
	       (unsigned)rq->with_unneeded << OP_FLAG_WITH_UNNEEDED |
	       (unsigned)rq->with_deps << OP_FLAG_WITH_DEPS |
	       (unsigned)rq->keep_wanted << OP_FLAG_KEEP_WANTED;
}

static bool is_equal(const struct op *op, const struct engine_request *rq)
{
	bool same_order = true;

	if (!op->used || op->state != OP_ACTIVE || op->kind != rq->kind ||
	    op->flags != flags_of(rq) || op->names.n != rq->n_names)
		return false;
	for (size_t i = 0; same_order && i < rq->n_names; i++)
		same_order = strcmp(op->names.v[i], rq->names[i]) == 0;
	for (size_t i = 0; !same_order && i < rq->n_names; i++)
		if (!strv_has(&op->names, rq->names[i]))
			return false;
	return true;
}

/* Each run is its own, and there is one boot. */
static bool may_join(enum op_kind kind)
{
	return kind == OP_START || kind == OP_STOP || kind == OP_RESTART;
}

struct op *op_open(struct engine *en, const struct engine_request *rq)
{
	for (size_t i = 0; may_join(rq->kind) && i < en->ops.n; i++)
		if (is_equal(&en->ops.v[i], rq)) {
			en->ops.v[i].holding = true;
			return &en->ops.v[i];
		}
	struct op *op = op_new(en, rq->kind);

	op->flags = flags_of(rq);
	for (size_t i = 0; i < rq->n_names; i++)
		strv_add(&op->names, rq->names[i]);
	return op;
}

uint32_t op_slot(const struct engine *en, const struct op *op)
{
	return (uint32_t)(op - en->ops.v);
}

void op_plan_release(struct op_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].service);
		free(p->v[i].action);
		free(p->v[i].reason);
	}
	free(p->v);
	*p = (struct op_plan){0};
}

void op_release(struct op *op)
{
	free(op->message);
	strv_release(&op->chain);
	strv_release(&op->started);
	strv_release(&op->names);
	strv_release(&op->notes);
	op_plan_release(&op->steps);
	for (size_t i = 0; i < op->was.n; i++)
		free(op->was.v[i].service);
	free(op->was.v);
}

static char *step_reason(const struct engine *en, const struct unit *un, bool start)
{
	const struct edge *ed = un->pulled_by == ID_NONE ? NULL : &en->edges.v[un->pulled_by];

	if (!start)
		return un->stop_reason == REASON_DEPENDENCY_STOPPED && un->reason_unit != ID_NONE
			   ? text_fmt("it requires %s", unit_title(en, un->reason_unit))
			   : text_dup("asked for");
	if (!ed || !ed->used)
		return text_dup("asked for");
	return text_fmt("%s by %s (%s)", ed->is->kinds & DEP_REQUIRES ? "required" : "wanted",
	    unit_title(en, en->jobs.v[ed->from].unit), ed->is->source ? ed->is->source : "?");
}

void op_step_record(struct engine *en, op_id id, const char *step, job_id j)
{
	struct op *op = op_by_id(en, id);
	const struct job *jb = &en->jobs.v[j];
	const struct unit *un = &en->units.v[jb->unit];

	if (!op)
		return;
	*vec_push(&op->steps) = (struct op_step){.step = step,
	    .service = text_dup(un->name),
	    .action = jb->is->policy.virtual ? NULL : text_dup(jb->is->name),
	    .reason = step_reason(en, un, *step == 's' && step[2] == 'a'),
	    .at = jb->since};
	effect_push(en, (struct effect){.kind = EFFECT_OP, .op = id, .unit = jb->unit});
}

/* ---- watches ------------------------------------------------------------------- */

void watch_add(struct engine *en, uint32_t slot, unit_id u, enum watch_goal goal)
{
	if (en->ops.v[slot].state != OP_ACTIVE)
		return; /* it was joined, and ended on the way */
	for (uint32_t k = en->units.v[u].first_watch; k != ID_NONE; k = en->watches.v[k].next)
		if (en->watches.v[k].op == slot && en->watches.v[k].goal == goal)
			return; /* a request that joined */
	uint32_t w = en->free_watch;

	if (w != ID_NONE) {
		en->free_watch = en->watches.v[w].next;
	} else {
		w = (uint32_t)en->watches.n;
		vec_push(&en->watches);
	}
	en->watches.v[w] = (struct watch){
	    .op = slot, .next = en->units.v[u].first_watch, .unit = u, .goal = goal, .used = true};
	en->units.v[u].first_watch = w;
	en->ops.v[slot].open++;
	unit_touch(en, u);
}

static void watch_remove(struct engine *en, uint32_t *at)
{
	uint32_t w = *at;

	*at = en->watches.v[w].next;
	en->watches.v[w] = (struct watch){.next = en->free_watch};
	en->free_watch = w;
}

static void watches_drop(struct engine *en, uint32_t slot)
{
	for (uint32_t w = 0; w < en->watches.n; w++) {
		if (!en->watches.v[w].used || en->watches.v[w].op != slot)
			continue;
		uint32_t *at = &en->units.v[en->watches.v[w].unit].first_watch;
		while (*at != w)
			at = &en->watches.v[*at].next;
		watch_remove(en, at);
	}
	en->ops.v[slot].open = 0;
}

static void watch_set(struct engine *en, uint32_t w, bool settled)
{
	struct watch *wa = &en->watches.v[w];
	struct op *op = &en->ops.v[wa->op];

	if (wa->settled == settled)
		return;
	wa->settled = settled;
	op->open += settled ? (uint32_t)-1 : 1u;
}

/* What it began is not "being started" any more: who conflicts may go on. */
static void touch_conflicts(struct engine *en, op_id id)
{
	for (unit_id u = 0; en->n_mentions && u < en->units.n; u++)
		if (en->units.v[u].conflicts.n && en->units.v[u].cause == id)
			unit_touch(en, u);
}

void op_end(
    struct engine *en, struct op *op, enum op_state state, enum err code, const char *message)
{
	uint32_t slot = op_slot(en, op);

	if (op->state != OP_ACTIVE)
		return;
	op->state = state;
	op->code = code;
	text_set(&op->message, message);
	op->timer_gen++;
	op->deadline = MSEC_NEVER;
	watches_drop(en, slot);
	touch_conflicts(en, op->id);
	effect_push(en, (struct effect){.kind = EFFECT_OP, .op = op->id});
}

void op_close(struct engine *en, uint32_t slot)
{
	struct op *op = &en->ops.v[slot];

	op->holding = false;
	if (op->state == OP_ACTIVE && !op->open)
		op_end(en, op, OP_DONE, ERR_OK, NULL);
}

static void op_fail_on(struct engine *en, struct op *op, unit_id u)
{
	auto_str text = {0};
	enum err code = ERR_START_FAILED;

	if (!en->units.v[u].live && en->units.v[u].reason == REASON_DEPENDENCY_FAILED)
		code = ERR_DEPENDENCY_FAILED;
	if (en->units.v[u].facts.blocked && !en->units.v[u].facts.failed)
		code = blocked_code(en, u, &text);
	else
		describe_failure(en, u, &text);
	chain_of(en, u, &op->chain);
	op_end(en, op, OP_FAILED, code, str_text(&text));
}

/* Settled means: nothing more will be waited for. */
static bool settle(struct engine *en, struct op *op, const struct watch *w)
{
	const struct unit *un = &en->units.v[w->unit];
	const struct facts *f = &un->facts;
	bool coming = un->start_after_stop || un->stopping;

	switch (w->goal) {
	case GOAL_READY:
		if (f->ready && !coming)
			return true;
		if (!coming && (f->failed || f->gone || f->blocked || f->not_coming || !f->live))
			op_fail_on(en, op, w->unit);
		return false;
	case GOAL_SETTLED:
		if (coming || (!f->ready && f->live && !f->failed && !f->gone && !f->blocked &&
				  !f->first_over))
			return false;
		if (!f->ready) {
			auto_str text = {0};

			describe_failure(en, w->unit, &text);
			strv_add(&op->notes, str_text(&text));
		}
		return true;
	case GOAL_STOPPED: return !f->process && !un->stopping && (!f->live || !un->registered);
	case GOAL_ENDED: return !f->live || f->ended;
	}
	return false;
}

void ops_unit_changed(struct engine *en, unit_id u)
{
	uint32_t w = en->units.v[u].first_watch;

	while (w != ID_NONE) {
		struct watch was = en->watches.v[w];
		struct op *op = &en->ops.v[was.op];

		if (was.goal == GOAL_READY || !was.settled)
			watch_set(en, w, settle(en, op, &was));
		if (op->state == OP_ACTIVE && !op->open)
			op->ripe = en->ripe = true;
		/* of one that ended, all watches are gone: from the beginning */
		w = op->state == OP_ACTIVE ? was.next : en->units.v[u].first_watch;
	}
}

/* Facts of units that are dirty are of before: only now it is known that all hold at once. */
bool ops_end_ripe(struct engine *en)
{
	bool ended = false;

	for (size_t i = 0; en->ripe && i < en->ops.n; i++) {
		struct op *op = &en->ops.v[i];

		if (!op->used || !op->ripe)
			continue;
		op->ripe = false;
		if (op->state != OP_ACTIVE || op->open || op->holding)
			continue;
		op_end(en, op, OP_DONE, ERR_OK, NULL);
		ended = true;
	}
	en->ripe = false;
	return ended;
}

/* The last word wins: operations that want the opposite end here. */
void supersede(struct engine *en, unit_id u, bool by_stop, op_id by)
{
	uint32_t w = en->units.v[u].first_watch;

	while (w != ID_NONE) {
		struct watch was = en->watches.v[w];
		struct op *op = &en->ops.v[was.op];
		bool opposite = by_stop ? was.goal == GOAL_READY || was.goal == GOAL_ENDED
					: was.goal == GOAL_STOPPED && op->kind == OP_STOP;

		w = was.next;
		if (!opposite || op->id == by || op->state != OP_ACTIVE ||
		    (was.settled && !strv_has(&op->names, unit_title(en, u))))
			continue;
		auto_free char *text = text_fmt("superseded by operation %llu, a %s of %s",
		    (unsigned long long)by, by_stop ? "stop" : "start", unit_title(en, u));
		op->superseded_by = by;
		op_end(en, op, OP_CANCELLED, ERR_CANCELLED, text);
		w = en->units.v[u].first_watch;
	}
}

/* It was empty for a moment: a stop has what it asked for, whatever follows. */
void watches_stopped(struct engine *en, unit_id u)
{
	uint32_t w = en->units.v[u].first_watch;

	while (w != ID_NONE) {
		struct watch was = en->watches.v[w];
		struct op *op = &en->ops.v[was.op];

		if (was.goal == GOAL_STOPPED)
			watch_set(en, w, true);
		if (op->state == OP_ACTIVE && !op->open && !op->holding)
			op_end(en, op, OP_DONE, ERR_OK, NULL);
		w = op->state == OP_ACTIVE ? was.next : en->units.v[u].first_watch;
	}
}

/* ---- the clock of a start (SPEC 2.5.12) ----------------------------------------- */

void op_clock_begin(struct engine *en, msec now, uint32_t slot, unit_id u)
{
	struct op *op = &en->ops.v[slot];
	msec longest = 0;

	for_jobs (en, u, j) {
		const struct job_policy *p = &en->jobs.v[j].is->policy;

		if (!p->one_shot && p->readiness && p->start_timeout > longest)
			longest = p->start_timeout;
	}
	if (op->deadline != MSEC_NEVER || !longest)
		return;
	op->deadline = now + longest;
	timer_push(en, op->deadline, TIMER_OP, slot, op->timer_gen);
}

void ops_executed(struct engine *en, msec now, unit_id u)
{
	for (uint32_t w = en->units.v[u].first_watch; w != ID_NONE; w = en->watches.v[w].next)
		if (en->watches.v[w].goal == GOAL_READY)
			op_clock_begin(en, now, en->watches.v[w].op, u);
}

void ops_extend(struct engine *en, unit_id u, msec deadline)
{
	for (uint32_t w = en->units.v[u].first_watch; w != ID_NONE; w = en->watches.v[w].next) {
		struct op *op = &en->ops.v[en->watches.v[w].op];

		if (en->watches.v[w].goal != GOAL_READY || op->deadline >= deadline)
			continue; /* MSEC_NEVER is beyond every deadline */
		op->deadline = deadline;
		timer_push(en, deadline, TIMER_OP, en->watches.v[w].op, ++op->timer_gen);
	}
}

void op_time_out(struct engine *en, uint32_t slot)
{
	struct op *op = &en->ops.v[slot];

	for (uint32_t w = 0; w < en->watches.n; w++) {
		const struct watch *wa = &en->watches.v[w];
		auto_str text = {0};

		if (!wa->used || wa->op != slot || wa->goal != GOAL_READY || wa->settled)
			continue;
		describe_failure(en, wa->unit, &text);
		str_add(&text, " (start_timeout of the operation)");
		chain_of(en, wa->unit, &op->chain);
		op_end(en, op, OP_FAILED, ERR_START_FAILED, str_text(&text));
		return;
	}
}
