/*
 * operations_state.h - the room's own state.  Private to the room.
 */
#ifndef HP_SERVER_OPERATION_OPERATIONS_STATE_H
#define HP_SERVER_OPERATION_OPERATIONS_STATE_H

#include "base/map.h"
#include "server/operation/operations.h"

struct waiter;

struct operations {
	struct event_base *base;
	struct engine *engine;
	struct store *store;
	struct history *history;
	struct map by_id; /* struct entry */
	struct operations_above above;
	size_t n_change_waiters;
	struct waiter *ended;	   /* their end is not committed */
	struct waiter *committing; /* a barrier behind their end is under way */
};

#endif
