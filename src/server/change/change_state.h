/*
 * change_state.h - the room's own state.  Private to the room.
 */
#ifndef HP_SERVER_CHANGE_CHANGE_STATE_H
#define HP_SERVER_CHANGE_CHANGE_STATE_H

#include "base/str.h"
#include "server/change/change.h"
#include "server/host/clock.h"
#include "server/host/paths.h"
#include "server/host/report.h"

struct apply;

struct change {
	/* As in struct change_config. */
	struct event_base *base;
	struct engine *engine;
	struct registry *registry;
	struct store *store;
	const struct paths *paths;
	struct history *history;
	struct supervision *supervision;
	struct operations *operations;
	struct schedules *schedules;

	struct apply *applies;	/* a list of those in flight, or NULL */
	bool applying;		/* a set of definitions is being changed by one of them */
	bool is_boot;		/* apply_resume() */
	struct strv ended_runs; /* to be removed from the engine */
	struct strv leaving;	/* removed services that are still active */
};

#endif
