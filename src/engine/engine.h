/*
 * engine.h - who may run, and when: one event in, effects out.
 *
 * The engine holds every service and ad-hoc run (both are a *unit*: a set of
 * jobs with edges to other units or jobs), decides, and does nothing: it reads
 * no clock (time is a parameter, on CLOCK_MONOTONIC in ms), opens nothing,
 * spawns nothing.  Every function that changes it appends effects; the caller
 * carries them out in order (engine_effects) and clears them.  The outcome of
 * an effect comes back as another call.  A late event of a former attempt is
 * recognised by its token and ignored.
 *
 * How it works.  Each job that waits keeps a count of its edges that do not
 * hold.  A change of a unit marks it dirty; dirty units re-evaluate the edges
 * that point at them, each once; only when nothing is dirty any more are jobs
 * whose count is zero released.  So a pass costs O(edges touched), there is no
 * recursion, and no half-updated graph acts.  An edge is always re-derived from
 * facts (`facts.c`), never remembered, so a lost wake-up can not exist.
 *
 * Order edges must be free of cycles: the registry refuses them before.
 *
 * Ids are indices, valid until the unit is removed; names are the stable words.
 * Not thread-safe: one thread owns an engine.  Texts are borrowed until the
 * next changing call.  Depends on: base, model/words.h, engine/job.h.
 */
#ifndef HP_ENGINE_ENGINE_H
#define HP_ENGINE_ENGINE_H

#include "base/error.h"
#include "base/str.h"
#include "engine/job.h"

typedef uint32_t unit_id;
typedef uint32_t job_id; /* index over all units */
typedef uint32_t edge_id;
typedef uint32_t gate_id;
typedef uint64_t op_id;
#define ID_NONE UINT32_MAX

/* ---- definitions -------------------------------------------------------- */

struct engine_edge_spec {
	unsigned kinds; /* DEP_* */
	enum condition condition;
	const char
	    *service;	    /* resolved target; NULL with gate_only, or when nothing has the name */
	const char *action; /* NULL: the whole service */
	const char *key;    /* the name that was asked for; never NULL */
	bool gate_only;	    /* nothing to start: the gate alone is tested */
	const char
	    *gate;    /* opaque text of what must answer, "unix:/x/rpc.sock health"; NULL: none */
	msec timeout; /* 0: none */
	bool optional;
	enum on_failure on_failure;
	enum on_restart on_restart;
	enum on_stop on_stop;
	const char *source; /* "web/service.toml:12" */
	uint32_t group; /* edges of a job with the same number are one: `need` of them are enough */
	uint32_t need;
};

struct engine_job_spec {
	const char *name;
	struct job_policy policy;
	const struct engine_edge_spec *edges;
	size_t n_edges;
};

struct engine_unit_spec {
	const char *name;
	uint64_t
	    revision; /* of what was written; when it changes, results of one-shots are forgotten */
	bool is_run;  /* ad hoc: begins at once, is gone when it ended */
	bool abort_on_failure; /* of a run: the first failure stops the rest */
	bool class_system;
	bool critical;
	enum wanted wanted;		    /* taken at first registration only */
	const struct engine_job_spec *jobs; /* started actions only; none: a target */
	size_t n_jobs;
	const struct engine_edge_spec *edges; /* of a target; jobs carry their own */
	size_t n_edges;
	const char *const *conflicts;
	size_t n_conflicts;
};

struct engine *engine_new(uint64_t seed); /* seed: of jitter */
/* For tests: units of so many jobs keep counts instead of walks over their jobs (16). */
void engine_keep_tallies(struct engine *en, uint32_t from);
void engine_free(struct engine *en);

/* Add or replace a unit.  Texts are copied.  A waiting run takes the new edges
 * at once, a running one at its next attempt.  Returns its id. */
unit_id engine_define(struct engine *en, msec now, const struct engine_unit_spec *spec);

/* The unit is gone from the registry.  Its jobs must have ended (engine_stop
 * first), else false and nothing changes.  Dependents see it as missing. */
bool engine_remove(struct engine *en, msec now, const char *name);

unit_id engine_find(const struct engine *en, const char *name); /* ID_NONE: none */

/* ---- operations --------------------------------------------------------- */

/* clang-format off */
#define OP_KIND_LIST(X)                                                                    \
	X(OP_START,   "start",   "make it ready, with what it needs")                      \
	X(OP_STOP,    "stop",    "make it inactive, after what requires it")               \
	X(OP_RESTART, "restart", "stop it, then start it")                                 \
	X(OP_RUN,     "run",     "an ad-hoc run, to its end")                              \
	X(OP_BOOT,    "boot",    "start everything that is wanted")
ENUM_DECLARE(op_kind, OP_KIND_LIST, OP_KIND_COUNT);

#define OP_STATE_LIST(X)                                                                   \
	X(OP_ACTIVE,    "active",    "in flight")                                          \
	X(OP_DONE,      "done",      "reached what was asked")                             \
	X(OP_FAILED,    "failed",    "did not reach it")                                   \
	X(OP_CANCELLED, "cancelled", "superseded by a later request, or called off")
ENUM_DECLARE(op_state, OP_STATE_LIST, OP_STATE_COUNT);

#define OP_FLAG_LIST(X)                                                                    \
	X(OP_FLAG_REPLACE,       "replace",       "stop what conflicts first")             \
	X(OP_FLAG_NO_DEPS,       "no_deps",       "pull nothing in; every hard edge must hold") \
	X(OP_FLAG_WITH_UNNEEDED, "with_unneeded", "stop: also what nothing demands any more") \
	X(OP_FLAG_WITH_DEPS,     "with_deps",     "restart: hard dependencies too")        \
	X(OP_FLAG_KEEP_WANTED,   "keep_wanted",   "automation: leave the operator's word") \
	X(OP_FLAG_SHUTDOWN,      "shutdown",      "everything, class system included")
ENUM_DECLARE(op_flag, OP_FLAG_LIST, OP_FLAG_COUNT); /* bit 1u << flag of op_view.flags */
/* clang-format on */

struct engine_request {
	enum op_kind kind;
	const char *const *names;
	size_t n_names;
	bool replace;	    /* stop what conflicts first */
	bool no_deps;	    /* pull nothing in; every hard edge must hold */
	bool with_unneeded; /* stop: also what nothing demands any more */
	bool with_deps;	    /* restart: hard dependencies too */
	bool keep_wanted;   /* automation: do not change the operator's word */
	const char *who;
};

struct op_step {
	const char *step; /* "start" or "stop" */
	char *service;
	char *action; /* NULL for a target */
	char *reason; /* "asked for", "required by web (web/service.toml:12)" */
	msec at;      /* when; of a plan: nothing */
};

/* The operator's word about a service, before an operation changed it. */
struct op_was {
	char *service;
	enum wanted before;
};

/* Refused (nothing changed): the error, with `chain` texts (caller's strv).
 * Accepted: *out is the operation; it may already be over (changed == false).
 * A request equal to one in flight (kind, set of names, flags) joins it: same id,
 * and it takes effect once more (ADR 9). */
enum err engine_request(struct engine *en, msec now, const struct engine_request *rq, op_id *out,
    struct strv *chain, struct error *e) attr_must_use;

/* Submit an ad-hoc run whose spec was defined with is_run (name = its run name). */
enum err engine_submit(struct engine *en, msec now, const char *name, const char *who, op_id *out,
    struct strv *chain, struct error *e) attr_must_use;

/* Call an operation off: it ends OP_CANCELLED.  What it was about to start, was not
 * executed yet and nothing else demands is not started, and the operator's word about
 * that is again what it was; what was executed goes on.  ERR_NOT_FOUND, or
 * ERR_INVALID_STATE: it is over, or it is a stop, which can not be taken back. */
enum err engine_op_cancel(
    struct engine *en, msec now, op_id id, const char *who, struct error *e) attr_must_use;

/* The operator's word (wanted.set); changes nothing that runs. */
enum err engine_set_wanted(struct engine *en, msec now, const char *name, enum wanted wanted,
    struct error *e) attr_must_use;

/* Stop everything, class system included, dependents first; wanted is kept.
 * What is left after `within` ms gets KILL (0: no overall deadline). */
op_id engine_shutdown(struct engine *en, msec now, msec within);

struct op_view {
	op_id id;
	enum op_kind kind;
	enum op_state state;
	bool changed;
	enum err code; /* of OP_FAILED, OP_CANCELLED */
	const char *message;
	const struct strv *chain;
	const struct strv *started; /* names of services whose run this operation began */
	const struct strv *names;
	const struct strv *notes; /* wanted targets that failed, skipped conflicts ... */
	const struct op_step *steps;
	size_t n_steps;
	const struct op_was *was;
	size_t n_was;
	unsigned flags; /* 1u << enum op_flag */
	msec within;	/* of a shutdown: ms for the whole of it */
	op_id superseded_by;
};
bool engine_op(const struct engine *en, op_id id, struct op_view *out);
/* The newest that goes on, of those before that number (0: of all). */
bool engine_op_in_flight(const struct engine *en, op_id before, struct op_view *out);
void engine_op_forget(struct engine *en, op_id id); /* after its answer was given */
/* An id for something that is over at once; never given again. */
op_id engine_op_number(struct engine *en);

/* What an operation would do (OP_RUN: a run that was defined but not submitted): the
 * same code on a copy, in a world where everything goes well.  Steps are in order of execution; the
 * caller frees with op_plan_release. */
struct op_plan {
	struct op_step *v;
	size_t n, cap;
};
enum err engine_plan(const struct engine *en, msec now, const struct engine_request *rq,
    struct op_plan *out, struct strv *chain, struct error *e) attr_must_use;
void op_plan_release(struct op_plan *p);

/* What would become of the others, by the same code on a copy: `fail` is every process of it
 * (with `action`: of that one) ending with exit code 1, otherwise an explicit stop.  The rest of
 * the world is kind.  ERR_INVALID_STATE: nothing of it runs.  Release with what_if_release. */
struct what_if_row {
	char *service;
	char *action; /* one of several of it, whose states are those of a job; NULL: the service */
	union what_if_state {
		enum service_state service;
		enum job_state action;
	} before, during,      /* it is gone, the others have reacted */
	    after;	       /* it came back as its policy says; of a stop: as during */
	bool stopped, started; /* processes of it, in the steps */
	char *why;	       /* of `during`, or NULL */
};
struct what_if {
	struct what_if_row *v; /* what changes, by name, actions behind their service; itself too */
	size_t n, cap;
	struct op_plan steps;
	bool comes_back;
};
enum err engine_what_if(const struct engine *en, msec now, const char *name, const char *action,
    bool fail, struct what_if *out, struct error *e) attr_must_use;
void what_if_release(struct what_if *w);

/* ---- events from the world ---------------------------------------------- */

void engine_executed(struct engine *en, msec now, uint64_t token);
/* What stood in the way of a pending job is gone: it is tried now, not when its pause is over. */
void engine_try_now(struct engine *en, msec now, const char *unit, const char *job);
void engine_not_executed(struct engine *en, msec now, uint64_t token, bool transient,
    const char *why); /* "chdir /x: No such file or directory" */
/* Neither of the two, for a while; one of them follows, whenever that may be. */
void engine_hangs(
    struct engine *en, msec now, uint64_t token, const char *why); /* "chdir /x: hangs" */
void engine_ready(struct engine *en, msec now, uint64_t token);
/* It asked for more time (EXTEND_TIMEOUT_USEC): the deadline of its start, its stop or a
 * one-shot's run is not before now + by.  Never earlier than it was; nothing where there is
 * no deadline, or once KILL was sent. */
void engine_extend(struct engine *en, msec now, uint64_t token, msec by);
void engine_exited(struct engine *en, msec now, uint64_t token, const struct job_exit *exit);
/* Once, after engine_exited() without `exit->empty`. */
void engine_set_empty(struct engine *en, msec now, uint64_t token);
/* A probe that ends the attempt crossed its threshold: startup, liveness. */
void engine_probe_failed(struct engine *en, msec now, uint64_t token, const char *why);
/* What the readiness probe says, each time it changes; without one, the liveness probe.
 * Bad, before the attempt was ready: operations that wait on it fail, the attempt goes on.
 * Bad afterwards: it stays `ready`, is not `healthy`, and `on_failure` of edges acts.
 * An attempt begins without an answer, which is not healthy either. */
void engine_health(struct engine *en, msec now, uint64_t token, bool healthy, const char *why);
/* What it waits for before it is ready, in words: of a start that times out. */
void engine_waits(struct engine *en, uint64_t token, const char *what);
void engine_gate_open(struct engine *en, msec now, gate_id gate);
void engine_tick(struct engine *en, msec now); /* at or after engine_deadline() */
msec engine_deadline(const struct engine *en); /* MSEC_NEVER: no timer is armed */

/* ---- effects ------------------------------------------------------------ */

/* clang-format off */
#define EFFECT_LIST(X)                                                                     \
	X(EFFECT_SPAWN,     "spawn",     "execute this job's attempt under this token")    \
	X(EFFECT_TERM,      "term",      "stop_exec or stop_signal to the whole set")      \
	X(EFFECT_KILL,      "kill",      "SIGKILL to the whole set")                       \
	X(EFFECT_SWEEP,     "sweep",     "stop_signal to what the leader left behind")     \
	X(EFFECT_GATE_WATCH,"gate_watch","tell engine_gate_open once this gate answers")   \
	X(EFFECT_GATE_DROP, "gate_drop", "nobody waits for this gate any more")            \
	X(EFFECT_JOB,       "job",       "a job changed its state; record it")             \
	X(EFFECT_JOB_TURN,  "job_turn",  "a job will be told to end; record it")            \
	X(EFFECT_UNIT,      "unit",      "a unit changed its state; record it")            \
	X(EFFECT_EDGE,      "edge",      "an edge of a waiting job changed; record it")    \
	X(EFFECT_WANTED,    "wanted",    "the operator's word changed; store it")          \
	X(EFFECT_OP,        "op",        "an operation began, went on or ended")           \
	X(EFFECT_RUN_ENDED, "run_ended", "an ad-hoc run or a service's run ended")
ENUM_DECLARE(effect_kind, EFFECT_LIST, EFFECT_COUNT);
/* clang-format on */

struct effect {
	enum effect_kind kind;
	unit_id unit;
	job_id job;
	gate_id gate;
	op_id op;
	uint64_t token;
	uint32_t attempt; /* EFFECT_JOB: the last one then; another may have begun since */
	/* enum job_state (EFFECT_JOB), enum service_state (EFFECT_UNIT), enum wanted, enum
	 * edge_status (EFFECT_EDGE; both EDGE_WAITS: the condition holds, the gate is asked) */
	int from, to;
	enum reason reason;
	edge_id edge; /* EFFECT_EDGE; what merely begins to wait, and all but the last few that
		       * come to hold, are not told: a dense graph has more edges than news */
};
const struct effect *engine_effects(const struct engine *en, size_t *n);
void engine_effects_clear(struct engine *en);

/* ---- questions ---------------------------------------------------------- */

/* clang-format off */
#define JOB_HEALTH_LIST(X)                                                                 \
	X(HEALTH_UNKNOWN, "unknown", "no probe has spoken in this attempt")                \
	X(HEALTH_GOOD,    "good",    "the probe passes")                                   \
	X(HEALTH_BAD,     "bad",     "the probe crossed its threshold")
ENUM_DECLARE(job_health, JOB_HEALTH_LIST, JOB_HEALTH_COUNT);
/* clang-format on */

struct job_view {
	job_id id;
	const char *name; /* the action */
	struct job_core core;
	uint64_t token;	 /* of the present or last attempt; 0: none yet */
	msec since;	 /* of the state */
	msec deadline;	 /* of its timer, MSEC_NEVER */
	const char *why; /* last error text, or NULL */
	enum job_health health;
	uint32_t attempt, restarts; /* in this run; attempt 1 is the first execution */
	bool virtual;
};
struct unit_view {
	unit_id id;
	const char *name;
	bool is_run, registered, class_system, critical;
	bool definition_changed;
	enum wanted wanted;
	enum service_state state;
	enum run_state run_state;
	enum reason reason;
	const char *reason_subject; /* "db" of dependency_stopped(db), or NULL */
	msec since;
	uint64_t run; /* number of the present or last run; 0: never ran */
	bool run_live;
	op_id op;		 /* an operation in flight, 0 */
	op_id cause, stop_cause; /* the operation that began the run; that stops or stopped it; 0 */
	unit_id pulled_by;	 /* whose edge made automation begin the run; ID_NONE */
	size_t n_jobs;
};
size_t engine_unit_count(const struct engine *en); /* ids are below it; some may be free */
size_t engine_job_count(const struct engine *en);  /* ids of jobs are below */
bool engine_unit(const struct engine *en, unit_id u, struct unit_view *out);
bool engine_job_at(const struct engine *en, unit_id u, size_t i, struct job_view *out);
bool engine_job(const struct engine *en, job_id j, struct job_view *out, unit_id *unit);
job_id engine_find_job(const struct engine *en, unit_id u, const char *action); /* or ID_NONE */
job_id engine_next_job(const struct engine *en, job_id j); /* of its unit, or ID_NONE */
job_id engine_job_by_token(const struct engine *en, uint64_t token);
bool engine_demanded(const struct engine *en, unit_id u);
/* The same of all at once, in units plus edges: out[u] for each u below engine_unit_count(). */
void engine_demanded_all(const struct engine *en, bool *out);

/* clang-format off */
#define EDGE_STATUS_LIST(X)                                                                \
	X(EDGE_HOLDS,   "holds",   "satisfied")                                            \
	X(EDGE_WAITS,   "waits",   "not yet")                                              \
	X(EDGE_BLOCKED, "blocked", "can not hold without help")                            \
	X(EDGE_IGNORED, "ignored", "optional, and its target is absent or wanted stop")
ENUM_DECLARE(edge_status, EDGE_STATUS_LIST, EDGE_STATUS_COUNT);
/* clang-format on */

struct edge_view {
	edge_id id;
	job_id from;
	unit_id to_unit;		    /* ID_NONE with gate_only */
	job_id to_job;			    /* ID_NONE: the whole unit */
	const char *target, *target_action; /* names; target is the key when nothing has the name */
	unsigned kinds;
	enum condition condition;
	enum edge_status
	    status;	 /* as of now, derived from facts; of a group: as the group needs it */
	bool gate_waits; /* the condition holds, the gate does not answer */
	gate_id gate;
	const char *gate_text;
	bool timed_out;
	msec timeout, since;
	const char *source;
	uint32_t group, need; /* group 0: none */
	char text[256];	      /* "socket /x/rpc.sock of db does not answer", one sentence */
};
/* Edges of a job in order of declaration; false beyond the last. */
bool engine_edge_at(const struct engine *en, job_id j, size_t i, struct edge_view *out);
bool engine_edge(const struct engine *en, edge_id e, struct edge_view *out);
/* Edges that lead into a unit, in no order: *at is ID_NONE before the first.  `to_job` ID_NONE: to
 * the whole unit. */
bool engine_next_into(
    const struct engine *en, unit_id u, edge_id *at, job_id *from, job_id *to_job);
/* The i-th of those that wait for a gate; false beyond the last. */
bool engine_gate_waiter(const struct engine *en, gate_id gate, size_t i, unit_id *out);
const char *engine_gate_text(const struct engine *en, gate_id gate);
/* The unit that this one's conflict waits for, or ID_NONE. */
unit_id engine_conflict_of(const struct engine *en, unit_id u);
/* Some that are demanded and pull this one in, at most `max`; their number.  A hub has
 * thousands: few of its edges are looked at. */
size_t engine_needed_by(const struct engine *en, unit_id u, unit_id *out, size_t max);
/* One that this one conflicts with and that is active now, whoever waits; or ID_NONE. */
unit_id engine_conflict_active(const struct engine *en, unit_id u);
/* Names of units with an edge to this one. */
void engine_dependents(const struct engine *en, unit_id u, bool hard_only, struct strv *out);

/* ---- recovery ----------------------------------------------------------- */

/* Put back what the store and the keeper know, after all engine_define calls
 * and before anything else; then engine_restored() counts, arms and acts.
 * Nothing that lives is executed again. */
struct engine_job_memory {
	struct job_core core;
	uint64_t token;
	uint32_t attempt, restarts;
	msec since;
};
void engine_restore_begin(struct engine *en); /* before the first engine_define */
void engine_restore_unit(struct engine *en, const char *name, enum wanted wanted, uint64_t run,
    bool run_live, enum reason reason, const char *reason_subject);
bool engine_restore_job(
    struct engine *en, const char *unit, const char *job, const struct engine_job_memory *m);
/* An operation that was in flight: as op_view showed it (id, kind, names, flags, within,
 * started, notes, steps, was, changed), all of it copied.  engine_restored() takes it up: what is
 * missing is begun, what it waits for is derived from facts. */
void engine_restore_op(struct engine *en, const struct op_view *m);
void engine_restored(struct engine *en, msec now);
void engine_set_counters(
    struct engine *en, uint64_t next_token, uint64_t next_op, uint64_t next_run);

/* ---- checking itself ---------------------------------------------------- */

/* Recounts everything from facts; ERR_BUG with a sentence when a count, a state
 * or a timer is not what it must be.  For the simulator. */
enum err engine_check(const struct engine *en, struct error *e) attr_must_use;

#endif
