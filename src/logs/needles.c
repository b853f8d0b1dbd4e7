#include "logs/needles.h"

void log_needles_add(struct log_needles *to, const char *s, size_t n)
{
	struct log_clause *c;

	if (to->n == LOG_CLAUSES_MAX || n == 0)
		return;
	c = &to->all[to->n++];
	c->n = 1;
	c->any[0].s = s;
	c->any[0].n = n;
}

const char *log_clause_find(const struct log_clause *c, const char *s, size_t n)
{
	const char *first = NULL;

	for (size_t i = 0; i < c->n; i++) {
		const char *at = memmem(s, n, c->any[i].s, c->any[i].n);

		if (at && (!first || at < first)) {
			first = at;
			n = (size_t)(at - s) + c->any[i].n; /* only what begins before it */
		}
	}
	return first;
}

bool log_needles_in(const struct log_needles *l, const char *s, size_t n)
{
	for (size_t i = 0; i < l->n; i++)
		if (!log_clause_find(&l->all[i], s, n))
			return false;
	return true;
}

static size_t shortest(const struct log_clause *c)
{
	size_t n = SIZE_MAX;

	for (size_t i = 0; i < c->n; i++)
		if (c->any[i].n < n)
			n = c->any[i].n;
	return n;
}

const struct log_clause *log_needles_best(const struct log_needles *l)
{
	const struct log_clause *best = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (!best || shortest(&l->all[i]) > shortest(best))
			best = &l->all[i];
	return best;
}
