/*
 * history_state.h - the room's own state.  Private to the room.
 */
#ifndef HP_SERVER_HISTORY_HISTORY_STATE_H
#define HP_SERVER_HISTORY_HISTORY_STATE_H

#include "base/map.h"
#include "server/history/history.h"
#include "server/history/records.h"

struct history {
	struct history_config is;
	struct engine *engine;
	struct store *store;
	bool recovering;
	struct {
		uint64_t next, reserved, stored;
	} counters[COUNTER_COUNT];
	struct {
		struct job_record *v;
		size_t n, cap;
	} jobs;
	struct {
		struct unit_record *v;
		size_t n, cap;
	} units;
	struct map runs; /* struct run_definition */
};

#endif
