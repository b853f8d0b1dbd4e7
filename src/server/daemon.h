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
#include "spawn/spawner.h"
#include "store/store.h"

struct event;
struct failures;
struct event_base;
struct eviction;
struct handover;
struct attempt;
struct previous_definition;
struct gates;
struct progress;
struct history;
struct recovery;
struct reload;
struct operations;
struct event_stream;
struct apply;
struct side_command;
struct background;
struct state_folder;
struct doctor;
struct schedules;
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
	struct gates *gates;
	struct history *history;
	struct operations *operations;
	struct reload *reloads; /* a list of the calls that wait, or NULL */
	struct event_stream *hub;
	struct progress *progress;
	struct background *background;
	struct state_folder *state_folder;
	struct repairs repairs;
	struct doctor *doctor;
	struct schedules *schedules;
	struct apply *applies;	     /* a list of those in flight, or NULL */
	bool applying;		     /* a set of definitions is being changed by one of them */
	struct eviction *evictions;  /* a list: foreign processes that were told to end, or NULL */
	struct side_command *asides; /* commands beside jobs that are under way */
	struct api *api;	     /* NULL until recovery is over */
	struct upgrade *upgrade;     /* under way, or NULL */
	op_id upgrade_op;	     /* that a former server left open, until upgrade_serve() */
	struct listening *held_api;  /* the socket of a former server, until api_open(); or NULL */
	struct recovery *recovery;   /* NULL when it is over */
	size_t effects;		     /* since the heap was trimmed last */
	int copy[2];		     /* a pipe for looking into pipes, or -1: see readiness.c */
	struct event *trim;
	struct event *timer, *store_news, *logs_news, *ack_retry;

	struct {
		struct attempt **v; /* by job_id; NULL: no process, nothing left of its set */
		size_t n, cap;
	} attempts;

	struct strv acks_due;	/* tokens, in hex: exits whose rows were not committed */
	struct strv ended_runs; /* to be removed from the engine */
	struct strv leaving;	/* removed services that are still active */
	struct {
		uint64_t *v;
		size_t n, cap;
	} swept; /* tokens of nobody that recovery ended: their exits are no news */

	pid_t keeper;
	uint64_t keeper_id;    /* in the environment of each of its processes: KEEPER_ID_ENV */
	uint64_t keeper_ticks; /* start time of the keeper: with its pid, an identity */
	uint64_t boot;	       /* of the keeper, or the one that it adopted from */
	bool has_cgroups;
	bool safe;
	bool keeper_lost;	 /* this process is to be the next one */
	struct handover *estate; /* then: what it takes along; or NULL */
	bool is_boot;		 /* this keeper has had no server before */
	bool performing;	 /* in perform_effects() */
	struct {
		struct effect *v;
		size_t n, cap, head;
	} held_back; /* spawns and signals, in their order, until the keeper has room */
	struct {
		struct effect *v;
		size_t n, cap;
	} uncommitted;	     /* of runs whose rows are to be committed first, until they are */
	size_t commit_asked; /* for so many of `uncommitted`, and not answered yet */
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

/* What its live attempt was executed from; else what the next one will be. */
const struct action_def *daemon_action(
    struct daemon *d, unit_id unit, const char *action, const struct service_def **service);

/* Stop everything in reverse order, then end server and keeper. */
void daemon_shutdown(struct daemon *d, const char *who);
/* Everything is in place: open the API, say so to the keeper; false: it can not be opened.
 * Nobody is heard before this turn of the loop is over. */
bool daemon_serve(struct daemon *d);
/* Recovery is over. */
void daemon_ready(struct daemon *d);
/* Acknowledge an exit to the keeper later: its row could not be committed now. */
void daemon_retry_ack(struct daemon *d, uint64_t token);
void daemon_acknowledge_again(struct daemon *d); /* all of these, now */
/* The folder name below HERO_SOCKET_DIR, and the absolute path of a declared socket. */
char *daemon_socket_path(
    const struct daemon *d, const struct service_def *s, const struct socket_def *k);

#endif
