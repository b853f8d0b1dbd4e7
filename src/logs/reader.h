/*
 * reader.h - the lines of one service's folder, one after the other.
 *
 * Walks the chunks of each segment in order, and puts the lines of every source
 * together again.  Holds one segment and one window open at a time.  What can not hold
 * a wanted line is left out (seek.c): segments by the catalog, blocks by their times and
 * filters, whole lines by the texts that are needed.
 *
 * Depends on: base, segment.h, query.h.
 */
#ifndef HP_LOGS_READER_H
#define HP_LOGS_READER_H

#include "logs/format.h"
#include "logs/query.h"
#include "logs/segment.h"

/* A place between two bytes of a service's log.  Several lines may end at one: a line whose stream
 * ends without a newline ends where others have. */
struct log_place {
	uint32_t segment;
	uint32_t nth; /* the order of lines that end here; 0: before all of them */
	uint64_t offset;
};
static inline bool log_place_before(struct log_place a, struct log_place b)
{
	if (a.segment != b.segment)
		return a.segment < b.segment;
	return a.offset != b.offset ? a.offset < b.offset : a.nth < b.nth;
}

/* After a line: where it ended, and from where to read to find what was open then. */
struct log_mark {
	struct log_place resume, end;
};

struct log_chunk {
	uint8_t kind, flags;
	uint32_t source; /* index in sources, SOURCE_UNKNOWN */
	uint32_t slot;
	usec_wall time;
	uint64_t start, end, count;
};
struct log_source {
	uint32_t number; /* of its slot */
	uint32_t attempt;
	bool resumed;
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
	bool torn;  /* where its line began is not known: it counts from the next newline on */
};

struct log_reader {
	const struct log_filter *filter;
	char *name;
	int folder_fd;
	struct log_segment seg;	  /* the one that `chunks` speaks of */
	struct log_segment spare; /* opened, and needed again; fd -1: none */
	struct catalog catalog;
	uint32_t first, last; /* of the folder when it was opened */
	struct log_place at;
	struct log_mark mark;	/* after the last line given or skipped */
	struct log_place skip;	/* lines that end at or before are not given */
	struct log_place until; /* up to there it is decided that it is read */
	struct log_place stop;	/* lines that end there or behind are not given; segment 0: none */
	bool exact;		/* it began where everything open is known */
	bool pauses, paused;	/* stop at `until`, for who looks at blocks */
	bool whole;		/* everything before the first line is known not to be missing */
	uint32_t start_segment, start_slot; /* where it began, when not whole */
	usec_wall complete_after;	    /* lines of later times are all given, when not whole */
	struct log_place complete_from;	    /* so are lines that end behind it */
	const struct log_clause *needle;    /* lines without one of its texts may be left out */
	uint64_t hit, hit_to; /* in the window: the next text, and how far it was looked for */
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
	size_t window_cap;
	uint64_t window_at;
	size_t window_n;
	char note[80];
};

/* False when there is nothing stored under that name.  A mark of segment 0 means from the
 * beginning. */
bool log_reader_open(struct log_reader *r, const char *dir, const char *name,
    const struct log_filter *f, struct log_mark from);
/* The last lines before `stop` (segment 0: all): from about `back` bytes before it, or the
 * beginning, which is `whole`. */
bool log_reader_open_back(struct log_reader *r, const char *dir, const char *name,
    const struct log_filter *f, uint64_t back, struct log_place stop);
void log_reader_close(struct log_reader *r);
/* Its folder is open, nothing is read. */
bool log_reader_open_folder(
    struct log_reader *r, const char *dir, const char *name, const struct log_filter *f);
/* seek.c: at `until` or the end of a segment: go on with what may hold a wanted line; false: there
 * is nothing more. */
bool log_reader_seek(struct log_reader *r);
/* partial.c: that of a chunk's source, made when there is none yet. */
struct log_partial *log_partial_of(struct log_reader *r, const struct log_chunk *c);
/* What a former attempt of the same stream left without a newline, or NULL. */
struct log_partial *log_partial_left_behind(struct log_reader *r, const struct log_source *s);
void log_partial_free(struct log_partial *p);
/* Drop what is open. */
void log_reader_forget(struct log_reader *r);
/* From where to read to find everything that is open here. */
struct log_place log_reader_resume(const struct log_reader *r);

/* The next line that passes action, run, job, attempt and stream of the filter;
 * false at the end.  Borrowed until the next call. */
bool log_reader_next(struct log_reader *r, struct log_line *out);

/* After that: the next line that has no end yet, likewise; false: none is left. */
bool log_reader_next_open(struct log_reader *r, struct log_line *out);

#endif
