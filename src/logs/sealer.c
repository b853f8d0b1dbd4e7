/*
 * sealer.c - the thread that seals closed segments.
 *
 * It is started when the first segment is closed.  It only writes SEAL_TMP; names are changed by
 * the log thread, which knows what quotas have removed meanwhile.  It uses a quarter of a core at
 * most, and leaves a segment alone for a while: most of what a flood writes is removed by its quota
 * before that.
 */
#include "base/worker.h"
#include "logs/capture.h"
#include "logs/libzstd.h"
#include "logs/seal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

enum { STACK_BYTES = 256 << 10, PAUSE_FACTOR = 3, RETRY_MSEC = 10000 };

struct work {
	struct spool *sp;
	uint32_t number;
};

static void *sealer_main(void *logs);

void log_seal_offer(struct logs *l, struct spool *sp)
{
	struct error e;

	if (l->opt.no_seal || sp->last <= sp->first)
		return;
	if (!l->seals)
		l->seals =
		    worker_start(&l->sealer, "seal", STACK_BYTES, sealer_main, l, &e) == ERR_OK;
	pthread_mutex_lock(&l->lock);
	sp->closed = sp->last - 1;
	if (sp->seal_next < sp->first)
		sp->seal_next = sp->first;
	pthread_cond_broadcast(&l->seal_wake);
	pthread_mutex_unlock(&l->lock);
}

void log_seal_end(struct logs *l)
{
	if (!l->seals)
		return;
	pthread_mutex_lock(&l->lock);
	pthread_cond_broadcast(&l->seal_wake);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->sealer, NULL);
	l->seals = false;
}

void log_seal_commit(struct logs *l)
{
	struct log_sealed done;

	pthread_mutex_lock(&l->lock);
	done = l->sealed;
	pthread_mutex_unlock(&l->lock);
	if (!done.sp)
		return;
	bool taken = spool_take_sealed(done.sp, l->dir_fd, done.number, &done.foot);

	log_recount(l, done.sp);
	pthread_mutex_lock(&l->lock);
	l->sealed.sp = NULL;
	l->stats.sealed += taken;
	pthread_cond_broadcast(&l->seal_wake);
	pthread_mutex_unlock(&l->lock);
}

/* ---- the thread; each function is called with the lock held -------------------------------- */

static void wait_for(struct logs *l, msec pause)
{
	struct timespec until;

	if (pause < 0) {
		pthread_cond_wait(&l->seal_wake, &l->lock);
		return;
	}
	until = clock_after(pause);
	pthread_cond_timedwait(&l->seal_wake, &l->lock, &until);
}

/* However often it is woken. */
static void rest(struct logs *l, msec pause)
{
	msec until = clock_mono() + pause;

	while (!atomic_load(&l->quit) && clock_mono() < until)
		wait_for(l, until - clock_mono());
}

/* How long until a segment may be sealed; -1: never. */
static msec due_in(const struct logs *l, const struct work *w)
{
	char name[LOG_FILE_NAME_MAX];
	auto_free char *path = NULL;
	struct stat st;
	msec age;

	log_file_name(name, w->number, "seg");
	path = text_fmt("%s/%s", w->sp->name, name);
	if (fstatat(l->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (uint64_t)st.st_size < l->opt.seal_min_bytes)
		return -1;
	if (l->opt.seal_delay < 0)
		return 0;
	age = (clock_wall() - (usec_wall)st.st_mtim.tv_sec * 1000000) / 1000;
	return age < 0 || age >= l->opt.seal_delay ? 0 : l->opt.seal_delay - age;
}

/* What is to be done now; else *pause is how long until something is, -1: nothing is there. */
static bool find_work(struct logs *l, struct work *w, msec *pause)
{
	*pause = -1;
	for (struct spool *sp = l->spool_list; sp; sp = sp->next)
		while (sp->seal_next && sp->seal_next <= sp->closed) {
			msec due;

			*w = (struct work){sp, sp->seal_next};
			due = due_in(l, w);
			if (due == 0)
				return true;
			if (due > 0) {
				*pause = *pause < 0 || due < *pause ? due : *pause;
				break;
			}
			sp->seal_next++;
		}
	return false;
}

/* False: nothing can be sealed here. */
static bool do_work(struct logs *l, const struct work *w)
{
	struct seal_footer foot;
	struct error e;
	enum err rc;

	pthread_mutex_unlock(&l->lock);
	bool able = zstd_load(&e) != NULL;
	rc = able ? seal_write(l->dir, w->sp->name, w->number, &foot, &e) : ERR_SYSTEM;
	pthread_mutex_lock(&l->lock);
	if (rc) {
		l->stats.seal_failed++;
		if (rc == ERR_NOT_FOUND)
			w->sp->seal_next++;
		else if (able)
			rest(l, RETRY_MSEC);
		return able;
	}
	w->sp->seal_next++;
	l->sealed = (struct log_sealed){w->sp, w->number, foot};
	log_wake(l);
	while (l->sealed.sp && !atomic_load(&l->quit))
		wait_for(l, -1);
	return true;
}

static void *sealer_main(void *logs)
{
	struct logs *l = logs;
	struct work w;
	bool able = true;

	pthread_mutex_lock(&l->lock);
	while (able && !atomic_load(&l->quit)) {
		msec pause, began = clock_mono();

		if (!find_work(l, &w, &pause)) {
			wait_for(l, pause);
			continue;
		}
		able = do_work(l, &w);
		if (l->opt.seal_delay >= 0)
			rest(l, (clock_mono() - began) * PAUSE_FACTOR);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}
