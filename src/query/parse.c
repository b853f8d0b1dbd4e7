#include "query/parse.h"

static uint16_t add_node(struct parser *p, enum node_kind kind, uint16_t left, uint16_t right)
{
	struct node *n = vec_push(&p->nodes);

	n->kind = kind;
	n->left = left;
	n->right = right;
	return (uint16_t)(p->nodes.n - 1);
}

static bool parse_or(struct parser *p, uint16_t *out);

static bool parse_group(struct parser *p, uint16_t *out)
{
	struct token open = p->token;

	parse_advance(p);
	if (!parse_or(p, out))
		return false;
	if (p->token.kind == TOKEN_WRONG)
		return parse_fail(p, &p->token, p->token.hint, "%s", p->token.why);
	if (!parse_accept(p, TOKEN_CLOSE))
		return parse_fail(p, &open,
		    "close it with `)`, or write `and` or `or` before what "
		    "follows",
		    "the `(` here has no end");
	return true;
}

static bool parse_factor(struct parser *p, uint16_t *out)
{
	bool done;

	if (++p->depth > QUERY_DEPTH_MAX)
		return parse_fail(p, &p->token, NULL, "more than %d levels", QUERY_DEPTH_MAX);
	if (parse_accept_word(p, "not")) {
		done = parse_factor(p, out);
		if (done)
			*out = add_node(p, NODE_NOT, *out, 0);
	} else if (p->token.kind == TOKEN_OPEN) {
		done = parse_group(p, out);
	} else {
		done = parse_test(p, out);
		if (done)
			*out = add_node(p, NODE_TEST, *out, 0);
	}
	p->depth--;
	return done;
}

static bool parse_and(struct parser *p, uint16_t *out)
{
	if (!parse_factor(p, out))
		return false;
	while (parse_accept_word(p, "and")) {
		uint16_t right;

		if (!parse_factor(p, &right))
			return false;
		*out = add_node(p, NODE_AND, *out, right);
	}
	return true;
}

static bool parse_or(struct parser *p, uint16_t *out)
{
	if (!parse_and(p, out))
		return false;
	while (parse_accept_word(p, "or")) {
		uint16_t right;

		if (!parse_and(p, &right))
			return false;
		*out = add_node(p, NODE_OR, *out, right);
	}
	return true;
}

bool parse_expression(struct parser *p, uint16_t *root)
{
	parse_advance(p);
	if (!parse_or(p, root))
		return false;
	switch (p->token.kind) {
	case TOKEN_END: return true;
	case TOKEN_WRONG: return parse_fail(p, &p->token, p->token.hint, "%s", p->token.why);
	case TOKEN_CLOSE: return parse_fail(p, &p->token, NULL, "this `)` closes nothing");
	case TOKEN_WORD:
	case TOKEN_TEXT:
	case TOKEN_OPEN:
	case TOKEN_COMMA:
	case TOKEN_OPERATOR: break;
	}
	return parse_fail(p, &p->token, "write `and` or `or` between two tests",
	    "`%.*s` is not expected here", (int)p->token.n, p->lexer.source + p->token.at);
}
