/*
 * reader.h - the lines of one service's folder, one after the other.
 *
 * Walks the chunks of each segment in order, and puts the lines of every source
 * together again.  Holds one segment and one window open at a time.
 *
 * Depends on: base, format.h, query.h.
 */
#ifndef HP_LOGS_READER_H
#define HP_LOGS_READER_H

#include "logs/format.h"
#include "logs/query.h"

/* A place between two bytes of a service's log. */
struct log_place {
	uint32_t segment;
	uint64_t offset;
};
static inline bool log_place_before(struct log_place a, struct log_place b)
{
	return a.segment != b.segment ? a.segment < b.segment : a.offset < b.offset;
}

/* After a line: where it ended, and from where to read to find what was open then. */
struct log_mark {
	struct log_place resume, end;
};

struct log_chunk {
	uint8_t kind, flags;
	uint32_t source; /* index in sources, SOURCE_UNKNOWN */
	usec_wall time;
	uint64_t start, end, count;
};
struct log_source {
	uint32_t number; /* of its slot */
	uint32_t attempt;
	int64_t job;
	enum log_stream stream;
	char *action, *run;
};
struct log_partial {
	struct log_partial *next;
	struct log_source id; /* its own copies */
	struct str text;
	struct log_place start;
	bool wanted; /* passes the filter */
	bool headless;
	bool ended; /* given out, or never to be written again */
};

struct log_reader {
	const struct log_filter *filter;
	char *name;
	int folder_fd, seg_fd;
	uint32_t first, last; /* of the folder when it was opened */
	struct log_place at;
	struct log_mark mark;  /* after the last line given or skipped */
	struct log_place skip; /* lines that end at or before are not given */
	struct {
		struct log_chunk *v;
		size_t n, cap;
	} chunks;
	struct {
		struct log_source *v;
		size_t n, cap;
	} sources;
	size_t chunk; /* the one `at` is in */
	struct log_partial *partials;
	struct log_partial *given; /* emptied by the next call */
	uint64_t gone;		   /* bytes that quotas removed, told once */
	char *window;
	uint64_t window_at;
	size_t window_n;
	char note[80];
};

/* False when there is nothing stored under that name.  `back` > 0 reads only
 * the last so many segments; a mark of segment 0 means from the beginning. */
bool log_reader_open(struct log_reader *r, const char *dir, const char *name,
    const struct log_filter *f, uint32_t back, struct log_mark from);
void log_reader_close(struct log_reader *r);

/* The next line that passes action, run, job, attempt and stream of the filter;
 * false at the end.  Borrowed until the next call. */
bool log_reader_next(struct log_reader *r, struct log_line *out);

/* After that: the next line that has no end yet, likewise; false: none is left. */
bool log_reader_next_open(struct log_reader *r, struct log_line *out);

#endif
