/*
 * queue.h - rows that wait to be written; a later one of the same key replaces
 * the earlier in its place, so that memory is bounded by the number of things.
 *
 * An op is one piece of memory, packed; ops live in blocks of their own, which
 * go back to the kernel when empty: a burst must not leave holes all over the
 * heap of a daemon that is idle for ever after.
 *
 * Not locked: its user is.  Depends on: base, rows.h.
 */
#ifndef HP_STORE_QUEUE_H
#define HP_STORE_QUEUE_H

#include "base/map.h"
#include "store/rows.h"

#include <sys/queue.h>

struct op {
	TAILQ_ENTRY(op) link;
	const struct table *table;
	uint64_t seq; /* growing from first to last */
	bool remove;
	char bytes[]; /* the key, then the packed values */
};
TAILQ_HEAD(ops, op);

struct op_block;
struct queue {
	struct ops ops;
	struct map by_key;
	size_t n;
	uint64_t next_seq;	/* every op that waits has a smaller one */
	uint64_t puts;		/* how often something was put */
	struct op_block *block; /* where the next op goes */
};

void queue_init(struct queue *q);
void queue_release(struct queue *q);
void queue_put(struct queue *q, const struct table *t, const void *row, bool remove);

/* The values of an op, borrowed from it. */
void op_values(const struct op *op, struct value out[COLUMNS_MAX]);

/* Move the first `max` ops to `out`, which is initialised by this. */
void queue_take(struct queue *q, size_t max, struct ops *out);
/* Put taken ops back in front; those replaced meanwhile are freed. */
void queue_give_back(struct queue *q, struct ops *ops);
void queue_free_ops(struct queue *q, struct ops *ops);

/* Drop expendable ops, oldest first, at most n; returns how many. */
size_t queue_shed(struct queue *q, size_t n);

#endif
