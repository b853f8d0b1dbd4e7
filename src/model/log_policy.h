/*
 * log_policy.h - the entries of `log`: what is kept of an action's output.
 *
 *	rate        bytes a second: 64K, "1M/s"; more is slowed or dropped, as `overflow` says
 *	max_bytes   of its service's log: the oldest segments go above that
 *	retention   7d, 12h: segments last written before go
 *	overflow    block (the writer waits; the default) or drop_oldest (what is too much is
 *dropped and counted, also when the disk is full)
 *
 * Depends on: base, definition.h.
 */
#ifndef HP_MODEL_LOG_POLICY_H
#define HP_MODEL_LOG_POLICY_H

#include "model/definition.h"

struct log_policy_def {
	uint64_t rate, max_bytes; /* 0: no bound of its own */
	int64_t retention_s;
	bool drops;
};

/* What is wrong with one entry, as what would be right; NULL: nothing. */
const char *log_policy_entry(struct log_policy_def *out, const char *name, const char *value);
/* Of entries that were judged. */
struct log_policy_def log_policy_of(const struct env_list *log);

#endif
