/* reports.c - what the loop's thread gets to know from the writer's: troubles, notes, repairs. */
#include "store/store_priv.h"

#include <stdarg.h>

void store_wake_loop(struct store *s)
{
	const uint64_t one = 1;

	if (write(s->event_fd, &one, sizeof(one)) < 0)
		return; /* full means readable */
}

void store_note(struct store *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	pthread_mutex_lock(&s->lock);
	if (s->notes.n > 0)
		str_add(&s->notes, "; ");
	str_vfmt(&s->notes, fmt, ap);
	pthread_mutex_unlock(&s->lock);
	va_end(ap);
}

void store_report(struct store *s, bool rebuilt, const char *fmt, ...)
{
	struct repaired *r = mem_new(sizeof(*r));
	struct str text = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vfmt(&text, fmt, ap);
	va_end(ap);
	r->text = str_take(&text);
	r->rebuilt = rebuilt;
	pthread_mutex_lock(&s->lock);
	*s->repaired_end = r;
	s->repaired_end = &r->next;
	pthread_mutex_unlock(&s->lock);
	store_wake_loop(s);
}

bool store_refuses(struct store *s, struct str *out)
{
	pthread_mutex_lock(&s->lock);
	bool refuses = s->trouble.n > 0;
	if (refuses && out)
		str_add(out, str_text(&s->trouble));
	pthread_mutex_unlock(&s->lock);
	return refuses;
}

void store_look(struct store *s, bool files)
{
	pthread_mutex_lock(&s->lock);
	s->look_due = true;
	s->files_due.is = s->files_due.is || files;
	s->files_due.report = s->files_due.report || files;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}
