/* parse.h - from text to a tree of tests; for query.c only. */
#ifndef HP_QUERY_PARSE_H
#define HP_QUERY_PARSE_H

#include "query/lex.h"
#include "query/program.h"

struct parser {
	struct query *q;
	struct lexer lexer;
	struct token token; /* the one that comes next */
	struct {
		struct node *v;
		size_t n, cap;
	} nodes;
	struct {
		struct test *v;
		size_t n, cap;
	} tests;
	usec_wall now;
	size_t depth;
	struct query_fault fault;
	struct error *error;
};

/* The whole expression; false: error and fault are filled. */
bool parse_expression(struct parser *p, uint16_t *root);

/* test.c: one test, and what its values mean for its field. */
bool parse_test(struct parser *p, uint16_t *out);

/* tokens.c.  parse_fail() is always false. */
bool parse_fail(struct parser *p, const struct token *t, const char *hint, const char *fmt, ...)
    attr_fmt(4, 5);
bool parse_accept(struct parser *p, enum token_kind kind);
bool parse_accept_word(struct parser *p, const char *word);
void parse_advance(struct parser *p);

/* A record field's number; -1: there are too many, or the name is none. */
int query_path(struct query *q, const char *name, size_t n);
void test_release(struct test *t);

#endif
