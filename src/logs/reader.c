#include "logs/reader.h"

#include "base/limits.h"
#include "logs/chunks.h"

#include <stdio.h>

void log_reader_close(struct log_reader *r)
{
	if (!r->name)
		return;
	log_reader_forget(r);
	log_chunks_clear(r);
	log_segment_close(&r->spare);
	catalog_release(&r->catalog);
	close(r->folder_fd);
	free(r->chunks.v);
	free(r->sources.v);
	free(r->window);
	free(r->name);
	*r = (struct log_reader){.folder_fd = -1, .seg.fd = -1, .spare.fd = -1};
}

/* The bytes at r->at, at least one of them; NULL when they can not be read. */
static const char *window(struct log_reader *r, uint64_t end, size_t *n)
{
	uint64_t at = r->at.offset;

	if (r->until.segment == r->at.segment && r->until.offset > at && r->until.offset < end)
		end = r->until.offset;
	if (at < r->window_at || at >= r->window_at + r->window_n) {
		r->window_n = 0;
		r->hit_to = 0;
		if (!log_segment_window(
			&r->seg, at, &r->window, &r->window_cap, &r->window_at, &r->window_n))
			return NULL;
		log_reader_cost(r, 0);
	}
	*n = (size_t)(r->window_at + r->window_n - at);
	if (*n > end - at)
		*n = (size_t)(end - at);
	return r->window + (at - r->window_at);
}

static bool passes_everything(const struct log_filter *f)
{
	for (size_t i = 0; i < f->n_selects; i++)
		if (f->selects[i].action || f->selects[i].run || f->selects[i].job)
			return false;
	return !f->action && !f->run && !f->job && !f->attempt && !f->stream;
}

static uint64_t take_u64(uint64_t *n)
{
	uint64_t was = *n;

	*n = 0;
	return was;
}

/* The mark after a line that ends here. */
static void set_mark(struct log_reader *r, uint32_t nth)
{
	r->mark.end = r->at;
	r->mark.end.nth = nth;
	r->mark.resume = log_reader_resume(r);
}

/* Lines without a newline end where others did, by a slot: its number is their order. */
static uint32_t nth_of(const struct log_chunk *c)
{
	return c->slot + 2;
}

/* The mark where nothing more is: what was stepped over is not looked at again. */
static void set_mark_at_end(struct log_reader *r)
{
	set_mark(r, r->chunks.n ? nth_of(&r->chunks.v[r->chunks.n - 1]) : 1);
	if (log_place_before(r->mark.end, r->skip))
		r->mark.end = r->skip;
}

static void fill(
    struct log_reader *r, const struct log_source *id, usec_wall time, struct log_line *out)
{
	bool runs = strcmp(r->name, LOG_RUNS_FOLDER) == 0;

	*out = (struct log_line){.time = time,
	    .service = runs ? NULL : r->name,
	    .action = id->action,
	    .run = id->run,
	    .job = id->job,
	    .attempt = id->attempt,
	    .stream = id->stream};
}

/* Give a line out: `s` of the file when nothing is kept from before. */
static void give(struct log_reader *r, struct log_partial *p, usec_wall time, uint32_t nth,
    const char *s, size_t n, struct log_line *out)
{
	fill(r, &p->id, time, out);
	if (p->text.n > 0) {
		str_add_n(&p->text, s, n);
		s = str_text(&p->text);
		n = p->text.n;
	}
	out->bytes = s;
	out->n = n;
	out->truncated = p->headless;
	p->headless = false;
	r->given = p;
	set_mark(r, nth);
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Up to where a line may be taken from s: whole, or cut near the limit but not
 * inside a character. */
static size_t cut_at(const struct log_partial *p, const char *s, size_t n)
{
	size_t room = p->text.n < LIMIT_LOG_LINE_BYTES ? LIMIT_LOG_LINE_BYTES - p->text.n : 0;

	if (n <= room)
		return n;
	while (room < n && is_continuation(s[room]) && p->text.n + room < LIMIT_LOG_LINE_BYTES + 3)
		room++;
	return room;
}

/* In the window, from `at` on: the place of the next text that is needed, or its end. */
static uint64_t next_hit(struct log_reader *r)
{
	uint64_t at = r->at.offset, end = r->window_at + r->window_n;
	const char *s = r->window + (at - r->window_at), *found;

	if (r->hit_to == end && r->hit >= at)
		return r->hit;
	found = log_clause_find(r->needle, s, (size_t)(end - at));
	r->hit = found ? at + (uint64_t)(found - s) : end;
	r->hit_to = end;
	return r->hit;
}

/* Step over whole lines that hold none of the texts; true when something was. */
static bool leap(struct log_reader *r, const char *s, size_t n)
{
	uint64_t hit = next_hit(r);
	size_t span = hit - r->at.offset < n ? (size_t)(hit - r->at.offset) : n;
	const char *nl = memrchr(s, '\n', span);

	if (!nl)
		return false;
	r->at.offset += (uint64_t)(nl - s) + 1;
	return true;
}

/* A line that was not given ended here. */
static void set_incomplete(struct log_reader *r, usec_wall time)
{
	r->complete_from = r->at;
	r->complete_from.nth = UINT32_MAX; /* others that end here may come before or behind it */
	if (time > r->complete_after)
		r->complete_after = time;
}

/* Up to the first newline, where the line begins that is known from its beginning. */
static void skip_torn(
    struct log_reader *r, const struct log_chunk *c, struct log_partial *p, const char *s, size_t n)
{
	const char *nl = memchr(s, '\n', n);

	r->at.offset += nl ? (size_t)(nl - s) + 1 : n;
	if (nl) {
		p->torn = false;
		set_incomplete(r, c->time);
	}
}

/* Take what the window has for one source; true when a line came of it. */
static bool feed(struct log_reader *r, const struct log_chunk *c, struct log_line *out)
{
	struct log_partial *p = log_partial_of(r, c);
	size_t n = 0, take_n;
	const char *s, *nl;

	if (!p->wanted || !(s = window(r, c->end, &n))) {
		r->at.offset = c->end;
		return false;
	}
	if (p->torn)
		return skip_torn(r, c, p, s, n), false;
	if (c->flags & SLOT_MID_LINE && r->at.offset == c->start && p->text.n == 0)
		p->headless = true;
	if (r->needle && p->text.n == 0 && !p->headless && leap(r, s, n))
		return false;
	if (p->text.n == 0)
		p->start = r->at;
	nl = memchr(s, '\n', n);
	if (nl)
		n = (size_t)(nl - s);
	take_n = cut_at(p, s, n);
	r->at.offset += take_n + (nl && take_n == n);
	if (take_n < n) {
		give(r, p, c->time, 1, s, take_n, out);
		return out->truncated = true;
	}
	if (nl)
		return give(r, p, c->time, 1, s, n, out), true;
	str_add_n(&p->text, s, n);
	return false;
}

static bool note_dropped(struct log_reader *r, const struct log_source *id, usec_wall time,
    uint64_t count, enum log_gap why, struct log_line *out)
{
	static const char *const words[] = {
	    "", ": the disk refused them", ": more than its rate", ": a quota removed them"};
	int n = snprintf(r->note, sizeof(r->note), "[%llu bytes dropped%s]",
	    (unsigned long long)count, words[why]);

	fill(r, id, time, out);
	out->bytes = r->note;
	out->n = (size_t)n;
	out->dropped = count;
	out->gap = why;
	return true;
}

/* The one byte of a SLOT_DROP. */
static bool pass_dropped(struct log_reader *r, const struct log_chunk *c, struct log_line *out)
{
	struct log_partial *p = log_partial_of(r, c);

	r->at.offset = c->end;
	set_mark(r, 1);
	return p->wanted && note_dropped(r, &p->id, c->time, c->count,
				c->flags & SLOT_BY_RATE ? LOG_GAP_RATE : LOG_GAP_DISK, out);
}

static bool end_chunk(struct log_reader *r, const struct log_chunk *c, struct log_line *out)
{
	struct log_partial *p;

	r->chunk++;
	if (c->source == SOURCE_UNKNOWN || c->kind != SLOT_END)
		return false;
	p = log_partial_of(r, c);
	p->ended = true;
	if (p->torn)
		set_incomplete(r, c->time);
	if (p->text.n == 0)
		return r->given = p, false; /* freed by the next call */
	return give(r, p, c->time, nth_of(c), "", 0, out), true;
}

/* The next segment, without a question when it is decided that it is read. */
static bool next_segment(struct log_reader *r)
{
	while (r->at.segment < r->until.segment && r->at.segment < r->last) {
		r->at = (struct log_place){.segment = r->at.segment + 1};
		if (log_chunks_load(r, r->at.segment))
			return true;
	}
	return log_reader_seek(r);
}

static bool is_decided(const struct log_reader *r)
{
	return r->at.segment < r->until.segment ||
	       (r->at.segment == r->until.segment && r->at.offset < r->until.offset);
}

/* The line given last is over; so is a source at its end. */
static void settle(struct log_reader *r)
{
	struct log_partial *p = r->given;

	r->given = NULL;
	if (!p)
		return;
	str_clear(&p->text);
	if (!p->ended)
		return;
	for (struct log_partial **at = &r->partials; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	log_partial_free(p);
}

/* One step: a chunk's next line, the chunk's end, or the next segment. */
static bool step(struct log_reader *r, struct log_line *out, bool *more)
{
	struct log_chunk *c;
	struct log_partial *former;

	settle(r);
	*more = true;
	if (r->chunk == r->chunks.n)
		return *more = next_segment(r), false;
	c = &r->chunks.v[r->chunk];
	if (r->at.offset < c->start)
		r->at.offset = c->start;
	if (r->at.offset > c->end)
		return r->chunk++, false; /* before the cursor */
	if (r->at.offset == c->end)
		return end_chunk(r, c, out);
	former = c->kind == SLOT_CHUNK && c->source != SOURCE_UNKNOWN && r->at.offset == c->start
		     ? log_partial_left_behind(r, &r->sources.v[c->source])
		     : NULL;
	if (former) {
		former->ended = true;
		if (former->torn) {
			set_incomplete(r, c->time);
			return r->given = former, false;
		}
		return give(r, former, c->time, nth_of(c), "", 0, out), true;
	}
	if (!is_decided(r))
		return *more = log_reader_seek(r), false;
	if (c->source == SOURCE_UNKNOWN)
		return r->at.offset = c->end, false;
	if (c->kind != SLOT_DROP)
		return feed(r, c, out);
	former = log_partial_of(r, c);
	if (former->wanted && former->text.n > 0) { /* its rest is missing */
		give(r, former, c->time, nth_of(c), "", 0, out);
		return out->truncated = true;
	}
	return pass_dropped(r, c, out);
}

/* What quotas removed stands before everything else. */
static bool note_gone(struct log_reader *r, struct log_line *out)
{
	static char none[] = "";
	const struct log_source nobody = {.action = none, .run = none};

	return note_dropped(r, &nobody, r->chunks.n ? r->chunks.v[0].time : 0, take_u64(&r->gone),
	    LOG_GAP_QUOTA, out);
}

bool log_reader_next(struct log_reader *r, struct log_line *out)
{
	bool more = r->name != NULL;

	if (r->gone && passes_everything(r->filter))
		return note_gone(r, out);
	while (more) {
		if (!step(r, out, &more) || !log_place_before(r->skip, r->mark.end))
			continue;
		if (!r->stop.segment || log_place_before(r->mark.end, r->stop))
			return true;
		more = false;
	}
	set_mark_at_end(r);
	return false;
}

bool log_reader_next_open(struct log_reader *r, struct log_line *out)
{
	settle(r);
	for (struct log_partial *p = r->partials; p; p = p->next)
		if (p->wanted && !p->ended && p->text.n > 0) {
			p->ended = true;
			return give(r, p, 0, 1, "", 0, out), true;
		}
	return false;
}
