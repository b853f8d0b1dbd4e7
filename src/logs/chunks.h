/* chunks.h - one segment's index in memory; for the files of the reader only. */
#ifndef HP_LOGS_CHUNKS_H
#define HP_LOGS_CHUNKS_H

#include "logs/reader.h"

#define SOURCE_UNKNOWN UINT32_MAX /* its bytes are skipped */

/* Open a segment and read its index into r->chunks and r->sources; false when
 * it is gone (a quota may remove it at any time). */
bool log_chunks_load(struct log_reader *r, uint32_t segment);
/* The same in two steps. */
bool log_chunks_open(struct log_reader *r, uint32_t segment);
bool log_chunks_parse(struct log_reader *r);
void log_chunks_clear(struct log_reader *r);
void log_chunks_forget(struct log_reader *r); /* what was parsed; the segment stays open */
void log_source_release(struct log_source *s);
/* So many segments were opened, and what the open one has read since is added to the answer's cost.
 */
void log_reader_cost(struct log_reader *r, uint64_t segments);

#endif
