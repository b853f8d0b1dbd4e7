/*
 * zone.h - the rules of one time zone: which offset from UTC holds at which instant.
 *
 * Read from a TZif file (RFC 8536), whose bytes the caller supplies; instants behind its
 * last transition follow the POSIX rule in its footer.  Pure: opens nothing, reads no clock.
 *
 * Times are seconds since 1970-01-01T00:00:00Z, offsets are seconds east of UTC.
 * Depends on: base.
 */
#ifndef HP_SCHEDULE_ZONE_H
#define HP_SCHEDULE_ZONE_H

#include "base/error.h"

struct zone;

/* ERR_INVALID: no TZif, or one that is broken.  The caller frees. */
enum err zone_read(const void *bytes, size_t n, struct zone **out, struct error *e) attr_must_use;
struct zone *zone_utc(void);
void zone_free(struct zone *z);

/* A stretch of time with one offset: `start` <= t < `end`. */
struct zone_span {
	int64_t start, end; /* INT64_MIN, INT64_MAX: has none */
	int32_t offset;
	int32_t before; /* the offset of the span that ends at `start` */
};
struct zone_span zone_span_at(const struct zone *z, int64_t t);

#endif
