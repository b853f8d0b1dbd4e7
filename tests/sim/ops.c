/*
 * ops.c - what an operation promises: it ends once, always, and its end is true at that
 * instant in the world of processes.
 */
#include "digest.h"

#include <stdio.h>

#define KEEP 64 /* that are over, in the engine */

static struct sim_op *find(struct world *w, op_id id)
{
	for (size_t i = w->ops.n; i-- > 0;)
		if (w->ops.v[i].id == id)
			return &w->ops.v[i];
	return NULL;
}

/* An operation takes effect at once, so its end may be known before it is. */
void ops_asked(struct world *w, op_id id, const struct engine_request *rq, uint64_t newest,
    const bool *was_live)
{
	struct sim_op *op = find(w, id);

	if (op && op->over)
		world_break(w, "who joins, joins what is in flight", "operation %llu",
		    (unsigned long long)id);
	if (!op) {
		op = vec_push(&w->ops);
		op->id = id;
		op->kind = rq->kind;
		op->n_names = rq->n_names;
		for (size_t i = 0; i < rq->n_names; i++) {
			snprintf(op->names[i], sizeof(op->names[i]), "%s", rq->names[i]);
			op->was_live[i] = was_live[i];
		}
	}
	if (op->kind != rq->kind || op->n_names != rq->n_names)
		world_break(
		    w, "only equal requests join", "operation %llu", (unsigned long long)id);
	op->newer_than = newest;
}

/* Of processes only: a target, or a conflict, is the engine's own matter. */
static bool all_ready(struct world *w, const struct sim_op *op, const char *message)
{
	for (size_t i = 0; i < op->n_names; i++) {
		const struct sim_unit *u = world_unit(w, op->names[i]);

		if (!u || !u->n_jobs || !world_ready(w, op->names[i]))
			return false;
	}
	return !strstr(message, "conflicts") && !strstr(message, "is stopping");
}

static void judge_done(struct world *w, const struct sim_op *op)
{
	const char *kind = op_kind_str(op->kind);

	for (size_t i = 0; i < op->n_names; i++) {
		const char *name = op->names[i];
		uint64_t oldest = world_oldest(w, name);

		if (op->kind == OP_STOP && oldest &&
		    world_wants_stop(w, name)) /* else: another word since */
			world_break(w, "a stop that is done left no process", "%s", name);
		if (op->kind != OP_STOP && !world_ready(w, name))
			world_break(w, "what was started is ready when its operation is done",
			    "%s of %s", kind, name);
		if (op->kind == OP_RESTART && oldest && oldest <= op->newer_than)
			world_break(
			    w, "a restart that is done left no process from before", "%s", name);
	}
}

static void judge_end(struct world *w, const struct sim_op *op, const struct op_view *v)
{
	switch (v->state) {
	case OP_DONE: judge_done(w, op); break;
	case OP_FAILED:
		if (v->code == ERR_OK || !v->message || !*v->message)
			world_break(w, "a failure has a reason", "operation %llu",
			    (unsigned long long)op->id);
		/* After a sleep the deadline and the readiness that kept it arrive at once. */
		if (!w->storm.faults[FAULT_SUSPENDED] &&
		    all_ready(w, op, v->message ? v->message : ""))
			world_break(w, "what failed to start is not ready", "operation %llu: %s",
			    (unsigned long long)op->id, v->message);
		break;
	case OP_CANCELLED:
		if (!v->message || (v->superseded_by ? v->superseded_by == op->id
						     : strncmp(v->message, "called off", 10) != 0))
			world_break(w, "what is cancelled names its cause", "operation %llu",
			    (unsigned long long)op->id);
		break;
	case OP_ACTIVE:
	case OP_STATE_COUNT: break;
	}
}

void ops_changed(struct world *w, op_id id)
{
	struct sim_op *op = find(w, id);
	struct op_view v;

	if (!op || !engine_op(w->en, id, &v) || v.state == OP_ACTIVE) {
		if (op && op->over)
			world_break(
			    w, "an operation ends once", "operation %llu", (unsigned long long)id);
		return;
	}
	if (op->over && op->end != v.state)
		world_break(w, "an operation ends once", "operation %llu", (unsigned long long)id);
	if (op->over)
		return;
	if (w->trace)
		printf("%8lld operation %llu is %s%s%s\n", (long long)w->now,
		    (unsigned long long)id, op_state_str(v.state), v.message ? ": " : "",
		    v.message ? v.message : "");
	op->over = true;
	op->over_at = w->now;
	op->end = v.state;
	digest_op(w, &v);
	judge_end(w, op, &v);
}

static void judge_cancelled(struct world *w, const struct sim_op *op)
{
	for (size_t i = 0; i < op->n_names; i++) {
		struct unit_view v;
		unit_id u = engine_find(w->en, op->names[i]);

		if (u == ID_NONE || op->was_live[i] || !engine_unit(w->en, u, &v))
			continue;
		if ((v.state == SERVICE_WAITING_DEPS || v.state == SERVICE_BLOCKED) && !v.op &&
		    !engine_demanded(w->en, u))
			world_break(w, "what was called off and nobody demands does not wait on",
			    "%s", v.name);
	}
}

void ops_cancel_one(struct world *w)
{
	struct error e;

	if (!w->ops.n)
		return;
	struct sim_op *op =
	    &w->ops.v[w->ops.n - 1 - roll(w, (uint32_t)(w->ops.n < 6 ? w->ops.n : 6))];
	size_t at = (size_t)(op - w->ops.v);
	bool was_over = op->over;
	enum err code = engine_op_cancel(w->en, w->now, op->id, "the operator", &e);

	if (w->trace)
		printf("%8lld op.cancel %llu: %s\n", (long long)w->now, (unsigned long long)op->id,
		    code ? e.msg : "called off");
	world_perform(w);
	op = &w->ops.v[at];
	if (!code && (was_over || op->kind == OP_STOP))
		world_break(w, "what is over or a stop is not called off", "operation %llu",
		    (unsigned long long)op->id);
	if (!code && op->end != OP_CANCELLED)
		world_break(w, "what is called off ends cancelled", "operation %llu",
		    (unsigned long long)op->id);
	if (!code)
		judge_cancelled(w, op);
}

/* What the store would hold: everything that was in flight. */
void ops_restore(struct world *w, const struct engine *old)
{
	for (size_t i = 0; i < w->ops.n; i++) {
		struct op_view v;

		if (!w->ops.v[i].over && engine_op(old, w->ops.v[i].id, &v))
			engine_restore_op(w->en, &v);
	}
}

void ops_judge_rest(struct world *w)
{
	for (size_t i = 0; i < w->ops.n; i++)
		if (!w->ops.v[i].over)
			world_break(w, "every operation ends", "operation %llu (%s %s)",
			    (unsigned long long)w->ops.v[i].id, op_kind_str(w->ops.v[i].kind),
			    w->ops.v[i].names[0]);
}

msec ops_end_of(const struct world *w, op_id id)
{
	for (size_t i = w->ops.n; i-- > 0;)
		if (w->ops.v[i].id == id && w->ops.v[i].over)
			return w->ops.v[i].over_at;
	return MSEC_NEVER;
}

void ops_forget_old(struct world *w)
{
	for (size_t i = 0; i + KEEP < w->ops.n; i++)
		if (w->ops.v[i].over)
			engine_op_forget(w->en, w->ops.v[i].id);
}
