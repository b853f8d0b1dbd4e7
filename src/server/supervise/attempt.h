/*
 * attempt.h - one execution of a job: from the request to the empty process set.
 *
 * Asks the keeper, hands pipes to the logs, watches the declared readiness, and
 * tells the engine what became of it.  An attempt is known by its token; news
 * about a token that is no job's present one is acknowledged and forgotten.
 *
 * Depends on: server/supervise/supervision.h.
 */
#ifndef HP_SERVER_SUPERVISE_ATTEMPT_H
#define HP_SERVER_SUPERVISE_ATTEMPT_H

#include "logs/logs.h"
#include "server/supervise/supervision.h"
#include "spawn/spawner.h"

struct failure_line;
struct previous_definition;
struct notified;
struct probes;
struct readiness;

struct attempt {
	struct supervision *d;
	job_id job;
	uint64_t token;
	pid_t leader; /* the number that it has or had; also that of its session */
	bool executed, exited;
	bool ours;	  /* executed for this server: a child of its keeper */
	int64_t born;	  /* it was there then: ms of CLOCK_BOOTTIME; 0: not executed */
	bool holds_ready; /* the keeper has its readiness pipe, until what it said is recorded */
	uint64_t stopper; /* token of its running stop_exec, or 0 */
	struct readiness *readiness;	   /* NULL: not watched */
	struct failure_line *failure_line; /* NULL: nothing to remember of one */
	struct notified *notified;	   /* NULL: it said nothing, and nothing is expected */
	struct probes *probes;		   /* NULL: none */
	struct previous_definition
	    *former; /* what it was executed from, once that was replaced; or NULL */
};

/* A token of ours beside the engine's: never a job's. */
#define AUX_TOKEN_BIT (UINT64_C(1) << 63)

/* Effects of the engine.  A failure comes back as engine_not_executed(), at once. */
void attempt_spawn(struct supervision *d, const struct effect *fx);
void attempt_term(struct supervision *d, const struct effect *fx);
void attempt_kill(struct supervision *d, const struct effect *fx);
void attempt_sweep(struct supervision *d, const struct effect *fx);

/* What the keeper tells (spawner.h); each performs the effects it causes. */
void attempt_on_spawned(struct supervision *d, uint64_t token, pid_t pid);
void attempt_on_hangs(struct supervision *d, uint64_t token, enum keeper_step step);
void attempt_on_failed(struct supervision *d, uint64_t token, enum keeper_step step, int sys);
void attempt_on_exited(
    struct supervision *d, uint64_t token, const struct keeper_exit_info *how, bool empty);
void attempt_on_empty(struct supervision *d, uint64_t token);
void attempt_on_notified(struct supervision *d, uint64_t token, const char *text);

/* What a former server left: the job was restored under this token before. */
struct attempt *attempt_adopt(struct supervision *d, job_id job, uint64_t token, pid_t pid);

/* What the keeper keeps of it: unit, action, run, attempt. */
void attempt_label(struct supervision *d, unit_id unit, job_id job, struct str *out);

/* The live attempt of a job, NULL: none; each of them. */
struct attempt *attempt_of(const struct supervision *d, job_id job);
struct attempt *attempt_next(const struct supervision *d, const struct attempt *after);
pid_t attempt_pid(const struct attempt *at); /* 0: it is not executed, or has ended */
void attempt_free(struct attempt *at);	     /* the memory alone, at the end of the server */

/* The attempt of a token, NULL: not the present one of any job. */
struct attempt *attempt_find(const struct supervision *d, uint64_t token);

/* How it ended, held against success_exit_codes and the rules of the retry policy. */
struct job_exit attempt_exit(const struct action_def *a, const struct keeper_exit_info *how);

/* Names of what the keeper holds for a token: "log:<token>:stdout" ... */
enum held { HELD_STDOUT, HELD_STDERR, HELD_READY, HELD_COUNT };
char *held_name(uint64_t token, enum held what);
bool held_parse(const char *name, uint64_t *token, enum held *what);

/* The keeper need not keep its readiness pipe any longer. */
void attempt_let_ready_go(struct attempt *at);

/* Give a pipe to the logs; it is closed by them.  `resumed`: it was captured before. */
void attempt_capture(struct supervision *d, job_id job, uint64_t token, enum log_stream stream,
    int take_fd, bool resumed);

/* Acknowledge an exit to the keeper once all that was put is committed, again and again while
 * the disk refuses. */
void attempt_acknowledge(struct supervision *d, uint64_t token);
void attempt_acknowledge_again(struct supervision *d); /* all of these, now */

/* A process of nobody was ended: its exit is no news. */
void attempt_ignore_exit(struct supervision *d, uint64_t token);

#endif
