/* lex.h - the words of an expression (query.h), with their places.  Depends on: base. */
#ifndef HP_QUERY_LEX_H
#define HP_QUERY_LEX_H

#include "base/str.h"

enum token_kind {
	TOKEN_END,
	TOKEN_WORD, /* a name, a number, a keyword */
	TOKEN_TEXT, /* in quotes */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_COMMA,
	TOKEN_OPERATOR, /* = != > >= < <= ~ */
	TOKEN_WRONG,	/* `why` says it */
};
struct token {
	enum token_kind kind;
	size_t at, n; /* its bytes in the source */
	const char *why, *hint;
};
struct lexer {
	const char *source;
	size_t at;
};
struct token lex_next(struct lexer *l);

/* The text of a TOKEN_TEXT without quotes and escapes, or of a word as it stands; the caller frees.
 * It may hold zero bytes. */
char *lex_value(const char *source, const struct token *t, size_t *n);

/* Is it this word? */
bool lex_is(const char *source, const struct token *t, const char *word);

#endif
