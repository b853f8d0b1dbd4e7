/*
 * explain.h - the room that tells what is and what was: status (status.h), why (why.h), pictures
 * of a unit (picture.h), operations while they go on (progress.h), where time went (timeline.h),
 * drawings (drawing.h), and the stream of events (event_stream.h).
 *
 * Reads and changes nothing.  Loop thread.  Owner: the daemon.
 * Depends on: base, model, engine, store, logs, graph, http, rpc, server/host, server/history,
 * server/supervise, server/operation.
 */
#ifndef HP_SERVER_EXPLAIN_EXPLAIN_H
#define HP_SERVER_EXPLAIN_EXPLAIN_H

#include "engine/engine.h"
#include "model/definition.h"

struct background;
struct event_base;
struct explain;
struct history;
struct logs;
struct operations;
struct paths;
struct store;
struct supervision;

struct explain_config {
	struct event_base *base;
	struct background *background;
	struct engine *engine;
	struct store *store;
	struct logs *logs;
	const struct paths *paths;
	struct history *history;
	struct supervision *supervision;
	struct operations *operations;
};

struct explain *explain_new(const struct explain_config *config);
void explain_free(struct explain *d); /* before the rooms of its configuration */

#endif
