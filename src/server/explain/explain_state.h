/*
 * explain_state.h - the room's own state.  Private to the room.
 */
#ifndef HP_SERVER_EXPLAIN_EXPLAIN_STATE_H
#define HP_SERVER_EXPLAIN_EXPLAIN_STATE_H

#include "base/map.h"
#include "base/str.h"
#include "logs/logs.h"
#include "server/explain/explain.h"
#include "server/history/history.h"
#include "server/host/clock.h"
#include "server/host/paths.h"
#include "server/operation/operations.h"
#include "server/supervise/attempt.h"
#include "server/supervise/supervision.h"
#include "store/store.h"

struct event_stream;
struct progress;

struct explain {
	/* As in struct explain_config. */
	struct event_base *base;
	struct background *background;
	struct engine *engine;
	struct store *store;
	struct logs *logs;
	const struct paths *paths;
	struct history *history;
	struct supervision *supervision;
	struct operations *operations;

	struct event_stream *hub; /* those who follow GET /events */
	struct progress *progress;
};

#endif
