/*
 * format.h - what stands on the disk below logs/.
 *
 *   logs/<service>/00000001.seg   the bytes of every stream, as they came
 *   logs/<service>/00000001.idx   slots of 32 bytes: whose bytes they are
 *   logs/<service>/dropped        bytes that quotas have removed, in decimal
 *   logs/<service>/00000001.zst   both, sealed, in place of them (segment.h)
 *   logs/<service>/catalog        which times sealed segments hold
 *
 * The index is written AHEAD of the bytes: a chunk slot says "from this offset
 * on, until the next chunk slot or the end of the file, the bytes came from
 * that source, at that time".  Killed after the slot and before the bytes, it
 * covers nothing; killed after the bytes, they are already attributed.  So no
 * repair is needed, ever.  A slot never crosses a page, which is the unit in
 * which a killed write(2) may end early; a source whose names are incomplete is
 * referred to by no chunk.
 *
 * A reader takes the size of the segment first and the index second: then every
 * byte it sees has its slot.
 *
 * Runs without a service are kept below LOG_RUNS_FOLDER, which is no valid
 * service name.  Byte order is the machine's.  Depends on: base.
 */
#ifndef HP_LOGS_FORMAT_H
#define HP_LOGS_FORMAT_H

#include "base/base.h"

#define LOG_RUNS_FOLDER "~runs"

enum slot_kind {
	SLOT_NONE,   /* never written */
	SLOT_CHUNK,  /* source, time, offset */
	SLOT_SOURCE, /* a new source; its number is the position of this slot */
	SLOT_NAME,   /* 31 bytes of the source's "action\0run\0" */
	SLOT_END,    /* the source is at its end */
	SLOT_DROP,   /* count bytes of the source were not kept; covers one byte of its own */
};
enum {
	SLOT_MID_LINE = 1, /* the source's bytes before these did not end a line */
	SLOT_BY_RATE = 4,  /* SLOT_DROP: more than its rate; else the disk refused them */
	SLOT_RESUMED = 2,  /* SLOT_SOURCE: an earlier process captured it; its line may be open */
};

struct slot {
	uint8_t kind, flags;
	uint16_t names;	 /* SLOT_SOURCE: how many SLOT_NAME follow */
	uint32_t source; /* SLOT_SOURCE: the attempt */
	usec_wall time;
	uint64_t offset; /* SLOT_SOURCE: the job */
	uint64_t count;	 /* SLOT_SOURCE: the stream; SLOT_DROP: bytes */
};
struct slot_name {
	uint8_t kind;
	char text[31];
};
_Static_assert(sizeof(struct slot) == 32 && sizeof(struct slot_name) == 32, "slots are 32 bytes");

#define SLOT_NAMES_MAX 20 /* two names of LIMIT_NAME_BYTES and their ends */

#define LOG_FILE_NAME_MAX 16
void log_file_name(char out[LOG_FILE_NAME_MAX], uint32_t segment, const char *suffix);
/* The number in "00000012.seg" or "00000012.zst", or 0 when `name` is not a segment's. */
uint32_t log_file_number(const char *name);

/* The lowest and highest segment in a folder, 0 and 0 when none. */
struct log_extent {
	uint32_t first, last;
	uint64_t bytes; /* of segments and indexes; only when asked for */
};
struct log_extent log_folder_scan(int folder_fd, bool want_bytes);

#endif
