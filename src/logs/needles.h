/*
 * needles.h - texts without which a line can not match.
 *
 * A list of clauses: of each at least one text must stand in the line.  The reader skips what holds
 * none without looking at lines, and the filters of closed segments are asked for them.
 *
 * Depends on: base.
 */
#ifndef HP_LOGS_NEEDLES_H
#define HP_LOGS_NEEDLES_H

#include "base/base.h"

#define LOG_CLAUSES_MAX 8
#define LOG_TEXTS_MAX	8

struct log_clause {
	struct {
		const char *s; /* borrowed */
		size_t n;
	} any[LOG_TEXTS_MAX];
	size_t n;
};
struct log_needles {
	struct log_clause all[LOG_CLAUSES_MAX];
	size_t n;
};

/* Add a clause of one text; forgotten when there is no room (it is only a help). */
void log_needles_add(struct log_needles *to, const char *s, size_t n);
/* Does every clause have a text in these bytes? */
bool log_needles_in(const struct log_needles *l, const char *s, size_t n);
/* The clause whose shortest text is the longest: the one to search for; NULL: there is none. */
const struct log_clause *log_needles_best(const struct log_needles *l);
/* The first place in these bytes where a text of the clause begins; NULL: nowhere. */
const char *log_clause_find(const struct log_clause *c, const char *s, size_t n);

#endif
