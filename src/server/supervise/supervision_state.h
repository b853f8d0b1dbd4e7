/*
 * supervision_state.h - the room's own state.  Private to the room.
 */
#ifndef HP_SERVER_SUPERVISE_SUPERVISION_STATE_H
#define HP_SERVER_SUPERVISE_SUPERVISION_STATE_H

#include "base/str.h"
#include "logs/logs.h"
#include "server/history/history.h"
#include "server/history/records.h"
#include "server/host/clock.h"
#include "server/host/paths.h"
#include "server/host/report.h"
#include "server/supervise/environment.h"
#include "server/supervise/supervision.h"
#include "spawn/spawner.h"
#include "store/store.h"

struct attempt;
struct event;
struct eviction;
struct gates;
struct reload;
struct side_command;

struct supervision {
	struct supervision_config is;
	/* Of `is`, for short. */
	struct event_base *base;
	struct urgent *urgent;
	struct engine *engine;
	struct store *store;
	struct logs *logs;
	struct spawner *spawner;
	struct history *history;
	const struct paths *paths;
	struct surroundings around; /* of every child */

	struct keeper_identity keeper;
	struct gates *gates;
	struct reload *reloads;	     /* a list of the calls that wait, or NULL */
	struct eviction *evictions;  /* a list: foreign processes that were told to end, or NULL */
	struct side_command *asides; /* commands beside jobs that are under way */
	int copy[2];		     /* a pipe for looking into pipes, or -1: see readiness.c */
	struct {
		struct attempt **v; /* by job_id; NULL: no process, nothing left of its set */
		size_t n, cap;
	} attempts;
	struct strv acks_due; /* tokens, in hex: exits whose rows were not committed */
	struct event *ack_retry;
	struct {
		uint64_t *v;
		size_t n, cap;
	} swept; /* tokens of nobody that recovery ended: their exits are no news */

	/* perform.c */
	bool performing; /* in perform_effects() */
	struct {
		struct effect *v;
		size_t n, cap, head;
	} held_back; /* spawns and signals, in their order, until the keeper has room */
	struct {
		struct effect *v;
		size_t n, cap;
	} uncommitted;	     /* of runs whose rows are to be committed first, until they are */
	size_t commit_asked; /* for so many of `uncommitted`, and not answered yet */
	size_t effects;	     /* since the heap was trimmed last */
	struct event *timer, *trim;
	bool trimmed_again; /* a second time after the same burst */
};

#endif
