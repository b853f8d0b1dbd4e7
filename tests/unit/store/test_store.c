#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/migrations.h"
#include "store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

struct fixture {
	char root[64];
	char *dir;
	struct store *store;
	bool mounted;
};

static int setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));

	strcpy(f->root, "/tmp/hp-store-XXXXXX");
	if (!mkdtemp(f->root))
		return -1;
	f->dir = text_fmt("%s/state", f->root);
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	if (f->mounted)
		umount2(f->root, MNT_DETACH);
	nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f->dir);
	free(f);
	return 0;
}

static void open_store(struct fixture *f, const struct store_options *o)
{
	/* The times in these tests are long ago. */
	static const struct store_options for_ever = {.keep_seconds = (int64_t)1 << 40};
	struct error e = {0};

	if (store_open(f->dir, o ? o : &for_ever, &f->store, &e))
		fail_msg("%s", e.msg);
}

static void reopen(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
	open_store(f, NULL);
}

static void note_done(bool durable, void *ctx)
{
	*(int *)ctx = durable ? 1 : 2;
}

/* 1 durable, 2 not; answers within ten seconds or fails. */
static int barrier(struct store *s)
{
	struct pollfd p = {.fd = store_event_fd(s), .events = POLLIN};
	int done = 0;

	store_barrier(s, note_done, &done);
	while (!done) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		store_dispatch(s);
	}
	return done;
}

static void put_event(struct store *s, int64_t id, const char *subject, const char *fact)
{
	store_put_event(
	    s, &(struct store_event){
		   .id = id, .cause = id - 1, .time = 1000 + id, .subject = subject, .fact = fact});
}

static bool count_job(const struct store_job *r, void *ctx)
{
	(void)r;
	return ++*(int *)ctx, true;
}

static bool check_job(const struct store_job *r, void *ctx)
{
	assert_int_equal(r->id, 7);
	assert_int_equal(r->run, 3);
	assert_string_equal(r->name, "main");
	assert_null(r->service);
	assert_true(r->token == UINT64_MAX);
	assert_int_equal(r->state, JOB_READY);
	assert_int_equal(r->reason, REASON_SIGNAL);
	assert_int_equal(r->exit_code, -1);
	assert_true(r->ready);
	assert_int_equal(r->ready_at, 55);
	assert_string_equal(r->stop_cause, "operator");
	return count_job(r, ctx);
}

static void a_row_comes_back_as_it_was_put(void **state)
{
	struct fixture *f = *state;
	struct error e;
	int n = 0;

	open_store(f, NULL);
	store_put_run(f->store, &(struct store_run){.id = 3, .name = "r-3"});
	store_put_job(f->store, &(struct store_job){.id = 7, .run = 1, .name = "old"});
	store_put_job(f->store, &(struct store_job){.id = 7,
				    .run = 3,
				    .name = "main",
				    .token = UINT64_MAX,
				    .state = JOB_READY,
				    .reason = REASON_SIGNAL,
				    .exit_code = -1,
				    .ready = true,
				    .ready_at = 55,
				    .stop_cause = "operator"});
	assert_int_equal(barrier(f->store), 1);
	assert_int_equal(store_find_job(f->store, 7, check_job, &n, &e), ERR_OK);
	assert_int_equal(store_list_jobs(f->store, 3, check_job, &n, &e), ERR_OK);
	assert_int_equal(store_load_jobs(f->store, check_job, &n, &e), ERR_OK);
	assert_int_equal(n, 3);
	store_remove_job(f->store, 7);
	assert_int_equal(barrier(f->store), 1);
	store_find_job(f->store, 7, count_job, &n, &e);
	assert_int_equal(n, 3);
}

static bool list_run(const struct store_run *r, void *ctx)
{
	str_fmt(ctx, "%s ", r->name);
	return true;
}

static void runs_of_a_service_come_newest_first_and_page_by_page(void **state)
{
	struct fixture *f = *state;
	struct str got = {0};
	struct error e;

	open_store(f, NULL);
	for (int64_t i = 1; i <= 6; i++) {
		auto_free char *name = text_fmt("r-%d", (int)i);

		store_put_run(f->store,
		    &(struct store_run){
			.id = i, .name = name, .service = i % 2 ? "web" : NULL, .ended = i});
	}
	assert_int_equal(barrier(f->store), 1);
	store_list_runs(f->store, "web", 0, 2, list_run, &got, &e);
	store_list_runs(f->store, "web", 3, 2, list_run, &got, &e);
	store_list_runs(f->store, NULL, 0, 1, list_run, &got, &e);
	store_find_run(f->store, "r-2", list_run, &got, &e);
	store_load_runs(f->store, list_run, &got, &e);
	assert_string_equal(got.s, "r-5 r-3 r-1 r-6 r-2 r-5 ");
	str_release(&got);
}

static bool list_event(const struct store_event *r, void *ctx)
{
	str_fmt(ctx, "%d ", (int)r->id);
	return true;
}

static void events_are_found_by_subject_time_and_number(void **state)
{
	struct fixture *f = *state;
	struct str got = {0};
	struct error e;

	open_store(f, NULL);
	for (int i = 1; i <= 6; i++)
		put_event(f->store, i, i % 2 ? "web" : "db", "{}");
	assert_int_equal(barrier(f->store), 1);
	store_list_events(f->store, "web", 1002, 0, 0, 0, list_event, &got, &e);
	store_list_events(f->store, NULL, 0, 1003, 1, 0, list_event, &got, &e);
	store_list_events(f->store, NULL, 0, 0, 0, 1, list_event, &got, &e);
	assert_string_equal(got.s, "3 5 2 3 1 ");
	str_release(&got);
}

/* The child tells over a pipe what was acknowledged to it, until it is killed. */
static void write_until_killed(const char *dir, int tell_fd)
{
	struct store *s;
	struct error e;

	if (store_open(dir, NULL, &s, &e))
		_exit(1);
	for (int64_t i = 1;; i++) {
		int done = 0;
		struct pollfd p = {.fd = store_event_fd(s), .events = POLLIN};

		put_event(s, i, "web", "{}");
		store_put_job(s, &(struct store_job){.id = i, .run = 1, .name = "main"});
		store_barrier(s, note_done, &done);
		while (!done && poll(&p, 1, -1) > 0)
			store_dispatch(s);
		if (write(tell_fd, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

static void a_kill_loses_nothing_that_was_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct error e;

	for (int round = 0; round < 10; round++) {
		int64_t last = 0;
		int fds[2], n = 0, status;
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (pid == 0)
			write_until_killed(f->dir, fds[1]);
		close(fds[1]);
		while (last < 50 + round * 7)
			assert_int_equal(read(fds[0], &last, sizeof(last)), sizeof(last));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		while (read(fds[0], &last, sizeof(last)) == sizeof(last))
			;
		close(fds[0]);
		open_store(f, NULL);
		assert_int_equal(store_find_job(f->store, last, count_job, &n, &e), ERR_OK);
		assert_int_equal(n, 1);
		store_list_jobs(f->store, 1, count_job, &n, &e);
		assert_true(n - 1 >= last);
		assert_false(store_degraded(f->store, NULL));
		store_close(take(f->store));
	}
}

static bool list_contribution(const struct store_contribution *r, void *ctx)
{
	str_fmt(ctx, "%s %s %s;", r->source, r->service, r->json);
	return true;
}

static bool list_wanted(const struct store_wanted *r, void *ctx)
{
	str_fmt(ctx, "%s %s;", r->service, wanted_str(r->wanted));
	return true;
}

static bool list_counter(const struct store_counter *r, void *ctx)
{
	str_fmt(ctx, "%s %d;", r->name, (int)r->value);
	return true;
}

static void put_definitions(struct store *s)
{
	store_put_contribution(
	    s, &(struct store_contribution){"a/b.toml", "web", "{\"x\":\"\\u00e9\"}"});
	store_put_contribution(s, &(struct store_contribution){"a/b.toml", "db", "{}"});
	store_put_contribution(s, &(struct store_contribution){"gone", "db", "{}"});
	store_remove_contribution(s, "gone", "db");
	store_put_wanted(s, &(struct store_wanted){"web", WANTED_STOP});
	store_put_counter(s, &(struct store_counter){"job", 42});
}

static void expect_definitions(struct store *s)
{
	struct str got = {0};
	struct error e;

	assert_int_equal(store_load_contributions(s, list_contribution, &got, &e), ERR_OK);
	assert_int_equal(store_load_wanted(s, list_wanted, &got, &e), ERR_OK);
	assert_int_equal(store_load_counters(s, list_counter, &got, &e), ERR_OK);
	assert_string_equal(
	    got.s, "a/b.toml db {};a/b.toml web {\"x\":\"\\u00e9\"};web stop;job 42;");
	str_release(&got);
}

static void overwrite(struct fixture *f, off_t from, size_t n)
{
	auto_free char *path = text_fmt("%s/state.db", f->dir);
	auto_free char *junk = mem_new(n);
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	memset(junk, 0x5a, n);
	assert_int_equal(pwrite(fd, junk, n, from), n);
}

static size_t count_aside(struct fixture *f)
{
	DIR *d = opendir(f->dir);
	size_t n = 0;

	for (struct dirent *de; (de = readdir(d));)
		n += strncmp(de->d_name, "state.db.corrupt-", 17) == 0 &&
		     !strstr(de->d_name, "-wal") && !strstr(de->d_name, "-shm");
	closedir(d);
	return n;
}

static void a_corrupt_database_is_set_aside_and_rebuilt_from_the_definitions(void **state)
{
	struct fixture *f = *state;
	struct str why = {0};

	open_store(f, NULL);
	put_definitions(f->store);
	assert_int_equal(barrier(f->store), 1);
	expect_definitions(f->store);
	for (size_t i = 0; i < 2; i++) { /* the header, then a page inside */
		store_close(take(f->store));
		overwrite(f, i ? 4096 : 0, 4096);
		open_store(f, NULL);
		expect_definitions(f->store);
		assert_true(store_degraded(f->store, &why));
		assert_non_null(strstr(why.s, "set aside"));
		assert_int_equal(count_aside(f), i + 1);
	}
	reopen(f);
	assert_false(store_degraded(f->store, NULL));
	expect_definitions(f->store);
	str_release(&why);
}

static void a_database_of_a_later_version_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	auto_free char *path = text_fmt("%s/state.db", f->dir);
	struct error e;
	sqlite3 *db;

	open_store(f, NULL);
	store_close(take(f->store));
	sqlite3_open(path, &db);
	sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_int_equal(store_open(f->dir, NULL, &f->store, &e), ERR_STORAGE);
	assert_non_null(strstr(e.msg, "later version"));
	assert_int_equal(count_aside(f), 0);
}

/* ---- versions ---------------------------------------------------------------------- */

static void execute(sqlite3 *db, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why))
		fail_msg("%s: %s", sql, why);
}

static sqlite3 *open_file(struct fixture *f, const char *name)
{
	auto_free char *path = text_fmt("%s/%s", f->dir, name);
	sqlite3 *db;

	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
	    SQLITE_OK);
	return db;
}

static int64_t number_of(struct fixture *f, const char *file, const char *sql)
{
	sqlite3 *db = open_file(f, file);
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

/* As the server of that time left it, with a row in each of some tables. */
static void make_database(struct fixture *f, int version)
{
	mkdir(f->dir, 0700);
	sqlite3 *db = open_file(f, "state.db");

	for (int v = 0; v < version; v++)
		execute(db, migrations[v]);
	execute(db,
	    "INSERT INTO wanted VALUES ('web', 'start');"
	    "INSERT INTO runs (id, name, service, state, who, started, ended)"
	    " VALUES (5, 'web#5', 'web', 'running', 'uid 0', 1000, 0);"
	    "INSERT INTO jobs (id, run, name, service, action, token, attempt, state, restarts,"
	    " exit_code, ended) VALUES (9, 5, 'web/web', 'web', 'web', 17, 4, 'running', 3, -1, 0);"
	    "INSERT INTO operations (id, kind, names, state, steps, who, started, ended)"
	    " VALUES (2, 'start', '[\"web\"]', 'active', '[]', 'uid 0', 1000, 0);");
	auto_free char *sql = text_fmt("PRAGMA user_version = %d", version);
	execute(db, sql);
	sqlite3_close(db);
}

static bool is_that_job(const struct store_job *r, void *ctx)
{
	assert_true(
	    r->id == 9 && r->run == 5 && r->token == 17 && r->attempt == 4 && r->restarts == 3);
	assert_int_equal(r->state, JOB_RUNNING);
	return ++*(int *)ctx, true;
}

static bool is_that_run(const struct store_run *r, void *ctx)
{
	assert_int_equal(r->id, 5);
	assert_null(r->reason_subject);
	return ++*(int *)ctx, true;
}

static bool is_that_operation(const struct store_operation *r, void *ctx)
{
	assert_int_equal(r->id, 2);
	assert_null(r->detail);
	return ++*(int *)ctx, true;
}

static bool is_wanted(const struct store_wanted *r, void *ctx)
{
	assert_true(text_eq(r->service, "web") && r->wanted == WANTED_START);
	return ++*(int *)ctx, true;
}

static void expect_rows(struct fixture *f)
{
	struct error e;
	int n = 0;

	assert_int_equal(store_load_jobs(f->store, is_that_job, &n, &e), ERR_OK);
	assert_int_equal(store_load_runs(f->store, is_that_run, &n, &e), ERR_OK);
	assert_int_equal(store_load_operations(f->store, is_that_operation, &n, &e), ERR_OK);
	assert_int_equal(store_load_wanted(f->store, is_wanted, &n, &e), ERR_OK);
	assert_int_equal(n, 4);
}

static void every_earlier_version_is_migrated_and_kept_as_it_was(void **state)
{
	struct fixture *f = *state;

	for (int v = 1; v <= migration_count; v++) {
		auto_free char *copy = text_fmt("state.db.before-%d", v);
		auto_free char *copy_path = text_fmt("%s/%s", f->dir, copy);

		make_database(f, v);
		open_store(f, NULL);
		expect_rows(f);
		assert_false(store_was_put_back(f->store));
		store_close(take(f->store));
		assert_int_equal(number_of(f, "state.db", "PRAGMA user_version"), store_version());
		if (v == migration_count) {
			assert_int_not_equal(access(copy_path, F_OK), 0);
		} else {
			assert_int_equal(number_of(f, copy, "PRAGMA user_version"), v);
			assert_int_equal(number_of(f, copy, "SELECT restarts FROM jobs"), 3);
		}
		nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
}

/* A step that fails is not half done, and the next try begins where it failed. */
static void a_migration_that_fails_leaves_the_version_before_it(void **state)
{
	struct fixture *f = *state;
	struct error e;

	make_database(f, 1);
	sqlite3 *db = open_file(f, "state.db");
	execute(db, "ALTER TABLE runs ADD COLUMN reason_subject TEXT"); /* what version 3 adds */
	assert_int_equal(store_open(f->dir, NULL, &f->store, &e), ERR_STORAGE);
	assert_int_equal(number_of(f, "state.db", "PRAGMA user_version"), 2);
	assert_int_equal(number_of(f, "state.db.before-1", "PRAGMA user_version"), 1);
	execute(db, "ALTER TABLE runs DROP COLUMN reason_subject");
	sqlite3_close(db);
	open_store(f, NULL);
	expect_rows(f);
}

static void make_later(struct fixture *f)
{
	sqlite3 *db = open_file(f, "state.db");
	auto_free char *sql = text_fmt(
	    "ALTER TABLE wanted RENAME TO wishes; DELETE FROM jobs;"
	    "PRAGMA user_version = %d",
	    migration_count + 1);

	execute(db, sql);
	sqlite3_close(db);
}

static void a_later_version_is_taken_back_only_when_an_upgrade_failed_and_from_its_copy(
    void **state)
{
	const struct store_options back = {.keep_seconds = (int64_t)1 << 40, .put_back = true};
	auto_free char *copy = text_fmt("state.db.before-%d", migration_count);
	struct fixture *f = *state;
	struct error e;
	auto_free char *to = text_fmt("%s/%s", f->dir, copy);
	auto_free char *keep = text_fmt("VACUUM INTO '%s'", to);

	make_database(f, migration_count);
	sqlite3 *db = open_file(f, "state.db");
	execute(db, keep); /* as the later version did first */
	sqlite3_close(db);
	make_later(f);
	assert_int_equal(store_open(f->dir, NULL, &f->store, &e), ERR_STORAGE);
	assert_non_null(strstr(e.msg, copy));
	open_store(f, &back);
	assert_true(store_was_put_back(f->store));
	expect_rows(f);
	store_close(take(f->store));
	unlink(to);
	make_later(f);
	assert_int_equal(store_open(f->dir, &back, &f->store, &e), ERR_STORAGE);
	assert_non_null(strstr(e.msg, "later version"));
}

static void fill_disk(const char *path)
{
	static char block[1024];
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
}

static bool wait_fine(struct store *s)
{
	for (int i = 0; i < 10000 && store_degraded(s, NULL); i++)
		usleep(1000);
	return !store_degraded(s, NULL);
}

static void a_full_disk_delays_writing_but_nobody_who_waits(void **state)
{
	struct fixture *f = *state;
	auto_free char *filler = text_fmt("%s/filler", f->root);
	char *fact = mem_new(40001);
	struct str why = {0};
	struct error e;
	int n = 0;

	if (mount("none", f->root, "tmpfs", 0, "size=2m") < 0) {
		free(fact);
		print_message("skipped: no right to mount a tmpfs\n");
		skip();
	}
	f->mounted = true;
	memset(fact, 'x', 40000);
	open_store(f, NULL);
	put_definitions(f->store);
	assert_int_equal(barrier(f->store), 1);
	fill_disk(filler);
	for (int i = 1; i <= 20; i++)
		put_event(f->store, i, "web", fact);
	store_put_job(f->store, &(struct store_job){.id = 1, .run = 1, .name = "main"});
	assert_int_equal(barrier(f->store), 2);
	assert_true(store_degraded(f->store, &why));
	for (int i = 0; i < 100; i++) /* answered at once */
		assert_int_equal(barrier(f->store), 2);
	unlink(filler);
	assert_true(wait_fine(f->store));
	assert_int_equal(barrier(f->store), 1);
	store_find_job(f->store, 1, count_job, &n, &e);
	assert_int_equal(n, 1);
	expect_definitions(f->store);
	free(fact);
	str_release(&why);
}

static void a_full_disk_does_not_keep_a_next_server_from_opening_it(void **state)
{
	struct fixture *f = *state;
	auto_free char *filler = text_fmt("%s/filler", f->root);

	if (mount("none", f->root, "tmpfs", 0, "size=4m") < 0) {
		print_message("skipped: no right to mount a tmpfs\n");
		skip();
	}
	f->mounted = true;
	open_store(f, NULL);
	put_definitions(f->store);
	assert_int_equal(barrier(f->store), 1);
	store_close(take(f->store)); /* nothing of SQLite's is left to write into */
	fill_disk(filler);
	open_store(f, NULL);
	expect_definitions(f->store);
	store_close(take(f->store));
	unlink(filler);
	open_store(f, NULL); /* the reserve is there again */
	store_close(take(f->store));
	fill_disk(filler);
	open_store(f, NULL);
	expect_definitions(f->store);
}

static off_t size_of(struct fixture *f)
{
	auto_free char *path = text_fmt("%s/state.db", f->dir);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static bool count_event(const struct store_event *r, void *ctx)
{
	(void)r;
	return ++*(int *)ctx, true;
}

static void retention_removes_what_ended_and_shrinks_the_file(void **state)
{
	struct fixture *f = *state;
	struct str runs = {0};
	struct error e;
	char fact[400];
	off_t before;
	int n = 0;

	memset(fact, 'x', sizeof(fact));
	fact[sizeof(fact) - 1] = '\0';
	open_store(f, &(struct store_options){.keep_seconds = (int64_t)1 << 40});
	store_put_run(f->store, &(struct store_run){.id = 1, .name = "open"});
	for (int i = 2; i <= 20000; i++)
		put_event(f->store, i, "web", fact);
	for (int64_t i = 2; i <= 100; i++)
		store_put_run(f->store, &(struct store_run){.id = i, .name = "r", .ended = i});
	assert_int_equal(barrier(f->store), 1);
	store_close(take(f->store));
	before = size_of(f);
	open_store(f, &(struct store_options){
			  .keep_events = 100, .keep_runs = 10, .keep_seconds = (int64_t)1 << 40});
	for (int i = 20001; i <= 22100; i++) /* enough to make it look */
		put_event(f->store, i, "web", "{}");
	assert_int_equal(barrier(f->store), 1);
	store_close(take(f->store));
	assert_true(size_of(f) < before / 10);
	open_store(f, NULL);
	store_list_events(f->store, NULL, 0, 0, 0, 0, count_event, &n, &e);
	assert_true(n >= 100 && n < 2200);
	store_list_runs(f->store, "*", 0, 0, list_run, &runs, &e);
	assert_string_equal(runs.s, "r r r r r r r r r r open ");
	str_release(&runs);
}

static void a_batch_of_rows_is_fast_enough(void **state)
{
	struct fixture *f = *state;
	struct timespec a, b;

	open_store(f, NULL);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 1; i <= 40000; i++)
		put_event(f->store, i, "web", "{\"state\":\"ready\"}");
	assert_int_equal(barrier(f->store), 1);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.0f rows/s\n",
	    40000 / ((double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec)));
}

#define rule(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    rule(a_row_comes_back_as_it_was_put),
	    rule(runs_of_a_service_come_newest_first_and_page_by_page),
	    rule(events_are_found_by_subject_time_and_number),
	    rule(a_kill_loses_nothing_that_was_acknowledged),
	    rule(a_corrupt_database_is_set_aside_and_rebuilt_from_the_definitions),
	    rule(a_database_of_a_later_version_is_refused_and_left_alone),
	    rule(every_earlier_version_is_migrated_and_kept_as_it_was),
	    rule(a_migration_that_fails_leaves_the_version_before_it),
	    rule(a_later_version_is_taken_back_only_when_an_upgrade_failed_and_from_its_copy),
	    rule(a_full_disk_delays_writing_but_nobody_who_waits),
	    rule(a_full_disk_does_not_keep_a_next_server_from_opening_it),
	    rule(retention_removes_what_ended_and_shrinks_the_file),
	    rule(a_batch_of_rows_is_fast_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
