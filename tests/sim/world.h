/*
 * world.h - a make-believe machine under the real engine.
 *
 * Time is a counter, processes are rows, chance comes from one seed.  The world
 * carries out the engine's effects, hands back their outcome, and judges: its
 * rules speak of processes and of the specifications it generated itself, never
 * of what the engine says about them.
 */
#ifndef HP_TESTS_SIM_WORLD_H
#define HP_TESTS_SIM_WORLD_H

#include "engine/engine.h"
#include "storm.h"

#define MAX_UNITS 16
#define MAX_JOBS  3
#define MAX_EDGES 6

struct sim_edge {
	struct engine_edge_spec is;
	char service[16], action[16], gate[32], source[32];
};
struct sim_job {
	char name[16];
	struct job_policy policy;
	struct sim_edge edges[MAX_EDGES];
	size_t n_edges;
};
struct sim_unit {
	char name[16];
	bool registered;
	struct sim_job jobs[MAX_JOBS];
	size_t n_jobs; /* 0: a target */
	struct sim_edge edges[MAX_EDGES];
	size_t n_edges;
	char conflict[16];
	uint32_t version;
	bool restarted; /* by the operator's last word about it */
};

struct proc {
	uint64_t token;
	char unit[16], job[16];
	struct sim_job spec; /* as it was when it was spawned */
	bool target_of_stop; /* TERM came */
	bool alive, leader_gone, executed, ready;
	bool hangs;    /* in its chdir or execve, until exec_at */
	bool unborn;   /* ... and was killed there */
	bool stubborn; /* ignores TERM */
	bool healthy;  /* what its probe said last */
	uint64_t born; /* moment */
	msec exec_at, ready_at, exit_at, opens_at, empty_at, probe_at;
	struct job_exit exit;
};

/* What the operator asked for, and how it ended. */
struct sim_op {
	op_id id;
	enum op_kind kind;
	char names[3][16];
	size_t n_names;
	bool was_live[3];    /* when it was asked for */
	uint64_t newer_than; /* restart: processes have later tokens at its end */
	bool over;
	msec over_at;
	enum op_state end;
};

struct world {
	uint64_t seed, rng;
	msec now;
	struct engine *en;
	struct sim_unit units[MAX_UNITS];
	size_t n_units;
	uint64_t moment;		      /* counts spawns and failures */
	uint64_t failed[MAX_UNITS][MAX_JOBS]; /* moment of the last end that nobody asked for */
	struct {
		struct proc *v;
		size_t n, cap;
	} procs;
	struct {
		gate_id *v;
		size_t n, cap;
	} watched;
	struct {
		struct sim_op *v;
		size_t n, cap;
	} ops;
	struct storm storm;
	uint64_t digest; /* of what happened so far: digest.h */
	unsigned long operations;
	bool kind; /* nothing fails any more */
	unsigned spawns, kills, crashes, gates, max_steps;
	const char *broken; /* the rule that was broken */
	char detail[256];
	msec broken_at;
	bool trace;
};

uint32_t roll(struct world *w, uint32_t below);
void world_perform(struct world *w);	      /* carry out the effects, judge them */
msec world_next(const struct world *w);	      /* time of the next thing that happens by itself */
void world_advance(struct world *w, msec to); /* deliver all that is due at `to` */
void world_judge(struct world *w);	      /* rules that hold between events */
void world_break(struct world *w, const char *rule, const char *fmt, ...) attr_fmt(3, 4);
struct sim_unit *world_unit(struct world *w, const char *name);
void world_judge_failures(struct world *w); /* at rest: on_failure of every edge was kept */
bool world_wants_stop(const struct world *w, const char *name);
bool world_alive(const struct world *w, const char *unit, const char *job);
bool world_ready(struct world *w, const char *unit);
const struct proc *world_proc_of(
    const struct world *w, const char *unit, const char *job); /* its process, or NULL */
bool judge_job_view(const struct world *w, const char *unit, const char *job, struct job_view *v);
bool judge_degraded_counts(const struct world *w, const struct sim_unit *t);
bool judge_unit_holds(
    struct world *w, const struct sim_unit *t, enum condition c); /* the condition, of the world */
bool world_gate_answers(const struct world *w, const char *text);
void judge_spawn(struct world *w, const char *unit, const struct sim_job *j);
void judge_conflict(struct world *w, const char *unit);
uint64_t world_oldest(const struct world *w, const char *unit); /* token; 0: no process */

/* ops.c: operations, as they were promised to the operator */
void ops_asked(struct world *w, op_id id, const struct engine_request *rq, uint64_t newest,
    const bool *was_live);
void ops_changed(struct world *w, op_id id); /* EFFECT_OP */
void ops_cancel_one(struct world *w);
void ops_restore(struct world *w, const struct engine *old);
msec ops_end_of(const struct world *w, op_id id); /* when it ended */
void ops_judge_rest(struct world *w);
void ops_forget_old(struct world *w);

/* plans.c: what was planned is done */
void plans_judge(struct world *w, void (*run_for)(struct world *, msec));

#endif
