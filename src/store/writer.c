/* writer.c - the one thread that writes. */
#include "store/store_priv.h"

#include "sys/clock.h"

#include <errno.h>
#include <malloc.h>
#include <time.h>

/* A connection to what lies where it belongs. */
static enum err make_ready(struct store *s, struct error *e)
{
	return store_upkeep(s, e) ? e->code : store_writer_open(s, false, e);
}

static enum err write_list(struct store *s, const struct ops *list, struct error *e)
{
	if (make_ready(s, e))
		return e->code;
	if (store_write_batch(s, list, e) == ERR_OK)
		return ERR_OK;
	if (e->code != ERR_STORAGE || !db_is_corrupt(e->sys)) {
		/* Opened while the disk was read-only: it stays so, whatever becomes of the disk.
		 */
		if (e->code == ERR_STORAGE && (e->sys & 0xff) == SQLITE_READONLY)
			store_writer_close(s);
		return e->code;
	}
	if (store_start_anew(s, e->msg, e))
		return e->code;
	return store_write_batch(s, list, e);
}

/* False at the deadline.  With the lock. */
static bool wait_msec(struct store *s, msec wait)
{
	const struct timespec t = clock_after(wait);

	return pthread_cond_timedwait(&s->work, &s->lock, &t) != ETIMEDOUT;
}

/* With the lock.  Barriers are answered up to what is committed; all of them
 * when it failed, because nobody may wait for a disk. */
static void answer(struct store *s, bool failed)
{
	const struct op *first = TAILQ_FIRST(&s->queue.ops);
	uint64_t done = first ? first->seq : s->queue.next_seq;
	const uint64_t one = 1;

	for (struct barrier *b = s->barriers; b; b = b->next)
		if (!b->answered && (failed || b->seq <= done)) {
			b->answered = true;
			b->durable = !failed;
			s->waiting -= !b->later;
		}
	if (write(s->event_fd, &one, sizeof(one)) < 0)
		return; /* full means readable */
}

/* With the lock: the disk refuses, the next try comes after a pause. */
static void give_way(struct store *s, const struct error *e)
{
	/* A reader that was opened on a read-only disk maps the index of the log for reading, and
	 * SQLite shares that within a process: the loop closes it (store_dispatch). */
	if (e->code == ERR_STORAGE && (e->sys & 0xff) == SQLITE_READONLY)
		atomic_fetch_add(&s->generation, 1);
	str_add(&s->trouble, e->msg);
	s->retry_pause = s->retry_pause ? s->retry_pause * 2 : RETRY_MSEC;
	if (s->retry_pause > RETRY_MAX_MSEC)
		s->retry_pause = RETRY_MAX_MSEC;
}

/* With the lock, which it gives up while it writes. */
static void write_some(struct store *s)
{
	size_t n = s->queue.n < BATCH_OPS ? s->queue.n : BATCH_OPS;
	struct ops list;
	struct error e = {0};
	enum err rc = ERR_OK;

	queue_take(&s->queue, n, &list);
	s->writing = &list;
	pthread_mutex_unlock(&s->lock);
	if (n > 0)
		rc = write_list(s, &list, &e);
	s->since_retain += n;
	if (rc == ERR_OK && s->since_retain >= RETAIN_EVERY)
		store_retain(s);
	pthread_mutex_lock(&s->lock);
	s->writing = NULL;
	str_clear(&s->trouble);
	if (rc == ERR_OK) {
		queue_free_ops(&s->queue, &list);
		s->retry_pause = 0;
		s->files_due.is = s->files_due.is || (n > 0 && s->files_failed);
	} else {
		queue_give_back(&s->queue, &list);
		give_way(s, &e);
	}
	answer(s, rc != ERR_OK);
}

/* With the lock, which it gives up while it writes. */
static void write_files_again(struct store *s)
{
	const struct files_due due = s->files_due;
	struct error e = {0};
	size_t n = 0;

	s->files_due = (struct files_due){0};
	pthread_mutex_unlock(&s->lock);
	bool failed = make_ready(s, &e) || store_mirror_all(s, due.exactly, &n, &e);
	if (due.report && n)
		store_report(s, false, "%s: %zu files were removed or changed: written again",
		    s->definitions, n);
	pthread_mutex_lock(&s->lock);
	s->files_failed = failed;
}

/* With the lock, which it gives up while it looks. */
static void look_now(struct store *s)
{
	struct error e = {0};

	s->look_due = false;
	pthread_mutex_unlock(&s->lock);
	bool failed = store_upkeep(s, &e);
	pthread_mutex_lock(&s->lock);
	s->look_due = s->look_due || failed;
	str_clear(&s->trouble);
	if (failed)
		give_way(s, &e);
}

/* With the lock: until there is something to do. */
static void wait_for_work(struct store *s)
{
	while (!s->quit && s->queue.n == 0 && !s->waiting && !s->files_due.is && !s->look_due) {
		if (!s->writer) {
			pthread_cond_wait(&s->work, &s->lock);
		} else if (!wait_msec(s, IDLE_MSEC) && s->queue.n == 0) {
			pthread_mutex_unlock(&s->lock);
			if (s->since_retain)
				store_retain(s);
			store_writer_close(
			    s);		/* its caches are memory that an idle daemon needs not */
			malloc_trim(0); /* once per idle time, off the loop's thread */
			pthread_mutex_lock(&s->lock);
		}
	}
	if (!s->quit && !s->waiting && !s->look_due && s->queue.n < BATCH_OPS)
		while (!s->quit && !s->waiting && wait_msec(s, BATCH_MSEC))
			;
}

/* With the lock: the pause after a failure ends early only for the end of all. */
static void wait_for_disk(struct store *s)
{
	msec left = s->retry_pause;

	while (!s->quit && wait_msec(s, left))
		left = left / 2 + 1;
}

void *store_writer_main(void *store)
{
	struct store *s = store;

	pthread_mutex_lock(&s->lock);
	while (!s->quit || s->queue.n > 0) {
		wait_for_work(s);
		if (s->look_due)
			look_now(s);
		if (s->files_due.is)
			write_files_again(s);
		if (s->queue.n > 0 || s->waiting)
			write_some(s);
		if (s->trouble.n > 0 && s->quit)
			break;
		if (s->trouble.n > 0)
			wait_for_disk(s);
	}
	pthread_mutex_unlock(&s->lock);
	store_writer_close(s);
	return NULL;
}
