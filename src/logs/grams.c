#include "logs/grams.h"

#include "base/str.h"

enum { HASH_BITS = 20, WORDS = (1 << HASH_BITS) / 64, BITS_EACH = 4, GRAM = 4 };

void grams_init(struct grams *g)
{
	for (int k = 0; k < GRAM_KIND_COUNT; k++)
		g->seen[k] = mem_new(WORDS * sizeof(uint64_t));
}

void grams_release(struct grams *g)
{
	for (int k = 0; k < GRAM_KIND_COUNT; k++)
		free(take(g->seen[k]));
}

void grams_clear(struct grams *g)
{
	for (int k = 0; k < GRAM_KIND_COUNT; k++)
		memset(g->seen[k], 0, WORDS * sizeof(uint64_t));
}

static uint32_t hash_at(const char *s)
{
	uint32_t four;

	memcpy(&four, s, sizeof(four));
	return (four * 2654435761u) >> (32 - HASH_BITS);
}

/* Letters behind f, and what is no ASCII. */
static bool makes_word(char c)
{
	return (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || (c & 0x80);
}

/* `last`: where a sign of a word stood last, as a position behind it; 0: nowhere. */
static enum gram_kind kind_at(size_t i, size_t last)
{
	return last > i ? GRAM_WORD : GRAM_ID;
}

void grams_add(struct grams *g, const char *s, size_t n)
{
	size_t last = 0;

	for (size_t i = 0; i < n; i++) {
		size_t from = i + 1 - GRAM;
		uint32_t h;

		if (makes_word(s[i]))
			last = i + 1;
		if (i + 1 < GRAM)
			continue;
		h = hash_at(s + from);
		g->seen[kind_at(from, last)][h / 64] |= 1ull << h % 64;
	}
}

static uint64_t count(const uint64_t *seen)
{
	uint64_t set = 0;

	for (size_t i = 0; i < WORDS; i++)
		set += (uint64_t)__builtin_popcountll(seen[i]);
	return set;
}

static uint32_t bounded(uint64_t bits, uint64_t most)
{
	return (uint32_t)((bits < most ? bits : most) / 64 * 64);
}

struct gram_bits grams_bits(const struct grams *g, uint64_t bytes)
{
	uint64_t most = bytes * 8 / GRAMS_SHARE;
	struct gram_bits b;

	b.of[GRAM_WORD] = bounded(count(g->seen[GRAM_WORD]) * BITS_EACH, most * 3 / 4);
	b.of[GRAM_ID] = bounded(count(g->seen[GRAM_ID]) * BITS_EACH, most - b.of[GRAM_WORD]);
	return b;
}

static size_t bit_of(uint32_t hash, uint32_t bits)
{
	return (size_t)(((uint64_t)hash * bits) >> HASH_BITS);
}

static void write_kind(const uint64_t *seen, uint8_t *filter, uint32_t bits)
{
	for (size_t i = 0; bits && i < WORDS; i++)
		for (uint64_t word = seen[i]; word; word &= word - 1) {
			size_t at =
			    bit_of((uint32_t)(i * 64 + (size_t)__builtin_ctzll(word)), bits);

			filter[at / 8] |= (uint8_t)(1u << at % 8);
		}
}

void grams_write(const struct grams *g, uint8_t *filter, struct gram_bits bits)
{
	memset(filter, 0, gram_bytes(bits));
	write_kind(g->seen[GRAM_WORD], filter, bits.of[GRAM_WORD]);
	write_kind(g->seen[GRAM_ID], filter + bits.of[GRAM_WORD] / 8, bits.of[GRAM_ID]);
}

static bool is_set(const uint8_t *filter, struct gram_bits bits, enum gram_kind kind, uint32_t hash)
{
	const uint8_t *part = filter + (kind == GRAM_ID ? bits.of[GRAM_WORD] / 8 : 0);
	size_t at = bit_of(hash, bits.of[kind]);

	return bits.of[kind] == 0 || part[at / 8] & 1u << at % 8;
}

static bool may_hold_text(const uint8_t *filter, struct gram_bits bits, const char *s, size_t n)
{
	size_t last = 0;

	for (size_t i = 0; i < n; i++) {
		if (makes_word(s[i]))
			last = i + 1;
		if (i + 1 >= GRAM &&
		    !is_set(filter, bits, kind_at(i + 1 - GRAM, last), hash_at(s + i + 1 - GRAM)))
			return false;
	}
	return true;
}

static bool may_hold_clause(
    const uint8_t *filter, struct gram_bits bits, const struct log_clause *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (may_hold_text(filter, bits, c->any[i].s, c->any[i].n))
			return true;
	return false;
}

bool grams_may_hold(const uint8_t *filter, struct gram_bits bits, const struct log_needles *needles)
{
	for (size_t i = 0; i < needles->n; i++)
		if (!may_hold_clause(filter, bits, &needles->all[i]))
			return false;
	return true;
}
