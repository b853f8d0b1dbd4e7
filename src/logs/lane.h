/*
 * lane.h - one service in a merge: its reader, what matches, and the lines around that.
 *
 * For query.c and tail.c only.
 */
#ifndef HP_LOGS_LANE_H
#define HP_LOGS_LANE_H

#include "base/regex.h"
#include "logs/reader.h"

/* A line with its own copies, in one block. */
struct kept_line {
	struct log_line line;
	struct log_mark mark;
	char *texts;
	size_t lane;
};

struct lane {
	struct log_reader reader;
	struct log_line head;	   /* the line that comes next */
	struct log_mark head_mark; /* after it */
	struct log_mark done;	   /* after the last line given, or judged and left out */
	bool has;
	uint64_t back; /* of a query from the end: how far it goes back */
	size_t after;  /* so many lines of context are still due */
	struct {
		struct kept_line *v; /* lines before the next match, oldest first */
		size_t n;
	} before;
	struct {
		struct kept_line *v; /* to be given before anything else is read */
		size_t n, at, cap;
	} queue;
};

struct lanes {
	const char *dir;
	const struct log_filter *filter;
	struct regex *regex;
	struct strv names; /* of folders; one lane each */
	struct lane *v;
	bool gave_up; /* the expression ran into its bound */
};

void kept_line_set(struct kept_line *k, const struct log_line *l, struct log_mark mark);
void kept_line_release(struct kept_line *k);

/* Find the first line of an opened reader, or the next one. */
void lane_advance(struct lanes *l, struct lane *lane);
void lane_close(struct lane *lane);
struct lane *lanes_earliest(const struct lanes *l);
void lanes_close(struct lanes *l);

/* tail.c: the last lines, of all lanes together. */
void lanes_tail(struct lanes *l, size_t want, log_line_fn fn, void *ctx);

/* cursor.c: what a cursor says of a service; all zero: nothing. */
struct log_mark log_cursor_mark(const char *cursor, const char *name);
void log_cursor_add(struct str *cursor, const char *name, const struct log_mark *m);

#endif
