#include "store_bed.h"

#include "store/migrations.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_database_of_a_later_version_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	auto_free char *path = text_fmt("%s/state.db", f->dir);
	struct error e;
	sqlite3 *db;

	bed_open(f, NULL);
	store_close(take(f->store));
	sqlite3_open(path, &db);
	sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_int_equal(store_open(f->dir, NULL, &f->store, &e), ERR_STORAGE);
	assert_non_null(strstr(e.msg, "later version"));
	assert_int_equal(bed_count_aside(f), 0);
}

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
		bed_open(f, NULL);
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
		bed_remove(f->dir);
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
	bed_open(f, NULL);
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
	bed_open(f, &back);
	assert_true(store_was_put_back(f->store));
	expect_rows(f);
	store_close(take(f->store));
	unlink(to);
	make_later(f);
	assert_int_equal(store_open(f->dir, &back, &f->store, &e), ERR_STORAGE);
	assert_non_null(strstr(e.msg, "later version"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    rule(a_database_of_a_later_version_is_refused_and_left_alone),
	    rule(every_earlier_version_is_migrated_and_kept_as_it_was),
	    rule(a_migration_that_fails_leaves_the_version_before_it),
	    rule(a_later_version_is_taken_back_only_when_an_upgrade_failed_and_from_its_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
