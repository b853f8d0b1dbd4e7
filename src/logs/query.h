/*
 * query.h - read what was captured.
 *
 * Needs the folder only: no capture has to run, none is disturbed, and any
 * thread may call it.  A line is given once it is complete: at its newline, at
 * the end of its stream, or when the next attempt writes.  Lines of one service
 * come in the order of their ends, lines of several merged by time (that of the
 * chunk in which a line ended).  Bytes that can not hold a text that is needed are stepped over.  A
 * line longer than LIMIT_LOG_LINE_BYTES comes in pieces, each but the last marked `truncated`, cut
 * between UTF-8 characters.
 *
 * Depends on: base, logs.h.
 */
#ifndef HP_LOGS_QUERY_H
#define HP_LOGS_QUERY_H

#include "logs/logs.h"
#include "logs/needles.h"

struct log_line;
typedef bool (*log_line_fn)(const struct log_line *line, void *ctx); /* false: enough */

/* Whose lines: several of these are joined by "or".  Names may hold * ? [ as in fnmatch(3). */
struct log_select {
	const char *service; /* NULL: any */
	const char *action, *run;
	int64_t job;
};

/* What an answer took. */
struct log_cost {
	uint64_t segments_opened;
	uint64_t bytes_read; /* of segments (uncompressed), indexes and filters */
};

/* 0 and NULL mean: any. */
struct log_filter {
	const char *const *services; /* NULL: every one, ad-hoc runs included */
	size_t n_services;
	const struct log_select *selects; /* in place of `services`, when not NULL */
	size_t n_selects;
	const char *action, *run;
	int64_t job;
	uint32_t attempt;
	enum log_stream stream;
	usec_wall since, until; /* inclusive */
	const char *grep;	/* substring, bytes */
	const char *regex;	/* PCRE2 */
	log_line_fn match;	/* false: not this line; asked last */
	void *match_ctx;
	const struct log_needles *needles; /* what `match` can not do without */
	size_t limit;			   /* the first so many; 0: all */
	size_t tail;			   /* the last so many; 0: from the beginning */
	size_t context; /* so many lines before and after each, of the same service */
	bool backwards; /* newest first; `tail`, or `limit` in its place, is the size of a page */
	const char *cursor;    /* what an earlier query left: go on after its last line */
	struct log_cost *cost; /* is added to; may be NULL */
};

/* Everything is borrowed until the callback returns. */
struct log_line {
	usec_wall time;
	const char *service; /* NULL: an ad-hoc run */
	const char *action, *run;
	int64_t job;
	uint32_t attempt;
	enum log_stream stream;
	const char *bytes; /* without the newline; not NUL-ended, any bytes */
	size_t n;
	bool truncated;	  /* the line goes on, or its beginning is gone */
	uint64_t dropped; /* not 0: no line, but so many bytes are missing here */
	enum log_gap gap; /* why */
	bool context;	  /* it does not match, it stands beside one that does */
};

/* `next` (may be NULL) gets the cursor after the last line given; it fits queries in the same
 * direction.  `tail` gives exactly so many lines, or all there are.  ERR_NOT_FOUND for a named
 * service without stored logs, when it is the only one; ERR_LIMIT when the expression needs too
 * many steps. */
enum err logs_query(const char *dir, const struct log_filter *f, log_line_fn fn, void *ctx,
    struct str *next, struct error *e);

/* Names with stored logs, sorted. */
void logs_sources(const char *dir, struct strv *out);

#endif
