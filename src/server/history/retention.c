#include "server/history/retention.h"

#include <errno.h>

struct unit {
	const char *suffix;
	int64_t factor;
};

static const struct unit counts[] = {{"", 1}, {0}};
static const struct unit bytes[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {0}};
static const struct unit seconds[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {0}};

/* Less than `least` would be a state that can not be worked with. */
static const struct word {
	const char *name;
	const struct unit *units;
	int64_t least;
	size_t at[2]; /* int64_t or uint64_t in struct retention; the second 0: none */
} words[] = {
    {"runs", counts, 1, {offsetof(struct retention, store.keep_runs)}},
    {"jobs", counts, 1, {offsetof(struct retention, store.keep_jobs)}},
    {"operations", counts, 1, {offsetof(struct retention, store.keep_operations)}},
    {"events", counts, 1, {offsetof(struct retention, store.keep_events)}},
    {"state", bytes, 1 << 20, {offsetof(struct retention, store.keep_bytes)}},
    {"logs", bytes, 64 << 10, {offsetof(struct retention, logs.total_bytes)}},
    {"service-logs", bytes, 64 << 10, {offsetof(struct retention, logs.service_bytes)}},
    {"age", seconds, 1,
	{offsetof(struct retention, store.keep_seconds),
	    offsetof(struct retention, logs.max_age_s)}},
};

static bool read_amount(const char *text, size_t n, const struct unit *units, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	if (end == text || errno || *out < 0)
		return false;
	for (size_t left = n - (size_t)(end - text); units->suffix; units++)
		if (strlen(units->suffix) == left && strncmp(end, units->suffix, left) == 0)
			return !__builtin_mul_overflow(*out, units->factor, out);
	return false;
}

/* One `word=amount` of n bytes. */
static bool take_word(struct retention *k, const char *text, size_t n)
{
	const char *equals = memchr(text, '=', n);
	size_t name = equals ? (size_t)(equals - text) : n;
	int64_t amount;

	for (size_t i = 0; equals && i < countof(words); i++) {
		const struct word *w = &words[i];

		if (strlen(w->name) != name || strncmp(w->name, text, name) != 0)
			continue;
		if (!read_amount(equals + 1, n - name - 1, w->units, &amount) || amount < w->least)
			return false;
		for (size_t j = 0; j < countof(w->at) && (j == 0 || w->at[j]); j++)
			memcpy((char *)k + w->at[j], &amount, sizeof(amount));
		return true;
	}
	return false;
}

enum err retention_parse(struct retention *k, const char *text, struct error *e)
{
	for (;;) {
		size_t n = strcspn(text, ",");

		if (!take_word(k, text, n))
			return error_set(e, ERR_INVALID,
			    "--keep: `%.*s`: write runs, jobs, operations or events=N; state (1M "
			    "or more), logs or service-logs=64M; age=30d",
			    (int)n, text);
		if (!text[n])
			return ERR_OK;
		text += n + 1;
	}
}
