/*
 * logs.h - capture of every byte that jobs write, and the events around it.
 *
 * One thread with an epoll of its own moves bytes from each attached pipe into
 * segment files by splice(2); it may block on the disk, its callers never do.
 * The files need no repair after a SIGKILL (format.h): hand the same pipe ends
 * to logs_attach again and capture goes on at the real end of the file, with no
 * byte lost and none doubled.  Where splice says EINVAL (a PTY, an odd file
 * system) read and write are used, and a kill between the two loses that chunk.
 *
 * A full or failing disk never stops a service's process by a signal: by policy
 * its pipe is left full (it blocks, LOG_BLOCK) or emptied into nothing and
 * counted (LOG_DROP).  logs_degraded says so; it ends by itself.
 *
 * Every function is called from one thread, the loop's; callbacks run in
 * logs_dispatch, on that thread, and may call back into this module.  Reading
 * is query.h, which needs no capture at all.
 *
 * Depends on: base, format.h.
 */
#ifndef HP_LOGS_LOGS_H
#define HP_LOGS_LOGS_H

#include "base/error.h"
#include "base/str.h"

enum log_stream { LOG_ANY, LOG_STDOUT, LOG_STDERR, LOG_INSERTED, LOG_STREAM_COUNT };
const char *log_stream_str(enum log_stream s); /* "any" "stdout" "stderr" "inserted" */
bool log_stream_parse(const char *s, enum log_stream *out);

enum log_policy { LOG_BLOCK, LOG_DROP };

/* Why bytes are missing. */
enum log_gap { LOG_GAP_NONE, LOG_GAP_DISK, LOG_GAP_RATE, LOG_GAP_QUOTA };
const char *log_gap_str(enum log_gap g); /* "disk" "rate" "quota" */

/* Whose pipe it is; all texts are copied. */
struct log_ident {
	const char *service; /* NULL: an ad-hoc run */
	const char *action;
	const char *run; /* the run's name */
	int64_t job;
	uint64_t token;	  /* of the attempt; handed to log_closed_fn */
	uint32_t attempt; /* from 1 */
	enum log_stream stream;
	enum log_policy policy;
	uint64_t rate;	     /* bytes a second, beyond which it is slowed or dropped; 0: any */
	uint64_t max_bytes;  /* of its service, instead of service_bytes; 0: that */
	int64_t retention_s; /* likewise; the largest of all that write at a time holds */
	bool resumed;	     /* the pipe was captured before, by an earlier process */
};

struct logs_options {		 /* 0: the default */
	uint64_t segment_bytes;	 /* 8 MiB */
	uint64_t service_bytes;	 /* 64 MiB, indexes included */
	uint64_t total_bytes;	 /* 1 GiB */
	int64_t max_age_s;	 /* 30 days; segments last written before are removed */
	uint64_t seal_min_bytes; /* 64 KiB; smaller closed segments stay as they are */
	msec seal_delay; /* 5 s after a segment was closed it is sealed (seal.h); -1: at once */
	bool no_seal;
};

struct logs;

/* `dir` is made (0700) and must be on a file system of its owner's. */
enum err logs_open(
    const char *dir, const struct logs_options *o, struct logs **out, struct error *e);
/* Takes what is in the pipes at this moment, then ends the thread. */
void logs_close(struct logs *l);

/* Ends the thread as logs_close() does, and hands each pipe that is still open to `fn`, which
 * takes it.  Only logs_close() may follow. */
typedef void (*log_give_fn)(uint64_t token, enum log_stream stream, int take_fd, void *ctx);
void logs_give(struct logs *l, log_give_fn fn, void *ctx);

/* Capture until the pipe's end.  The descriptor is closed by us, also on failure. */
enum err logs_attach(struct logs *l, const struct log_ident *id, int take_fd, struct error *e);

/* A line from the API.  ERR_BUSY when more than a MiB waits for the disk. */
enum err logs_insert(
    struct logs *l, const char *service, const char *action, const char *line, struct error *e);

/* Readable when logs_dispatch has something to do. */
int logs_event_fd(const struct logs *l);
void logs_dispatch(struct logs *l);

/* A pipe was taken to its end and closed: its other holders may let go.  Told some 10 ms later. */
typedef void (*log_closed_fn)(uint64_t token, enum log_stream stream, void *ctx);
void logs_on_closed(struct logs *l, log_closed_fn fn, void *ctx);

/* Called once after any number of new bytes for `service` (NULL: any). */
typedef void (*log_written_fn)(void *ctx);
uint64_t logs_follow(struct logs *l, const char *service, log_written_fn fn, void *ctx);
void logs_unfollow(struct logs *l, uint64_t follow);

/* Tell once when a line of the attempt matches.  Matched is the text without escape
 * sequences; a line ends at its newline or carriage return, and one that has no end is looked
 * at once it stood still for LOG_STILL_MS.  A watch is known by token and function; it is
 * forgotten by logs_unwatch only, and tells again after logs_watch_again.  Only bytes that are
 * captured from now on are looked at, so it is called before logs_attach; after a restart
 * logs_watch_stored looks at what is there already, once and for all watches of the attempt.
 * Several watches tell in the order of their lines. */
#define LOG_STILL_MS	   100
#define LOG_MATCH_TEXT_MAX 1024 /* bytes of the line that are told */
/* `line`: any bytes, without escape sequences; borrowed until the function returns. */
typedef void (*log_match_fn)(uint64_t token, const char *line, size_t n, void *ctx);
enum err logs_watch(
    struct logs *l, uint64_t token, const char *regex, log_match_fn fn, void *ctx, struct error *e);
void logs_watch_again(struct logs *l, uint64_t token, log_match_fn fn);
/* Reads files: `f` names service, action, job and attempt. */
struct log_filter;
void logs_watch_stored(struct logs *l, uint64_t token, const char *dir, const struct log_filter *f);
bool logs_is_watched(struct logs *l, uint64_t token, log_match_fn fn);
void logs_unwatch(struct logs *l, uint64_t token, log_match_fn fn);

/* Told once what the attempt has written by now was captured, matched and told: its open lines
 * as if they had stood still. */
typedef void (*log_settled_fn)(uint64_t token, void *ctx);
void logs_settle(struct logs *l, uint64_t token, log_settled_fn fn, void *ctx);

/* Files of the logs vanished and were made again: a line for each, what was lost included. */
typedef void (*log_repaired_fn)(const char *text, void *ctx);
void logs_on_repaired(struct logs *l, log_repaired_fn fn, void *ctx);
/* Something may have vanished.  While something is written this is looked at anyway. */
void logs_look(struct logs *l);

/* Is something not being kept as it should?  `out` may be NULL. */
bool logs_degraded(struct logs *l, struct str *out);

struct logs_stats {
	uint64_t captured, dropped;   /* bytes since logs_open */
	uint64_t dropped_by_rate;     /* of `dropped` */
	uint64_t stored;	      /* bytes on the disk */
	uint64_t sealed, seal_failed; /* segments since logs_open */
	size_t pipes, blocked;
};
struct logs_stats logs_stats(struct logs *l);

#endif
