#include "logs/seal.h"

#include "logs/chunks.h"
#include "logs/grams.h"
#include "logs/libzstd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { LEVEL = 3 };

/* One segment on its way. */
struct seal {
	const struct zstd *zstd;
	ZSTD_CCtx *context;
	struct log_reader reader;
	struct log_segment raw; /* the segment, for its bytes */
	int fd;			/* of the new file */
	uint64_t at;
	struct {
		struct log_block *v;
		size_t n, cap;
	} blocks;
	struct seal_footer foot;
	struct grams grams;
	struct {
		uint8_t *v;
		size_t n;
	} filters;
	char *plain, *packed;
	struct error *e;
};

static bool write_all(struct seal *s, const void *bytes, size_t n)
{
	const char *at = bytes;

	for (size_t done = 0; done < n;) {
		ssize_t w = pwrite(s->fd, at + done, n - done, (off_t)(s->at + done));

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			error_sys(s->e, w < 0 ? errno : ENOSPC, "log of %s: write a sealed segment",
			    s->reader.name);
			return false;
		}
		done += (size_t)w;
	}
	s->at += n;
	return true;
}

/* Bytes as one frame; its size is left in *size. */
static bool write_frame(struct seal *s, const void *bytes, size_t n, uint32_t *size)
{
	size_t room = s->zstd->ZSTD_compressBound(n), used;
	char *packed = s->packed = mem_grow(s->packed, room, 1);

	used = s->zstd->ZSTD_compressCCtx(s->context, packed, room, bytes, n, LEVEL);
	if (s->zstd->ZSTD_isError(used)) {
		error_set(s->e, ERR_SYSTEM, "log of %s: zstd: %s", s->reader.name,
		    s->zstd->ZSTD_getErrorName(used));
		return false;
	}
	*size = (uint32_t)used;
	return write_all(s, packed, used);
}

/* ---- lines of a block: what they hold, and when ------------------------------------------- */

static void note_line(struct seal *s, struct log_block *b, const struct log_line *l)
{
	grams_add(&s->grams, l->bytes, l->n);
	if (b->min_time > b->max_time) {
		b->min_time = b->max_time = l->time;
		return;
	}
	b->min_time = l->time < b->min_time ? l->time : b->min_time;
	b->max_time = l->time > b->max_time ? l->time : b->max_time;
}

static void keep_filter(struct seal *s, struct log_block *b, uint64_t bytes)
{
	struct gram_bits bits = grams_bits(&s->grams, bytes);

	s->filters.v = mem_grow(s->filters.v, s->filters.n + gram_bytes(bits) + 1, 1);
	grams_write(&s->grams, s->filters.v + s->filters.n, bits);
	b->filter_at = (uint32_t)s->filters.n;
	b->filter = bits;
	s->filters.n += gram_bytes(bits);
}

static bool store_block(struct seal *s, struct log_block *b, size_t n)
{
	if (pread(s->raw.fd, s->plain, n, (off_t)b->start) != (ssize_t)n) {
		error_sys(s->e, errno ? errno : EIO, "log of %s: read", s->reader.name);
		return false;
	}
	b->at = s->at;
	return write_frame(s, s->plain, n, &b->size);
}

/* Where the lines begin that are open where the reader is; at a border between segments, when none
 * is: behind it. */
static struct log_place open_from(const struct seal *s, struct log_place behind)
{
	const struct log_reader *r = &s->reader;
	struct log_place open = log_reader_resume(r);
	bool none = open.segment == r->at.segment && open.offset == r->at.offset;

	return none && r->chunk == r->chunks.n ? behind : open;
}

/* Read up to `end` of the segment, and take what was read as one block. */
static bool take_block(struct seal *s, uint64_t start, uint64_t end)
{
	struct log_reader *r = &s->reader;
	struct log_place open = open_from(s, (struct log_place){.segment = s->raw.number});
	struct log_block *b = vec_push(&s->blocks);
	struct log_line line;

	*b = (struct log_block){.start = start,
	    .min_time = INT64_MAX,
	    .resume_segment = open.segment,
	    .resume_offset = open.offset};
	grams_clear(&s->grams);
	r->until = (struct log_place){.segment = s->raw.number, .offset = end};
	r->paused = false;
	while (log_reader_next(r, &line))
		note_line(s, b, &line);
	keep_filter(s, b, end - start);
	return store_block(s, b, (size_t)(end - start));
}

static bool take_blocks(struct seal *s)
{
	uint64_t size = s->raw.size;

	s->foot.bytes = size;
	s->foot.min_time = INT64_MAX;
	for (uint64_t at = 0; at < size; at += SEAL_BLOCK_BYTES) {
		uint64_t end = at + SEAL_BLOCK_BYTES < size ? at + SEAL_BLOCK_BYTES : size;
		const struct log_block *b;

		if (!take_block(s, at, end))
			return false;
		b = &s->blocks.v[s->blocks.n - 1];
		if (b->min_time > b->max_time)
			continue;
		s->foot.min_time = b->min_time < s->foot.min_time ? b->min_time : s->foot.min_time;
		s->foot.max_time = b->max_time > s->foot.max_time ? b->max_time : s->foot.max_time;
	}
	return true;
}

/* ---- behind the blocks ---------------------------------------------------------------------- */

static bool write_slots(struct seal *s)
{
	struct log_segment again = {.fd = -1};
	auto_free struct slot *slots = NULL;
	size_t n;
	bool done;

	again.number = s->raw.number;
	done = log_segment_slots(&again, s->reader.folder_fd, &slots, &n);
	log_segment_close(&again);
	if (!done) {
		error_set(s->e, ERR_SYSTEM, "log of %s: read the index", s->reader.name);
		return false;
	}
	s->foot.slots_at = s->at;
	s->foot.n_slots = (uint32_t)n;
	return write_frame(s, slots, n * sizeof(*slots), &s->foot.slots_size);
}

static bool write_rest(struct seal *s)
{
	struct log_place open = open_from(s, (struct log_place){.segment = s->raw.number + 1});
	uint32_t head[2] = {SEAL_SKIPPABLE, 0};
	uint64_t skipped = s->at;
	struct seal_footer *f = &s->foot;

	if (!write_all(s, head, sizeof(head)) || !write_slots(s))
		return false;
	f->filters_at = s->at;
	f->filters_size = (uint32_t)s->filters.n;
	f->n_blocks = (uint32_t)s->blocks.n;
	f->resume_segment = open.segment;
	f->resume_offset = open.offset;
	if (s->filters.n && !write_all(s, s->filters.v, s->filters.n))
		return false;
	f->blocks_at = s->at;
	f->magic = SEAL_MAGIC;
	f->check = seal_footer_check(f, s->blocks.v);
	if (!write_all(s, s->blocks.v, s->blocks.n * sizeof(*s->blocks.v)) ||
	    !write_all(s, f, sizeof(*f)))
		return false;
	head[1] = (uint32_t)(s->at - skipped - sizeof(head));
	return pwrite(s->fd, head, sizeof(head), (off_t)skipped) == sizeof(head);
}

/* The lines that are open at the beginning of the segment are known from the sealed one before. */
static bool open_reader(struct seal *s, const char *dir, const char *name, uint32_t number)
{
	static const struct log_filter all;
	struct log_reader *r = &s->reader;
	struct seal_footer before;
	struct log_line line;

	if (!log_reader_open_folder(r, dir, name, &all))
		return false;
	r->last = number;
	r->pauses = true;
	r->at.segment = number;
	if (number > r->first && log_sealed_footer(r->folder_fd, number - 1, &before)) {
		r->at.segment = before.resume_segment;
		r->at.offset = before.resume_offset;
	} else if (number > r->first) {
		r->at.segment = number - 1;
	}
	if (r->at.segment < r->first)
		r->at = (struct log_place){.segment = number};
	r->until = (struct log_place){.segment = number - 1, .offset = UINT64_MAX};
	if (!log_chunks_load(r, r->at.segment))
		return false;
	/* What ends before belongs to others. */
	while (r->at.segment < number && log_reader_next(r, &line))
		;
	return log_segment_open(&s->raw, r->folder_fd, number) && !s->raw.sealed && s->raw.size > 0;
}

static bool write_segment(struct seal *s, const char *dir, const char *name, uint32_t number)
{
	if (!open_reader(s, dir, name, number)) {
		error_set(s->e, ERR_NOT_FOUND, "log of %s: segment %u is gone", name, number);
		return false;
	}
	s->fd = openat(s->reader.folder_fd, SEAL_TMP, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (s->fd < 0) {
		error_sys(s->e, errno, "log of %s: open %s", name, SEAL_TMP);
		return false;
	}
	if (take_blocks(s) && write_rest(s) && fdatasync(s->fd) == 0)
		return true;
	if (!s->e->code)
		error_sys(s->e, errno, "log of %s: write a sealed segment", name);
	unlinkat(s->reader.folder_fd, SEAL_TMP, 0);
	return false;
}

enum err seal_write(
    const char *dir, const char *name, uint32_t number, struct seal_footer *out, struct error *e)
{
	struct seal s = {
	    .fd = -1, .reader.folder_fd = -1, .reader.seg.fd = -1, .raw.fd = -1, .e = e};

	*e = (struct error){0};
	s.zstd = zstd_load(e);
	if (!s.zstd)
		return e->code;
	s.context = s.zstd->ZSTD_createCCtx();
	s.plain = mem_new(SEAL_BLOCK_BYTES);
	grams_init(&s.grams);
	if (write_segment(&s, dir, name, number))
		*out = s.foot;
	if (s.fd >= 0)
		close(s.fd);
	log_segment_close(&s.raw);
	log_reader_close(&s.reader);
	s.zstd->ZSTD_freeCCtx(s.context);
	grams_release(&s.grams);
	free(s.blocks.v);
	free(s.filters.v);
	free(s.plain);
	free(s.packed);
	return e->code;
}
