/*
 * store.h - what must survive: definitions, wanted states, history.
 *
 * One folder: state.db (SQLite, WAL) with one writer thread, and definitions/,
 * a file for each contribution, wanted state, counter and flag, from which a
 * corrupt database is rebuilt (it is set aside under a name with the time).  Whatever of it is
 * removed, moved or replaced meanwhile is written again (dbfiles.h, upkeep.c).
 *
 * store_put_* copy, queue and return at once; they can not fail.  A later put of
 * the same key replaces one that still waits.  store_barrier tells when all put
 * before it is committed.  When the disk refuses, the queue stays (bounded:
 * the oldest events go first), barriers are answered with `durable` false, the
 * state is visible in store_degraded, and writing is tried again with growing
 * pauses until it works.
 *
 * Every function is called from one thread, the loop's.  Reading sees what is
 * committed, and while the disk refuses also what waits (overlay.c).
 *
 * Depends on: base, model/words.h.
 */
#ifndef HP_STORE_STORE_H
#define HP_STORE_STORE_H

#include "base/error.h"
#include "base/str.h"
#include "model/words.h"

struct store;

struct store_options {			    /* 0: the default */
	int64_t keep_runs, keep_operations; /* ended ones: 10000 each */
	int64_t keep_jobs;		    /* 20000 ended ones */
	int64_t keep_events;		    /* 100000 */
	int64_t keep_seconds;		    /* 30 days */
	int64_t keep_bytes; /* 256 MiB in use; then the oldest quarter goes, and again */
	bool put_back;	    /* an upgrade failed: what a later version made of the database goes */
	const struct store_files *former; /* taken: what a former server had open; or NULL */
};

/* The database and its log, held by O_PATH descriptors: who holds them can have it written again
 * when the files are removed and the server is killed.  -1: there is none. */
struct store_files {
	int db, log;
};

/* `dir` is made (0700).  A database of an earlier version is migrated, each step in one
 * transaction; what it was before is kept as state.db.before-VERSION.  ERR_STORAGE when it can
 * not be used at all, or was written by a later version. */
enum err store_open(
    const char *dir, const struct store_options *o, struct store **out, struct error *e);
int store_version(void); /* of the database that is written; every earlier one is read */
/* At the open: there was only definitions/, so nothing is known of runs of services and of jobs. */
bool store_was_rebuilt(const struct store *s);
bool store_was_put_back(const struct store *s); /* store_options.put_back, and there was need */
void store_close(struct store *s);		/* commits what waits, if the disk takes it */

/* Rows.  Texts are borrowed: by put until it returns, by a callback likewise. */

struct store_contribution { /* key: source, service.  Durable against power loss. */
	const char *source, *service;
	const char *json;
};
struct store_wanted { /* key: service.  Durable against power loss. */
	const char *service;
	enum wanted wanted;
};
struct store_run { /* key: id */
	int64_t id;
	const char *name, *service; /* service NULL: ad hoc */
	enum run_state state;
	enum reason reason;
	const char *who;
	usec_wall started, ended;   /* ended 0: open */
	const char *definition;	    /* JSON of an ad-hoc run, or NULL */
	const char *reason_subject; /* "db" of dependency_stopped(db), or NULL */
};
struct store_job { /* key: id */
	int64_t id, run;
	const char *name, *service, *action, *context;
	uint64_t token;
	int64_t attempt;
	enum job_state state;
	enum reason reason;
	int64_t exit_code; /* -1: none */
	int64_t signal, pid, restarts;
	usec_wall created, started, ready_at, ended; /* ended 0: open */
	msec since_mono; /* of the state; of use until the machine is booted; 0: not known */
	int64_t tries, failures; /* the counters of its retry policy; 0 where since_mono is */
	bool ready;
	const char *stop_cause;
};
struct store_operation { /* key: id */
	int64_t id;
	const char *kind, *names, *state, *error, *steps; /* names, error, steps: JSON */
	const char *who;
	usec_wall started, ended; /* ended 0: open */
	const char *detail;	  /* JSON: what else it takes to take it up again */
};
struct store_event { /* key: id, given by the caller, growing */
	int64_t id, cause;
	usec_wall time;
	const char *subject;
	const char *fact; /* JSON */
};
struct store_counter { /* key: name */
	const char *name;
	int64_t value;
};
struct store_flag { /* key: name */
	const char *name;
	usec_wall since;
};

struct store_schedule {	     /* key: name */
	const char *name;    /* "service/action", "/context/action" */
	const char *meaning; /* expression and zone: where they differ, it is another schedule */
	int64_t answered;    /* ms: the last due time that has an answer */
	bool paused;
	int64_t kept, late, skipped, missed;
	usec_wall since;	/* it was set */
	usec_wall last_success; /* 0: none yet */
	const char *last_run;	/* NULL: none yet */
	const char *last_state; /* of that run, NULL while it is open */
	int64_t last_due;	/* ms, of that run; 0: triggered by hand */
	const char *queue;	/* due times that wait: "1764558600000 1764558660000" */
};

void store_put_contribution(struct store *s, const struct store_contribution *r);
void store_put_wanted(struct store *s, const struct store_wanted *r);
void store_put_run(struct store *s, const struct store_run *r);
void store_put_job(struct store *s, const struct store_job *r);
void store_put_operation(struct store *s, const struct store_operation *r);
void store_put_event(struct store *s, const struct store_event *r);
void store_put_counter(struct store *s, const struct store_counter *r);
void store_put_flag(struct store *s, const struct store_flag *r);
void store_put_schedule(struct store *s, const struct store_schedule *r);
void store_remove_schedule(struct store *s, const char *name);
void store_remove_contribution(struct store *s, const char *source, const char *service);
void store_remove_wanted(struct store *s, const char *service);
void store_remove_run(struct store *s, int64_t id); /* its jobs stay: retention takes them */
void store_remove_job(struct store *s, int64_t id);
void store_remove_flag(struct store *s, const char *name);

/* Called by store_dispatch once everything put before is committed (durable),
 * or at once when the store is degraded (not durable). */
typedef void (*store_done_fn)(bool durable, void *ctx);
void store_barrier(struct store *s, store_done_fn fn, void *ctx);
/* As that, for what nobody waits for: together with what is put within the next some 10 ms. */
void store_barrier_later(struct store *s, store_done_fn fn, void *ctx);
int store_event_fd(const struct store *s); /* readable: call store_dispatch */
void store_dispatch(struct store *s);

/* Write every file below definitions/ anew from the rows, and remove those of no row: soon,
 * on the writer's thread. */
void store_write_files(struct store *s);

/* Those that are open now, for the caller to close. */
void store_files(struct store *s, struct store_files *out);

/* Looks soon whether all of the folder lies where it belongs, on the writer's thread; what was
 * removed, moved or replaced is written again.  Before each batch it is done anyway.  `files`: each
 * file below definitions/ is looked at, too. */
void store_look(struct store *s, bool files);

/* How many files below definitions/ we removed ourselves; counted before it is done. */
unsigned store_files_removed(const struct store *s);

/* Told by store_dispatch.  `repaired`: something vanished and is there again, `text` says what.
 * `rebuilt`: from definitions/ alone; what else the caller has in memory is not stored any more.
 * `files`: they are others than before: store_files(). */
struct store_listener {
	void (*repaired)(const char *text, bool rebuilt, void *ctx);
	void (*files)(void *ctx);
	void *ctx;
};
void store_listen(struct store *s, const struct store_listener *listener);

/* What is not as it should be; false when all is well.  `out` may be NULL. */
bool store_degraded(struct store *s, struct str *out);
/* Why the disk takes nothing at present: what is put now waits in memory; false when it does. */
bool store_refuses(struct store *s, struct str *out);

/* Reading, oldest first unless said.  A callback returns false to stop. */
typedef bool (*store_contribution_fn)(const struct store_contribution *r, void *ctx);
typedef bool (*store_wanted_fn)(const struct store_wanted *r, void *ctx);
typedef bool (*store_run_fn)(const struct store_run *r, void *ctx);
typedef bool (*store_job_fn)(const struct store_job *r, void *ctx);
typedef bool (*store_operation_fn)(const struct store_operation *r, void *ctx);
typedef bool (*store_event_fn)(const struct store_event *r, void *ctx);
typedef bool (*store_counter_fn)(const struct store_counter *r, void *ctx);
typedef bool (*store_flag_fn)(const struct store_flag *r, void *ctx);
typedef bool (*store_schedule_fn)(const struct store_schedule *r, void *ctx);

enum err store_load_contributions(
    struct store *s, store_contribution_fn fn, void *ctx, struct error *e);
enum err store_load_wanted(struct store *s, store_wanted_fn fn, void *ctx, struct error *e);
enum err store_load_counters(struct store *s, store_counter_fn fn, void *ctx, struct error *e);
enum err store_load_flags(struct store *s, store_flag_fn fn, void *ctx, struct error *e);
enum err store_load_schedules(struct store *s, store_schedule_fn fn, void *ctx, struct error *e);
/* The newest run of each service, and every open one. */
enum err store_load_runs(struct store *s, store_run_fn fn, void *ctx, struct error *e);
/* The jobs of those runs. */
enum err store_load_jobs(struct store *s, store_job_fn fn, void *ctx, struct error *e);
enum err store_load_operations(
    struct store *s, store_operation_fn fn, void *ctx, struct error *e); /* open ones */

/* History.  `before` 0 means from the newest; else ids below it.  A NULL
 * service means ad-hoc runs; "*" means all. */
enum err store_list_runs(struct store *s, const char *service, int64_t before, int64_t limit,
    store_run_fn fn, void *ctx, struct error *e); /* newest first */
enum err store_find_run(
    struct store *s, const char *name, store_run_fn fn, void *ctx, struct error *e);
enum err store_list_jobs(struct store *s, int64_t run, store_job_fn fn, void *ctx, struct error *e);
enum err store_find_job(struct store *s, int64_t id, store_job_fn fn, void *ctx, struct error *e);
enum err store_list_operations(struct store *s, int64_t before, store_operation_fn fn, void *ctx,
    struct error *e); /* newest first, until fn says enough */
enum err store_find_operation(
    struct store *s, int64_t id, store_operation_fn fn, void *ctx, struct error *e);
/* subject NULL: any.  since, until inclusive, 0: no bound.  after: ids above. */
enum err store_list_events(struct store *s, const char *subject, usec_wall since, usec_wall until,
    int64_t after, int64_t limit, store_event_fn fn, void *ctx, struct error *e);
/* Newest first, ids below `before` (0: all), not later than `until` (0: any). */
enum err store_last_events(struct store *s, const char *subject, usec_wall until, int64_t before,
    int64_t limit, store_event_fn fn, void *ctx, struct error *e);
/* How many history has below `before`.  subject: of events, NULL any; of runs the service, "*"
 * any. */
enum err store_count_events(
    struct store *s, const char *subject, int64_t before, int64_t *out, struct error *e);
enum err store_count_runs(
    struct store *s, const char *service, int64_t before, int64_t *out, struct error *e);
enum err store_find_event(
    struct store *s, int64_t id, store_event_fn fn, void *ctx, struct error *e);
/* Close the reading connection until the next read: it costs memory. */
void store_relax(struct store *s);

#endif
