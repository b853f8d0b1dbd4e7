/*
 * schedules.h - the schedules of all registered actions: one timer, one row each.
 *
 * schedule/schedule.h decides what becomes of each due time; this room knows when to call it,
 * submits the runs, and keeps the rows.
 *
 * Nothing is run twice, nothing is lost.  The row with its answered due times and the run's own
 * row are committed before the run's process is asked for (`submit` sees to that), and the run
 * is named after its due time.  A server that is killed in between finds either both, and the
 * run goes on like any other, or neither, and the due time is due again.
 *
 * Due times that wait for the end of a former run (overlap = queue) stand in the row, at most
 * SCHEDULE_QUEUE_MOST of them.  While the service of an action is wanted `stop`, its due times
 * are skipped.
 *
 * Cost: nothing while none is due; then one decision for each that is.
 *
 * Loop thread.  Owner: the daemon.  Depends on: base, model, schedule, store, jansson, libevent.
 */
#ifndef HP_SERVER_SCHEDULE_SCHEDULES_H
#define HP_SERVER_SCHEDULE_SCHEDULES_H

#include "model/definition.h"
#include "schedule/schedule.h"
#include "store/store.h"

#include <jansson.h>

struct event_base;
struct schedules;

#define SCHEDULE_QUEUE_MOST 1000

/* What the rest of the server does for it. */
struct schedules_config {
	struct event_base *base;
	struct store *store;
	void *ctx;
	/* A definition by its name in the registry, "web" or "/context/action"; NULL: gone. */
	const struct service_def *(*definition)(void *ctx, const char *name);
	/* A run of that action under that name; `scheduled_at` for its environment.  With
	 * `durable` its process is asked for when all that was put is committed. */
	enum err (*submit)(void *ctx, const struct service_def *owner, const struct action_def *a,
	    const char *run, const char *scheduled_at, bool durable, struct error *e);
	bool (*is_open)(void *ctx, const char *run); /* the engine has it, not over */
	bool (*is_stored)(void *ctx, const char *run);
	bool (*is_wanted_stop)(void *ctx, const char *service);
	/* "schedule_missed", "schedule_overdue" ...; `fact` is members of a JSON object. */
	void (*event)(void *ctx, const char *kind, const char *subject, const char *fact);
};

struct schedules *schedules_new(const struct schedules_config *config, struct error *e);
void schedules_free(struct schedules *s);

/* At the start, when definitions are there: rows are read, nothing is due yet. */
enum err schedules_load(struct schedules *s, struct error *e);
void schedules_store(struct schedules *s); /* all rows, into a store that has lost them */
/* Recovery is over: due times are answered from now on. */
void schedules_begin(struct schedules *s);
void schedules_end(struct schedules *s); /* a shutdown: nothing is submitted any more */

/* A definition was created, changed or removed. */
void schedules_redefined(struct schedules *s, const char *definition);
/* Names the time zones that this machine does not know, as errors. */
struct diags;
void schedules_check(struct schedules *s, const struct service_def *def, struct diags *diags);

/* A run ended; `succeeded`: each of its actions. */
void schedules_run_ended(struct schedules *s, const char *run, bool succeeded);
/* An action of any run succeeded, whatever started it; `key`: action_def.origin. */
void schedules_succeeded(struct schedules *s, const char *key);

/* What the API asks.  `name`: "action", "service/action" or "context:action". */
struct scheduled;
enum err schedules_find(struct schedules *s, const char *name, struct scheduled **out,
    struct strv *candidates, struct error *e);
json_t *schedules_list(struct schedules *s); /* array, by name */
json_t *schedule_json(struct schedules *s, const struct scheduled *x);
bool schedule_pause(struct schedules *s, struct scheduled *x, bool paused); /* changed? */
/* Now, beside all due times; the run's name, which the caller frees. */
enum err schedule_trigger(struct schedules *s, struct scheduled *x, char **run, struct error *e);

/* ISO 8601 with offset, the next `count` later than `after` (ms). */
enum err schedules_next(struct schedules *s, const struct scheduled *x, int64_t after, size_t count,
    json_t *into, struct error *e);
enum err schedules_next_of(struct schedules *s, const char *cron, const char *zone_name,
    int64_t after, size_t count, json_t *into, size_t *column, struct error *e);

/* For metrics. */
struct schedules_totals {
	size_t n, paused, overdue;
	uint64_t counts[ANSWER_COUNT];
};
struct schedules_totals schedules_totals(const struct schedules *s);

#endif
