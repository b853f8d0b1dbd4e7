/* chunks.h - one segment's index in memory; for reader.c only. */
#ifndef HP_LOGS_CHUNKS_H
#define HP_LOGS_CHUNKS_H

#include "logs/reader.h"

#define SOURCE_UNKNOWN UINT32_MAX /* its bytes are skipped */

/* Open a segment and read its index into r->chunks and r->sources; false when
 * it is gone (a quota may remove it at any time). */
bool log_chunks_load(struct log_reader *r, uint32_t segment);
void log_chunks_clear(struct log_reader *r);
void log_source_release(struct log_source *s);
/* Add to the cost of the answer. */
void log_reader_cost(const struct log_reader *r, uint64_t segments, uint64_t bytes);

#endif
