#include "store/queue.h"

static void op_free(struct op *op)
{
	values_free(op->values, op->table->n);
	free(op->values);
	free(op->key);
	free(op);
}

void ops_free(struct op *list)
{
	while (list) {
		struct op *next = list->next;

		op_free(list);
		list = next;
	}
}

void queue_release(struct queue *q)
{
	ops_free(take(q->head));
	map_release(&q->by_key);
	q->tail = NULL;
	q->n = 0;
}

static void append(struct queue *q, struct op *op)
{
	if (!q->tail)
		q->tail = &q->head;
	op->next = NULL;
	*q->tail = op;
	q->tail = &op->next;
	q->n++;
}

void queue_put(struct queue *q, const struct table *t, const void *row, bool remove)
{
	struct value *values = mem_new(t->n * sizeof(*values));
	struct op *op;
	char *key;

	row_values(t, row, values);
	key = row_key(t, values);
	op = map_get(&q->by_key, key);
	if (op) {
		values_free(op->values, t->n);
		free(op->values);
		free(key);
	} else {
		op = mem_new(sizeof(*op));
		op->table = t;
		op->key = key;
		op->seq = q->next_seq++;
		append(q, op);
		map_put(&q->by_key, key, op);
	}
	op->values = values;
	op->remove = remove;
}

struct op *queue_take(struct queue *q, size_t max)
{
	struct op *list = q->head, **at = &q->head;

	for (; *at && max > 0; max--, at = &(*at)->next, q->n--)
		map_remove(&q->by_key, (*at)->key);
	q->head = *at;
	*at = NULL;
	if (!q->head)
		q->tail = NULL;
	return at == &q->head ? NULL : list;
}

void queue_give_back(struct queue *q, struct op *take_list)
{
	struct op *rest = q->head, *next;

	q->head = NULL;
	q->tail = NULL;
	q->n = 0;
	for (struct op *op = take_list; op; op = next) {
		next = op->next;
		if (map_get(&q->by_key, op->key)) {
			op_free(op);
			continue;
		}
		append(q, op);
		map_put(&q->by_key, op->key, op);
	}
	for (; rest; rest = next) {
		next = rest->next;
		append(q, rest);
	}
}

size_t queue_shed(struct queue *q, size_t n)
{
	size_t shed = 0;

	for (struct op **at = &q->head; *at && shed < n;) {
		struct op *op = *at;

		if (!op->table->expendable) {
			at = &op->next;
			continue;
		}
		*at = op->next;
		if (q->tail == &op->next)
			q->tail = at;
		map_remove(&q->by_key, op->key);
		op_free(op);
		q->n--;
		shed++;
	}
	return shed;
}
