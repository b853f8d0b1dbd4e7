/*
 * queue.h - rows that wait to be written; a later one of the same key replaces
 * the earlier in its place, so that memory is bounded by the number of things.
 *
 * Not locked: its user is.  Depends on: base, rows.h.
 */
#ifndef HP_STORE_QUEUE_H
#define HP_STORE_QUEUE_H

#include "base/map.h"
#include "store/rows.h"

struct op {
	struct op *next;
	const struct table *table;
	uint64_t seq; /* growing from head to tail */
	char *key;
	struct value *values;
	bool remove;
};
struct queue {
	struct op *head, **tail; /* tail NULL: as if initialised empty */
	struct map by_key;
	size_t n;
	uint64_t next_seq; /* every op that waits has a smaller one */
};

void queue_release(struct queue *q);
void queue_put(struct queue *q, const struct table *t, const void *row, bool remove);

/* Take the first `max` ops out, as a list. */
struct op *queue_take(struct queue *q, size_t max);
/* Put a taken list back in front; ops that were replaced meanwhile are freed. */
void queue_give_back(struct queue *q, struct op *take_list);
void ops_free(struct op *list);

/* Drop expendable ops, oldest first, at most n; returns how many. */
size_t queue_shed(struct queue *q, size_t n);

#endif
