/*
 * spool.h - the segment files of one service, as their writer sees them.
 *
 * Only the log thread uses a spool.  Files are opened at the first byte and
 * closed again when idle, so a silent service costs this struct and nothing
 * else.  Every function that writes leaves the files as they were when it
 * fails, and may be called again (a full disk is a transient fault).
 *
 * Depends on: base, format.h.
 */
#ifndef HP_LOGS_SPOOL_H
#define HP_LOGS_SPOOL_H

#include "base/error.h"
#include "logs/format.h"
#include "logs/segment.h"

#define SOURCE_NONE UINT32_MAX

struct spool {
	struct spool *next;   /* all spools; constant once published */
	char *name;	      /* the folder */
	uint32_t first, last; /* segments on disk; 0: none */
	uint64_t bytes;	      /* of all of them, indexes included */
	uint64_t counted;     /* how many of these are in the total */
	uint64_t dropped;     /* bytes removed by quotas, ever */
	int seg_fd, idx_fd;   /* -1: closed */
	uint64_t seg_size, idx_size;
	uint32_t last_source; /* of the last chunk slot, or SOURCE_NONE */
	usec_wall last_time;
	uint64_t max_bytes; /* 0: as for all; under the lock, as the next two */
	int64_t retention_s;
	size_t writers;		    /* pipes */
	uint32_t seal_next, closed; /* segments from .. to that wait to be sealed; under the lock */
};

struct spool *spool_new(const char *name);
void spool_free(struct spool *sp);

/* What an earlier process left behind. */
void spool_scan(struct spool *sp, int logs_fd);

/* Open the last segment at its real end, or make the first one. */
enum err spool_open(struct spool *sp, int logs_fd, struct error *e);
void spool_close(struct spool *sp);
/* Begin the next segment. */
enum err spool_rotate(struct spool *sp, int logs_fd, struct error *e);

/* Append slots; the spool is open. */
enum err spool_put(struct spool *sp, const struct slot *s, size_t n, struct error *e);
/* Append a source; its number is left in *out. */
enum err spool_put_source(struct spool *sp, const struct slot *s, const char *action,
    const char *run, uint32_t *out, struct error *e);

/* n bytes were appended to the segment. */
void spool_grew(struct spool *sp, uint64_t n);

/* Remove the oldest segment, the last one only when it is not open.  False
 * when there is nothing to remove. */
bool spool_drop_oldest(struct spool *sp, int logs_fd);
/* Segment `number` has been sealed into SEAL_TMP: it takes the place of what was written. */
bool spool_take_sealed(
    struct spool *sp, int logs_fd, uint32_t number, const struct seal_footer *foot);
/* When the oldest segment was last written, seconds since 1970; 0: none. */
int64_t spool_oldest_time(const struct spool *sp, int logs_fd);

#endif
