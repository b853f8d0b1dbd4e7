/*
 * tail.c - the last lines of all lanes together, exactly as many as are wanted.
 *
 * Each lane is read from a little before its end.  A reader that began in the middle knows after
 * which time it gives every line (log_reader.complete_after).  When the oldest line that would be
 * given is not younger than that, the lane is read from further back.
 */
#include "logs/lane.h"

enum { BACK_FIRST = 64 << 10, BACK_FACTOR = 8 };

struct ring {
	struct kept_line *v;
	size_t want, n; /* n: ever kept */
};

static struct kept_line *ring_at(const struct ring *r, size_t i)
{
	return &r->v[i % r->want];
}

static size_t ring_first(const struct ring *r)
{
	return r->n > r->want ? r->n - r->want : 0;
}

static void open_lane(struct lanes *q, size_t i)
{
	struct lane *lane = &q->v[i];
	const struct log_filter *f = q->filter;
	struct log_mark from = log_cursor_mark(f->cursor, q->names.v[i]);
	bool open;

	lane_close(lane);
	if (f->backwards || !from.end.segment)
		open = log_reader_open_back(
		    &lane->reader, q->dir, q->names.v[i], f, lane->back, from.end);
	else
		open = log_reader_open(&lane->reader, q->dir, q->names.v[i], f, from);
	if (open)
		lane_advance(q, lane);
}

static void read_all(struct lanes *q, struct ring *ring)
{
	struct lane *lane;

	ring->n = 0;
	for (size_t i = 0; i < q->names.n; i++)
		open_lane(q, i);
	while ((lane = lanes_earliest(q))) {
		struct kept_line *k = ring_at(ring, ring->n++);

		kept_line_set(k, &lane->head, lane->head_mark);
		k->lane = (size_t)(lane - q->v);
		lane_advance(q, lane);
	}
}

/* Do all lines of the lane that were not read come before this one? */
static bool is_complete(const struct log_reader *r, size_t lane, const struct kept_line *oldest)
{
	if (oldest->lane == lane)
		return log_place_before(r->complete_from, oldest->mark.end);
	return r->complete_after < oldest->line.time;
}

/* Lanes that may hold lines which belong to the answer and were not read. */
static bool look_further(struct lanes *q, const struct ring *ring)
{
	const struct kept_line *oldest = ring->n >= ring->want ? ring_at(ring, ring->n) : NULL;
	bool further = false;

	for (size_t i = 0; i < q->names.n; i++) {
		const struct log_reader *r = &q->v[i].reader;

		if (!r->name || r->whole || (oldest && is_complete(r, i, oldest)))
			continue;
		q->v[i].back *= BACK_FACTOR;
		further = true;
	}
	return further && !q->gave_up;
}

/* Where the next page ends, towards the past. */
static void set_page_ends(struct lanes *q, const struct ring *ring)
{
	for (size_t i = 0; i < q->names.n; i++) {
		struct lane *lane = &q->v[i];

		if (lane->reader.stop.segment)
			lane->done.end = lane->reader.stop;
		else
			lane->done.end.nth++; /* its last line, too */
	}
	for (size_t i = ring->n; i-- > ring_first(ring);)
		q->v[ring_at(ring, i)->lane].done = ring_at(ring, i)->mark;
}

static void give(const struct lanes *q, const struct ring *ring, log_line_fn fn, void *ctx)
{
	size_t first = ring_first(ring), n = ring->n - first;

	for (size_t i = 0; i < n; i++)
		if (!fn(&ring_at(ring, q->filter->backwards ? ring->n - 1 - i : first + i)->line,
			ctx))
			return;
}

void lanes_tail(struct lanes *q, size_t want, log_line_fn fn, void *ctx)
{
	struct ring ring = {.want = want};

	ring.v = mem_new(want * sizeof(*ring.v));
	for (size_t i = 0; i < q->names.n; i++)
		q->v[i].back = BACK_FIRST;
	do
		read_all(q, &ring);
	while (look_further(q, &ring));
	give(q, &ring, fn, ctx);
	if (q->filter->backwards)
		set_page_ends(q, &ring);
	for (size_t i = 0; i < want; i++)
		kept_line_release(&ring.v[i]);
	free(ring.v);
}
