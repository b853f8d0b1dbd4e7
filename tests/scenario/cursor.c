#include "cursor.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>

bool cursor_fail(struct cursor *c, const char *fmt, ...)
{
	va_list ap;
	auto_str t = {0};

	va_start(ap, fmt);
	str_vfmt(&t, fmt, ap);
	va_end(ap);
	error_set(c->e, ERR_INVALID, "%s:%d: %s", c->path, c->line, str_text(&t));
	return false;
}

static bool is_alone(char ch)
{
	return ch == ',' || ch == '(' || ch == ')' || ch == '<';
}

/* A bracket right after a letter belongs to the word: dependency_stopped(db). */
static size_t word_length(const char *s)
{
	size_t n = 0;
	bool inside = false;

	while (
	    s[n] && !isspace((unsigned char)s[n]) && (inside || s[n] == '(' || !is_alone(s[n]))) {
		inside = inside || s[n] == '(';
		if (s[n++] == ')')
			break;
	}
	return n;
}

bool cursor_split(struct cursor *c, const char *s)
{
	while (*s) {
		const char *from = s;

		if (*s == '#')
			break;
		if (isspace((unsigned char)*s)) {
			s++;
			continue;
		}
		if (*s == '"') {
			const char *end = strchr(s + 1, '"');

			if (!end)
				return cursor_fail(c, "the quote is not closed");
			strv_take(&c->words, text_dup_n(s + 1, (size_t)(end - s) - 1));
			s = end + 1;
			continue;
		}
		if (is_alone(*s))
			s++;
		else
			s += word_length(s);
		strv_take(&c->words, text_dup_n(from, (size_t)(s - from)));
	}
	return true;
}

const char *cursor_peek(const struct cursor *c)
{
	return c->at < c->words.n ? c->words.v[c->at] : NULL;
}

const char *cursor_take(struct cursor *c)
{
	return c->at < c->words.n ? c->words.v[c->at++] : NULL;
}

bool cursor_try(struct cursor *c, const char *word)
{
	const char *next = cursor_peek(c);

	if (!next || strcmp(next, word) != 0)
		return false;
	c->at++;
	return true;
}

bool cursor_name(struct cursor *c, const char *what, char **out)
{
	const char *w = cursor_take(c);

	if (!w || is_alone(*w))
		return cursor_fail(c, "%s is missing", what);
	text_set(out, w);
	return true;
}

bool cursor_names(struct cursor *c, struct strv *out)
{
	do {
		const char *w = cursor_take(c);

		if (!w || is_alone(*w))
			return cursor_fail(c, "a name is missing");
		strv_add(out, w);
		cursor_try(c, ",");
	} while (cursor_peek(c));
	return true;
}

bool cursor_list(struct cursor *c, struct strv *out)
{
	do {
		const char *w = cursor_take(c);

		if (!w || is_alone(*w))
			return cursor_fail(c, "a name is missing");
		strv_add(out, w);
	} while (cursor_try(c, ","));
	return true;
}

bool cursor_is_number(const struct cursor *c)
{
	const char *w = cursor_peek(c);

	return w && *w && strspn(w, "0123456789") == strlen(w);
}

bool cursor_number(struct cursor *c, int64_t *out)
{
	if (!cursor_is_number(c))
		return cursor_fail(
		    c, "a number is missing, not `%s`", cursor_peek(c) ? cursor_peek(c) : "");
	*out = strtoll(cursor_take(c), NULL, 10);
	return true;
}

bool cursor_time(struct cursor *c, msec *out)
{
	static const struct {
		const char *unit;
		msec ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	const char *w = cursor_take(c);
	char *unit = NULL;
	msec n = w ? strtoll(w, &unit, 10) : 0;

	for (size_t i = 0; w && unit != w && i < countof(units); i++)
		if (strcmp(unit, units[i].unit) == 0) {
			msec all = n * units[i].ms;

			*out = all / c->o->pace;
			if (all && !*out)
				*out = 1;
			return true;
		}
	return cursor_fail(c, "a time such as 200ms or 3s is missing, not `%s`", w ? w : "");
}

bool cursor_end(struct cursor *c)
{
	return !cursor_peek(c) || cursor_fail(c, "`%s` is not understood here", cursor_peek(c));
}

int signal_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} known[] = {{"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"ABRT", SIGABRT},
	    {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
	    {"TERM", SIGTERM}};

	for (size_t i = 0; i < countof(known); i++)
		if (strcmp(name, known[i].name) == 0)
			return known[i].number;
	return 0;
}

bool cursor_how(struct cursor *c, int *code, int *signo)
{
	int64_t n;

	*signo = cursor_peek(c) ? signal_number(cursor_peek(c)) : 0;
	if (*signo) {
		cursor_take(c);
		*code = -1;
		return true;
	}
	if (!cursor_number(c, &n))
		return false;
	*code = (int)n;
	return true;
}
