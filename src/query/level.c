#include "query/level.h"

#include <ctype.h>

ENUM_DEFINE(level, LEVEL_LIST, LEVEL_COUNT)

enum { LOOK_BYTES = 160, WORD_MAX = 11 };

static const struct word {
	const char *text;
	enum level level;
} words[] = {
    {"trace", LEVEL_TRACE},
    {"trc", LEVEL_TRACE},
    {"verbose", LEVEL_TRACE},
    {"debug", LEVEL_DEBUG},
    {"dbg", LEVEL_DEBUG},
    {"info", LEVEL_INFO},
    {"inf", LEVEL_INFO},
    {"information", LEVEL_INFO},
    {"notice", LEVEL_NOTICE},
    {"warn", LEVEL_WARN},
    {"warning", LEVEL_WARN},
    {"wrn", LEVEL_WARN},
    {"error", LEVEL_ERROR},
    {"err", LEVEL_ERROR},
    {"severe", LEVEL_ERROR},
    {"fatal", LEVEL_FATAL},
    {"ftl", LEVEL_FATAL},
    {"critical", LEVEL_FATAL},
    {"crit", LEVEL_FATAL},
    {"alert", LEVEL_FATAL},
    {"emerg", LEVEL_FATAL},
    {"emergency", LEVEL_FATAL},
    {"panic", LEVEL_FATAL},
    {"10", LEVEL_TRACE},
    {"20", LEVEL_DEBUG},
    {"30", LEVEL_INFO},
    {"40", LEVEL_WARN},
    {"50", LEVEL_ERROR},
    {"60", LEVEL_FATAL},
};

enum level level_of_word(const char *s, size_t n)
{
	char low[WORD_MAX + 1] = "";

	if (n < 2 || n > WORD_MAX)
		return LEVEL_NONE;
	for (size_t i = 0; i < n; i++)
		low[i] = (char)tolower((unsigned char)s[i]);
	for (size_t i = 0; i < countof(words); i++)
		if (words[i].text[0] == low[0] && strcmp(words[i].text, low) == 0)
			return words[i].level;
	return LEVEL_NONE;
}

/* <0> to <7>, and a facility above them. */
static enum level of_priority(const char *s, size_t n)
{
	static const enum level severities[] = {LEVEL_FATAL, LEVEL_FATAL, LEVEL_FATAL, LEVEL_ERROR,
	    LEVEL_WARN, LEVEL_NOTICE, LEVEL_INFO, LEVEL_DEBUG};
	size_t number = 0, i = 1;

	while (i < n && i < 4 && isdigit((unsigned char)s[i]))
		number = number * 10 + (size_t)(s[i++] - '0');
	return i > 1 && i < n && s[i] == '>' ? severities[number & 7] : LEVEL_NONE;
}

static bool is_marked(const char *s, size_t from, size_t to, size_t n)
{
	bool capitals = true;

	for (size_t i = from; i < to; i++)
		capitals &= isupper((unsigned char)s[i]) != 0;
	return capitals || (to < n && (s[to] == ':' || s[to] == ']' || s[to] == '>'));
}

enum level level_of_text(const char *s, size_t n)
{
	size_t end = n < LOOK_BYTES ? n : LOOK_BYTES;

	if (n > 2 && *s == '<' && isdigit((unsigned char)s[1]))
		return of_priority(s, n);
	for (size_t i = 0; i < end;) {
		size_t from = i;
		enum level level;

		while (i < n && isalpha((unsigned char)s[i]))
			i++;
		level = i > from && i - from <= WORD_MAX ? level_of_word(s + from, i - from)
							 : LEVEL_NONE;
		if (level && is_marked(s, from, i, n))
			return level;
		if (i == from)
			i++;
	}
	return LEVEL_NONE;
}
