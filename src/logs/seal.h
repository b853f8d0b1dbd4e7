/*
 * seal.h - a closed segment becomes a smaller one with filters (segment.h).
 *
 * On any thread, while its folder is written and read.  At most one block, one index and what zstd
 * needs for a block are in memory: SEAL_MEMORY_BYTES and the slots of the segment (its .idx).
 *
 * Depends on: base, reader.h, grams.h, libzstd.h.
 */
#ifndef HP_LOGS_SEAL_H
#define HP_LOGS_SEAL_H

#include "logs/segment.h"

#define SEAL_MEMORY_BYTES (4u << 20)

#define SEAL_TMP "sealing.tmp" /* in the folder of the service */

/* Write SEAL_TMP for segment `number` of the service folder `name`: whole and synced, for the
 * writer of the folder to rename.  Failed: it is not there. */
enum err seal_write(
    const char *dir, const char *name, uint32_t number, struct seal_footer *out, struct error *e);

#endif
