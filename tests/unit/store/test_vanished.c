/* What is removed, moved or replaced in the folder of a store comes back (F81). */
#include "store_bed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct heard {
	struct str text;
	int repaired, rebuilt, files;
};

static void on_repaired(const char *text, bool rebuilt, void *ctx)
{
	struct heard *h = ctx;

	str_fmt(&h->text, "%s\n", text);
	h->repaired++;
	h->rebuilt += rebuilt;
}

static void on_files(void *ctx)
{
	((struct heard *)ctx)->files++;
}

static void listen_to(struct store *s, struct heard *h)
{
	store_listen(
	    s, &(struct store_listener){.repaired = on_repaired, .files = on_files, .ctx = h});
}

static void wait_repaired(struct store *s, const struct heard *h, int n)
{
	struct pollfd p = {.fd = store_event_fd(s), .events = POLLIN};

	while (h->repaired < n) {
		if (poll(&p, 1, 10000) != 1)
			fail_msg("not repaired within ten seconds");
		store_dispatch(s);
	}
}

static char *below(const struct fixture *f, const char *name)
{
	return text_fmt("%s/%s", f->dir, name);
}

static void put_history(struct store *s)
{
	for (int i = 1; i <= 500; i++)
		bed_put_event(s, i, "web", "{}");
	store_put_job(s, &(struct store_job){.id = 7, .run = 3, .name = "web/main"});
	assert_int_equal(bed_barrier(s), 1);
}

static bool count_event(const struct store_event *r, void *ctx)
{
	(void)r;
	return ++*(int *)ctx, true;
}

static void expect_history(struct store *s)
{
	struct error e = {0};
	int events = 0, jobs = 0;

	if (store_list_events(s, "web", 0, 0, 0, 0, count_event, &events, &e) ||
	    store_find_job(s, 7, bed_count_job, &jobs, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(events, 500);
	assert_int_equal(jobs, 1);
}

static void remove_named(const struct fixture *f, const char *name)
{
	auto_free char *path = below(f, name);

	if (unlink(path) < 0)
		fail_msg("%s: %s", path, strerror(errno));
}

/* All of them, or one: the others say nothing without it. */
static void F81_a_removed_database_is_written_again_with_all_its_history(void **state)
{
	static const char *const removed[][3] = {{"state.db", "state.db-wal", "state.db-shm"},
	    {"state.db"}, {"state.db-wal"}, {"state.db", "state.db-wal"}};
	struct fixture *f = *state;
	struct heard h = {0};

	bed_open(f, NULL);
	listen_to(f->store, &h);
	bed_put_definitions(f->store);
	put_history(f->store);
	for (int i = 0; i < (int)countof(removed); i++) {
		for (size_t k = 0; k < 3 && removed[i][k]; k++)
			remove_named(f, removed[i][k]);
		store_look(f->store, false);
		wait_repaired(f->store, &h, i + 1);
		expect_history(f->store);
		store_put_job(f->store, &(struct store_job){.id = 8, .run = 3, .name = "later"});
		assert_int_equal(bed_barrier(f->store), 1);
	}
	assert_int_equal(h.rebuilt, 0);
	assert_non_null(strstr(str_text(&h.text), "state.db was removed: written again"));
	assert_false(store_degraded(f->store, NULL));
	bed_reopen(f);
	expect_history(f->store);
	bed_expect_definitions(f->store);
	str_release(&h.text);
}

/* Without a look, too: before it writes it sees where. */
static void F81_the_next_batch_notices_by_itself(void **state)
{
	struct fixture *f = *state;
	struct heard h = {0};

	bed_open(f, NULL);
	listen_to(f->store, &h);
	bed_put_definitions(f->store);
	put_history(f->store);
	remove_named(f, "state.db");
	store_put_job(f->store, &(struct store_job){.id = 9, .run = 3, .name = "later"});
	assert_int_equal(bed_barrier(f->store), 1);
	assert_int_equal(h.repaired, 1);
	bed_reopen(f);
	expect_history(f->store);
}

static void F81_another_file_in_its_place_is_kept_and_ours_is_back(void **state)
{
	struct fixture *f = *state;
	auto_free char *path = below(f, "state.db"), *other = below(f, "other");
	struct heard h = {0};

	bed_open(f, NULL);
	listen_to(f->store, &h);
	bed_put_definitions(f->store);
	put_history(f->store);
	close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(rename(other, path), 0);
	store_look(f->store, false);
	wait_repaired(f->store, &h, 1);
	assert_non_null(strstr(str_text(&h.text), "state.db.replaced-"));
	expect_history(f->store);
	bed_reopen(f);
	expect_history(f->store);
	str_release(&h.text);
}

static void F81_a_moved_folder_is_made_again(void **state)
{
	struct fixture *f = *state;
	auto_free char *moved = text_fmt("%s/moved", f->root);
	struct heard h = {0};

	bed_open(f, NULL);
	listen_to(f->store, &h);
	bed_put_definitions(f->store);
	put_history(f->store);
	assert_int_equal(rename(f->dir, moved), 0);
	store_look(f->store, false);
	wait_repaired(f->store, &h, 2);
	expect_history(f->store);
	assert_int_equal(bed_barrier(f->store), 1);
	bed_remove(f->dir);
	store_look(f->store, false);
	wait_repaired(f->store, &h, 4);
	expect_history(f->store);
	bed_reopen(f);
	expect_history(f->store);
	bed_expect_definitions(f->store);
	str_release(&h.text);
}

static size_t count_files(const struct fixture *f)
{
	auto_free char *path = below(f, "definitions");
	DIR *d = opendir(path);
	size_t n = 0;

	for (const struct dirent *de; d && (de = readdir(d));)
		n += de->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void F81_removed_definitions_are_written_again(void **state)
{
	struct fixture *f = *state;
	auto_free char *path = below(f, "definitions");
	struct heard h = {0};
	size_t n;

	bed_open(f, NULL);
	listen_to(f->store, &h);
	bed_put_definitions(f->store);
	assert_int_equal(bed_barrier(f->store), 1);
	n = count_files(f);
	assert_true(n > 0);
	bed_remove(path);
	store_look(f->store, true);
	wait_repaired(f->store, &h, 1);
	for (int i = 0; i < 10000 && count_files(f) < n; i++)
		usleep(1000);
	assert_int_equal(count_files(f), n);
	store_close(take(f->store));
	bed_remove(path); /* while nobody sees it */
	bed_open(f, NULL);
	for (int i = 0; i < 10000 && count_files(f) < n; i++)
		usleep(1000);
	assert_int_equal(count_files(f), n);
	str_release(&h.text);
}

/* Nothing is held of it any more: definitions/ is what there is. */
static void F81_a_missing_database_is_rebuilt_from_the_definitions(void **state)
{
	struct fixture *f = *state;
	struct heard h = {0};

	bed_open(f, NULL);
	bed_put_definitions(f->store);
	assert_int_equal(bed_barrier(f->store), 1);
	for (int i = 0; i < 2; i++) {
		auto_free char *path = below(f, "state.db");

		store_close(take(f->store));
		if (i == 0)
			unlink(path);
		else
			assert_int_equal(truncate(path, 0), 0);
		bed_open(f, NULL);
		listen_to(f->store, &h);
		assert_int_equal(h.rebuilt, i + 1);
		bed_expect_definitions(f->store);
	}
	str_release(&h.text);
}

static void F81_an_emptied_database_is_rebuilt_and_said_to_be(void **state)
{
	struct fixture *f = *state;
	auto_free char *path = below(f, "state.db");
	struct heard h = {0};

	bed_open(f, NULL);
	bed_put_definitions(f->store);
	put_history(f->store);
	bed_reopen(f); /* its log is empty */
	listen_to(f->store, &h);
	assert_int_equal(truncate(path, 0), 0);
	store_look(f->store, false);
	wait_repaired(f->store, &h, 1);
	assert_int_equal(h.rebuilt, 1);
	assert_int_equal(bed_barrier(f->store), 1);
	bed_expect_definitions(f->store);
	bed_reopen(f);
	bed_expect_definitions(f->store);
	str_release(&h.text);
}

/* The child is killed with an open log; somebody else held its files. */
static void F81_what_a_killed_server_had_open_is_found_by_who_holds_it(void **state)
{
	struct fixture *f = *state;
	struct store_files held;
	struct heard h = {0};
	int pair[2], status;

	assert_int_equal(pipe(pair), 0);
	pid_t child = fork();
	if (child == 0) {
		bed_open(f, NULL);
		bed_put_definitions(f->store);
		put_history(f->store);
		store_files(f->store, &held);
		assert_int_equal(write(pair[1], &held, sizeof(held)), sizeof(held));
		pause();
	}
	assert_int_equal(read(pair[0], &held, sizeof(held)), sizeof(held));
	int *fds[] = {&held.db, &held.log};
	for (size_t i = 0; i < 2; i++) {
		auto_free char *link = text_fmt("/proc/%d/fd/%d", (int)child, *fds[i]);

		*fds[i] = open(link, O_PATH | O_CLOEXEC);
	}
	bed_remove(f->dir);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	bed_open(f, &(struct store_options){.keep_seconds = (int64_t)1 << 40, .former = &held});
	listen_to(f->store, &h);
	assert_int_equal(h.rebuilt, 0);
	assert_true(h.repaired > 0);
	expect_history(f->store);
	bed_expect_definitions(f->store);
	close(pair[0]);
	close(pair[1]);
	str_release(&h.text);
}

static bool wait_fine(struct store *s)
{
	struct pollfd p = {.fd = store_event_fd(s), .events = POLLIN};

	for (int i = 0; i < 10000 && store_degraded(s, NULL); i++)
		if (poll(&p, 1, 1) == 1)
			store_dispatch(s);
	return !store_degraded(s, NULL);
}

static void F41_a_read_only_disk_keeps_no_next_server_from_opening_it(void **state)
{
	struct fixture *f = *state;
	struct error e = {0};
	int n = 0;

	if (mount("none", f->root, "tmpfs", 0, "size=8m") < 0) {
		print_message("skipped: no right to mount a tmpfs\n");
		skip();
	}
	f->mounted = true;
	bed_open(f, NULL);
	bed_put_definitions(f->store);
	put_history(f->store);
	store_close(take(f->store));
	assert_int_equal(mount(NULL, f->root, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	bed_open(f, NULL);
	assert_true(store_refuses(f->store, NULL));
	bed_expect_definitions(f->store);
	expect_history(f->store);
	store_put_job(f->store, &(struct store_job){.id = 70, .run = 3, .name = "later"});
	assert_int_equal(bed_barrier(f->store), 2);
	store_find_job(f->store, 70, bed_count_job, &n, &e);
	assert_int_equal(n, 1); /* what waits is read as if it was written */
	assert_int_equal(mount(NULL, f->root, NULL, MS_REMOUNT, NULL), 0);
	assert_true(wait_fine(f->store));
	assert_int_equal(bed_barrier(f->store), 1);
	bed_reopen(f);
	n = 0;
	store_find_job(f->store, 70, bed_count_job, &n, &e);
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    rule(F81_a_removed_database_is_written_again_with_all_its_history),
	    rule(F81_the_next_batch_notices_by_itself),
	    rule(F81_another_file_in_its_place_is_kept_and_ours_is_back),
	    rule(F81_a_moved_folder_is_made_again),
	    rule(F81_removed_definitions_are_written_again),
	    rule(F81_a_missing_database_is_rebuilt_from_the_definitions),
	    rule(F81_an_emptied_database_is_rebuilt_and_said_to_be),
	    rule(F81_what_a_killed_server_had_open_is_found_by_who_holds_it),
	    rule(F41_a_read_only_disk_keeps_no_next_server_from_opening_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
