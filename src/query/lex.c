#include "query/lex.h"

#include <ctype.h>

static const struct mistake {
	const char *sign, *why, *hint;
} mistakes[] = {
    {"==", "`==` is no operator", "write `=`"},
    {"=~", "`=~` is no operator", "write `~`"},
    {"!~", "`!~` is no operator", "write `not FIELD ~ VALUE`"},
    {"<>", "`<>` is no operator", "write `!=`"},
    {"&&", "`&&` is no word of it", "write `and`"},
    {"||", "`||` is no word of it", "write `or`"},
    {"!", "`!` is no word of it", "write `not`"},
    {"&", "`&` is no word of it", "write `and`"},
    {"|", "`|` is no word of it", "write `or`"},
};

static struct token token_of(struct lexer *l, enum token_kind kind, size_t n)
{
	struct token t = {.kind = kind, .at = l->at, .n = n};

	l->at += n;
	return t;
}

static struct token wrong(struct lexer *l, size_t n, const char *why, const char *hint)
{
	struct token t = token_of(l, TOKEN_WRONG, n);

	t.why = why;
	t.hint = hint;
	return t;
}

static struct token lex_text(struct lexer *l)
{
	const char *s = l->source + l->at;
	size_t n = 1;

	for (; s[n] && s[n] != *s; n++)
		if (s[n] == '\\' && s[n + 1])
			n++;
	if (!s[n])
		return wrong(l, n, "the text has no end", "close it with the quote it begins with");
	return token_of(l, TOKEN_TEXT, n + 1);
}

static bool is_word_sign(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_.:@+-/%*$#\\", c)) || (c & 0x80);
}

/* A name may go on with a quoted part: req."user id". */
static struct token lex_word(struct lexer *l)
{
	const char *s = l->source + l->at;
	size_t n = 0;

	while (is_word_sign(s[n]) || (s[n] == '"' && n > 0 && s[n - 1] == '.')) {
		if (s[n] == '"') {
			for (n++; s[n] && s[n] != '"'; n++)
				;
			if (!s[n])
				return wrong(l, n, "the name has no end", "close it with `\"`");
		}
		n++;
	}
	if (n == 0)
		return wrong(l, 1, "this sign has no meaning here", "put texts in quotes");
	return token_of(l, TOKEN_WORD, n);
}

static struct token lex_operator(struct lexer *l)
{
	const char *s = l->source + l->at;

	for (size_t i = 0; i < countof(mistakes); i++)
		if (strncmp(s, mistakes[i].sign, strlen(mistakes[i].sign)) == 0 &&
		    strncmp(s, "!=", 2) != 0)
			return wrong(
			    l, strlen(mistakes[i].sign), mistakes[i].why, mistakes[i].hint);
	return token_of(l, TOKEN_OPERATOR, *s != '~' && s[1] == '=' ? 2 : 1);
}

struct token lex_next(struct lexer *l)
{
	while (l->source[l->at] && strchr(" \t\r\n", l->source[l->at]))
		l->at++;
	switch (l->source[l->at]) {
	case '\0': return token_of(l, TOKEN_END, 0);
	case '(': return token_of(l, TOKEN_OPEN, 1);
	case ')': return token_of(l, TOKEN_CLOSE, 1);
	case ',': return token_of(l, TOKEN_COMMA, 1);
	case '"':
	case '\'': return lex_text(l);
	case '=':
	case '!':
	case '<':
	case '>':
	case '~':
	case '&':
	case '|': return lex_operator(l);
	default: return lex_word(l);
	}
}

static char escaped(char c)
{
	return c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c;
}

/* An unknown escape stays as it is: expressions are full of them. */
static bool is_escape(char c)
{
	return strchr("\"'\\nt0", c) != NULL;
}

char *lex_value(const char *source, const struct token *t, size_t *n)
{
	const char *s = source + t->at, *end = s + t->n;
	struct str out = {0};

	if (t->kind != TOKEN_TEXT) {
		*n = t->n;
		return text_dup_n(s, t->n);
	}
	for (s++, end--; s < end; s++)
		if (*s == '\\' && s + 1 < end && is_escape(s[1]))
			str_add_char(&out, escaped(*++s));
		else
			str_add_char(&out, *s);
	*n = out.n;
	return str_take(&out);
}

bool lex_is(const char *source, const struct token *t, const char *word)
{
	return t->kind == TOKEN_WORD && strlen(word) == t->n &&
	       memcmp(source + t->at, word, t->n) == 0;
}
