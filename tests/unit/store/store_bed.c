#include "store_bed.h"

#include <dirent.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

int bed_setup(void **state)
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

void bed_remove(const char *dir)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int bed_teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	if (f->mounted)
		umount2(f->root, MNT_DETACH);
	bed_remove(f->root);
	free(f->dir);
	free(f);
	return 0;
}

void bed_open(struct fixture *f, const struct store_options *o)
{
	/* The times in these tests are long ago. */
	static const struct store_options for_ever = {.keep_seconds = (int64_t)1 << 40};
	struct error e = {0};

	if (store_open(f->dir, o ? o : &for_ever, &f->store, &e))
		fail_msg("%s", e.msg);
}

void bed_reopen(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
	bed_open(f, NULL);
}

void bed_note(bool durable, void *ctx)
{
	*(int *)ctx = durable ? 1 : 2;
}

int bed_barrier(struct store *s)
{
	struct pollfd p = {.fd = store_event_fd(s), .events = POLLIN};
	int done = 0;

	store_barrier(s, bed_note, &done);
	while (!done) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		store_dispatch(s);
	}
	return done;
}

void bed_put_event(struct store *s, int64_t id, const char *subject, const char *fact)
{
	store_put_event(
	    s, &(struct store_event){
		   .id = id, .cause = id - 1, .time = 1000 + id, .subject = subject, .fact = fact});
}

bool bed_count_job(const struct store_job *r, void *ctx)
{
	(void)r;
	return ++*(int *)ctx, true;
}

bool bed_list_run(const struct store_run *r, void *ctx)
{
	str_fmt(ctx, "%s ", r->name);
	return true;
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

void bed_put_definitions(struct store *s)
{
	store_put_contribution(
	    s, &(struct store_contribution){"a/b.toml", "web", "{\"x\":\"\\u00e9\"}"});
	store_put_contribution(s, &(struct store_contribution){"a/b.toml", "db", "{}"});
	store_put_contribution(s, &(struct store_contribution){"gone", "db", "{}"});
	store_remove_contribution(s, "gone", "db");
	store_put_wanted(s, &(struct store_wanted){"web", WANTED_STOP});
	store_put_counter(s, &(struct store_counter){"job", 42});
}

void bed_expect_definitions(struct store *s)
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

size_t bed_count_aside(struct fixture *f)
{
	DIR *d = opendir(f->dir);
	size_t n = 0;

	for (struct dirent *de; (de = readdir(d));)
		n += strncmp(de->d_name, "state.db.corrupt-", 17) == 0 &&
		     !strstr(de->d_name, "-wal") && !strstr(de->d_name, "-shm");
	closedir(d);
	return n;
}
