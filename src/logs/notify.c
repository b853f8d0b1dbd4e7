/* notify.c - wake-ups between the two threads, and what the loop gets: new bytes, ends, trouble. */
#include "logs/capture.h"

enum { GATHER_MSEC = 10 }; /* who holds a pipe that has ended is in no hurry */

void log_ring(struct logs *l)
{
	const uint64_t one = 1;

	if (write(l->event_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is readable, which is all we want */
}

void log_wake(struct logs *l)
{
	const uint64_t one = 1;

	if (write(l->wake_fd, &one, sizeof(one)) < 0)
		return; /* full means awake */
}

void log_set_trouble(struct logs *l, const char *text)
{
	bool changed;

	pthread_mutex_lock(&l->lock);
	changed = text ? l->trouble.n == 0 : l->trouble.n > 0;
	if (changed) {
		str_clear(&l->trouble);
		str_add(&l->trouble, text ? text : "");
	}
	pthread_mutex_unlock(&l->lock);
	if (changed)
		log_ring(l);
}

void log_notify_followers(struct logs *l, const struct spool *sp)
{
	bool ring = false;

	pthread_mutex_lock(&l->lock);
	for (struct log_follow *f = l->follows; f; f = f->next)
		if (!f->written && (!f->service || strcmp(f->service, sp->name) == 0))
			f->written = ring = true;
	pthread_mutex_unlock(&l->lock);
	if (ring)
		log_ring(l);
}

void log_notify_closed(struct logs *l, const struct log_pipe *p)
{
	pthread_mutex_lock(&l->lock);
	*vec_push(&l->closed) = (struct log_closed){p->token, (enum log_stream)p->stream};
	pthread_mutex_unlock(&l->lock);
	if (!l->ring_at)
		l->ring_at = clock_mono() + GATHER_MSEC;
}
