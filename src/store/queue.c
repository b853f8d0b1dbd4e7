#include "store/queue.h"

#include <sys/mman.h>

enum { BLOCK_BYTES = 64 << 10, LARGE_BYTES = 16 << 10 };

/* Aligned to its size, so that an op finds its block by its address. */
struct op_block {
	size_t used, live;
	_Alignas(16) char bytes[];
};

static struct op_block *block_new(void)
{
	/* Twice the size holds an aligned one; the rest is given back at once. */
	char *p = mmap(NULL, 2 * BLOCK_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t head;

	if (p == MAP_FAILED)
		abort();
	head = (BLOCK_BYTES - (uintptr_t)p % BLOCK_BYTES) % BLOCK_BYTES;
	if (head > 0)
		munmap(p, head);
	munmap(p + head + BLOCK_BYTES, BLOCK_BYTES - head);
	return (struct op_block *)(void *)(p + head);
}

static void *block_alloc(struct queue *q, size_t n)
{
	struct op_block *b = q->block;
	void *p;

	n = (n + 15) & ~(size_t)15;
	if (!b || sizeof(*b) + b->used + n > BLOCK_BYTES)
		b = q->block = block_new();
	p = b->bytes + b->used;
	b->used += n;
	b->live++;
	return p;
}

/* Larger than LARGE_BYTES: from the heap, not from a block. */
static size_t op_size(const struct table *t, const char *key, const struct value *v)
{
	size_t n = sizeof(struct op) + strlen(key) + 1;

	for (size_t i = 0; i < t->n; i++)
		n += v[i].is_text ? 1 + (v[i].text ? strlen(v[i].text) + 1 : 0) : sizeof(int64_t);
	return n;
}

static void op_free(struct queue *q, struct op *op)
{
	struct value v[COLUMNS_MAX];
	struct op_block *b;

	op_values(op, v);
	if (op_size(op->table, op->bytes, v) > LARGE_BYTES) {
		free(op);
		return;
	}
	b = (struct op_block *)(void *)((char *)op - (uintptr_t)op % BLOCK_BYTES);
	if (--b->live > 0)
		return;
	if (b == q->block)
		q->block = NULL;
	munmap(b, BLOCK_BYTES);
}

static void pack(struct op *op, const struct table *t, const char *key, const struct value *v)
{
	char *at = stpcpy(op->bytes, key) + 1;

	for (size_t i = 0; i < t->n; i++) {
		if (!v[i].is_text) {
			at = mempcpy(at, &v[i].number, sizeof(v[i].number));
			continue;
		}
		*at++ = v[i].text != NULL;
		if (v[i].text)
			at = stpcpy(at, v[i].text) + 1;
	}
}

void op_values(const struct op *op, struct value out[COLUMNS_MAX])
{
	const char *at = op->bytes + strlen(op->bytes) + 1;

	for (size_t i = 0; i < op->table->n; i++) {
		enum col_kind kind = op->table->columns[i].kind;

		out[i] = (struct value){.is_text = kind == COL_TEXT || kind == COL_WORD};
		if (!out[i].is_text) {
			memcpy(&out[i].number, at, sizeof(out[i].number));
			at += sizeof(out[i].number);
		} else if (*at++) {
			out[i].text = at;
			at += strlen(at) + 1;
		}
	}
}

static struct op *op_new(
    struct queue *q, const struct table *t, const char *key, const struct value *v)
{
	size_t n = op_size(t, key, v);
	struct op *op = n > LARGE_BYTES ? mem_new(n) : block_alloc(q, n);

	op->table = t;
	pack(op, t, key, v);
	return op;
}

void queue_init(struct queue *q)
{
	TAILQ_INIT(&q->ops);
}

void queue_free_ops(struct queue *q, struct ops *ops)
{
	struct op *op;

	while ((op = TAILQ_FIRST(ops))) {
		TAILQ_REMOVE(ops, op, link);
		op_free(q, op);
	}
}

void queue_release(struct queue *q)
{
	queue_free_ops(q, &q->ops);
	map_release(&q->by_key);
	q->n = 0;
}

void queue_put(struct queue *q, const struct table *t, const void *row, bool remove)
{
	struct value v[COLUMNS_MAX];
	auto_free char *key = NULL;
	struct op *old, *op;

	q->puts++;
	row_values(t, row, v);
	key = row_key(t, v);
	op = op_new(q, t, key, v);
	op->remove = remove;
	old = map_get(&q->by_key, key);
	if (old) {
		op->seq = old->seq;
		TAILQ_INSERT_AFTER(&q->ops, old, op, link);
		TAILQ_REMOVE(&q->ops, old, link);
	} else {
		op->seq = q->next_seq++;
		TAILQ_INSERT_TAIL(&q->ops, op, link);
		q->n++;
	}
	map_put(&q->by_key, op->bytes, op);
	if (old)
		op_free(q, old);
}

/* When nothing waits, the table of keys is memory for nothing. */
static void unlist(struct queue *q, struct op *op)
{
	TAILQ_REMOVE(&q->ops, op, link);
	map_remove(&q->by_key, op->bytes);
	if (--q->n == 0)
		map_release(&q->by_key);
}

void queue_take(struct queue *q, size_t max, struct ops *out)
{
	struct op *op;

	TAILQ_INIT(out);
	for (; max > 0 && (op = TAILQ_FIRST(&q->ops)); max--) {
		unlist(q, op);
		TAILQ_INSERT_TAIL(out, op, link);
	}
}

void queue_give_back(struct queue *q, struct ops *ops)
{
	struct op *op;

	while ((op = TAILQ_LAST(ops, ops))) {
		TAILQ_REMOVE(ops, op, link);
		if (map_get(&q->by_key, op->bytes)) {
			op_free(q, op);
			continue;
		}
		TAILQ_INSERT_HEAD(&q->ops, op, link);
		map_put(&q->by_key, op->bytes, op);
		q->n++;
	}
}

size_t queue_shed(struct queue *q, size_t n)
{
	size_t shed = 0;

	for (struct op *op = TAILQ_FIRST(&q->ops), *next; op && shed < n; op = next) {
		next = TAILQ_NEXT(op, link);
		if (!op->table->expendable)
			continue;
		unlist(q, op);
		op_free(q, op);
		shed++;
	}
	return shed;
}
