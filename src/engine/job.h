/*
 * job.h - the life of one action inside a run, as a pure function.
 *
 * job_step() says what becomes of a job when one thing happens to it, and what
 * should be done about it.  It reads no clock, touches no other job and keeps
 * nothing: same arguments, same answer.  engine.c knows the graph, decides when
 * an event is due, and carries the verbs out; the simulator does the same in a
 * make-believe world.
 *
 *   created --begin--> waiting_deps --release--> starting --executed--> running --ready--> ready
 *                        ^   ^                      |                      |                 |
 *                        |   +---- retrying <-------+----------------------+-----------------+
 *                        |            (ended, the policy wants another attempt)
 *                        +--begin-- succeeded | failed | cancelled | skipped  (no further attempt)
 *
 * From any state a stop leads to cancelled, through stopping when a process is
 * left.  The whole table is printed by the code: docs/job-states.md.
 *
 * Depends on: base, model/words.h.
 */
#ifndef HP_ENGINE_JOB_H
#define HP_ENGINE_JOB_H

#include "model/words.h"

/* clang-format off */
#define JOB_EVENT_LIST(X)                                                                   \
	X(JOB_EV_BEGIN,     "begin",     "a run begins, or an explicit start asks for an attempt now")\
	X(JOB_EV_RELEASE,   "release",   "every edge holds and nothing conflicts")          \
	X(JOB_EV_UNHOLD,    "unhold",    "an edge of a target (a job without a process) ceased to hold")\
	X(JOB_EV_BLOCK,     "block",     "a hard edge can not hold and the run is ad hoc")  \
	X(JOB_EV_EXECUTED,  "executed",  "execve(2) succeeded")                             \
	X(JOB_EV_NO_EXEC,   "no_exec",   "it could not be executed, and never will as it is")\
	X(JOB_EV_TRANSIENT, "transient", "it could not be executed for want of a resource") \
	X(JOB_EV_HANGS,     "hangs",     "its chdir(2) or execve(2) does not come to an end") \
	X(JOB_EV_READY,     "ready",     "the declared readiness came true")                \
	X(JOB_EV_EXITED,    "exited",    "the leader ended; others of its set may be left") \
	X(JOB_EV_EMPTY,     "empty",     "nothing of its process set is left")              \
	X(JOB_EV_TIMER,     "timer",     "the job's one timer ran out")                     \
	X(JOB_EV_PROBE,     "probe",     "a probe that restarts crossed its threshold")     \
	X(JOB_EV_DEP_FAILED,"dep_failed","what it requires failed, and the edge says restart or stop")\
	X(JOB_EV_STOP,      "stop",      "a stop was asked for, and it is this job's turn") \
	X(JOB_EV_KILL,      "kill",      "the deadline of the whole stop is over")
ENUM_DECLARE(job_event, JOB_EVENT_LIST, JOB_EVENT_COUNT);

#define JOB_VERB_LIST(X)                                                                    \
	X(JOB_VERB_WAIT,   "wait",   "count the edges that do not hold; release when none")  \
	X(JOB_VERB_SPAWN,  "spawn",  "execute an attempt with a new token")                  \
	X(JOB_VERB_TERM,   "term",   "stop_exec or stop_signal to the whole set")            \
	X(JOB_VERB_KILL,   "kill",   "SIGKILL to the whole set")                             \
	X(JOB_VERB_SWEEP,  "sweep",  "stop_signal to what the leader left behind")           \
	X(JOB_VERB_ARM,    "arm",    "set the job's one timer")                              \
	X(JOB_VERB_DISARM, "disarm", "forget the timer")                                     \
	X(JOB_VERB_ENDED,  "ended",  "no further attempt will follow by itself")
ENUM_DECLARE(job_verb, JOB_VERB_LIST, JOB_VERB_COUNT);
/* clang-format on */

/* What the definition asks for; constant during an attempt. */
struct job_policy {
	bool one_shot;
	bool virtual;	/* a target: no process; ready while its edges hold */
	bool readiness; /* declared; false: executed means ready */
	bool probed;	/* a probe speaks for its health, by engine_health() */
	enum restart restart;
	uint32_t max_attempts; /* 0: no limit */
	msec delay;
	bool delay_given; /* holds for the first restart too */
	double factor;
	msec delay_max;
	double jitter;	    /* 0..1; the random part is job_outcome.chance */
	msec stability;	    /* healthy uptime that resets the counter */
	msec start_timeout; /* 0: none */
	msec timeout;	    /* of a one-shot's whole run; 0: none */
	msec stop_timeout;
};

/* How the leader ended, already held against success_exit_codes and rules. */
enum exit_rule { EXIT_RULE_NONE, EXIT_RULE_RESTART, EXIT_RULE_STOP, EXIT_RULE_FAIL };
struct job_exit {
	int code;   /* exit status, -1 when ended by a signal or unknown */
	int signal; /* 0 when none */
	bool success;
	bool oom, lost; /* lost: nobody could tell the status */
	bool empty;	/* nothing else of its process set is left either */
	enum exit_rule rule;
};

/* All that changes; small, copied by value. */
struct job_core {
	enum job_state state;
	bool stop;	   /* a stop was asked for; no further attempt */
	bool dep_failed;   /* its turn to end comes from a failed dependency */
	bool exited;	   /* the leader of this attempt is gone, its set may not be */
	bool executed;	   /* in this attempt */
	bool hangs;	   /* not executed yet, but there is a process that KILL can reach */
	bool ready;	   /* was, in this attempt */
	bool was_ready;	   /* in this run */
	bool was_executed; /* in this run */
	bool completed;	   /* in this run: ended after execution, no attempt follows */
	bool killed;	   /* KILL was sent in this attempt, or is due once it was executed */
	uint32_t attempts; /* executions asked for, since the run began or the counter was reset */
	uint32_t failures; /* ends in a row, for the back-off */
	uint32_t transients; /* in a row */
	enum reason reason;  /* of the last end, or why it is being ended */
	enum reason cause;   /* of the end of the last attempt, also where it gave up after it */
	struct job_exit last;
};

/* What the engine knows and the step may use. */
struct job_world {
	bool demanded; /* a retry may follow (SPEC 1 `demanded`) */
	double chance; /* 0..1, for jitter */
};

#define JOB_VERBS_MAX 4
struct job_step {
	struct job_core core;
	size_t n;
	struct {
		enum job_verb verb;
		msec after; /* JOB_VERB_ARM only */
	} act[JOB_VERBS_MAX];
};

/* `exit` is read on JOB_EV_EXITED only and may be NULL otherwise. */
struct job_step job_step(const struct job_policy *p, struct job_core core,
    const struct job_world *w, enum job_event ev, const struct job_exit *exit);

bool job_state_has_process(enum job_state s); /* starting, running, ready, stopping */
bool job_has_why(const struct job_core *c);   /* the last error text tells of its state */
bool job_state_is_end(enum job_state s);      /* succeeded, failed, cancelled, skipped */

/* The pause before restart number n (1 = first), SPEC 4 retry_policy. */
msec job_backoff(const struct job_policy *p, uint32_t n, double chance);

#endif
