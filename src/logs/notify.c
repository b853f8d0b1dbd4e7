/* notify.c - from the log thread to the loop: news, matches, ends, trouble. */
#include "base/limits.h"
#include "logs/capture.h"

#include <stdio.h>

enum { GATHER_MSEC = 10 }; /* who holds a pipe that has ended is in no hurry */

void log_ring(struct logs *l)
{
	const uint64_t one = 1;

	if (write(l->event_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is readable, which is all we want */
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

void log_tell_news(struct logs *l, const struct spool *sp)
{
	bool ring = false;

	pthread_mutex_lock(&l->lock);
	for (struct log_follow *f = l->follows; f; f = f->next)
		if (!f->news && (!f->service || strcmp(f->service, sp->name) == 0))
			f->news = ring = true;
	pthread_mutex_unlock(&l->lock);
	if (ring)
		log_ring(l);
}

void log_tell_closed(struct logs *l, const struct log_pipe *p)
{
	pthread_mutex_lock(&l->lock);
	*vec_push(&l->closed) = (struct log_closed){p->token, (enum log_stream)p->stream};
	pthread_mutex_unlock(&l->lock);
	if (!l->ring_at)
		l->ring_at = log_now() + GATHER_MSEC;
}

/* Lines of one buffer, with what was left of the one before. */
static bool scan_text(struct log_watch *w, struct str *partial, const char *s, size_t n)
{
	const char *end = s + n;

	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		size_t len = (size_t)((nl ? nl : end) - s);

		if (partial->n + len > LIMIT_LOG_LINE_BYTES)
			len = LIMIT_LOG_LINE_BYTES - partial->n;
		str_add_n(partial, s, len);
		if (!nl && partial->n < LIMIT_LOG_LINE_BYTES)
			return false;
		if (regex_match(w->regex, str_text(partial), partial->n) == 1)
			return true;
		str_clear(partial);
		s += len + (nl == s + len ? 1 : 0);
	}
	return false;
}

static bool scan_file(
    struct logs *l, struct log_watch *w, const struct log_pipe *p, uint64_t at, uint64_t n)
{
	if (!l->copy)
		l->copy = mem_new(LOG_COPY_BYTES);
	while (n > 0) {
		size_t want = n < LOG_COPY_BYTES ? (size_t)n : LOG_COPY_BYTES;
		ssize_t got = pread(p->spool->seg_fd, l->copy, want, (off_t)at);

		if (got <= 0)
			return false;
		if (scan_text(w, &w->partial[p->stream], l->copy, (size_t)got))
			return true;
		at += (uint64_t)got;
		n -= (uint64_t)got;
	}
	return false;
}

void log_scan_watch(struct logs *l, const struct log_pipe *p, uint64_t at, uint64_t n)
{
	bool ring = false;

	pthread_mutex_lock(&l->lock);
	for (struct log_watch *w = l->watches; w; w = w->next)
		if (w->token == p->token && !w->matched && scan_file(l, w, p, at, n))
			w->matched = ring = true;
	pthread_mutex_unlock(&l->lock);
	if (ring)
		log_ring(l);
}
