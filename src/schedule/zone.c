#include "schedule/zone.h"

#include "base/str.h"
#include "schedule/civil.h"
#include "schedule/posix_rule.h"

#define HEADER_BYTES 44
#define COUNT_MOST   100000 /* transitions; today's files have below 1,000 */

struct change {
	int64_t at;
	int32_t offset; /* from then on */
};

struct zone {
	struct change *v;
	size_t n;
	int32_t first; /* offset before v[0] */
	bool has_rule;
	struct posix_rule rule; /* behind v[n - 1] */
};

struct zone *zone_utc(void)
{
	return mem_new(sizeof(struct zone));
}

void zone_free(struct zone *z)
{
	if (z)
		free(z->v);
	free(z);
}

/* RFC 8536 3.1: big-endian */
static int64_t read_be(const unsigned char *p, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return bytes == 8 ? (int64_t)v : (int64_t)(int32_t)(uint32_t)v;
}

struct counts {
	size_t utc, std, leap, time, type, chars;
};

static bool read_counts(const unsigned char *p, size_t n, struct counts *c)
{
	if (n < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
		return false;
	size_t *const fields[] = {&c->utc, &c->std, &c->leap, &c->time, &c->type, &c->chars};
	for (size_t i = 0; i < countof(fields); i++) {
		const int64_t v = read_be(p + 20 + i * 4, 4);
		if (v < 0 || v > COUNT_MOST)
			return false;
		*fields[i] = (size_t)v;
	}
	return c->type > 0;
}

static size_t body_bytes(const struct counts *c, size_t time_bytes)
{
	return c->time * (time_bytes + 1) + c->type * 6 + c->chars + c->leap * (time_bytes + 4) +
	       c->std + c->utc;
}

/* `p` is behind the header, and everything that the counts promise is there. */
static bool read_changes(struct zone *z, const unsigned char *p, const struct counts *c)
{
	const unsigned char *indices = p + c->time * 8, *types = indices + c->time;

	z->first = (int32_t)read_be(types, 4);
	z->v = mem_grow(NULL, c->time + 1, sizeof(*z->v));
	for (size_t i = 0; i < c->time; i++) {
		if (indices[i] >= c->type)
			return false;
		z->v[i].at = read_be(p + i * 8, 8);
		z->v[i].offset = (int32_t)read_be(types + (size_t)indices[i] * 6, 4);
		if (i && z->v[i].at <= z->v[i - 1].at)
			return false;
	}
	z->n = c->time;
	return true;
}

static bool read_footer(struct zone *z, const unsigned char *p, size_t n)
{
	const unsigned char *end = n > 1 && *p == '\n' ? memchr(p + 1, '\n', n - 1) : NULL;

	if (!end)
		return false;
	auto_free char *text = text_dup_n((const char *)p + 1, (size_t)(end - p - 1));
	if (!*text)
		return true;
	z->has_rule = true;
	return posix_rule_parse(text, &z->rule);
}

/* Version 1 has 32-bit times and comes first; a file without a second part is not supported,
 * nobody has written one for years. */
static bool read_file(struct zone *z, const unsigned char *p, size_t n)
{
	struct counts c;

	if (!read_counts(p, n, &c) || p[4] < '2' || n - HEADER_BYTES < body_bytes(&c, 4))
		return false;
	const size_t skipped = HEADER_BYTES + body_bytes(&c, 4);
	p += skipped;
	n -= skipped;
	if (!read_counts(p, n, &c) || n - HEADER_BYTES < body_bytes(&c, 8))
		return false;
	const size_t whole = HEADER_BYTES + body_bytes(&c, 8);
	return read_changes(z, p + HEADER_BYTES, &c) && read_footer(z, p + whole, n - whole);
}

enum err zone_read(const void *bytes, size_t n, struct zone **out, struct error *e)
{
	struct zone *z = mem_new(sizeof(*z));

	if (!read_file(z, bytes, n)) {
		zone_free(z);
		return error_set(e, ERR_INVALID, "not a time zone file (TZif, RFC 8536)");
	}
	*out = z;
	return ERR_OK;
}

/* How many changes are not later than t. */
static size_t changes_until(const struct zone *z, int64_t t)
{
	size_t low = 0, high = z->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (z->v[middle].at <= t)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The changes by rule around t: of three years, ordered; the last one not later than t begins the
 * span. */
static struct zone_span span_by_rule(const struct posix_rule *r, int64_t t)
{
	const int64_t year = civil_of_days(civil_days_of(t)).year;
	struct change v[6];
	size_t n = 0, i = 0;

	for (int64_t y = year - 1; y <= year + 1; y++) {
		const struct change summer = {posix_rule_to_summer(r, y), r->summer};
		const struct change standard = {posix_rule_to_standard(r, y), r->standard};
		const bool north = summer.at < standard.at;
		v[n++] = north ? summer : standard;
		v[n++] = north ? standard : summer;
	}
	while (i + 1 < n && v[i + 1].at <= t)
		i++;
	const int32_t other = v[i].offset == r->summer ? r->standard : r->summer;
	return (struct zone_span){v[i].at, i + 1 < n ? v[i + 1].at : INT64_MAX, v[i].offset, other};
}

static int32_t offset_before(const struct zone *z, size_t i)
{
	return i == 0 ? z->first : z->v[i - 1].offset;
}

/* Behind the last change of the table. */
static struct zone_span span_behind(const struct zone *z, int64_t t)
{
	const int64_t last = z->n ? z->v[z->n - 1].at : INT64_MIN;
	const int32_t offset = z->n ? z->v[z->n - 1].offset : z->first;
	struct zone_span s = {last, INT64_MAX, offset, z->n ? offset_before(z, z->n - 1) : offset};

	if (!z->has_rule)
		return s;
	if (!z->rule.has_summer) {
		s.offset = z->rule.standard;
		return s;
	}
	s = span_by_rule(&z->rule, t);
	if (s.start < last) { /* the rule begins where the table ends */
		s.start = last;
		s.before = offset_before(z, z->n - 1);
	}
	return s;
}

struct zone_span zone_span_at(const struct zone *z, int64_t t)
{
	const size_t i = changes_until(z, t);

	if (i == z->n)
		return span_behind(z, t);
	return (struct zone_span){i ? z->v[i - 1].at : INT64_MIN, z->v[i].at,
	    i ? z->v[i - 1].offset : z->first, i ? offset_before(z, i - 1) : z->first};
}
