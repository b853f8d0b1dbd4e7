#include "query/query.h"

#include "query/parse.h"

/* 0: known before the line is looked at; 1: its bytes; 2: its record. */
static int cost_of_test(const struct test *t)
{
	if (t->own == OWN_NONE || t->own == OWN_LEVEL)
		return t->op == TEST_REGEX ? 4 : 3;
	return t->own != OWN_LINE ? 0 : t->op == TEST_REGEX ? 2 : 1;
}

static int cost_of(const struct parser *p, uint16_t node)
{
	const struct node *n = &p->nodes.v[node];
	int left, right;

	if (n->kind == NODE_TEST)
		return cost_of_test(&p->tests.v[n->left]);
	left = cost_of(p, n->left);
	right = n->kind == NODE_NOT ? 0 : cost_of(p, n->right);
	return left > right ? left : right;
}

/* The step at which the tree begins; what it decides leads to `yes` or `no`. */
static uint16_t emit(
    struct parser *p, struct step *steps, size_t *n_steps, uint16_t node, uint16_t yes, uint16_t no)
{
	const struct node *n = &p->nodes.v[node];
	uint16_t first = n->left, second = n->right;

	if (n->kind == NODE_TEST) {
		steps[*n_steps] = (struct step){n->left, yes, no};
		return (uint16_t)(*n_steps)++;
	}
	if (n->kind == NODE_NOT)
		return emit(p, steps, n_steps, n->left, no, yes);
	if (cost_of(p, second) < cost_of(p, first)) {
		first = n->right;
		second = n->left;
	}
	if (n->kind == NODE_AND)
		return emit(p, steps, n_steps, first, emit(p, steps, n_steps, second, yes, no), no);
	return emit(p, steps, n_steps, first, yes, emit(p, steps, n_steps, second, yes, no));
}

static void compile(struct parser *p, uint16_t root)
{
	struct query *q = p->q;

	q->tests = take(p->tests.v);
	q->n_tests = p->tests.n;
	p->tests.v = q->tests; /* borrowed by cost_of() */
	q->steps = mem_new(q->n_tests * sizeof(*q->steps));
	q->start = emit(p, q->steps, &q->n_steps, root, STEP_ACCEPT, STEP_REJECT);
	p->tests.v = NULL;
	query_find_needles(q, p->nodes.v, root);
}

/* The keys of the level come last of all fields. */
static bool add_level_paths(struct parser *p)
{
	struct query *q = p->q;

	if (!q->wants_level)
		return true;
	if (q->n_paths + LEVEL_KEYS > RECORD_FIELDS_MAX)
		return parse_fail(
		    p, &p->token, NULL, "more than %d fields", RECORD_FIELDS_MAX - LEVEL_KEYS);
	q->level_paths = (uint8_t)q->n_paths;
	for (size_t i = 0; i < LEVEL_KEYS; i++)
		record_path_init(&q->paths[q->n_paths++], level_keys[i], strlen(level_keys[i]));
	return true;
}

enum err query_new(
    const char *text, usec_wall now, struct query **out, struct query_fault *fault, struct error *e)
{
	struct query *q = mem_new(sizeof(*q));
	struct parser p = {.q = q, .lexer.source = text, .now = now, .error = e};
	const struct token whole = {.n = strlen(text)};
	uint16_t root;
	bool done;

	done = whole.n > QUERY_TEXT_MAX
		   ? parse_fail(&p, &whole, NULL, "longer than %u bytes", QUERY_TEXT_MAX)
		   : parse_expression(&p, &root) && add_level_paths(&p);
	if (done)
		compile(&p, root);
	for (size_t i = 0; p.tests.v && i < p.tests.n; i++)
		test_release(&p.tests.v[i]);
	free(p.tests.v);
	free(p.nodes.v);
	if (done)
		return *out = q, ERR_OK;
	if (fault)
		*fault = p.fault;
	query_free(q);
	return e->code;
}

void query_free(struct query *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->n_tests; i++)
		test_release(&q->tests[i]);
	for (size_t i = 0; i < q->n_paths; i++)
		record_path_release(&q->paths[i]);
	free(q->tests);
	free(q->steps);
	str_release(&q->scratch);
	free(q);
}

const struct log_needles *query_needles(const struct query *q)
{
	return &q->needles;
}

bool query_gave_up(const struct query *q)
{
	return q->gave_up;
}

uint64_t query_parsed(const struct query *q)
{
	return q->parsed;
}
