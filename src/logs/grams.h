/*
 * grams.h - what may stand in a block of lines, in a few bits.
 *
 * Every four bytes in a row of every line set one bit of a filter.  A text is looked for by its own
 * fours: one whose bit is not set is not there, and neither is the text.  Fours of which a word is
 * made (they have a letter behind f) and those of numbers, identifiers and signs have a part each:
 * the latter are many and different in every line, and would fill the bits of the former.
 *
 * Built for a block when a segment is closed; at most one part in GRAMS_SHARE of the bytes that
 * it speaks of.  Depends on: base, needles.h.
 */
#ifndef HP_LOGS_GRAMS_H
#define HP_LOGS_GRAMS_H

#include "logs/needles.h"

#define GRAMS_SHARE 64 /* 1.6 % */

enum gram_kind { GRAM_WORD, GRAM_ID, GRAM_KIND_COUNT };

/* How many bits a filter has for each kind: a multiple of 64; 0: none is kept. */
struct gram_bits {
	uint32_t of[GRAM_KIND_COUNT];
};
static inline size_t gram_bytes(struct gram_bits b)
{
	return ((size_t)b.of[GRAM_WORD] + b.of[GRAM_ID]) / 8;
}

/* While it is built: for each kind a bit for each of 2^20 hashes. */
struct grams {
	uint64_t *seen[GRAM_KIND_COUNT];
};
void grams_init(struct grams *g);
void grams_release(struct grams *g);
void grams_clear(struct grams *g);
void grams_add(struct grams *g, const char *s, size_t n);

/* For a block of so many bytes. */
struct gram_bits grams_bits(const struct grams *g, uint64_t bytes);
void grams_write(const struct grams *g, uint8_t *filter, struct gram_bits bits);

/* Can a line of the block have a text of every clause? */
bool grams_may_hold(
    const uint8_t *filter, struct gram_bits bits, const struct log_needles *needles);

#endif
