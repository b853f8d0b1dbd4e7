#include "store_bed.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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
	return bed_count_job(r, ctx);
}

static void a_row_comes_back_as_it_was_put(void **state)
{
	struct fixture *f = *state;
	struct error e;
	int n = 0;

	bed_open(f, NULL);
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
	assert_int_equal(bed_barrier(f->store), 1);
	assert_int_equal(store_find_job(f->store, 7, check_job, &n, &e), ERR_OK);
	assert_int_equal(store_list_jobs(f->store, 3, check_job, &n, &e), ERR_OK);
	assert_int_equal(store_load_jobs(f->store, check_job, &n, &e), ERR_OK);
	assert_int_equal(n, 3);
	store_remove_job(f->store, 7);
	assert_int_equal(bed_barrier(f->store), 1);
	store_find_job(f->store, 7, bed_count_job, &n, &e);
	assert_int_equal(n, 3);
}

static void runs_of_a_service_come_newest_first_and_page_by_page(void **state)
{
	struct fixture *f = *state;
	struct str got = {0};
	struct error e;

	bed_open(f, NULL);
	for (int64_t i = 1; i <= 6; i++) {
		auto_free char *name = text_fmt("r-%d", (int)i);

		store_put_run(f->store,
		    &(struct store_run){
			.id = i, .name = name, .service = i % 2 ? "web" : NULL, .ended = i});
	}
	assert_int_equal(bed_barrier(f->store), 1);
	store_list_runs(f->store, "web", 0, 2, bed_list_run, &got, &e);
	store_list_runs(f->store, "web", 3, 2, bed_list_run, &got, &e);
	store_list_runs(f->store, NULL, 0, 1, bed_list_run, &got, &e);
	store_find_run(f->store, "r-2", bed_list_run, &got, &e);
	store_load_runs(f->store, bed_list_run, &got, &e);
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

	bed_open(f, NULL);
	for (int i = 1; i <= 6; i++)
		bed_put_event(f->store, i, i % 2 ? "web" : "db", "{}");
	assert_int_equal(bed_barrier(f->store), 1);
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

		bed_put_event(s, i, "web", "{}");
		store_put_job(s, &(struct store_job){.id = i, .run = 1, .name = "main"});
		store_barrier(s, bed_note, &done);
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
		bed_open(f, NULL);
		assert_int_equal(store_find_job(f->store, last, bed_count_job, &n, &e), ERR_OK);
		assert_int_equal(n, 1);
		store_list_jobs(f->store, 1, bed_count_job, &n, &e);
		assert_true(n - 1 >= last);
		assert_false(store_degraded(f->store, NULL));
		store_close(take(f->store));
	}
}

static void overwrite(struct fixture *f, off_t from, size_t n)
{
	auto_free char *path = text_fmt("%s/state.db", f->dir);
	auto_free char *junk = mem_new(n);
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	memset(junk, 0x5a, n);
	assert_int_equal(pwrite(fd, junk, n, from), n);
}

static void a_corrupt_database_is_set_aside_and_rebuilt_from_the_definitions(void **state)
{
	struct fixture *f = *state;
	struct str why = {0};

	bed_open(f, NULL);
	bed_put_definitions(f->store);
	assert_int_equal(bed_barrier(f->store), 1);
	bed_expect_definitions(f->store);
	for (size_t i = 0; i < 2; i++) { /* the header, then a page inside */
		store_close(take(f->store));
		overwrite(f, i ? 4096 : 0, 4096);
		bed_open(f, NULL);
		bed_expect_definitions(f->store);
		assert_true(store_degraded(f->store, &why));
		assert_non_null(strstr(why.s, "set aside"));
		assert_int_equal(bed_count_aside(f), i + 1);
	}
	bed_reopen(f);
	assert_false(store_degraded(f->store, NULL));
	bed_expect_definitions(f->store);
	str_release(&why);
}

static void fill_disk(const char *path)
{
	static char block[1024];
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

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

static bool count_event(const struct store_event *r, void *ctx)
{
	(void)r;
	return ++*(int *)ctx, true;
}

static int take_int(int *n)
{
	int was = *n;

	*n = 0;
	return was;
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
	bed_open(f, NULL);
	bed_put_definitions(f->store);
	assert_int_equal(bed_barrier(f->store), 1);
	fill_disk(filler);
	for (int i = 1; i <= 20; i++)
		bed_put_event(f->store, i, "web", fact);
	store_put_job(f->store, &(struct store_job){.id = 1, .run = 1, .name = "main"});
	assert_int_equal(bed_barrier(f->store), 2);
	assert_true(store_degraded(f->store, &why));
	for (int i = 0; i < 100; i++) /* answered at once */
		assert_int_equal(bed_barrier(f->store), 2);
	store_find_job(f->store, 1, bed_count_job, &n, &e);
	store_list_events(f->store, "web", 0, 0, 18, 0, count_event, &n, &e);
	assert_int_equal(take_int(&n), 1 + 2); /* what waits is read as if it was written */
	unlink(filler);
	assert_true(wait_fine(f->store));
	assert_int_equal(bed_barrier(f->store), 1);
	store_find_job(f->store, 1, bed_count_job, &n, &e);
	assert_int_equal(n, 1);
	bed_expect_definitions(f->store);
	free(fact);
	str_release(&why);
}

static void leave_log(const char *path)
{
	auto_fd int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, "torn", 4), 4);
}

/* Between a file and the commit of its row: the row is what counts. */
static void files_that_a_killed_server_left_are_made_those_of_the_rows(void **state)
{
	struct fixture *f = *state;
	auto_free char *log = text_fmt("%s/state.db-wal", f->dir);
	auto_free char *dir = text_fmt("%s/definitions", f->dir);
	auto_free char *stray = text_fmt("%s/wanted-none-0000000000000000.json", dir);

	bed_open(f, NULL);
	bed_put_definitions(f->store);
	assert_int_equal(bed_barrier(f->store), 1);
	store_close(take(f->store));
	close(open(stray, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	bed_reopen(f);
	bed_put_definitions(f->store);
	assert_int_equal(bed_barrier(f->store), 1);
	assert_int_equal(access(stray, F_OK), 0); /* who closed it left nothing to mend */
	store_close(take(f->store));
	leave_log(log);
	bed_open(f, NULL);
	bed_put_definitions(f->store);
	assert_int_equal(bed_barrier(f->store), 1);
	assert_int_equal(access(stray, F_OK), -1);
	bed_expect_definitions(f->store);
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
	bed_open(f, NULL);
	bed_put_definitions(f->store);
	assert_int_equal(bed_barrier(f->store), 1);
	store_close(take(f->store)); /* nothing of SQLite's is left to write into */
	fill_disk(filler);
	bed_open(f, NULL);
	bed_expect_definitions(f->store);
	store_close(take(f->store));
	unlink(filler);
	bed_open(f, NULL); /* the reserve is there again */
	store_close(take(f->store));
	fill_disk(filler);
	bed_open(f, NULL);
	bed_expect_definitions(f->store);
}

static void open_and_wait(const char *dir, int tell_fd)
{
	struct store *s;
	struct error e;

	if (store_open(dir, NULL, &s, &e) == ERR_OK && write(tell_fd, "y", 1) == 1)
		pause();
	_exit(1);
}

/* Whatever becomes free meanwhile is used up by others. */
static void a_full_disk_and_kill_after_kill_do_not_keep_a_next_server_from_opening_it(void **state)
{
	struct fixture *f = *state;
	auto_free char *filler = text_fmt("%s/filler", f->root);

	if (mount("none", f->root, "tmpfs", 0, "size=4m") < 0) {
		print_message("skipped: no right to mount a tmpfs\n");
		skip();
	}
	f->mounted = true;
	bed_open(f, NULL);
	bed_put_definitions(f->store);
	assert_int_equal(bed_barrier(f->store), 1);
	store_close(take(f->store));
	for (int round = 0; round < 8; round++) {
		int fds[2];
		char c;

		fill_disk(filler);
		assert_int_equal(pipe(fds), 0);
		pid_t pid = fork();
		if (pid == 0)
			open_and_wait(f->dir, fds[1]);
		close(fds[1]);
		ssize_t n = read(fds[0], &c, 1);
		close(fds[0]);
		fill_disk(filler);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (n != 1)
			fail_msg("the server after kill %d could not open it", round);
	}
	unlink(filler);
	bed_open(f, NULL);
	bed_expect_definitions(f->store);
}

static off_t size_of(struct fixture *f)
{
	auto_free char *path = text_fmt("%s/state.db", f->dir);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
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
	bed_open(f, &(struct store_options){.keep_seconds = (int64_t)1 << 40});
	store_put_run(f->store, &(struct store_run){.id = 1, .name = "open"});
	for (int i = 2; i <= 20000; i++)
		bed_put_event(f->store, i, "web", fact);
	for (int64_t i = 2; i <= 100; i++)
		store_put_run(f->store, &(struct store_run){.id = i, .name = "r", .ended = i});
	assert_int_equal(bed_barrier(f->store), 1);
	store_close(take(f->store));
	before = size_of(f);
	bed_open(f, &(struct store_options){
			.keep_events = 100, .keep_runs = 10, .keep_seconds = (int64_t)1 << 40});
	for (int i = 20001; i <= 22100; i++) /* enough to make it look */
		bed_put_event(f->store, i, "web", "{}");
	assert_int_equal(bed_barrier(f->store), 1);
	store_close(take(f->store));
	assert_true(size_of(f) < before / 10);
	bed_open(f, NULL);
	store_list_events(f->store, NULL, 0, 0, 0, 0, count_event, &n, &e);
	assert_true(n >= 100 && n < 2200);
	store_list_runs(f->store, "*", 0, 0, bed_list_run, &runs, &e);
	assert_string_equal(runs.s, "r r r r r r r r r r open ");
	str_release(&runs);
}

static void a_batch_of_rows_is_fast_enough(void **state)
{
	struct fixture *f = *state;
	struct timespec a, b;

	bed_open(f, NULL);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 1; i <= 40000; i++)
		bed_put_event(f->store, i, "web", "{\"state\":\"ready\"}");
	assert_int_equal(bed_barrier(f->store), 1);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.0f rows/s\n",
	    40000 / ((double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    rule(a_row_comes_back_as_it_was_put),
	    rule(runs_of_a_service_come_newest_first_and_page_by_page),
	    rule(events_are_found_by_subject_time_and_number),
	    rule(a_kill_loses_nothing_that_was_acknowledged),
	    rule(a_corrupt_database_is_set_aside_and_rebuilt_from_the_definitions),
	    rule(files_that_a_killed_server_left_are_made_those_of_the_rows),
	    rule(a_full_disk_delays_writing_but_nobody_who_waits),
	    rule(a_full_disk_does_not_keep_a_next_server_from_opening_it),
	    rule(a_full_disk_and_kill_after_kill_do_not_keep_a_next_server_from_opening_it),
	    rule(retention_removes_what_ended_and_shrinks_the_file),
	    rule(a_batch_of_rows_is_fast_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
