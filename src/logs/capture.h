/*
 * capture.h - what the files of logs/ share; for them only.
 *
 * Two threads: the loop's (all of logs.h) and the log thread (log_thread_main).
 * `lock` guards everything from `lock` on to `bell`'s queues; spools and the
 * files belong to the log thread alone; a pipe belongs to it once attached.
 */
#ifndef HP_LOGS_CAPTURE_H
#define HP_LOGS_CAPTURE_H

#include "base/map.h"
#include "base/regex.h"
#include "logs/logs.h"
#include "logs/segment.h"
#include "logs/spool.h"
#include "sys/clock.h"

#include <pthread.h>
#include <stdatomic.h>

/* The line of a stream that has not ended yet. */
struct log_open_line {
	struct str text;
	bool after_return; /* it began behind a carriage return: a newline is part of that end */
	bool matched;	   /* while it stood still: its end is no other match */
};

struct log_watch {
	struct log_watch *next;
	uint64_t token;
	struct regex *regex;
	struct log_open_line open[LOG_STREAM_COUNT];
	log_match_fn fn;
	void *ctx;
	bool matched, told;
	uint64_t matched_at; /* of logs.scanned: the order of telling */
	struct str line;     /* that matched, until it was told */
	msec still_at;	     /* then its open lines are looked at; 0: none was written to */
};

struct log_follow {
	struct log_follow *next;
	uint64_t id;
	char *service; /* NULL: any */
	log_written_fn fn;
	void *ctx;
	bool written; /* since it was called */
};

struct log_pipe {
	struct log_pipe *next, *prev; /* all pipes */
	struct spool *spool;
	int64_t job;
	uint64_t token;
	uint64_t end;	  /* where its last bytes ended in segment `segment` */
	uint64_t dropped; /* bytes not kept and not yet noted */
	uint32_t attempt, segment, source;
	int fd;
	uint8_t stream, policy;
	bool by_copy;  /* splice said EINVAL */
	bool blocked;  /* out of the epoll until the disk takes bytes again */
	bool mid_line; /* its bytes in the former segment did not end a line */
	bool resumed;
	bool busy, large;     /* busy.c */
	uint8_t wakes, quiet; /* in a row: wakes within a tick, ticks without a byte */
	msec woke_at;
	uint64_t rate;	/* rate.c; 0: none */
	int64_t tokens; /* bytes that may be taken now */
	msec filled_at, parked_until;
	bool throttled;
	uint8_t gap;	/* why `dropped` were */
	uint64_t moved; /* bytes, last time */
	char names[];	/* "action\0run\0" */
};

struct log_closed {
	uint64_t token;
	enum log_stream stream;
};

struct log_settle {
	struct log_settle *next;
	uint64_t token;
	log_settled_fn fn;
	void *ctx;
	bool done;
};

struct log_insert {
	struct log_insert *next;
	char *service, *action, *line;
};

/* A segment whose sealed form is written and waits to take its place. */
struct log_sealed {
	struct spool *sp;
	uint32_t number;
	struct seal_footer foot;
};

struct logs {
	int dir_fd, epoll_fd, null_fd;
	int wake_fd;  /* for the log thread */
	int event_fd; /* for the loop */
	struct logs_options opt;
	pthread_t thread, sealer;
	char *dir;

	/* the log thread's own */
	struct map spools;	  /* changed under `lock` */
	struct spool *spool_list; /* read its head under `lock` */
	uint64_t total;
	size_t open_spools;
	msec looked_at;	  /* whether something vanished */
	msec retry_at;	  /* 0: nothing is blocked */
	msec aged_at;	  /* when ages were looked at */
	msec ring_at;	  /* then the loop hears which pipes were closed; 0: none was */
	msec retry_pause; /* 0: none yet */
	bool probing;	  /* it refused; the next write that succeeds ends the trouble */
	char *copy;	  /* for by_copy and scanning; only while needed */
	bool seals;	  /* `sealer` runs */
	struct {
		struct log_pipe **v;
		size_t n, cap;
	} busy; /* out of the epoll, looked at once a tick */
	size_t large_pipes;

	pthread_mutex_t lock;
	struct log_pipe *pipes;
	struct log_follow *follows;
	struct log_watch *watches;
	struct log_settle *settles;
	uint64_t scanned; /* bytes that watches looked at */
	struct log_insert *inserts, **inserts_end;
	size_t insert_bytes;
	struct {
		struct log_closed *v;
		size_t n, cap;
	} closed;
	uint64_t next_follow;
	struct str trouble;  /* empty: fine */
	struct str repaired; /* a line for each repair, not told yet */
	log_repaired_fn repaired_fn;
	void *repaired_ctx;
	pthread_cond_t seal_wake;
	struct log_sealed sealed; /* .sp NULL: nothing waits for the log thread */
	struct logs_stats stats;
	log_closed_fn closed_fn;
	void *closed_ctx;
	atomic_uint n_follows, n_watches;
	_Atomic msec still_at; /* the first of all watches; 0: none */
	atomic_bool quit, look;
};

void *log_thread_main(void *logs);

/* spools.c */
struct spool *log_spool(struct logs *l, const char *service);
struct spool *log_spools(struct logs *l); /* the list */

/* pull.c: move what one pipe has.  */
enum pull {
	PULL_MORE,
	PULL_EMPTY,
	PULL_LATER, /* it is over its rate */
	PULL_END,
	PULL_BLOCKED,
};
enum pull log_pull(struct logs *l, struct log_pipe *p);
void log_pull_finish(struct logs *l, struct log_pipe *p); /* its end was seen */
msec log_retry_pause(struct logs *l);			  /* until the disk is tried again */
enum err log_write_insert(struct logs *l, const struct log_insert *in);
#define LOG_COPY_BYTES (64u << 10)

/* busy.c */
void log_busy_note(struct logs *l, struct log_pipe *p); /* it woke us, and bytes came */
void log_busy_remove(struct logs *l, struct log_pipe *p);
void log_busy_park(struct logs *l, struct log_pipe *p); /* until parked_until */
/* Of the i-th: what is to be read; NULL: none is left.  A pipe may be freed between two calls. */
struct log_pipe *log_busy_next(struct logs *l, size_t *i, uint32_t *events);
int log_busy_wait(const struct logs *l); /* milliseconds; -1: none is busy */

/* vanished.c: what was removed, moved or replaced is made again. */
void log_vanished_look(struct logs *l, bool all);	   /* closed files, too */
void log_vanished_check(struct logs *l, struct spool *sp); /* before something is written there */

/* rate.c: how many bytes a pipe may give now; 0: none, and parked_until says until when. */
uint64_t log_rate_room(struct log_pipe *p);
void log_rate_took(struct log_pipe *p, uint64_t n);

/* quota.c */
uint64_t log_quota_of(struct logs *l, const struct spool *sp);
void log_quota_enforce(struct logs *l, struct spool *sp);
void log_quota_age(struct logs *l);
void log_recount(struct logs *l, struct spool *sp); /* the total follows sp->bytes */

/* sealer.c: closed segments are sealed beside the log thread, which puts them in place. */
void log_seal_offer(struct logs *l, struct spool *sp); /* some may be closed */
void log_seal_commit(struct logs *l);
void log_seal_end(struct logs *l);

/* notify.c */
void log_ring(struct logs *l);					   /* wake the loop */
void log_wake(struct logs *l);					   /* wake the log thread */
void log_notify_followers(struct logs *l, const struct spool *sp); /* new bytes */
void log_notify_closed(struct logs *l, const struct log_pipe *p);
void log_set_trouble(struct logs *l, const char *text); /* NULL: over */

/* watch.c */
void log_watch_scan(struct logs *l, const struct log_pipe *p, uint64_t offset, uint64_t n);
void log_watch_settle(struct logs *l, uint64_t token); /* its open lines are looked at now */
void log_watch_still(struct logs *l);		       /* when still_at has come */
struct log_watch *log_watch_matched(struct logs *l);   /* under `lock`: to be told next */

#endif
