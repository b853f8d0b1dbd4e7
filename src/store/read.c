/* read.c - one function per query, on a connection of its own. */
#include "store/store_priv.h"

/* A reader of a file that was set aside must not go on with it. */
static enum err reader(struct store *s, struct error *e)
{
	unsigned now = atomic_load(&s->generation);
	enum err rc = ERR_OK;

	pthread_mutex_lock(&s->lock);
	uint64_t puts = s->trouble.n ? s->queue.puts : 0;
	if (s->reader && (s->reader_generation != now || s->reader_puts != puts))
		store_relax(s);
	if (!s->reader && (rc = db_open_reader(s->path, &s->reader, e)) == ERR_OK && puts)
		rc = store_overlay(s, s->reader, e);
	pthread_mutex_unlock(&s->lock);
	if (rc != ERR_OK)
		store_look(s, false); /* somebody may have removed it */
	s->reader_generation = now;
	s->reader_puts = puts;
	return rc;
}

void store_relax(struct store *s)
{
	sqlite3_close(s->reader);
	s->reader = NULL;
}

/* What a WHERE may ask for, bound in this order. */
struct bound {
	const char *text; /* bound first when not NULL */
	int64_t numbers[4];
	int n;
};

typedef bool (*row_fn)(const void *row, void *ctx);

/* It may be that somebody did something to the file: the next one shall find it mended. */
static enum err read_error(struct store *s, struct error *e)
{
	store_look(s, false);
	return error_set(e, ERR_STORAGE, "state.db: read: %s", sqlite3_errmsg(s->reader));
}

static enum err read_rows(struct store *s, enum table_id id, const char *tail,
    const struct bound *bound, row_fn fn, void *ctx, struct error *e)
{
	const struct table *t = &tables[id];
	_Alignas(max_align_t) char row[ROW_MAX] = {0};
	sqlite3_stmt *st = NULL;
	auto_str sql = {0};
	int rc, at = 0;

	if (reader(s, e))
		return e->code;
	table_select_sql(t, tail, &sql);
	if (sqlite3_prepare_v2(s->reader, sql.s, -1, &st, NULL) != SQLITE_OK)
		return read_error(s, e);
	if (bound && bound->text)
		sqlite3_bind_text(st, ++at, bound->text, -1, SQLITE_STATIC);
	for (int i = 0; bound && i < bound->n; i++)
		sqlite3_bind_int64(st, ++at, bound->numbers[i]);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		row_read(t, st, row);
		if (!fn(row, ctx))
			break;
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		read_error(s, e);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_OK : ERR_STORAGE;
}

/* The typed callback of one table, behind row_fn. */
#define TYPED(type)                                         \
	struct type##_call {                                \
		type##_fn fn;                               \
		void *ctx;                                  \
	};                                                  \
	static bool call_##type(const void *row, void *ctx) \
	{                                                   \
		struct type##_call *c = ctx;                \
		return c->fn(row, c->ctx);                  \
	}
TYPED(store_contribution)
TYPED(store_wanted)
TYPED(store_run)
TYPED(store_job)
TYPED(store_operation)
TYPED(store_event)
TYPED(store_counter)
TYPED(store_flag)
TYPED(store_schedule)
#define READ(type, table, tail, bound) \
	read_rows(s, table, tail, bound, call_##type, &(struct type##_call){fn, ctx}, e)

enum err store_load_contributions(
    struct store *s, store_contribution_fn fn, void *ctx, struct error *e)
{
	return READ(store_contribution, T_CONTRIBUTIONS, "ORDER BY service, source", NULL);
}

enum err store_load_wanted(struct store *s, store_wanted_fn fn, void *ctx, struct error *e)
{
	return READ(store_wanted, T_WANTED, "ORDER BY service", NULL);
}

enum err store_load_counters(struct store *s, store_counter_fn fn, void *ctx, struct error *e)
{
	return READ(store_counter, T_COUNTERS, "ORDER BY name", NULL);
}

enum err store_load_flags(struct store *s, store_flag_fn fn, void *ctx, struct error *e)
{
	return READ(store_flag, T_FLAGS, "ORDER BY name", NULL);
}

enum err store_load_schedules(struct store *s, store_schedule_fn fn, void *ctx, struct error *e)
{
	return READ(store_schedule, T_SCHEDULES, "ORDER BY name", NULL);
}

/* A step for each service, not for each run. */
#define LIVE_RUNS                                                               \
	"(WITH RECURSIVE s (name) AS (SELECT min(service) FROM runs UNION ALL " \
	"SELECT (SELECT min(service) FROM runs WHERE service > s.name) FROM s " \
	"WHERE s.name IS NOT NULL) "                                            \
	"SELECT (SELECT max(id) FROM runs WHERE service = s.name) FROM s "      \
	"UNION SELECT id FROM runs WHERE ended = 0)"

enum err store_load_runs(struct store *s, store_run_fn fn, void *ctx, struct error *e)
{
	return READ(store_run, T_RUNS, "WHERE id IN " LIVE_RUNS " ORDER BY id", NULL);
}

enum err store_load_jobs(struct store *s, store_job_fn fn, void *ctx, struct error *e)
{
	return READ(store_job, T_JOBS, "WHERE run IN " LIVE_RUNS " ORDER BY id", NULL);
}

enum err store_load_operations(struct store *s, store_operation_fn fn, void *ctx, struct error *e)
{
	return READ(store_operation, T_OPERATIONS, "WHERE ended = 0 ORDER BY id", NULL);
}

enum err store_list_runs(struct store *s, const char *service, int64_t before, int64_t limit,
    store_run_fn fn, void *ctx, struct error *e)
{
	struct bound b = {.numbers = {before ? before : INT64_MAX, limit ? limit : -1}, .n = 2};

	if (text_eq(service, "*"))
		return READ(store_run, T_RUNS, "WHERE id < ? ORDER BY id DESC LIMIT ?", &b);
	if (!service)
		return READ(store_run, T_RUNS,
		    "WHERE service IS NULL AND id < ? ORDER BY id DESC LIMIT ?", &b);
	b.text = service;
	return READ(store_run, T_RUNS, "WHERE service = ? AND id < ? ORDER BY id DESC LIMIT ?", &b);
}

enum err store_find_run(
    struct store *s, const char *name, store_run_fn fn, void *ctx, struct error *e)
{
	const struct bound b = {.text = name};

	return READ(store_run, T_RUNS, "WHERE name = ? ORDER BY id DESC LIMIT 1", &b);
}

enum err store_list_jobs(struct store *s, int64_t run, store_job_fn fn, void *ctx, struct error *e)
{
	const struct bound b = {.numbers = {run}, .n = 1};

	return READ(store_job, T_JOBS, "WHERE run = ? ORDER BY id", &b);
}

enum err store_find_job(struct store *s, int64_t id, store_job_fn fn, void *ctx, struct error *e)
{
	const struct bound b = {.numbers = {id}, .n = 1};

	return READ(store_job, T_JOBS, "WHERE id = ?", &b);
}

enum err store_list_operations(
    struct store *s, int64_t before, store_operation_fn fn, void *ctx, struct error *e)
{
	const struct bound b = {.numbers = {before ? before : INT64_MAX}, .n = 1};

	return READ(store_operation, T_OPERATIONS, "WHERE id < ? ORDER BY id DESC", &b);
}

enum err store_find_operation(
    struct store *s, int64_t id, store_operation_fn fn, void *ctx, struct error *e)
{
	const struct bound b = {.numbers = {id}, .n = 1};

	return READ(store_operation, T_OPERATIONS, "WHERE id = ?", &b);
}

enum err store_list_events(struct store *s, const char *subject, usec_wall since, usec_wall until,
    int64_t after, int64_t limit, store_event_fn fn, void *ctx, struct error *e)
{
	const struct bound b = {.text = subject,
	    .numbers = {after, since, until ? until : INT64_MAX, limit ? limit : -1},
	    .n = 4};

	if (!subject && since && !after &&
	    !store_refuses(s, NULL)) /* what is older is not looked at */
		return READ(store_event, T_EVENTS,
		    "INDEXED BY events_time WHERE +id > ? AND time >= ? AND time <= ? "
		    "ORDER BY +id LIMIT ?",
		    &b);
	if (!subject)
		return READ(store_event, T_EVENTS,
		    "WHERE id > ? AND time >= ? AND time <= ? ORDER BY id LIMIT ?", &b);
	return READ(store_event, T_EVENTS,
	    "WHERE subject = ? AND id > ? AND time >= ? AND time <= ? ORDER BY id LIMIT ?", &b);
}

enum err store_last_events(struct store *s, const char *subject, usec_wall until, int64_t before,
    int64_t limit, store_event_fn fn, void *ctx, struct error *e)
{
	const struct bound b = {.text = subject,
	    .numbers = {before ? before : INT64_MAX, until ? until : INT64_MAX, limit ? limit : -1},
	    .n = 3};

	if (!subject)
		return READ(store_event, T_EVENTS,
		    "WHERE id < ? AND time <= ? ORDER BY id DESC LIMIT ?", &b);
	return READ(store_event, T_EVENTS,
	    "WHERE subject = ? AND id < ? AND time <= ? ORDER BY id DESC LIMIT ?", &b);
}

static enum err count_rows(
    struct store *s, const char *sql, const struct bound *b, int64_t *out, struct error *e)
{
	sqlite3_stmt *st = NULL;
	int at = 0;

	if (reader(s, e))
		return e->code;
	if (sqlite3_prepare_v2(s->reader, sql, -1, &st, NULL) != SQLITE_OK)
		return read_error(s, e);
	if (b->text)
		sqlite3_bind_text(st, ++at, b->text, -1, SQLITE_STATIC);
	for (int i = 0; i < b->n; i++)
		sqlite3_bind_int64(st, ++at, b->numbers[i]);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	else
		read_error(s, e);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? ERR_OK : ERR_STORAGE;
}

/* An index is walked, not the rows: those of events are long. */
enum err store_count_events(
    struct store *s, const char *subject, int64_t before, int64_t *out, struct error *e)
{
	const struct bound b = {.text = subject, .numbers = {before}, .n = 1};

	if (subject)
		return count_rows(
		    s, "SELECT count(*) FROM events WHERE subject = ? AND id < ?", &b, out, e);
	return count_rows(s,
	    store_refuses(s, NULL)
		? "SELECT count(*) FROM events WHERE id < ?"
		: "SELECT count(*) FROM events INDEXED BY events_time WHERE +id < ?",
	    &b, out, e);
}

enum err store_count_runs(
    struct store *s, const char *service, int64_t before, int64_t *out, struct error *e)
{
	const struct bound any = {.numbers = {before}, .n = 1},
			   one = {.text = service, .numbers = {before}, .n = 1};

	if (text_eq(service, "*"))
		return count_rows(s, "SELECT count(*) FROM runs WHERE id < ?", &any, out, e);
	if (!service)
		return count_rows(
		    s, "SELECT count(*) FROM runs WHERE service IS NULL AND id < ?", &any, out, e);
	return count_rows(
	    s, "SELECT count(*) FROM runs WHERE service = ? AND id < ?", &one, out, e);
}

enum err store_find_event(
    struct store *s, int64_t id, store_event_fn fn, void *ctx, struct error *e)
{
	const struct bound b = {.numbers = {id}, .n = 1};

	return READ(store_event, T_EVENTS, "WHERE id = ?", &b);
}
