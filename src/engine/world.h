/*
 * world.h - the engine's inside: arrays of units, jobs, edges and gates that
 * refer to each other by index, so that a copy for `plan` is a few memcpy.
 *
 * Who may write what: topology.c owns the lists; step.c is the only one that
 * steps a job, pass.c and derive.c change counts; run.c begins and ends runs,
 * turn.c marks what stops, operation.c begins and ends operations; facts.c only
 * reads.  Private to engine/.
 */
#ifndef HP_ENGINE_WORLD_H
#define HP_ENGINE_WORLD_H

#include "base/map.h"
#include "engine/engine.h"

/* A private copy of a definition, in one block; shared by the jobs built from it. */
struct spec {
	uint32_t refs;
	struct engine_unit_spec is; /* a target has one job, named "" */
};
struct spec *spec_dup(const struct engine_unit_spec *from);
struct spec *spec_hold(struct spec *s);
void spec_drop(struct spec *s);

struct ids {
	uint32_t *v;
	size_t n, cap, head;
};

/* What in-edges and operations want to know of a unit; derived in refresh. */
struct facts {
	bool live; /* a run that has not been ended by a stop */
	bool ready, executed, succeeded, completed;
	bool was_executed; /* something of it, in this run */
	bool waiting;	   /* nothing alive, something waits for edges */
	bool blocked;	   /* a hard edge, or a conflict, can not hold without help */
	bool failed;	   /* a job failed for good */
	bool gone;	   /* a long-running job ended well, and no attempt follows */
	bool first_over;   /* an attempt ended without readiness */
	bool stopping;	   /* asked to stop, not empty */
	bool unhealthy;	   /* a probe says so of a ready job */
	bool healthy;	   /* ready, and every probe passes */
	bool not_coming;   /* a readiness probe crossed its threshold before the first readiness */
	bool process;	   /* any process is left, or asked for */
	bool active;	   /* for conflicts (SPEC 2.3) */
	bool ended;	   /* every job is at an end */
};

/* What a job is part of; the first are its states.  tally.c says when it is. */
enum part {
	PART_VIRTUAL = JOB_STATE_COUNT,
	PART_ONE_SHOT,
	PART_READY,
	PART_EXECUTED,
	PART_WAS_READY,
	PART_HEALTHY,
	PART_UNHEALTHY,
	PART_NOT_COMING,
	PART_PROCESS, /* a real one */
	PART_WAS_EXECUTED,
	PART_BLOCKED,
	PART_GONE,
	PART_FIRST_OVER,
	PART_COMPLETED,
	PART_SHOT_COMPLETED, /* a one-shot, and ... */
	PART_SHOT_SUCCEEDED,
	PART_FAILED_MEANWHILE,
	PART_REASON, /* it has one for not being ready */
	PART_COUNT
};
struct parts {
	uint32_t jobs;
	uint32_t n[PART_COUNT];
};
_Static_assert(PART_COUNT <= 32, "job.parts is a mask");

/* Parts of which a job is asked for. */
#define PARTS_REMEMBERED 3

/* Of a unit of many jobs. */
struct tally {
	struct parts parts;
	job_id first_touched;		 /* since the last refresh of the unit */
	bool failed_meanwhile;		 /* what in-edges of the whole unit were last told */
	uint64_t failed_at, failed_told; /* the last moment of a failure; what was told of it */
	job_id
	    lately[PARTS_REMEMBERED]; /* of some parts: a job that became one, see job_of_part() */
	struct map names; /* action -> job + 1; keys belong to the jobs' specs; empty in a copy */
	uint32_t next_free;
};

struct unit {
	const char *name;  /* spec's, or `placeholder` */
	char *placeholder; /* owned name while unregistered */
	struct spec *spec; /* NULL: not registered, only named by edges */
	bool used, registered, is_run, definition_changed;
	bool live;
	bool stopping; /* in a stop set */
	bool dirty, start_after_stop;
	bool touched;	  /* itself, not only some of its jobs: all edges into it are told */
	bool pull_queued; /* automation looks at it in this pass */
	bool run_over;	  /* EFFECT_RUN_ENDED was given for this run */
	enum wanted wanted;
	enum service_state state; /* as last published */
	enum reason reason;
	enum reason stop_reason; /* while stopping: cancelled, or what reason_unit did */
	unit_id reason_unit;	 /* of dependency_stopped, dependency_failed, conflict */
	unit_id conflict_with;	 /* may not execute while that one is active */
	msec since;
	uint64_t run;
	op_id cause;	   /* the operation that began the run */
	op_id named_by;	   /* the operation whose answer last named it as started */
	op_id stop_cause;  /* the operation that stops it */
	edge_id pulled_by; /* ID_NONE: asked for */
	job_id first_job, last_job;
	edge_id first_in; /* to it as a whole; the others are lists of its jobs: for_in */
	uint32_t tally;	  /* index + 1 in tallies; 0: it has few jobs */
	uint32_t first_watch;
	struct ids conflicts; /* unit ids, both directions; an entry for each mention */
	uint32_t n_broken;    /* edges of running jobs whose target failed meanwhile */
	struct facts facts;
	uint32_t mark; /* of graph walks: equal to engine.epoch means visited */
	unit_id next_free;
};

struct job {
	unit_id unit;
	job_id next; /* in the unit, or of the free list */
	bool used, queued_release, queued_recount, queued_stop;
	bool stop_mark;		     /* has a turn to stop, and its process is not gone */
	bool edges_up, edges_marked; /* its part in its edges, when they were last told */
	bool touched;		     /* in its unit's tally */
	struct spec *spec;
	const struct engine_job_spec *is;
	struct job_core core;
	uint64_t token;
	uint32_t attempt, restarts; /* in this run */
	uint32_t unmet, n_blocked;
	uint32_t stop_waits;
	edge_id first_out, last_out;
	edge_id first_in;    /* that name it */
	uint32_t parts;	     /* a mask of enum part, as its unit's tally counts it */
	job_id next_touched; /* if `touched` */
	uint32_t timer_gen;
	msec deadline, since;
	enum job_health health;		/* in this attempt */
	uint64_t spawned_at, failed_at; /* moments: which came first (failure.c) */
	char *why;			/* last error text; owned, NULL in a copy */
};

struct edge {
	bool used, stop_counted, broken, timed_out, gate_waiting;
	enum edge_status status; /* as last derived, of a job that tracks its edges */
	const struct engine_edge_spec *is;
	job_id from;
	unit_id to_unit;
	job_id to_job;
	gate_id gate;
	edge_id next_out, next_in, prev_in, next_gate, prev_gate;
	uint32_t timer_gen;
	msec clock_left, deadline; /* deadline: MSEC_NEVER while the clock stands still */
	msec since;
};

struct gate {
	char *key; /* owned; the text is in front of the '\x1f' */
	bool watched, open;
	uint32_t waiters, edges;
	edge_id first_edge;
};

enum timer_kind { TIMER_JOB, TIMER_EDGE, TIMER_OP };
struct timer {
	msec at;
	enum timer_kind kind;
	uint32_t id, gen;
};

enum watch_goal { GOAL_READY, GOAL_SETTLED, GOAL_STOPPED, GOAL_ENDED };
struct watch { /* until its operation ends */
	uint32_t op, next;
	unit_id unit;
	enum watch_goal goal;
	bool used;
	bool settled; /* GOAL_READY: holds now; others: held once, which is enough */
};

struct op {
	bool used;
	op_id id;
	enum op_kind kind;
	enum op_state state;
	bool changed, holding; /* holding: being built, may not end yet */
	bool ripe;	/* nothing is open: it ends when the pass is quiet, if that is so still */
	bool restored;	/* of a killed server: engine_restored() takes it up */
	unsigned flags; /* 1u << enum op_flag */
	uint32_t open;	/* watches that are not settled */
	enum err code;
	char *message;
	struct strv chain, started, names, notes;
	struct op_plan steps;
	struct {
		struct op_was *v;
		size_t n, cap;
	} was;
	op_id superseded_by;
	uint32_t timer_gen;
	msec deadline, within; /* within: of a shutdown, for the whole of it */
};

#define VEC(T)                 \
	struct {               \
		T *v;          \
		size_t n, cap; \
	}

struct token_slot {
	uint64_t token; /* 0: free */
	job_id job;
};

/* Where the last walk by index along one list stood: the next element is found at once.  Dropped
 * when a list changes. */
struct cursor {
	bool valid;
	uint32_t owner, at;
	size_t i;
};

struct engine {
	VEC(struct unit) units;
	VEC(struct job) jobs;
	VEC(struct edge) edges;
	VEC(struct gate) gates;
	VEC(struct tally) tallies;
	VEC(struct timer) timers; /* binary heap; stale entries are dropped by gen */
	VEC(struct watch) watches;
	VEC(struct op) ops;
	VEC(struct effect) effects;
	uint32_t free_unit, free_job, free_edge, free_watch;
	uint32_t free_tally;   /* index + 1 */
	uint32_t tallies_from; /* units of so many jobs have one */
	struct map by_name;    /* unit name -> index + 1 */
	struct map gate_by_key;
	const struct engine *original; /* of a copy: whose maps are asked */
	struct ids dirty, recount, failures, pulls, stops, release;
	VEC(struct token_slot) tokens; /* open addressing, token -> job */
	size_t n_tokens;
	uint64_t next_token, next_op, next_run, rng;
	uint64_t moment; /* counts spawns and failures */
	uint32_t epoch;
	uint32_t n_stop_marked, n_stopping; /* jobs in stop sets; jobs in state stopping */
	uint32_t n_mentions;		    /* entries in conflict lists, over all units */
	bool shutdown;
	bool ripe;			       /* some operation is */
	struct cursor job_cursor, edge_cursor; /* view.c: no state, a cache of walks */
	bool restoring; /* nothing is released or published until engine_restored */
};
/* What the files of the engine offer each other, from the bottom up: a file calls only those above
 * its own lines (tools/check-circles), so nothing comes back in the middle of a change. */

#define for_jobs(en, u, j) \
	for (job_id j = (en)->units.v[u].first_job; j != ID_NONE; j = (en)->jobs.v[j].next)
#define for_out(en, j, e) \
	for (edge_id e = (en)->jobs.v[j].first_out; e != ID_NONE; e = (en)->edges.v[e].next_out)
#define for_group(en, e, m)                    \
	for_out (en, (en)->edges.v[e].from, m) \
		if ((en)->edges.v[m].is->group == (en)->edges.v[e].is->group)
#define for_list_in(en, first, e) \
	for (edge_id e = (first); e != ID_NONE; e = (en)->edges.v[e].next_in)
/* To the whole unit, then to each of its jobs.  No edge may be bound anew meanwhile. */
#define for_in(en, u, e) \
	for (edge_id e = edge_first_in(en, u); e != ID_NONE; e = edge_next_in(en, e))

static inline edge_id edge_first_of_jobs(const struct engine *en, job_id j)
{
	while (j != ID_NONE && en->jobs.v[j].first_in == ID_NONE)
		j = en->jobs.v[j].next;
	return j == ID_NONE ? ID_NONE : en->jobs.v[j].first_in;
}

static inline edge_id edge_first_in(const struct engine *en, unit_id u)
{
	edge_id e = en->units.v[u].first_in;

	return e != ID_NONE ? e : edge_first_of_jobs(en, en->units.v[u].first_job);
}

static inline edge_id edge_next_in(const struct engine *en, edge_id e)
{
	const struct edge *ed = &en->edges.v[e];

	return ed->next_in != ID_NONE
		   ? ed->next_in
		   : edge_first_of_jobs(en, ed->to_job != ID_NONE
						? en->jobs.v[ed->to_job].next
						: en->units.v[ed->to_unit].first_job);
}

/* worklist.c; ids: a FIFO */
void ids_push(struct ids *q, uint32_t id);
bool ids_pop(struct ids *q, uint32_t *out);
void effect_push(struct engine *en, struct effect fx);
void unit_touch(struct engine *en, unit_id u);	    /* something of the unit itself changed */
void unit_queue(struct engine *en, unit_id u);	    /* something in it: job_changed() */
void conflicts_touch(struct engine *en, unit_id u); /* its `stopping` changed */
void job_recount_later(struct engine *en, job_id j);
void job_release_later(struct engine *en, job_id j);
void job_stop_later(struct engine *en, job_id j);
void unit_pull_later(struct engine *en, unit_id u, edge_id pulled_by);

/* timer.c */
void timer_push(struct engine *en, msec at, enum timer_kind kind, uint32_t id, uint32_t gen);
bool timer_pop_due(struct engine *en, msec now, struct timer *out);

/* lookup.c */
unit_id unit_by_name(const struct engine *en, const char *name);
struct op *op_by_id(const struct engine *en, op_id id);
void token_put(struct engine *en, uint64_t token, job_id j);
void token_remove(struct engine *en, uint64_t token);
uint32_t walk_begin(struct engine *en); /* a fresh epoch for unit.mark */
void cursors_drop(struct engine *en);

/* tally.c */
bool job_is_ready(const struct job *j); /* a one-shot by its success */
bool job_is_executed(const struct job *j);
bool job_is_healthy(const struct job *j);
bool job_is_unhealthy(const struct job *j);
bool job_is_not_coming(const struct job *j); /* its readiness probe has given up on it */
bool job_is_blocked(const struct job *j);
bool job_failed_meanwhile(const struct job *j);
void parts_count(const struct engine *en, unit_id u, struct parts *out); /* by a walk */
/* The tally's, or counted into `space`. */
const struct parts *parts_of(const struct engine *en, unit_id u, struct parts *space);
/* A job that is that part (JOB_FAILED, PART_BLOCKED or PART_REASON): the first, or of many any; or
 * ID_NONE. */
job_id job_of_part(const struct engine *en, unit_id u, unsigned part);
struct tally *tally_of(const struct engine *en, unit_id u); /* NULL: it has few jobs */
void tally_begin(struct engine *en, unit_id u);
void tally_end(struct engine *en, unit_id u);
void tally_add(struct engine *en, job_id j); /* it is in its unit's list, and has its spec */
void tally_remove(struct engine *en, job_id j);
bool tally_pop(struct engine *en, unit_id u, job_id *out); /* one that was touched */
/* Call after any change of a job that others may look at. */
void job_changed(struct engine *en, job_id j);
job_id unit_job_named(const struct engine *en, unit_id u, const char *action);

/* facts.c: reads only */
struct facts facts_of(const struct engine *en, unit_id u);
enum service_state facts_state(const struct engine *en, unit_id u, const struct facts *f);
enum run_state facts_run_state(const struct engine *en, unit_id u);
enum edge_status edge_evaluate(const struct engine *en, edge_id e, bool *gate_wanted);
enum edge_status edge_group_status(
    const struct engine *en, edge_id e); /* of its group, or its own */
enum edge_status edge_effect(
    const struct engine *en, edge_id e); /* its part in what its job waits for */
/* Would its group hold by conditions alone, without units of this mark (0: any unit)? */
bool edge_group_holds(const struct engine *en, edge_id e, uint32_t without_mark);
bool edge_may_pull(const struct engine *en, edge_id e); /* its target is to be had by starting it */
bool edge_is_ticking(const struct engine *en, edge_id e);
bool edge_is_broken(const struct engine *en, edge_id e);
bool edge_target_failed(const struct engine *en, edge_id e, uint64_t since);
bool edge_is_failing(const struct engine *en, edge_id e);
bool edge_target_holds(const struct engine *en, edge_id e); /* the condition alone */
void edge_describe(const struct engine *en, edge_id e, struct str *out);
bool job_tracks_edges(const struct job *j);
bool job_is_up(
    const struct job *j); /* its process was executed, or hangs before that, and not told to stop */
const char *unit_title(const struct engine *en, unit_id u);

/* derive.c */
void edge_begin_wait(struct engine *en, msec now, edge_id e); /* then edge_derive() */
void edge_derive(struct engine *en, msec now, edge_id e);     /* of a job that tracks its edges */
void edge_leave_gate(struct engine *en, edge_id e);
void edges_idle(struct engine *en, msec now, job_id j); /* the job tracks them no longer */

/* Units that an operation touches, and the edge by which each was reached. */
struct member {
	unit_id unit;
	edge_id by; /* ID_NONE: asked for */
	bool hard;
};
/* Wanted, so the operation ends when it has settled; members of a group are not waited for. */
bool member_is_wish(const struct engine *en, const struct member *m);
struct closure {
	struct member *v;
	size_t n, cap;
};
/* turn.c */
void job_mark_stop(struct engine *en, job_id j); /* no further attempt */
void job_mark_turn(struct engine *en, job_id j);
void jobs_take_turns(struct engine *en, const struct ids *jobs); /* those that are marked */
void members_take_turns(struct engine *en, const struct closure *c);
void job_leaves_stop(struct engine *en, job_id j);
void job_uncount_stops(struct engine *en, job_id j); /* its part in others' turns */
bool turns_break_stall(struct engine *en);

/* topology.c */
unit_id unit_named(struct engine *en, const char *name); /* a placeholder when unknown */
void unit_take_spec(
    struct engine *en, unit_id u, struct spec *take_spec); /* the caller drops the former one */
void unit_rebuild(
    struct engine *en, msec now, unit_id u); /* jobs from unit.spec; all ended or waiting */
void job_take_spec(struct engine *en, job_id j, struct spec *s, const struct engine_job_spec *is);
void unit_unregister(struct engine *en, unit_id u);
void unit_drop_if_unused(struct engine *en, unit_id u);

/* why.c */
void chain_of(const struct engine *en, unit_id u, struct strv *out);
enum err blocked_code(const struct engine *en, unit_id u, struct str *sentence);
void describe_failure(const struct engine *en, unit_id u, struct str *out);

/* operation.c: the list of operations and what each waits for */
struct op *op_add(struct engine *en, enum op_kind kind, op_id id);
struct op *op_new(struct engine *en, enum op_kind kind);
struct op *op_open(
    struct engine *en, const struct engine_request *rq); /* new, or the equal one in flight */
bool op_has(const struct op *op, enum op_flag flag);
uint32_t op_slot(const struct engine *en, const struct op *op);
void op_close(struct engine *en, uint32_t slot); /* built: it may end from now on */
void op_end(
    struct engine *en, struct op *op, enum op_state state, enum err code, const char *message);
void op_clock_begin(struct engine *en, msec now, uint32_t slot, unit_id u); /* SPEC 2.5.12 */
void op_release(struct op *op);
void op_step_record(struct engine *en, op_id id, const char *step, job_id j);
void op_time_out(struct engine *en, uint32_t slot); /* the deadline of a start */
void ops_unit_changed(struct engine *en, unit_id u);
void ops_extend(struct engine *en, unit_id u, msec deadline); /* of starts that wait for it */
void ops_executed(struct engine *en, msec now, unit_id u);
void watch_add(struct engine *en, uint32_t slot, unit_id u, enum watch_goal goal);
bool ops_end_ripe(struct engine *en); /* true: something ended, look again */
void watches_stopped(struct engine *en, unit_id u);
void supersede(struct engine *en, unit_id u, bool by_stop, op_id by);

/* step.c */
void job_event_now(
    struct engine *en, msec now, job_id j, enum job_event ev, const struct job_exit *x);
void job_failed_now(struct engine *en, job_id j); /* unplanned: a moment */
void job_extend(struct engine *en, msec now, job_id j, msec by);

/* stop.c: the set stops, dependents first; `again`: it starts again when it is gone */
void stop_members(struct engine *en, const struct closure *c, op_id cause, bool again);
void unit_stops_along(struct engine *en, unit_id u, edge_id by);

/* request.c: what an operation touches, before anything is changed */
enum err closure_of_start(struct engine *en, const struct engine_request *rq, bool automation,
    struct closure *out, struct ids *replaced, struct strv *notes, struct strv *chain,
    struct error *e);
void closure_of_stop(
    struct engine *en, const struct ids *asked, bool with_unneeded, struct closure *out);
void closure_of_restart(
    struct engine *en, const struct ids *asked, bool with_deps, struct closure *out);

/* failure.c */
void edge_failed(struct engine *en, edge_id e);
void failures_resume(struct engine *en);
void run_abort(struct engine *en, msec now, unit_id u);

/* run.c */
void want(struct engine *en, unit_id u, enum wanted wanted);
void unit_begin(struct engine *en, msec now, unit_id u, op_id cause, edge_id pulled_by);
void unit_stopped(struct engine *en, msec now, unit_id u);
void unit_pull(struct engine *en, msec now, unit_id u); /* automation; from the pulls queue */
void begin_members(struct engine *en, msec now, const struct closure *c, op_id cause);

/* pass.c */
void run_passes(struct engine *en, msec now);
void edge_time_out(struct engine *en, msec now, edge_id e);
void gate_opened(struct engine *en, msec now, gate_id g);

/* cancel.c, change.c, resume.c: requests that change something */
void op_want(
    struct engine *en, op_id id, unit_id u, enum wanted wanted); /* remembers what it was */
void shutdown_all(struct engine *en, msec now, uint32_t slot, msec within);
void ops_resume(struct engine *en, msec now);

/* plan.c */
struct engine *engine_copy(const struct engine *from);	       /* engine_free() */
void plan_play(struct engine *en, msec now, struct effect fx); /* the answer of a kind world */

#endif
