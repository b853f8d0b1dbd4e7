/* quota.c - what is kept: bytes per service, bytes in total, age. */
#include "logs/capture.h"

#include <time.h>

void log_recount(struct logs *l, struct spool *sp)
{
	pthread_mutex_lock(&l->lock);
	l->total += sp->bytes - sp->counted;
	pthread_mutex_unlock(&l->lock);
	sp->counted = sp->bytes;
}

static bool drop(struct logs *l, struct spool *sp)
{
	uint64_t gone = sp->dropped;

	if (!spool_drop_oldest(sp, l->dir_fd))
		return false;
	pthread_mutex_lock(&l->lock);
	l->stats.dropped += sp->dropped - gone;
	pthread_mutex_unlock(&l->lock);
	log_recount(l, sp);
	return true;
}

/* The service whose oldest segment is the oldest of all. */
static struct spool *oldest(struct logs *l)
{
	struct spool *best = NULL;
	int64_t best_time = INT64_MAX;

	for (struct spool *sp = log_spools(l); sp; sp = sp->next) {
		int64_t t;

		if (sp->first == sp->last && sp->seg_fd >= 0)
			continue;
		t = spool_oldest_time(sp, l->dir_fd);
		if (t && t < best_time) {
			best_time = t;
			best = sp;
		}
	}
	return best;
}

uint64_t log_quota_of(struct logs *l, const struct spool *sp)
{
	uint64_t own;

	pthread_mutex_lock(&l->lock);
	own = sp->max_bytes;
	pthread_mutex_unlock(&l->lock);
	return own ? own : l->opt.service_bytes;
}

static int64_t age_of(struct logs *l, const struct spool *sp)
{
	int64_t own;

	pthread_mutex_lock(&l->lock);
	own = sp->retention_s;
	pthread_mutex_unlock(&l->lock);
	return own ? own : l->opt.max_age_s;
}

void log_quota_enforce(struct logs *l, struct spool *sp)
{
	while (sp->bytes > log_quota_of(l, sp) && drop(l, sp))
		;
	while (l->total > l->opt.total_bytes) {
		struct spool *victim = oldest(l);

		if (!victim || !drop(l, victim))
			return;
	}
}

void log_quota_age(struct logs *l)
{
	for (struct spool *sp = log_spools(l); sp; sp = sp->next)
		for (;;) {
			int64_t limit = (int64_t)time(NULL) - age_of(l, sp);
			int64_t t = spool_oldest_time(sp, l->dir_fd);

			if (!t || t >= limit || !drop(l, sp))
				break;
		}
	l->aged_at = clock_mono();
}
