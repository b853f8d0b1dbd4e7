/* needles.c - what an expression can not do without (logs/needles.h). */
#include "query/program.h"

#include <ctype.h>

enum { LEAST = 2 }; /* a shorter text stands everywhere */

/* Signs that no writer of JSON escapes. */
static bool is_plain(char c)
{
	return isalnum((unsigned char)c) || (c && strchr(" _-.:,;@", c));
}

static void longest_plain(const char *s, size_t n, const char **out, size_t *out_n)
{
	*out_n = 0;
	for (size_t i = 0; i < n;) {
		size_t from = i;

		while (i < n && is_plain(s[i]))
			i++;
		if (i - from > *out_n) {
			*out = s + from;
			*out_n = i - from;
		}
		i += i == from;
	}
}

/* The longest run of letters that an expression demands; none when it has a choice, a group or a
 * class, where that would take more than a look. */
static void plain_of_regex(const char *s, const char **out, size_t *out_n)
{
	*out_n = 0;
	if (strpbrk(s, "|([{\\#"))
		return;
	for (size_t i = 0; s[i];) {
		size_t from = i, n;

		while (isalnum((unsigned char)s[i]) || (s[i] && strchr(" _-:,;@", s[i])))
			i++;
		n = i - from;
		if (n && s[i] && strchr("*?", s[i]))
			n--; /* its last sign may be missing */
		if (n > *out_n) {
			*out = s + from;
			*out_n = n;
		}
		i += i == from;
	}
}

static void add(struct log_needles *to, const char *s, size_t n)
{
	if (n >= LEAST)
		log_needles_add(to, s, n);
}

/* One of the values, if every one has a plain part. */
static void add_values(struct log_needles *to, const struct test *t)
{
	struct log_clause c = {0};

	if (t->n_values > LOG_TEXTS_MAX || to->n == LOG_CLAUSES_MAX)
		return;
	for (size_t i = 0; i < t->n_values; i++) {
		const char *s;
		size_t n;

		longest_plain(t->values[i].s, t->values[i].n, &s, &n);
		if (n < LEAST || t->values[i].numeric)
			return;
		c.any[c.n].s = s;
		c.any[c.n++].n = n;
	}
	to->all[to->n++] = c;
}

static void add_text(struct log_needles *to, const struct test *t, bool exact)
{
	const char *s;
	size_t n;

	if (t->op == TEST_REGEX) {
		plain_of_regex(t->values[0].s, &s, &n);
		add(to, s, n);
	} else if (exact && t->n_values == 1 && (t->op == TEST_EQ || t->op == TEST_HOLDS)) {
		add(to, t->values[0].s, t->values[0].n);
	} else if (t->op == TEST_EQ || t->op == TEST_HOLDS || t->op == TEST_IN) {
		add_values(to, t);
	}
}

static void of_test(const struct query *q, const struct test *t, struct log_needles *to)
{
	const struct record_path *p = &q->paths[t->field];

	if (t->own == OWN_LINE && t->op != TEST_EXISTS)
		add_text(to, t, true);
	if (t->own != OWN_NONE)
		return;
	if (t->op != TEST_EXISTS)
		add_text(to, t, false);
	for (size_t i = 0; i < p->n_parts; i++) {
		const char *s;
		size_t n;

		/* A number is an index, which stands nowhere. */
		longest_plain(p->parts[i].s, p->parts[i].n, &s, &n);
		if (!isdigit((unsigned char)p->parts[i].s[0]))
			add(to, s, n);
	}
}

/* One clause of the two sides: a text of either is there. */
static void either(const struct log_needles *a, const struct log_needles *b, struct log_needles *to)
{
	const struct log_clause *x = log_needles_best(a), *y = log_needles_best(b);
	struct log_clause c;

	if (!x || !y || x->n + y->n > LOG_TEXTS_MAX)
		return;
	c = *x;
	memcpy(c.any + c.n, y->any, y->n * sizeof(*y->any));
	c.n += y->n;
	to->all[to->n++] = c;
}

static void of_node(
    const struct query *q, const struct node *nodes, uint16_t at, struct log_needles *to)
{
	const struct node *n = &nodes[at];
	struct log_needles left = {0}, right = {0};

	switch (n->kind) {
	case NODE_NOT: return;
	case NODE_TEST: of_test(q, &q->tests[n->left], to); return;
	case NODE_AND:
	case NODE_OR: break;
	}
	of_node(q, nodes, n->left, &left);
	of_node(q, nodes, n->right, &right);
	if (n->kind == NODE_OR) {
		either(&left, &right, to);
		return;
	}
	*to = left;
	for (size_t i = 0; i < right.n && to->n < LOG_CLAUSES_MAX; i++)
		to->all[to->n++] = right.all[i];
}

void query_find_needles(struct query *q, const struct node *nodes, uint16_t root)
{
	of_node(q, nodes, root, &q->needles);
}
