/*
 * supervision.h - the room of what runs: attempts, from the request to the empty process set,
 * and what they wait for, listen on and say.
 *
 * Carries out the engine's effects (perform.h): processes, signals and gates here and first,
 * everything else by `book`, when no more of those follow.
 *
 * Loop thread.  Owner: the daemon, one for the life of the server.
 * Depends on: base, sys, model, engine, spawn, logs, probe, store, server/history.
 */
#ifndef HP_SERVER_SUPERVISE_SUPERVISION_H
#define HP_SERVER_SUPERVISE_SUPERVISION_H

#include "engine/engine.h"
#include "model/definition.h"
#include "server/supervise/environment.h"

#include <sys/types.h>

struct event_base;
struct history;
struct logs;
struct paths;
struct spawner;
struct store;
struct supervision;
struct urgent;

struct supervision_config {
	struct event_base *base;
	struct urgent *urgent; /* what goes before the requests of a turn */
	struct engine *engine;
	struct logs *logs;
	struct spawner *spawner;
	const struct paths *paths;
	char *const *env;		    /* the keeper's, as it was when it started */
	struct environment_secrets secrets; /* environment.h */
	uint64_t keeper_id; /* in the environment of each of its processes: KEEPER_ID_ENV */

	/* What rooms above do. */
	void *ctx;
	/* An effect that is told and stored; processes and signals of the pass were asked for. */
	void (*book)(void *ctx, const struct effect *fx);
	void (*booked)(void *ctx);		  /* all of a pass were; may change the engine */
	void (*at_rest)(void *ctx);		  /* no effects follow */
	void (*burst_over)(void *ctx);		  /* a second after many effects: there is time */
	void (*stray)(void *ctx, uint64_t token); /* news of a process that is nobody's */
};

struct supervision *supervision_new(const struct supervision_config *config);
/* The store is open: before anything is executed or adopted. */
void supervision_begin(struct supervision *d, struct store *store, struct history *history);
void supervision_free(struct supervision *d);

struct keeper_identity {
	pid_t pid;
	uint64_t id;
	uint64_t ticks; /* its start time: with the pid, an identity */
	uint64_t boot;	/* of it, or of the one that it adopted from */
	bool has_cgroups;
};
const struct keeper_identity *supervision_keeper(const struct supervision *d);
void supervision_on_hello(struct supervision *d, pid_t keeper, bool has_cgroups, uint64_t boot);

/* What the live attempt of an action was executed from, else what the next one will be; NULL:
 * gone.  `service`, if given: the definition that it belongs to. */
const struct action_def *supervision_action(
    struct supervision *d, unit_id unit, const char *action, const struct service_def **service);

/* Exits that the keeper keeps, because the store did not take their rows. */
size_t supervision_unacknowledged(const struct supervision *d);

#endif
