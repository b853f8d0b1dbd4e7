#include "store/store_priv.h"

#include "base/worker.h"
#include "store/migrations.h"
#include "store/mirror.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

enum { STACK_BYTES = 256 << 10 };

static void set_options(struct store *s, const struct store_options *o)
{
	static const struct store_options none;

	if (!o)
		o = &none;
	s->opt.put_back = o->put_back;
	s->opt.keep_runs = o->keep_runs ? o->keep_runs : 10000;
	s->opt.keep_operations = o->keep_operations ? o->keep_operations : 10000;
	s->opt.keep_jobs = o->keep_jobs ? o->keep_jobs : 20000;
	s->opt.keep_events = o->keep_events ? o->keep_events : 100000;
	s->opt.keep_bytes = o->keep_bytes ? o->keep_bytes : 256 << 20;
	s->opt.keep_seconds = o->keep_seconds ? o->keep_seconds : 30 * 86400;
}

static enum err open_folders(struct store *s, const char *dir, struct error *e)
{
	s->dir = text_dup(dir);
	s->definitions = text_fmt("%s/definitions", dir);
	s->path = text_fmt("%s/state.db", dir);
	s->reserve = text_fmt("%s/reserve", dir);
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event_fd < 0)
		return error_sys(e, errno, "store: eventfd");
	return store_open_definitions(s, e);
}

/* Whoever closes the database empties its log, so the last server was killed, perhaps between
 * a file of definitions/ and the commit of its row. */
static bool was_left_open(const struct store *s)
{
	auto_free char *log = text_fmt("%s-wal", s->path);
	struct stat st;

	return stat(log, &st) == 0 && st.st_size > 0;
}

/* A server that was killed on a full disk has to come back: the reserve is what it is for. */
static enum err open_writer(struct store *s, struct error *e)
{
	s->files_due.is = s->files_due.exactly = was_left_open(s);
	if (store_open_first(s, e) == ERR_OK) {
		store_make_reserve(s);
		return ERR_OK;
	}
	struct error again = {0};

	if ((e->sys & 0xff) == SQLITE_READONLY && db_is_readable(s->path)) {
		/* Read as it is; what is put waits, and is tried again (writer.c). */
		str_add(&s->trouble, e->msg);
		*e = (struct error){0};
		return ERR_OK;
	}
	if (unlink(s->reserve) < 0 || store_open_first(s, &again))
		return e->code;
	*e = (struct error){0};
	store_make_reserve(
	    s); /* before anybody else takes what was not needed: for the next time */
	return ERR_OK;
}

static void release(struct store *s)
{
	store_relax(s);
	sqlite3_close(s->writer);
	dbfiles_release(&s->held);
	close_at_exit(&s->definitions_fd);
	close_at_exit(&s->event_fd);
	queue_release(&s->queue);
	while (s->barriers) {
		struct barrier *b = s->barriers;

		s->barriers = b->next;
		free(b);
	}
	while (s->repaired) {
		struct repaired *r = s->repaired;

		s->repaired = r->next;
		free(r->text);
		free(r);
	}
	str_release(&s->trouble);
	str_release(&s->notes);
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->lock);
	free(s->dir);
	free(s->definitions);
	free(s->path);
	free(s->reserve);
	free(s);
}

static void init_locks(struct store *s)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->work, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&s->lock, NULL);
}

enum err store_open(
    const char *dir, const struct store_options *o, struct store **out, struct error *e)
{
	struct store *s = mem_new(sizeof(*s));

	s->definitions_fd = s->event_fd = -1;
	s->barriers_end = &s->barriers;
	s->repaired_end = &s->repaired;
	s->held = DBFILES_NONE;
	if (o && o->former)
		s->held =
		    (struct dbfiles){dbfiles_take(o->former->db), dbfiles_take(o->former->log)};
	queue_init(&s->queue);
	s->since_retain = 1; /* look once what the last one left */
	set_options(s, o);
	init_locks(s);
	if (open_folders(s, dir, e) || open_writer(s, e) ||
	    worker_start(&s->thread, "store", STACK_BYTES, store_writer_main, s, e)) {
		release(s);
		return e->code;
	}
	*out = s;
	return ERR_OK;
}

int store_version(void)
{
	return migration_count;
}

bool store_was_rebuilt(const struct store *s)
{
	return s->was_rebuilt;
}

bool store_was_put_back(const struct store *s)
{
	return s->was_put_back;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->quit = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	release(s);
}

static void put(struct store *s, enum table_id t, const void *row, bool remove)
{
	pthread_mutex_lock(&s->lock);
	queue_put(&s->queue, &tables[t], row, remove);
	if (s->queue.n > QUEUE_MAX)
		s->shed += queue_shed(&s->queue, QUEUE_MAX / 10);
	/* The writer gathers for some time anyway: wake it for the first only. */
	if (s->queue.n == 1)
		pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}

void store_put_contribution(struct store *s, const struct store_contribution *r)
{
	put(s, T_CONTRIBUTIONS, r, false);
}

void store_put_wanted(struct store *s, const struct store_wanted *r)
{
	put(s, T_WANTED, r, false);
}

void store_put_run(struct store *s, const struct store_run *r)
{
	put(s, T_RUNS, r, false);
}

void store_put_job(struct store *s, const struct store_job *r)
{
	put(s, T_JOBS, r, false);
}

void store_put_operation(struct store *s, const struct store_operation *r)
{
	put(s, T_OPERATIONS, r, false);
}

void store_put_event(struct store *s, const struct store_event *r)
{
	put(s, T_EVENTS, r, false);
}

void store_put_counter(struct store *s, const struct store_counter *r)
{
	put(s, T_COUNTERS, r, false);
}

void store_put_flag(struct store *s, const struct store_flag *r)
{
	put(s, T_FLAGS, r, false);
}

void store_put_schedule(struct store *s, const struct store_schedule *r)
{
	put(s, T_SCHEDULES, r, false);
}

void store_remove_contribution(struct store *s, const char *source, const char *service)
{
	put(s, T_CONTRIBUTIONS, &(struct store_contribution){source, service, ""}, true);
}

void store_remove_wanted(struct store *s, const char *service)
{
	put(s, T_WANTED, &(struct store_wanted){.service = service}, true);
}

void store_remove_run(struct store *s, int64_t id)
{
	put(s, T_RUNS, &(struct store_run){.id = id}, true);
}

void store_remove_job(struct store *s, int64_t id)
{
	put(s, T_JOBS, &(struct store_job){.id = id}, true);
}

void store_remove_flag(struct store *s, const char *name)
{
	put(s, T_FLAGS, &(struct store_flag){.name = name}, true);
}

void store_remove_schedule(struct store *s, const char *name)
{
	put(s, T_SCHEDULES, &(struct store_schedule){.name = name}, true);
}

static void add_barrier(struct store *s, bool later, store_done_fn fn, void *ctx)
{
	struct barrier *b = mem_new(sizeof(*b));
	const uint64_t one = 1;

	b->fn = fn;
	b->ctx = ctx;
	pthread_mutex_lock(&s->lock);
	b->seq = s->queue.next_seq;
	*s->barriers_end = b;
	s->barriers_end = &b->next;
	if (s->trouble.n > 0) {
		b->answered = true;
		if (write(s->event_fd, &one, sizeof(one)) < 0)
			b->durable = false; /* full means readable */
	} else if (later && s->queue.n > 0) {
		b->later = true; /* the writer gathers already */
	} else {
		s->waiting++;
		pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->lock);
}

void store_barrier(struct store *s, store_done_fn fn, void *ctx)
{
	add_barrier(s, false, fn, ctx);
}

void store_barrier_later(struct store *s, store_done_fn fn, void *ctx)
{
	add_barrier(s, true, fn, ctx);
}

int store_event_fd(const struct store *s)
{
	return s->event_fd;
}

static struct barrier *take_answered(struct store *s)
{
	struct barrier *b;

	pthread_mutex_lock(&s->lock);
	b = s->barriers && s->barriers->answered ? s->barriers : NULL;
	if (b) {
		s->barriers = b->next;
		if (!s->barriers)
			s->barriers_end = &s->barriers;
	}
	pthread_mutex_unlock(&s->lock);
	return b;
}

static struct repaired *take_repaired(struct store *s)
{
	struct repaired *r;

	pthread_mutex_lock(&s->lock);
	r = s->repaired;
	if (r)
		s->repaired = r->next;
	if (!s->repaired)
		s->repaired_end = &s->repaired;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static bool take_files_news(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	bool is = s->files_changed;
	s->files_changed = false;
	pthread_mutex_unlock(&s->lock);
	return is;
}

static void notify_listener(struct store *s)
{
	struct repaired *r;

	if (take_files_news(s) && s->listener.files)
		s->listener.files(s->listener.ctx);
	while (s->listener.repaired && (r = take_repaired(s))) {
		s->listener.repaired(r->text, r->rebuilt, s->listener.ctx);
		free(r->text);
		free(r);
	}
}

void store_listen(struct store *s, const struct store_listener *listener)
{
	s->listener = *listener;
	notify_listener(s);
}

void store_dispatch(struct store *s)
{
	uint64_t count;
	struct barrier *b;

	if (read(s->event_fd, &count, sizeof(count)) < 0)
		return;
	while ((b = take_answered(s))) {
		b->fn(b->durable, b->ctx);
		free(b);
	}
	if (s->reader && s->reader_generation != atomic_load(&s->generation))
		store_relax(s);
	notify_listener(s);
}

void store_files(struct store *s, struct store_files *out)
{
	pthread_mutex_lock(&s->lock);
	*out = (struct store_files){dbfiles_give(s->held.db), dbfiles_give(s->held.wal)};
	pthread_mutex_unlock(&s->lock);
}

unsigned store_files_removed(const struct store *s)
{
	(void)s;
	return mirror_removed();
}

void store_write_files(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	s->files_due.is = s->files_due.exactly = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}

bool store_degraded(struct store *s, struct str *out)
{
	bool degraded;

	pthread_mutex_lock(&s->lock);
	degraded = s->trouble.n > 0 || s->notes.n > 0 || s->shed > 0;
	if (degraded && out) {
		str_fmt(out, "%s%s%s", str_text(&s->trouble),
		    s->trouble.n && s->notes.n ? "; " : "", str_text(&s->notes));
		if (s->shed)
			str_fmt(out, "%s%zu records of history were not kept", out->n ? "; " : "",
			    s->shed);
	}
	pthread_mutex_unlock(&s->lock);
	return degraded;
}
