#include "model/log_policy.h"

#include <errno.h>

struct unit {
	const char *suffix;
	int64_t factor;
};

static const struct unit sizes[] = {{"", 1}, {"K", 1 << 10}, {"KiB", 1 << 10}, {"M", 1 << 20},
    {"MiB", 1 << 20}, {"G", 1 << 30}, {"GiB", 1 << 30}, {0}};
static const struct unit rates[] = {{"", 1}, {"/s", 1}, {"K", 1 << 10}, {"K/s", 1 << 10},
    {"KiB/s", 1 << 10}, {"M", 1 << 20}, {"M/s", 1 << 20}, {"MiB/s", 1 << 20}, {0}};
static const struct unit spans[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {0}};

static bool read_amount(const char *text, const struct unit *units, int64_t least, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	if (end == text || errno)
		return false;
	for (; units->suffix; units++)
		if (strcmp(units->suffix, end) == 0)
			return !__builtin_mul_overflow(*out, units->factor, out) && *out >= least;
	return false;
}

const char *log_policy_entry(struct log_policy_def *out, const char *name, const char *value)
{
	int64_t n;

	if (strcmp(name, "rate") == 0) {
		if (!read_amount(value, rates, 1024, &n))
			return "bytes a second, 1K at least: 64K, \"1M/s\"";
		out->rate = (uint64_t)n;
	} else if (strcmp(name, "max_bytes") == 0) {
		if (!read_amount(value, sizes, 64 << 10, &n))
			return "bytes, 64K at least: 16M, 1G";
		out->max_bytes = (uint64_t)n;
	} else if (strcmp(name, "retention") == 0) {
		if (!read_amount(value, spans, 1, &n))
			return "a span: 12h, 7d";
		out->retention_s = n;
	} else if (strcmp(name, "overflow") == 0) {
		if (strcmp(value, "block") != 0 && strcmp(value, "drop_oldest") != 0)
			return "block or drop_oldest";
		out->drops = strcmp(value, "drop_oldest") == 0;
	} else {
		return "rate, max_bytes, retention or overflow";
	}
	return NULL;
}

struct log_policy_def log_policy_of(const struct env_list *log)
{
	struct log_policy_def d = {0};

	for (size_t i = 0; i < log->n; i++)
		log_policy_entry(&d, log->v[i].name, log->v[i].value ? log->v[i].value : "");
	return d;
}
