/*
 * change.h - the room by which definitions and runs come in: registration.h (the one funnel),
 * submission.h (ad-hoc runs), rehearsal.h (what a set would do), apply.h (a set that takes
 * effect, and is taken back), manifest_files.h, unit_spec.h (as the engine has it).
 *
 * Loop thread.  Owner: the daemon.
 * Depends on: base, model, manifest, registry, engine, store, folder, server/host,
 * server/history, server/supervise, server/operation, server/schedule.
 */
#ifndef HP_SERVER_CHANGE_CHANGE_H
#define HP_SERVER_CHANGE_CHANGE_H

#include "engine/engine.h"
#include "registry/registry.h"
#include "store/store.h"

struct change;
struct event_base;
struct history;
struct operations;
struct paths;
struct schedules;
struct supervision;

struct change_config {
	struct event_base *base;
	struct engine *engine;
	struct registry *registry;
	struct store *store;
	const struct paths *paths;
	struct history *history;
	struct supervision *supervision;
	struct operations *operations;
	struct schedules *schedules;
};

struct change *change_new(const struct change_config *config);
void change_free(struct change *d);

/* While an application changes definitions, that is no redefinition by somebody else. */
void change_set_applying(struct change *d, bool applying);

#endif
