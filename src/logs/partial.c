/* partial.c - what each source of a reader has open: a line whose end is not read yet. */
#include "logs/chunks.h"

#include <fnmatch.h>

void log_partial_free(struct log_partial *p)
{
	log_source_release(&p->id);
	str_release(&p->text);
	free(p);
}

void log_reader_forget(struct log_reader *r)
{
	for (struct log_partial *p = r->partials, *next; p; p = next) {
		next = p->next;
		log_partial_free(p);
	}
	r->partials = r->given = NULL;
}

static bool is_like(const char *pattern, const char *name)
{
	return !pattern || fnmatch(pattern, name, 0) == 0;
}

static bool is_selected(const struct log_reader *r, const struct log_source *s)
{
	const struct log_filter *f = r->filter;

	for (size_t i = 0; i < f->n_selects; i++) {
		const struct log_select *x = &f->selects[i];

		if (is_like(x->service, r->name) && is_like(x->action, s->action) &&
		    is_like(x->run, s->run) && (!x->job || x->job == s->job))
			return true;
	}
	return !f->selects;
}

static bool passes(const struct log_reader *r, const struct log_source *s)
{
	const struct log_filter *f = r->filter;

	return is_selected(r, s) && (!f->action || strcmp(f->action, s->action) == 0) &&
	       (!f->run || strcmp(f->run, s->run) == 0) && (!f->job || f->job == s->job) &&
	       (!f->attempt || f->attempt == s->attempt) && (!f->stream || f->stream == s->stream);
}

static bool same_source(const struct log_source *a, const struct log_source *b)
{
	return a->job == b->job && a->attempt == b->attempt && a->stream == b->stream &&
	       strcmp(a->action, b->action) == 0 && strcmp(a->run, b->run) == 0;
}

/* The first bytes of a source since the reader began in the middle: was its line open then? */
static bool is_torn(const struct log_reader *r, const struct log_chunk *c)
{
	const struct log_source *s = &r->sources.v[c->source];

	if (r->whole || r->exact)
		return false;
	if (c->kind == SLOT_END)
		return c->flags & SLOT_MID_LINE;
	return s->resumed || (c->flags & SLOT_MID_LINE && r->at.offset == c->start) ||
	       (r->at.segment == r->start_segment && s->number < r->start_slot);
}

struct log_partial *log_partial_of(struct log_reader *r, const struct log_chunk *c)
{
	const struct log_source *s = &r->sources.v[c->source];
	struct log_partial *p;

	for (p = r->partials; p; p = p->next)
		if (same_source(&p->id, s))
			return p;
	p = mem_new(sizeof(*p));
	p->id = *s;
	p->id.action = text_dup(s->action);
	p->id.run = text_dup(s->run);
	p->wanted = passes(r, s);
	p->torn = is_torn(r, c);
	p->next = r->partials;
	r->partials = p;
	return p;
}

/* Later in this segment: its pipe was full when the disk was, and was emptied after others. */
static bool comes_back(const struct log_reader *r, const struct log_partial *p)
{
	for (size_t i = r->chunk; i < r->chunks.n; i++) {
		uint32_t source = r->chunks.v[i].source;

		if (source != SOURCE_UNKNOWN && same_source(&r->sources.v[source], &p->id))
			return true;
	}
	return false;
}

/* What a former attempt of the same stream left without a newline. */
struct log_partial *log_partial_left_behind(struct log_reader *r, const struct log_source *s)
{
	for (struct log_partial *p = r->partials; p; p = p->next)
		if ((p->text.n > 0 || p->torn) && p->id.job == s->job && s->job != 0 &&
		    p->id.stream == s->stream && p->id.attempt < s->attempt && !comes_back(r, p))
			return p;
	return NULL;
}

/* From where to read to find everything that is open here. */
struct log_place log_reader_resume(const struct log_reader *r)
{
	struct log_place from = r->at;

	for (struct log_partial *p = r->partials; p; p = p->next)
		if (p != r->given && p->text.n > 0 && log_place_before(p->start, from))
			from = p->start;
	return from;
}
