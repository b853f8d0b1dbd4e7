/* tokens.c - the token at which a parser stands, and what is wrong with it. */
#include "query/parse.h"

#include <stdarg.h>
#include <stdio.h>

bool parse_fail(struct parser *p, const struct token *t, const char *hint, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	p->fault.at = t->at;
	p->fault.n = t->n;
	snprintf(p->fault.hint, sizeof(p->fault.hint), "%s", hint ? hint : "");
	error_set(p->error, ERR_INVALID, "where: column %zu: %s%s%s", t->at + 1, what,
	    hint ? "; " : "", hint ? hint : "");
	return false;
}

void parse_advance(struct parser *p)
{
	p->token = lex_next(&p->lexer);
}

bool parse_accept(struct parser *p, enum token_kind kind)
{
	if (p->token.kind != kind)
		return false;
	parse_advance(p);
	return true;
}

bool parse_accept_word(struct parser *p, const char *word)
{
	if (!lex_is(p->lexer.source, &p->token, word))
		return false;
	parse_advance(p);
	return true;
}

int query_path(struct query *q, const char *name, size_t n)
{
	struct record_path path;

	if (!record_path_init(&path, name, n))
		return -1;
	for (size_t i = 0; i < q->n_paths; i++)
		if (q->paths[i].n == path.n && q->paths[i].n_parts == path.n_parts &&
		    strcmp(q->paths[i].text, path.text) == 0) {
			record_path_release(&path);
			return (int)i;
		}
	if (q->n_paths == RECORD_FIELDS_MAX) {
		record_path_release(&path);
		return -2;
	}
	q->paths[q->n_paths] = path;
	return (int)q->n_paths++;
}
