/*
 * history.h - the room of what happened: rows of jobs and runs (records.h), events (events.h),
 * the definitions that units are made from (definitions.h), how much is kept (retention.h).
 *
 * Nothing here fails or waits: the store queues.  Rows and events are written after the
 * processes of a pass were asked for, never before.
 *
 * Loop thread.  Owner: the daemon, one for the life of the server.
 * Depends on: base, model, engine, registry, store, server/host.
 */
#ifndef HP_SERVER_HISTORY_HISTORY_H
#define HP_SERVER_HISTORY_HISTORY_H

#include "engine/engine.h"
#include "registry/registry.h"
#include "store/store.h"

struct failures;
struct history;

/* What rooms above know, and a row or an event says.  Texts are borrowed until the next call of
 * their room. */
struct history_config {
	struct engine *engine;
	struct registry *registry;
	struct store *store;
	void *ctx;
	/* Who asked for an operation in flight; NULL: it is not in flight. */
	const char *(*who)(void *ctx, op_id op);
	/* The event of its begin, which is recorded now if it was not; 0: over, or none. */
	int64_t (*operation_event)(void *ctx, op_id op);
	/* What the live attempt of an action was executed from, or the next one will be. */
	const struct action_def *(*action)(void *ctx, unit_id unit, const char *action);
	/* JSON of the definition that live attempts of a unit were executed from, once that was
	 * replaced; the caller frees; NULL: they run what is defined. */
	char *(*previous_definition)(void *ctx, unit_id unit);
	/* What the last try of a gate said, or NULL. */
	const char *(*gate_last)(void *ctx, gate_id gate);
	/* An event was recorded: for those who follow. */
	void (*recorded)(void *ctx, int64_t id, int64_t cause, usec_wall time, const char *kind,
	    const char *fact);
};

struct history *history_new(const struct history_config *config);
void history_free(struct history *h);

/* While a recovery goes on, units that are found as they were are no events. */
void history_set_recovering(struct history *h, bool recovering);

/* What is known of a job beside the engine; by job_id. */
struct job_record {
	int64_t row;	 /* id of its row in the store; 0: none in this run */
	uint64_t run;	 /* number of the run that the row belongs to */
	uint64_t action; /* text_hash() of its action: ids of jobs are used again */
	pid_t pid;	 /* of the present attempt, which sets it; 0: none */
	usec_wall created, started, ready_at, ended;
	int64_t event, edge_event; /* the last about it, about one of its edges: events.h */
	struct failures *failures; /* attempts of this run that failed; NULL: none */
};

/* What is known of a unit beside the engine; by unit_id. */
struct unit_record {
	uint64_t run; /* number of the run that the rest speaks of */
	char *who;    /* asked for it */
	usec_wall started, ended;
	int64_t event;	   /* the last about it: events.h */
	int64_t end_event; /* of the last of its jobs that came to its end */
	int64_t news;	   /* the last about anything of it */
	struct {
		uint64_t run; /* 0: no row yet */
		enum run_state state;
		enum reason reason;
		bool plain; /* an ad-hoc run's, or without a former definition */
	} put;		    /* what its row says */
};

/* Made when absent; valid until the next is made. */
struct job_record *history_job(struct history *h, job_id job);
struct unit_record *history_unit(struct history *h, unit_id unit);
/* NULL: there is none. */
const struct job_record *history_find_job(const struct history *h, job_id job);
const struct unit_record *history_find_unit(const struct history *h, unit_id unit);
size_t history_count_processes(const struct history *h); /* jobs that have one */

#endif
