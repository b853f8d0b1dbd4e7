/*
 * recovery.h - what a recovery works on: rows of the store, survivors of the keeper's list.
 *
 * For recover.c (its course, and the news that follows) and recover_place.c (which row and which
 * process belong together) only.
 */
#ifndef HP_SERVER_RECOVERY_RECOVERY_H
#define HP_SERVER_RECOVERY_RECOVERY_H

#include "base/map.h"
#include "server/supervise/attempt.h"
#include "server/supervise/attempt_label.h"

/* A process, or the end of one, that the keeper knows. */
struct survivor {
	struct attempt_label label;
	uint64_t token;
	pid_t pid;
	bool exited, acked, empty, lost, asked, starting, placed, stop_due;
	enum keeper_step step; /* that hangs, of one that is `starting` */
	job_id job;	       /* of one that was placed */
	msec born;
	char *notified; /* all that it said, or NULL */
	struct keeper_exit_info exit;
	int held[HELD_COUNT];
	char key[24], row_key[24];
};

struct job_row {
	char *unit, *action;
	uint64_t run, token;
	int64_t row, attempt, restarts, exit_code, signal, pid;
	enum job_state state;
	enum reason reason;
	usec_wall created, started, ready_at, ended;
	msec since;
	uint32_t tries, failures; /* of its retry policy */
	bool ready, stop, dep_failed;
};

/* A pipe that was held for an attempt that is over: what it wrote last is in it. */
struct orphan {
	uint64_t token;
	enum held what;
	int fd;
};

struct recovery {
	struct daemon *d;
	struct {
		struct orphan *v;
		size_t n, cap;
	} orphans;
	struct {
		struct survivor **v;
		size_t n, cap;
	} survivors;
	struct {
		struct previous_definition *
		    *v; /* by unit_id: as the row of its run has it, or NULL */
		size_t n, cap;
	} previous;
	bool listed;	     /* the list is complete */
	struct map by_token; /* struct survivor */
	struct map by_row;   /* the youngest of each job's row */
	struct {
		struct job_row *v;
		size_t n, cap;
	} rows;
};

/* The row that would have been written, had there been time.  Its texts are the survivor's. */
struct job_row recovery_row_of(const struct survivor *s);

/* That row, with its process if there is one, to its job; ID_NONE: nobody knows it. */
job_id recovery_place_row(struct daemon *d, const struct job_row *row, const struct survivor *s);

/* Every row and every survivor to its job in the engine, which holds still. */
void recovery_place(struct recovery *r);

/* When this server acts: what belongs to nothing any more is ended, nobody would ever stop it. */
void recovery_end_strays(struct recovery *r);

/* Stops that a former server decided on and the keeper did not hear of. */
void recovery_ask_again(struct recovery *r);

#endif
