/* spools.c - one spool a service, found by its name. */
#include "logs/capture.h"

struct spool *log_spool(struct logs *l, const char *service)
{
	const char *folder = service ? service : LOG_RUNS_FOLDER;
	struct spool *sp;

	pthread_mutex_lock(&l->lock);
	sp = map_get(&l->spools, folder);
	if (!sp) {
		sp = spool_new(folder);
		map_put(&l->spools, sp->name, sp);
		sp->next = l->spool_list;
		l->spool_list = sp;
	}
	pthread_mutex_unlock(&l->lock);
	return sp;
}

struct spool *log_spools(struct logs *l)
{
	struct spool *sp;

	pthread_mutex_lock(&l->lock);
	sp = l->spool_list;
	pthread_mutex_unlock(&l->lock);
	return sp;
}
