/* operation.c - what was asked, from the request to its answer. */
#include "engine/world.h"

#include <stdio.h>

ENUM_DEFINE(op_kind, OP_KIND_LIST, OP_KIND_COUNT)
ENUM_DEFINE(op_state, OP_STATE_LIST, OP_STATE_COUNT)

/* ---- the list of operations ------------------------------------------------- */

static struct op *op_new(struct engine *en, enum op_kind kind)
{
	struct op *op = NULL;

	for (size_t i = 0; i < en->ops.n && !op; i++)
		if (!en->ops.v[i].used)
			op = &en->ops.v[i];
	if (!op)
		op = vec_push(&en->ops);
	uint32_t gen = op->timer_gen + 1;
	*op = (struct op){ .used = true, .id = en->next_op++, .kind = kind, .holding = true,
		.timer_gen = gen, .deadline = MSEC_NEVER };
	effect_push(en, (struct effect){ .kind = EFFECT_OP, .op = op->id });
	return op;
}

struct op *op_by_id(const struct engine *en, op_id id)
{
	for (size_t i = 0; id && i < en->ops.n; i++)
		if (en->ops.v[i].used && en->ops.v[i].id == id)
			return &en->ops.v[i];
	return NULL;
}

static uint32_t op_slot(const struct engine *en, const struct op *op)
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
	*p = (struct op_plan){ 0 };
}

void op_release(struct op *op)
{
	free(op->message);
	strv_release(&op->chain);
	strv_release(&op->started);
	strv_release(&op->names);
	strv_release(&op->notes);
	op_plan_release(&op->steps);
}

static char *step_reason(const struct engine *en, const struct unit *un, bool start)
{
	const struct edge *ed = un->pulled_by == ID_NONE ? NULL : &en->edges.v[un->pulled_by];

	if (!start)
		return un->cascaded && un->reason_unit != ID_NONE ?
			   text_fmt("it requires %s", unit_title(en, un->reason_unit)) :
			   text_dup("asked for");
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
	*vec_push(&op->steps) = (struct op_step){ .step = step,
		.service = text_dup(un->name),
		.action = jb->is->policy.virtual ? NULL : text_dup(jb->is->name),
		.reason = step_reason(en, un, *step == 's' && step[2] == 'a') };
	effect_push(en, (struct effect){ .kind = EFFECT_OP, .op = id, .unit = jb->unit });
}

/* ---- watches ------------------------------------------------------------------- */

static void watch_add(struct engine *en, uint32_t slot, unit_id u, enum watch_goal goal)
{
	uint32_t w = en->free_watch;

	if (w != ID_NONE) {
		en->free_watch = en->watches.v[w].next;
	} else {
		w = (uint32_t)en->watches.n;
		vec_push(&en->watches);
	}
	en->watches.v[w] = (struct watch){ slot, en->units.v[u].first_watch, u, goal, true };
	en->units.v[u].first_watch = w;
	en->ops.v[slot].open++;
	unit_touch(en, u);
}

static void watch_remove(struct engine *en, uint32_t *at)
{
	uint32_t w = *at;

	*at = en->watches.v[w].next;
	en->ops.v[en->watches.v[w].op].open--;
	en->watches.v[w] = (struct watch){ .next = en->free_watch };
	en->free_watch = w;
}

static void watches_drop(struct engine *en, uint32_t slot)
{
	for (uint32_t w = 0; w < en->watches.n && en->ops.v[slot].open; w++) {
		if (!en->watches.v[w].used || en->watches.v[w].op != slot)
			continue;
		uint32_t *at = &en->units.v[en->watches.v[w].unit].first_watch;
		while (*at != w)
			at = &en->watches.v[*at].next;
		watch_remove(en, at);
	}
}

/* What it began is not "being started" any more: who conflicts may go on. */
static void touch_conflicts(struct engine *en, op_id id)
{
	for (unit_id u = 0; en->n_mentions && u < en->units.n; u++)
		if (en->units.v[u].conflicts.n && en->units.v[u].cause == id)
			unit_touch(en, u);
}

static void op_end(
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
	effect_push(en, (struct effect){ .kind = EFFECT_OP, .op = op->id });
}

static void op_close(struct engine *en, uint32_t slot)
{
	struct op *op = &en->ops.v[slot];

	op->holding = false;
	if (op->state == OP_ACTIVE && !op->open)
		op_end(en, op, OP_DONE, ERR_OK, NULL);
}

static void op_fail_on(struct engine *en, struct op *op, unit_id u)
{
	auto_str text = { 0 };
	enum err code = ERR_START_FAILED;

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
		if (!coming && (f->failed || f->gone || f->blocked || !f->live))
			op_fail_on(en, op, w->unit);
		return false;
	case GOAL_SETTLED:
		if (coming || (!f->ready && f->live && !f->failed && !f->gone && !f->blocked && !f->first_over))
			return false;
		if (!f->ready) {
			auto_str text = { 0 };

			describe_failure(en, w->unit, &text);
			strv_add(&op->notes, str_text(&text));
		}
		return true;
	case GOAL_STOPPED: return !f->process && !un->stopping && (!f->live || !un->registered);
	case GOAL_ENDED: return !f->live || f->ended;
	}
	return false;
}

void ops_unit_changed(struct engine *en, msec now, unit_id u)
{
	uint32_t *at = &en->units.v[u].first_watch;

	(void)now;
	while (*at != ID_NONE) {
		struct watch w = en->watches.v[*at];
		struct op *op = &en->ops.v[w.op];

		if (!settle(en, op, &w)) {
			if (op->state != OP_ACTIVE) { /* it failed: its watches are gone */
				at = &en->units.v[u].first_watch;
				continue;
			}
			at = &en->watches.v[*at].next;
			continue;
		}
		watch_remove(en, at);
		if (!op->open && !op->holding)
			op_end(en, op, OP_DONE, ERR_OK, NULL);
	}
}

/* The last word wins: operations that want the opposite end here. */
static void supersede(struct engine *en, unit_id u, bool by_stop, op_id by)
{
	uint32_t w = en->units.v[u].first_watch;

	while (w != ID_NONE) {
		struct watch was = en->watches.v[w];
		struct op *op = &en->ops.v[was.op];
		bool opposite = by_stop ? was.goal == GOAL_READY || was.goal == GOAL_ENDED :
					  was.goal == GOAL_STOPPED && op->kind == OP_STOP;

		w = was.next;
		if (!opposite || op->id == by || op->state != OP_ACTIVE)
			continue;
		auto_free char *text = text_fmt("superseded by operation %llu, a %s of %s",
		    (unsigned long long)by, by_stop ? "stop" : "start", unit_title(en, u));
		op->superseded_by = by;
		op_end(en, op, OP_CANCELLED, ERR_CANCELLED, text);
		w = en->units.v[u].first_watch;
	}
}

/* ---- the clock of a start (SPEC 2.5.12) ----------------------------------------- */

void ops_executed(struct engine *en, msec now, unit_id u)
{
	msec longest = 0;

	for_jobs (en, u, j) {
		const struct job_policy *p = &en->jobs.v[j].is->policy;

		if (!p->one_shot && p->readiness && p->start_timeout > longest)
			longest = p->start_timeout;
	}
	for (uint32_t w = en->units.v[u].first_watch; w != ID_NONE; w = en->watches.v[w].next) {
		struct op *op = &en->ops.v[en->watches.v[w].op];

		if (en->watches.v[w].goal != GOAL_READY || op->deadline != MSEC_NEVER || !longest)
			continue;
		op->deadline = now + longest;
		timer_push(en, op->deadline, TIMER_OP, en->watches.v[w].op, op->timer_gen);
	}
}

static void kill_rest(struct engine *en, msec now)
{
	for (job_id j = 0; j < en->jobs.n; j++)
		if (en->jobs.v[j].used && job_state_has_process(en->jobs.v[j].core.state))
			job_event_now(en, now, j, JOB_EV_KILL, NULL);
}

void op_timer(struct engine *en, msec now, uint32_t slot)
{
	struct op *op = &en->ops.v[slot];

	if (op->shutdown) {
		kill_rest(en, now);
		return;
	}
	for (uint32_t w = 0; w < en->watches.n; w++) {
		const struct watch *wa = &en->watches.v[w];
		auto_str text = { 0 };

		if (!wa->used || wa->op != slot || wa->goal != GOAL_READY)
			continue;
		describe_failure(en, wa->unit, &text);
		str_add(&text, " (start_timeout of the operation)");
		chain_of(en, wa->unit, &op->chain);
		op_end(en, op, OP_FAILED, ERR_START_FAILED, str_text(&text));
		return;
	}
}

/* ---- runs begin and end ----------------------------------------------------------- */

static void want(struct engine *en, unit_id u, enum wanted wanted)
{
	if (en->units.v[u].wanted == wanted || en->units.v[u].is_run)
		return;
	en->units.v[u].wanted = wanted;
	unit_touch(en, u); /* optional edges look at it */
	effect_push(en,
	    (struct effect){ .kind = EFFECT_WANTED, .unit = u, .to = (int)wanted });
}

/* Dependents that an earlier stop took along come back, if they are demanded. */
static void call_back(struct engine *en, unit_id u)
{
	for_in (en, u, e) {
		unit_id from = en->jobs.v[en->edges.v[e].from].unit;
		const struct unit *d = &en->units.v[from];

		if (!d->live && !d->stopping && d->reason == REASON_DEPENDENCY_STOPPED &&
		    (en->edges.v[e].is->kinds & DEP_REQUIRES) && d->reason_unit != ID_NONE &&
		    en->units.v[d->reason_unit].live)
			unit_pull_later(en, from, ID_NONE);
	}
}

/* A start runs it again; the success of a one-shot stays. */
static bool is_over(const struct job *j)
{
	return j->core.state == JOB_CREATED || (job_state_is_end(j->core.state) &&
	    !(j->core.state == JOB_SUCCEEDED && j->is->policy.one_shot));
}

static void run_number(struct engine *en, unit_id u, op_id cause, edge_id pulled_by)
{
	struct unit *un = &en->units.v[u];
	struct op *op = op_by_id(en, cause);

	un->run = en->next_run++;
	un->run_over = false;
	un->cause = cause;
	un->pulled_by = pulled_by;
	un->reason = REASON_NONE;
	un->reason_unit = ID_NONE;
	if (op && !strv_has(&op->started, un->name))
		strv_add(&op->started, un->name);
	for_jobs (en, u, j)
		en->jobs.v[j].attempt = en->jobs.v[j].restarts = 0;
}

void unit_begin(struct engine *en, msec now, unit_id u, op_id cause, edge_id pulled_by)
{
	struct unit *un = &en->units.v[u];
	struct op *op = op_by_id(en, cause);
	bool fresh = !un->live, changed = false;

	if (un->stopping) {
		un->start_after_stop = true;
		un->cause = cause;
		un->pulled_by = pulled_by;
		if (op)
			op->changed = true;
		unit_touch(en, u);
		return;
	}
	if (fresh || ((un->facts.failed || un->facts.gone) && !un->facts.process)) {
		un->live = true;
		run_number(en, u, cause, pulled_by);
	}
	for_jobs (en, u, j) {
		enum job_state s = en->jobs.v[j].core.state;

		if (!fresh && !is_over(&en->jobs.v[j]) && s != JOB_RETRYING && s != JOB_PENDING)
			continue;
		job_event_now(en, now, j, JOB_EV_BEGIN, NULL);
		changed = true;
	}
	if (op && changed)
		op->changed = true;
	un = &en->units.v[u];
	un->facts = facts_of(en, u);
	unit_touch(en, u);
	if (fresh)
		call_back(en, u);
}

/* It was empty for a moment: a stop has what it asked for, whatever follows. */
static void watches_stopped(struct engine *en, unit_id u)
{
	uint32_t *at = &en->units.v[u].first_watch;

	while (*at != ID_NONE) {
		struct op *op = &en->ops.v[en->watches.v[*at].op];

		if (en->watches.v[*at].goal != GOAL_STOPPED) {
			at = &en->watches.v[*at].next;
			continue;
		}
		watch_remove(en, at);
		if (!op->open && !op->holding)
			op_end(en, op, OP_DONE, ERR_OK, NULL);
	}
}

void unit_stopped(struct engine *en, msec now, unit_id u)
{
	struct unit *un = &en->units.v[u];

	un->stopping = false;
	un->live = false;
	watches_stopped(en, u);
	un->conflict_with = ID_NONE;
	un->reason = un->cascaded ? REASON_DEPENDENCY_STOPPED : REASON_CANCELLED;
	if (!un->cascaded)
		un->reason_unit = ID_NONE;
	effect_push(en, (struct effect){ .kind = EFFECT_RUN_ENDED, .unit = u, .reason = un->reason });
	if (un->definition_changed && !en->original)
		unit_rebuild(en, now, u);
	un = &en->units.v[u];
	bool again = un->start_after_stop;
	un->start_after_stop = false;
	un->cascaded = false;
	un->facts = facts_of(en, u);
	if (again && !en->shutdown)
		unit_begin(en, now, u, un->cause, un->pulled_by);
	else if (un->reason_unit != ID_NONE && en->units.v[un->reason_unit].live &&
		 !en->units.v[un->reason_unit].stopping)
		unit_pull_later(en, u, ID_NONE);
}

static void begin_members(struct engine *en, msec now, const struct closure *c, op_id cause)
{
	for (size_t i = 0; i < c->n; i++)
		unit_begin(en, now, c->v[i].unit, cause, c->v[i].by);
}

void unit_pull(struct engine *en, msec now, unit_id u)
{
	struct unit *un = &en->units.v[u];
	struct closure members = { 0 };
	struct ids replaced = { 0 };
	struct strv notes = { 0 }, chain = { 0 };
	struct error e;

	un->pull_queued = false;
	if (!un->used || !un->registered || un->live || un->stopping ||
	    un->wanted == WANTED_STOP || en->shutdown || !engine_demanded(en, u))
		return;
	const struct engine_request rq = { .kind = OP_START, .names = &un->name, .n_names = 1 };
	edge_id by = un->pulled_by;
	if (closure_of_start(en, &rq, true, &members, &replaced, &notes, &chain, &e) == ERR_OK) {
		if (members.n)
			members.v[0].by = by;
		begin_members(en, now, &members, 0);
	}
	free(members.v);
	free(replaced.v);
	strv_release(&notes);
	strv_release(&chain);
}

/* ---- stopping ----------------------------------------------------------------------- */

static void mark_jobs(struct engine *en, unit_id u)
{
	for_jobs (en, u, j) {
		struct job *jb = &en->jobs.v[j];

		if (jb->stop_mark || job_state_is_end(jb->core.state) ||
		    jb->core.state == JOB_CREATED)
			continue;
		jb->stop_mark = true;
		jb->core.stop = true; /* no further attempt, whatever comes first */
		if (jb->core.state == JOB_RUNNING || jb->core.state == JOB_READY) {
			jb->timer_gen++; /* nor does a start timeout end it out of its turn */
			jb->deadline = MSEC_NEVER;
		}
		en->n_stop_marked++;
	}
}

static bool orders(const struct engine *en, edge_id e, unit_id u, job_id j)
{
	const struct edge *ed = &en->edges.v[e];

	return (ed->is->kinds & DEP_ORDERS) && en->jobs.v[ed->from].stop_mark &&
	    (ed->to_job != ID_NONE ? ed->to_job == j : en->jobs.v[ed->from].unit != u);
}

/* How many that stop along must be gone before each job of u may be told to. */
static void count_turns(struct engine *en, unit_id u)
{
	for_jobs (en, u, j)
		en->jobs.v[j].stop_waits = 0;
	for_in (en, u, e) {
		en->edges.v[e].stop_counted = false;
		for_jobs (en, u, j) {
			if (!en->jobs.v[j].stop_mark || !orders(en, e, u, j))
				continue;
			en->jobs.v[j].stop_waits++;
			en->edges.v[e].stop_counted = true;
		}
	}
}

static void queue_turn(struct engine *en, job_id j)
{
	struct job *jb = &en->jobs.v[j];
	bool idle = !job_state_has_process(jb->core.state);

	if (!jb->stop_mark || jb->queued_stop)
		return;
	if (idle)
		jb->stop_waits = 0; /* nothing runs: nobody needs to be waited for */
	if (jb->stop_waits)
		return;
	jb->queued_stop = true;
	ids_push(&en->stops, j);
}

/* Those told to stop now, and those of earlier stops that they depend on. */
static void count_all_turns(struct engine *en, const struct closure *c)
{
	uint32_t epoch = walk_begin(en);

	for (size_t i = 0; i < c->n; i++) {
		en->units.v[c->v[i].unit].mark = epoch;
		count_turns(en, c->v[i].unit);
	}
	for (size_t i = 0; i < c->n; i++)
		for_jobs (en, c->v[i].unit, j)
			for_out (en, j, e) {
				unit_id t = en->edges.v[e].to_unit;

				if (t == ID_NONE || !en->units.v[t].stopping || en->units.v[t].mark == epoch)
					continue;
				en->units.v[t].mark = epoch;
				count_turns(en, t);
			}
}

/* The set stops, dependents first; who is in it already keeps its turn. */
void stop_members(struct engine *en, const struct closure *c, op_id cause, bool again)
{
	for (size_t i = 0; i < c->n; i++) {
		unit_id u = c->v[i].unit;
		struct unit *un = &en->units.v[u];

		supersede(en, u, true, cause);
		un = &en->units.v[u];
		if (!again && un->start_after_stop) {
			un->start_after_stop = false;
			unit_touch(en, u);
		}
		if (!un->live || un->stopping)
			continue;
		un->stopping = true;
		un->stop_cause = cause;
		edge_id by = c->v[i].by; /* of an unneeded target: the edge to itself */
		un->cascaded = by != ID_NONE && !again && en->edges.v[by].to_unit != u;
		if (un->cascaded) { /* the one that was asked for, not the link in between */
			unit_id near = en->edges.v[by].to_unit;

			un->reason_unit = en->units.v[near].cascaded && en->units.v[near].reason_unit != ID_NONE ?
				en->units.v[near].reason_unit : near;
		}
		mark_jobs(en, u);
		un->facts = facts_of(en, u);
		unit_touch(en, u);
	}
	count_all_turns(en, c);
	for (size_t i = 0; i < c->n; i++)
		for_jobs (en, c->v[i].unit, j)
			queue_turn(en, j);
}

/* ---- requests ------------------------------------------------------------------------ */

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

static struct op *op_open(struct engine *en, const struct engine_request *rq, enum op_kind kind)
{
	struct op *op = op_new(en, kind);

	for (size_t i = 0; i < rq->n_names; i++)
		strv_add(&op->names, rq->names[i]);
	return op;
}

static void stop_replaced(struct engine *en, const struct ids *replaced, op_id cause)
{
	struct closure c = { 0 };

	if (!replaced->n)
		return;
	closure_of_stop(en, replaced, false, &c);
	for (size_t i = 0; i < replaced->n; i++)
		want(en, replaced->v[i], WANTED_STOP);
	stop_members(en, &c, cause, false);
	free(c.v);
}

static void want_members(
    struct engine *en, const struct closure *c, const struct engine_request *rq, struct op *op)
{
	for (size_t i = 0; i < c->n && !rq->keep_wanted; i++) {
		unit_id u = c->v[i].unit;

		if (c->v[i].by == ID_NONE) {
			want(en, u, WANTED_START);
		} else if (en->units.v[u].wanted == WANTED_STOP) {
			strv_take(&op->notes, text_fmt("%s was wanted stop; it is needed, so that is "
						       "now ignore", unit_title(en, u)));
			want(en, u, WANTED_IGNORE);
		}
	}
}

static enum err start(struct engine *en, msec now, const struct engine_request *rq,
    const struct ids *asked, op_id *out, struct strv *chain, struct error *e)
{
	bool boot = rq->kind == OP_BOOT;
	struct closure members = { 0 };
	struct ids replaced = { 0 };
	struct strv notes = { 0 };
	enum err code = closure_of_start(en, rq, boot, &members, &replaced, &notes, chain, e);

	if (!code) {
		struct op *op = op_open(en, rq, rq->kind);
		uint32_t slot = op_slot(en, op);
		op_id id = *out = op->id;

		op->notes = notes;
		notes = (struct strv){ 0 };
		want_members(en, &members, rq, op);
		stop_replaced(en, &replaced, id);
		for (size_t i = 0; i < members.n; i++)
			supersede(en, members.v[i].unit, false, id);
		begin_members(en, now, &members, id);
		for (size_t i = 0; i < asked->n; i++)
			watch_add(en, slot, asked->v[i], boot ? GOAL_SETTLED : GOAL_READY);
		for (size_t i = 0; i < members.n; i++)
			if (!members.v[i].hard)
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
	struct closure members = { 0 };
	struct op *op = op_open(en, rq, OP_STOP);
	uint32_t slot = op_slot(en, op);

	*out = op->id;
	closure_of_stop(en, asked, rq->with_unneeded, &members);
	for (size_t i = 0; i < asked->n && !rq->keep_wanted; i++)
		want(en, asked->v[i], WANTED_STOP);
	for (size_t i = 0; i < members.n; i++)
		if (en->units.v[members.v[i].unit].live)
			en->ops.v[slot].changed = true;
	stop_members(en, &members, *out, false);
	for (size_t i = 0; i < members.n; i++)
		if (en->units.v[members.v[i].unit].live)
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
	struct closure again = { 0 }, needed = { 0 };
	struct ids replaced = { 0 };
	struct strv notes = { 0 };
	enum err code = closure_of_start(en, rq, false, &needed, &replaced, &notes, chain, e);

	if (!code) {
		struct op *op = op_open(en, rq, OP_RESTART);
		uint32_t slot = op_slot(en, op);
		op_id id = *out = op->id;

		op->changed = true;
		op->notes = notes;
		notes = (struct strv){ 0 };
		want_members(en, &needed, rq, op);
		stop_replaced(en, &replaced, id);
		closure_of_restart(en, asked, rq->with_deps, &again);
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
	struct ids asked = { 0 };
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
	const struct engine_request rq = { .kind = OP_RUN, .names = &name, .n_names = 1, .who = who };
	struct closure members = { 0 };
	struct ids replaced = { 0 };
	struct strv notes = { 0 };
	unit_id u = engine_find(en, name);

	if (u == ID_NONE)
		return error_set(e, ERR_NOT_FOUND, "no run `%s`", name);
	enum err code = closure_of_start(en, &rq, false, &members, &replaced, &notes, chain, e);
	if (!code) {
		struct op *op = op_open(en, &rq, OP_RUN);
		uint32_t slot = op_slot(en, op);

		*out = op->id;
		want_members(en, &members, &rq, op);
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

enum err engine_set_wanted(
    struct engine *en, msec now, const char *name, enum wanted wanted, struct error *e)
{
	unit_id u = engine_find(en, name);

	if (u == ID_NONE)
		return error_set(e, ERR_NOT_FOUND, "no service `%s`", name);
	want(en, u, wanted);
	unit_touch(en, u);
	run_passes(en, now);
	return ERR_OK;
}

op_id engine_shutdown(struct engine *en, msec now, msec within)
{
	const struct engine_request rq = { .kind = OP_STOP };
	struct op *op = op_open(en, &rq, OP_STOP);
	uint32_t slot = op_slot(en, op);
	op_id id = op->id;
	struct closure all = { 0 };

	en->shutdown = true;
	op->shutdown = true;
	if (within) {
		op->deadline = now + within;
		timer_push(en, op->deadline, TIMER_OP, slot, op->timer_gen);
	}
	for (unit_id u = 0; u < en->units.n; u++)
		if (en->units.v[u].used && (en->units.v[u].live || en->units.v[u].stopping))
			*vec_push(&all) = (struct member){ u, ID_NONE, true };
	stop_members(en, &all, id, false);
	for (size_t i = 0; i < all.n; i++)
		watch_add(en, slot, all.v[i].unit, GOAL_STOPPED);
	en->ops.v[slot].changed = all.n;
	free(all.v);
	run_passes(en, now);
	op_close(en, slot);
	run_passes(en, now);
	return id;
}
