/*
 * test_history.c - what history costs: bytes of the file, and steps of each query.
 *
 * The functions of SQLite that the store calls stand here in front of the real ones (dlsym(3)):
 * they note each text, and count the steps of its machine (sqlite3_stmt_status).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/store.h"

#include <dlfcn.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct strv texts; /* every statement that was prepared */
static atomic_int noting;
static _Thread_local long steps_taken; /* the writer has its own */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void note(const char *sql)
{
	pthread_mutex_lock(&lock);
	if (atomic_load(&noting))
		strv_add(&texts, sql);
	pthread_mutex_unlock(&lock);
}

/* `real` becomes the function of that name that would have been called. */
#define REAL(name)              \
	__typeof__(&name) real; \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int n, sqlite3_stmt **st, const char **rest)
{
	REAL(sqlite3_prepare_v2);

	note(sql);
	return real(db, sql, n, st, rest);
}

int sqlite3_exec(
    sqlite3 *db, const char *sql, int (*fn)(void *, int, char **, char **), void *ctx, char **e)
{
	REAL(sqlite3_exec);

	note(sql);
	return real(db, sql, fn, ctx, e);
}

int sqlite3_finalize(sqlite3_stmt *st)
{
	REAL(sqlite3_finalize);

	if (st)
		steps_taken += sqlite3_stmt_status(st, SQLITE_STMTSTATUS_VM_STEP, 1);
	return real(st);
}

struct fixture {
	char dir[64];
	struct store *store;
};

static void open_store(struct fixture *f, const struct store_options *o)
{
	struct error e = {0};

	assert_int_equal(store_open(f->dir, o, &f->store, &e), ERR_OK);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));

	strcpy(f->dir, "/tmp/hp-history-XXXXXX");
	*state = f;
	return mkdtemp(f->dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	atomic_store(&noting, 0);
	strv_release(&texts);
	store_close(f->store);
	nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static void note_done(bool durable, void *ctx)
{
	*(int *)ctx = durable ? 1 : 2;
}

static void commit(struct fixture *f)
{
	int done = 0;

	store_barrier(f->store, note_done, &done);
	while (!done) {
		struct pollfd p = {.fd = store_event_fd(f->store), .events = POLLIN};

		assert_int_equal(poll(&p, 1, 10000), 1);
		store_dispatch(f->store);
	}
	assert_int_equal(done, 1);
}

static usec_wall now(void)
{
	return (usec_wall)time(NULL) * 1000000;
}

/* What a run of one job leaves behind: the run, the job, its operation, four events. */
static void put_run(struct store *s, int64_t i, bool over)
{
	char name[32], fact[300];
	usec_wall end = over ? now() : 0;

	snprintf(name, sizeof(name), "run#%lld", (long long)i);
	memset(fact, 'x', sizeof(fact));
	fact[sizeof(fact) - 1] = 0;
	store_put_run(s, &(struct store_run){.id = i,
			     .name = name,
			     .service = i % 2 ? "web" : NULL,
			     .definition = fact,
			     .started = now(),
			     .ended = end});
	store_put_job(s, &(struct store_job){.id = i, .run = i, .name = "main", .ended = end});
	store_put_operation(
	    s, &(struct store_operation){
		   .id = i, .kind = "run", .steps = fact, .started = now(), .ended = end});
	for (int64_t n = 4 * i; n < 4 * i + 4; n++)
		store_put_event(s,
		    &(struct store_event){.id = n, .time = now(), .subject = "web", .fact = fact});
}

static void put_runs(struct fixture *f, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++) {
		put_run(f->store, i, true);
		if (i % 500 == 0)
			commit(f);
	}
	commit(f);
}

static int64_t size_of(struct fixture *f)
{
	static const char *const parts[] = {"state.db", "state.db-wal"};
	int64_t sum = 0;
	struct stat st;

	for (size_t i = 0; i < countof(parts); i++) {
		auto_free char *path = text_fmt("%s/%s", f->dir, parts[i]);

		sum += stat(path, &st) == 0 ? st.st_size : 0;
	}
	return sum;
}

static void F42_ten_thousand_runs_later_the_file_is_no_larger(void **state)
{
	struct fixture *f = *state;
	int64_t early, late;

	open_store(
	    f, &(struct store_options){
		   .keep_runs = 200, .keep_jobs = 200, .keep_operations = 200, .keep_events = 800});
	put_runs(f, 1, 2000);
	early = size_of(f);
	put_runs(f, 2000, 12000);
	late = size_of(f);
	print_message("after 2,000 runs %lld KiB, after 12,000 %lld KiB\n", (long long)early / 1024,
	    (long long)late / 1024);
	assert_true(late < early + early / 4);
	store_close(take(f->store));
	assert_true(size_of(f) < 4 << 20);
}

static bool count_run(const struct store_run *r, void *ctx)
{
	*(int *)ctx += r->ended != 0 ? 1 : 1000000;
	return true;
}

static bool count_event(const struct store_event *r, void *ctx)
{
	(void)r;
	return ++*(int *)ctx, true;
}

static void F42_bytes_have_a_bound_too_and_what_is_open_stays(void **state)
{
	struct fixture *f = *state;
	struct error e = {0};
	int runs = 0, events = 0;

	open_store(f, &(struct store_options){.keep_bytes = 1 << 20});
	put_run(f->store, 1, false);
	put_runs(f, 2, 4000);
	store_close(take(f->store)); /* the writer looks once more when it has nothing to do */
	assert_true(size_of(f) < 3 << 20);
	open_store(f, NULL);
	assert_int_equal(store_list_runs(f->store, "*", 0, 0, count_run, &runs, &e), ERR_OK);
	assert_true(runs > 1000000 + 100 && runs < 1000000 + 3500);
	assert_int_equal(
	    store_list_events(f->store, NULL, 0, 0, 0, 0, count_event, &events, &e), ERR_OK);
	assert_true(events > 400);
}

static void F42_what_is_too_old_goes(void **state)
{
	struct fixture *f = *state;
	struct error e = {0};
	int runs = 0, events = 0;

	open_store(f, &(struct store_options){.keep_seconds = 86400});
	for (int64_t i = 1; i <= 100; i++) {
		usec_wall t = now() - (i <= 60 ? 2 : 0) * 86400000000;

		store_put_run(
		    f->store, &(struct store_run){.id = i, .name = "r", .started = t, .ended = t});
		store_put_event(f->store,
		    &(struct store_event){.id = i, .time = t, .subject = "r", .fact = "{}"});
	}
	commit(f);
	store_close(take(f->store));
	open_store(f, &(struct store_options){.keep_seconds = 86400});
	put_runs(f, 1000, 1500); /* enough to make it look */
	assert_int_equal(store_list_runs(f->store, NULL, 101, 0, count_run, &runs, &e), ERR_OK);
	assert_int_equal(runs, 40);
	assert_int_equal(
	    store_list_events(f->store, "r", 0, 0, 0, 0, count_event, &events, &e), ERR_OK);
	assert_int_equal(events, 40);
}

/* ---- F44 ---------------------------------------------------------------------------- */

static bool see_run(const struct store_run *r, void *ctx)
{
	(void)r, (void)ctx;
	return true;
}
static bool see_job(const struct store_job *r, void *ctx)
{
	(void)r, (void)ctx;
	return true;
}
static bool see_operation(const struct store_operation *r, void *ctx)
{
	(void)r;
	return ++*(int *)ctx < 20;
}

/* Everything that a call of the API or a restart asks of history, a page each; `last` is the newest
 * id. */
static long cost_of_all(struct fixture *f, int64_t last)
{
	struct store *s = f->store;
	struct error e = {0};
	int n = 0;

	steps_taken = 0;
	assert_false(store_load_runs(s, see_run, NULL, &e));
	assert_false(store_load_jobs(s, see_job, NULL, &e));
	assert_false(store_load_operations(s, see_operation, &n, &e));
	assert_false(store_list_runs(s, "*", 0, 20, see_run, NULL, &e));
	assert_false(store_list_runs(s, NULL, 0, 20, see_run, NULL, &e));
	assert_false(store_list_runs(s, "web", 0, 20, see_run, NULL, &e));
	assert_false(store_find_run(s, "run#7", see_run, NULL, &e));
	assert_false(store_list_jobs(s, last, see_job, NULL, &e));
	assert_false(store_find_job(s, last, see_job, NULL, &e));
	assert_false(store_list_operations(s, 0, see_operation, (n = 0, &n), &e));
	assert_false(store_find_operation(s, last, see_operation, &n, &e));
	assert_false(store_list_events(s, NULL, 0, 0, 4 * last - 20, 20, count_event, &n, &e));
	assert_false(store_list_events(s, NULL, now() + 1, 0, 0, 20, count_event, &n, &e));
	assert_false(store_list_events(s, "web", 0, 0, 4 * last - 20, 20, count_event, &n, &e));
	assert_false(store_last_events(s, NULL, 0, 0, 20, count_event, &n, &e));
	assert_false(store_last_events(s, "web", 0, 0, 20, count_event, &n, &e));
	assert_false(store_find_event(s, 4 * last, count_event, &n, &e));
	store_relax(s);
	return steps_taken;
}

static void F44_no_answer_costs_more_because_of_a_long_history(void **state)
{
	struct fixture *f = *state;
	long small, large;

	open_store(f, NULL);
	put_runs(f, 1, 101);
	small = cost_of_all(f, 100);
	put_runs(f, 101, 8001);
	large = cost_of_all(f, 8000);
	print_message("with 100 runs %ld steps, with 8,000 %ld\n", small, large);
	assert_true(large < small + small / 4);
}

/* Of those that grow: contributions, wanted, counters and flags do so with what is registered. */
static bool reads_all_of_history(const char *plan)
{
	static const char *const grow[] = {"runs", "jobs", "operations", "events"};

	for (size_t i = 0; i < countof(grow); i++) {
		auto_free char *scan = text_fmt("SCAN %s", grow[i]);

		if (strstr(plan, scan))
			return !strstr(
			    plan, "_open"); /* the index of what is open, not of history */
	}
	return false;
}

static void expect_no_scan(sqlite3 *db, const char *sql, int *judged)
{
	auto_free char *explain = text_fmt("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *st = NULL;

	if (strncmp(sql, "SELECT", 6) != 0 && strncmp(sql, "DELETE", 6) != 0)
		return;
	assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &st, NULL), SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *plan = (const char *)sqlite3_column_text(st, 3);

		if (reads_all_of_history(plan))
			fail_msg("%s: %s", plan, sql);
	}
	sqlite3_finalize(st);
	++*judged;
}

static void F44_no_query_reads_a_whole_table_of_history(void **state)
{
	struct fixture *f = *state;
	auto_free char *path = text_fmt("%s/state.db", f->dir);
	struct strv all = {0};
	sqlite3 *db = NULL;
	int judged = 0;

	open_store(f, NULL);
	atomic_store(&noting, 1);
	put_runs(f, 1, 1000); /* retention had to look, too */
	cost_of_all(f, 999);
	store_remove_run(f->store, 7);
	store_remove_job(f->store, 7);
	commit(f);
	atomic_store(&noting, 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	pthread_mutex_lock(&lock);
	all = texts;
	texts = (struct strv){0};
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < all.n; i++)
		expect_no_scan(db, all.v[i], &judged);
	strv_release(&all);
	sqlite3_close(db);
	assert_true(judged > 25);
}

#define rule(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    rule(F42_ten_thousand_runs_later_the_file_is_no_larger),
	    rule(F42_bytes_have_a_bound_too_and_what_is_open_stays),
	    rule(F42_what_is_too_old_goes),
	    rule(F44_no_answer_costs_more_because_of_a_long_history),
	    rule(F44_no_query_reads_a_whole_table_of_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
