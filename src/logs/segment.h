/*
 * segment.h - one segment as readers see it: as it was written, or sealed.
 *
 *   logs/<service>/00000001.zst   a sealed segment; it takes the place of .seg and .idx
 *   logs/<service>/catalog        a row for each sealed segment
 *
 * A sealed segment is frames of zstd, one for each block of about 128 KiB, and a skippable frame
 * behind them with the slots of the index (compressed), a filter for each block (grams.h), the
 * table of blocks and, at the very end, a footer.  So `zstd -dc` gives the bytes as they came.  It
 * is written under another name, synced and renamed: what has the name is whole.
 *
 * A line belongs to the block in which it ends.  `resume` of a block is from where to read to
 * know what is open at its beginning; it may lie in an earlier segment.
 *
 * Depends on: base, format.h.
 */
#ifndef HP_LOGS_SEGMENT_H
#define HP_LOGS_SEGMENT_H

#include "base/error.h"
#include "logs/format.h"
#include "logs/grams.h"

#define SEAL_BLOCK_BYTES (128u << 10)
#define SEAL_MAGIC	 0x314c414553435048ull /* "HPCSEAL1" */
#define SEAL_SKIPPABLE	 0x184d2a5eu

struct log_block {
	uint64_t start;	    /* in the segment's own bytes */
	uint64_t at;	    /* in the file */
	uint32_t size;	    /* there, compressed */
	uint32_t filter_at; /* in the filters */
	struct gram_bits filter;
	uint32_t unused;
	uint32_t resume_segment;
	uint64_t resume_offset;
	usec_wall min_time, max_time; /* of lines that end in it; min > max: there is none */
};
struct seal_footer {
	uint64_t bytes; /* of the segment, uncompressed */
	uint64_t slots_at, filters_at, blocks_at;
	uint32_t slots_size, n_slots;
	uint32_t filters_size, n_blocks;
	uint32_t resume_segment, unused; /* what is open at its end */
	uint64_t resume_offset;
	usec_wall min_time, max_time;
	uint64_t check; /* of the table of blocks and of this, before it */
	uint64_t magic;
};
uint64_t seal_check(const void *bytes, size_t n, uint64_t seed);
uint64_t seal_footer_check(const struct seal_footer *f, const struct log_block *blocks);

struct log_segment {
	int fd; /* -1: closed */
	uint32_t number;
	bool sealed;
	uint64_t size; /* uncompressed, when it was opened */
	struct seal_footer foot;
	struct log_block *blocks;
	uint8_t *filters; /* NULL until log_segment_filters() */
	uint64_t cost;	  /* bytes read so far, uncompressed */
	char *packed;	  /* a block as it is in the file */
};

/* False when it is gone (a quota may remove it at any time) or can not be read. */
bool log_segment_open(struct log_segment *s, int folder_fd, uint32_t number);
void log_segment_close(struct log_segment *s);
/* Its slots, which the caller frees; open the segment first (format.h says why). */
bool log_segment_slots(struct log_segment *s, int folder_fd, struct slot **out, size_t *n);
const uint8_t *log_segment_filters(struct log_segment *s); /* NULL: they can not be read */
/* The block that holds the byte at `offset`. */
size_t log_segment_block(const struct log_segment *s, uint64_t offset);
uint64_t log_segment_block_end(const struct log_segment *s, size_t block);
/* Bytes around `at` into *window, which grows; `from` is where they begin.  False: none. */
bool log_segment_window(
    struct log_segment *s, uint64_t at, char **window, size_t *cap, uint64_t *from, size_t *n);

/* ---- the catalog: which times a sealed segment holds, without opening it */
struct catalog_row {
	uint32_t number, resume_segment;
	usec_wall min_time, max_time;
	usec_wall highest; /* max_time of this one and of all before it */
	uint64_t bytes, resume_offset;
	uint64_t check;
};
_Static_assert(sizeof(struct catalog_row) == 56, "rows are found by their number");
struct catalog {
	struct catalog_row *v;
	size_t n;
};
void catalog_read(struct catalog *c, int folder_fd);
void catalog_release(struct catalog *c);
const struct catalog_row *catalog_find(const struct catalog *c, uint32_t number); /* or NULL */
/* A row at the end; rows of segments before `first` go when there are many. */
void catalog_add(int folder_fd, const struct seal_footer *f, uint32_t number, uint32_t first);

/* The footer of a sealed segment, checked; false: there is none. */
bool log_sealed_footer(int folder_fd, uint32_t number, struct seal_footer *out);

#endif
