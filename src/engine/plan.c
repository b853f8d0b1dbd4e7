/* plan.c - what would happen: the same engine on a copy, in a world where all goes well. */
#include "engine/world.h"

#define TURNS_MAX 1000 /* of timers, in one plan */

#define COPY(vec)                                                                         \
	do {                                                                              \
		to->vec.v = mem_grow(NULL, from->vec.cap, sizeof(*to->vec.v));            \
		if (from->vec.n)                                                          \
			memcpy(to->vec.v, from->vec.v, from->vec.n * sizeof(*to->vec.v)); \
	} while (0)

/* Everything refers by index; specs, names and conflict lists are borrowed, so a
 * copy keeps the topology it was born with. */
struct engine *engine_copy(const struct engine *from)
{
	struct engine *to = mem_new(sizeof(*to));

	*to = *from;
	to->original = from;
	to->by_name = to->gate_by_key = (struct map){0};
	to->dirty = to->recount = to->failures = (struct ids){0};
	to->pulls = to->stops = to->release = (struct ids){0};
	memset(&to->ops, 0, sizeof(to->ops));
	memset(&to->watches, 0, sizeof(to->watches));
	memset(&to->effects, 0, sizeof(to->effects));
	memset(&to->timers, 0, sizeof(to->timers));
	to->free_watch = ID_NONE;
	for (size_t i = 0; i < from->ops.n;
	     i++) /* that they are in flight is a fact of conflicts */
		if (from->ops.v[i].used && from->ops.v[i].state == OP_ACTIVE)
			*vec_push(&to->ops) = (struct op){.used = true,
			    .holding = true,
			    .id = from->ops.v[i].id,
			    .kind = from->ops.v[i].kind};
	COPY(units);
	COPY(jobs);
	COPY(edges);
	COPY(gates);
	COPY(tallies);
	COPY(tokens);
	for (size_t i = 0; i < to->units.n; i++)
		to->units.v[i].first_watch = ID_NONE;
	for (size_t i = 0; i < to->jobs.n; i++)
		to->jobs.v[i].why = NULL;
	return to;
}

/* The answer of a kind world to one effect. */
void plan_play(struct engine *en, msec now, struct effect fx)
{
	const struct job_exit ok = {.code = 0, .success = true, .empty = true};
	const struct job_policy *p = fx.kind == EFFECT_SPAWN || fx.kind == EFFECT_TERM ||
					     fx.kind == EFFECT_KILL || fx.kind == EFFECT_SWEEP
					 ? &en->jobs.v[fx.job].is->policy
					 : NULL;

	if (fx.kind == EFFECT_SPAWN) {
		engine_executed(en, now, fx.token);
		if (p->probed)
			engine_health(en, now, fx.token, true, NULL);
		if (p->one_shot)
			engine_exited(en, now, fx.token, &ok);
		else if (p->readiness)
			engine_ready(en, now, fx.token);
	} else if (fx.kind == EFFECT_TERM || fx.kind == EFFECT_KILL) {
		engine_exited(en, now, fx.token, &ok);
	} else if (fx.kind == EFFECT_SWEEP) {
		engine_set_empty(en, now, fx.token);
	} else if (fx.kind == EFFECT_GATE_WATCH) {
		engine_gate_open(en, now, fx.gate);
	}
}

/* Starting jobs of the present world are taken to succeed as well. */
static void play_present(struct engine *en, msec now)
{
	size_t n = en->jobs.n;

	for (job_id j = 0; j < n; j++) {
		const struct job *jb = &en->jobs.v[j];
		enum job_state s = jb->core.state;

		if (!jb->used || jb->is->policy.virtual)
			continue;
		if (s == JOB_READY && jb->is->policy.probed)
			engine_health(en, now, jb->token, true, NULL);
		else if (s == JOB_STARTING || (s == JOB_RUNNING && !jb->is->policy.one_shot)) {
			plan_play(en, now,
			    (struct effect){.kind = EFFECT_SPAWN, .job = j, .token = jb->token});
		} else if (s == JOB_STOPPING || s == JOB_RUNNING) {
			plan_play(en, now,
			    (struct effect){.kind = EFFECT_TERM, .job = j, .token = jb->token});
			plan_play(en, now,
			    (struct effect){.kind = EFFECT_SWEEP, .job = j, .token = jb->token});
		}
	}
	for (gate_id g = 0; g < en->gates.n; g++)
		engine_gate_open(en, now, g);
}

static void play_all(struct engine *en, msec now)
{
	for (size_t i = 0; i < en->effects.n; i++)
		plan_play(en, now, en->effects.v[i]);
	en->effects.n = 0;
}

/* What waits for a clock (an edge that nothing will satisfy, a back-off) sees it run out. */
static void play_time(struct engine *en, op_id id)
{
	for (size_t turn = 0; turn < TURNS_MAX && op_by_id(en, id)->state == OP_ACTIVE; turn++) {
		msec at = engine_deadline(en);

		if (at == MSEC_NEVER)
			return;
		engine_tick(en, at);
		play_all(en, at);
	}
}

enum err engine_plan(const struct engine *original, msec now, const struct engine_request *rq,
    struct op_plan *out, struct strv *chain, struct error *e)
{
	struct engine *en = engine_copy(original);
	op_id id = 0;
	enum err code = rq->kind == OP_RUN
			    ? engine_submit(en, now, rq->names[0], rq->who, &id, chain, e)
			    : engine_request(en, now, rq, &id, chain, e);

	if (!code) {
		play_all(en, now);
		if (op_by_id(en, id)->state == OP_ACTIVE) {
			play_present(en, now);
			play_all(en, now);
			play_time(en, id);
		}
		struct op *op = op_by_id(en, id);
		*out = op->steps;
		op->steps = (struct op_plan){0};
	}
	engine_free(en);
	return code;
}
