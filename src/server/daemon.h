/*
 * daemon.h - everything that lives in the server, and the one loop it lives in.
 *
 * The engine decides and the edges act; this struct is where they meet.  Every
 * call that changes the engine is followed by perform_effects() (perform.h) in
 * the same pass of the loop.  Processes are asked for first, rows, events and
 * answers come afterwards, so that a dependent never waits for bookkeeping.
 *
 * One thread.  Nothing here may block.
 *
 * Depends on: everything below server/ in src/LAYERS.
 */
#ifndef HP_SERVER_DAEMON_H
#define HP_SERVER_DAEMON_H

#include "engine/engine.h"
#include "logs/logs.h"
#include "model/definition.h"
#include "registry/registry.h"
#include "server/history/history.h"
#include "server/history/repairs.h"
#include "server/host/clock.h"
#include "server/host/paths.h"
#include "server/host/report.h"
#include "server/options.h"
#include "server/supervise/supervision.h"
#include "spawn/spawner.h"
#include "store/store.h"

struct event;
struct failures;
struct event_base;
struct handover;
struct history;
struct recovery;
struct operations;
struct explain;
struct change;
struct background;
struct state_folder;
struct doctor;
struct schedules;
struct secrets;
struct urgent;
struct api;
struct listening;
struct upgrade;

struct daemon {
	struct paths paths;
	struct options *options;
	char **env; /* the keeper's, as it was when it started; owned by libc */
	struct event_base *base;
	struct urgent *urgent; /* what goes before the requests of a turn */
	struct engine *engine;
	struct registry *registry;
	struct store *store;
	struct logs *logs;
	struct spawner *spawner;
	struct supervision *supervision;
	struct history *history;
	struct operations *operations;
	struct explain *explain;
	struct background *background;
	struct secrets *secrets;
	struct state_folder *state_folder;
	struct repairs repairs;
	struct doctor *doctor;
	struct schedules *schedules;
	struct change *change;
	struct api *api;	    /* NULL until recovery is over */
	struct upgrade *upgrade;    /* under way, or NULL */
	op_id upgrade_op;	    /* that a former server left open, until upgrade_serve() */
	struct listening *held_api; /* the socket of a former server, until api_open(); or NULL */
	struct recovery *recovery;  /* NULL when it is over */
	struct event *store_news, *logs_news;
	struct event *farewell; /* of a shutdown: the last answers reach their sockets; or NULL */

	bool safe;
	bool keeper_lost;	 /* this process is to be the next one */
	struct handover *estate; /* then: what it takes along; or NULL */
	bool is_boot;		 /* this keeper has had no server before */
	bool shutting_down;
	int shutdown_asked; /* how many times */
	op_id shutdown_op;
	int exit_status;
	bool container_looks; /* container.c: a look is on its way */
	usec_wall started;
};

enum err daemon_init(
    struct daemon *d, struct options *o, int keeper_fd, struct error *e) attr_must_use;
/* When the keeper has handed over what a former server had open. */
enum err daemon_open_store(struct daemon *d, struct error *e) attr_must_use;
int daemon_run(struct daemon *d); /* until shutdown; the exit status */
void daemon_release(struct daemon *d);

/* Stop everything in reverse order, then end server and keeper. */
void daemon_shutdown(struct daemon *d, const char *who);
/* Everything is in place: open the API, say so to the keeper; false: it can not be opened.
 * Nobody is heard before this turn of the loop is over. */
bool daemon_serve(struct daemon *d);
/* Recovery is over. */
void daemon_ready(struct daemon *d);
#endif
