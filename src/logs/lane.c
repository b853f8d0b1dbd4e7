#include "logs/lane.h"

static const char *copy_text(char **to, const char *s)
{
	size_t n = s ? strlen(s) + 1 : 0;
	char *copy = *to;

	if (!s)
		return NULL;
	memcpy(copy, s, n);
	*to += n;
	return copy;
}

static size_t text_size(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

void kept_line_set(struct kept_line *k, const struct log_line *l, struct log_mark mark)
{
	char *to = mem_grow(
	    NULL, l->n + text_size(l->service) + text_size(l->action) + text_size(l->run) + 1, 1);

	free(k->texts);
	k->texts = to;
	k->mark = mark;
	k->line = *l;
	k->line.service = copy_text(&to, l->service);
	k->line.action = copy_text(&to, l->action);
	k->line.run = copy_text(&to, l->run);
	k->line.bytes = l->n ? memcpy(to, l->bytes, l->n) : to;
}

void kept_line_release(struct kept_line *k)
{
	free(take(k->texts));
}

static bool matches(struct lanes *q, const struct log_line *l)
{
	const struct log_filter *f = q->filter;
	int rc;

	if ((f->since && l->time < f->since) || (f->until && l->time > f->until))
		return false;
	if (f->grep && !memmem(l->bytes, l->n, f->grep, strlen(f->grep)))
		return false;
	if (q->regex) {
		rc = regex_match(q->regex, l->bytes, l->n);
		q->gave_up |= rc < 0;
		if (rc != 1)
			return false;
	}
	return !f->match || f->match(l, f->match_ctx);
}

/* ---- lines around those that match -------------------------------------------------- */

static void queue_push(struct lane *lane, const struct log_line *l, struct log_mark mark)
{
	kept_line_set(vec_push(&lane->queue), l, mark);
}

static void push_before(struct lane *lane)
{
	for (size_t i = 0; i < lane->before.n; i++) {
		lane->before.v[i].line.context = true;
		*vec_push(&lane->queue) = lane->before.v[i];
		lane->before.v[i] = (struct kept_line){0};
	}
	lane->before.n = 0;
}

static void keep_before(struct lane *lane, const struct log_line *l, size_t most)
{
	struct kept_line spare = {0};

	if (!lane->before.v)
		lane->before.v = mem_new(most * sizeof(*lane->before.v));
	if (lane->before.n == most) {
		spare = lane->before.v[0];
		memmove(lane->before.v, lane->before.v + 1, (most - 1) * sizeof(spare));
		lane->before.n--;
		lane->before.v[lane->before.n] = spare;
	}
	kept_line_set(&lane->before.v[lane->before.n++], l, lane->reader.mark);
}

/* Read until something is due; false at the end. */
static bool fill_queue(struct lanes *q, struct lane *lane)
{
	struct log_line l;

	while (!q->gave_up && log_reader_next(&lane->reader, &l)) {
		if (matches(q, &l)) {
			push_before(lane);
			queue_push(lane, &l, lane->reader.mark);
			lane->after = q->filter->context;
			return true;
		}
		if (lane->after > 0) {
			lane->after--;
			l.context = true;
			queue_push(lane, &l, lane->reader.mark);
			return true;
		}
		keep_before(lane, &l, q->filter->context);
	}
	return false;
}

static void advance_with_context(struct lanes *q, struct lane *lane)
{
	if (lane->has) {
		lane->done = lane->head_mark;
		kept_line_release(&lane->queue.v[lane->queue.at++]);
	}
	if (lane->queue.at == lane->queue.n) {
		lane->queue.at = lane->queue.n = 0;
		lane->has = fill_queue(q, lane);
		if (!lane->has) {
			lane->done = lane->reader.mark;
			return;
		}
	}
	lane->has = true;
	lane->head = lane->queue.v[lane->queue.at].line;
	lane->head_mark = lane->queue.v[lane->queue.at].mark;
}

/* ---- lanes ---------------------------------------------------------------------------- */

void lane_advance(struct lanes *q, struct lane *lane)
{
	if (q->filter->context) {
		advance_with_context(q, lane);
		return;
	}
	lane->done = lane->reader.mark;
	while (!q->gave_up && log_reader_next(&lane->reader, &lane->head)) {
		if (matches(q, &lane->head)) {
			lane->head_mark = lane->reader.mark;
			lane->has = true;
			return;
		}
		lane->done = lane->reader.mark;
	}
	lane->done = lane->reader.mark;
	lane->has = false;
}

void lane_close(struct lane *lane)
{
	log_reader_close(&lane->reader);
	for (size_t i = 0; i < lane->before.n; i++)
		kept_line_release(&lane->before.v[i]);
	for (size_t i = lane->queue.at; i < lane->queue.n; i++)
		kept_line_release(&lane->queue.v[i]);
	free(lane->before.v);
	free(lane->queue.v);
	*lane = (struct lane){
	    .back = lane->back, .reader = {.folder_fd = -1, .seg.fd = -1, .spare.fd = -1}};
}

struct lane *lanes_earliest(const struct lanes *q)
{
	struct lane *best = NULL;

	for (size_t i = 0; i < q->names.n; i++)
		if (q->v[i].has && (!best || q->v[i].head.time < best->head.time))
			best = &q->v[i];
	return best;
}

void lanes_close(struct lanes *q)
{
	for (size_t i = 0; q->v && i < q->names.n; i++)
		lane_close(&q->v[i]);
	free(take(q->v));
}
