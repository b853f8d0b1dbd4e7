/*
 * seek.c - where a reader begins, and what it leaves out.
 *
 * A reader comes to a border: the end of a block of a sealed segment, or of a segment.  Behind it,
 * it goes on with the next block or segment that may hold a wanted line.  When that is not the
 * very next one, it jumps: to where the lines begin that are open there (log_block.resume), and
 * gives none that ends before.
 */
#include "logs/chunks.h"
#include "logs/grams.h"

#include <fcntl.h>
#include <sys/stat.h>

#define TO_THE_END UINT64_MAX

static uint64_t read_gone(int folder)
{
	auto_fd int fd = openat(folder, "dropped", O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	return fd >= 0 && pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtoull(text, NULL, 10) : 0;
}

bool log_reader_open_folder(
    struct log_reader *r, const char *dir, const char *name, const struct log_filter *f)
{
	auto_free char *path = text_fmt("%s/%s", dir, name);
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct log_extent x;

	if (folder < 0)
		return false;
	x = log_folder_scan(folder, false);
	*r = (struct log_reader){
	    .filter = f, .folder_fd = folder, .seg.fd = -1, .spare.fd = -1, .whole = true};
	r->name = text_dup(name);
	r->first = x.first;
	r->last = x.last;
	catalog_read(&r->catalog, folder);
	if (f->cost)
		f->cost->bytes_read += r->catalog.n * sizeof(struct catalog_row);
	if (f->needles && !f->context)
		r->needle = log_needles_best(f->needles);
	return true;
}

/* ---- what may hold a wanted line ---------------------------------------------------------- */

static bool may_skip(const struct log_reader *r)
{
	const struct log_filter *f = r->filter;

	return !f->context && (f->since || f->until || r->needle);
}

static bool in_range(const struct log_filter *f, usec_wall min, usec_wall max)
{
	return min <= max && (!f->since || max >= f->since) && (!f->until || min <= f->until);
}

static bool block_may_match(struct log_reader *r, size_t block)
{
	const struct log_block *b = &r->seg.blocks[block];
	const uint8_t *filters;

	if (!may_skip(r))
		return true;
	if (!in_range(r->filter, b->min_time, b->max_time))
		return false;
	filters = r->needle ? log_segment_filters(&r->seg) : NULL;
	log_reader_cost(r, 0);
	return !filters || grams_may_hold(filters + b->filter_at, b->filter, r->filter->needles);
}

/* From block `from` of the open segment on; false: no block may match. */
static bool find_block(struct log_reader *r, size_t from, size_t *out)
{
	for (*out = from; r->seg.sealed && *out < r->seg.foot.n_blocks; ++*out)
		if (block_may_match(r, *out))
			return true;
	return !r->seg.sealed;
}

/* ---- jumping ------------------------------------------------------------------------------- */

static struct log_place begin_of(const struct log_reader *r, size_t block)
{
	return (struct log_place){
	    .segment = r->seg.number, .offset = r->seg.sealed ? r->seg.blocks[block].start : 0};
}

static struct log_place end_of(const struct log_reader *r, size_t block)
{
	return (struct log_place){.segment = r->seg.number,
	    .offset =
		r->seg.sealed && may_skip(r) ? log_segment_block_end(&r->seg, block) : TO_THE_END};
}

/* To a block of the open segment; `open_from`: from where to read to know what is open there. */
static bool jump(struct log_reader *r, size_t block, struct log_place open_from)
{
	struct log_place begin = begin_of(r, block), before = begin;
	uint32_t number = r->seg.number;

	r->until = end_of(r, block);
	log_reader_forget(r);
	r->exact = true;
	before.nth = begin.offset ? UINT32_MAX : 0;
	if (log_place_before(r->skip, before))
		r->skip = before;
	if (open_from.segment < r->first || !open_from.segment)
		open_from = begin;
	r->at = open_from;
	if (open_from.segment == number)
		return log_chunks_parse(r);
	log_segment_close(&r->spare);
	r->spare = r->seg;
	r->seg = (struct log_segment){.fd = -1};
	if (log_chunks_load(r, open_from.segment))
		return true;
	r->at = begin;
	return log_chunks_load(r, number);
}

static struct log_place resume_of(const struct log_reader *r, size_t block, struct log_place carry)
{
	if (!r->seg.sealed)
		return carry;
	return (struct log_place){.segment = r->seg.blocks[block].resume_segment,
	    .offset = r->seg.blocks[block].resume_offset};
}

/* The first segment from `number` on that may match.  Skipped: some were left out before it. */
static bool seek_segment(struct log_reader *r, uint32_t number, bool skipped)
{
	const struct catalog_row *former = catalog_find(&r->catalog, number - 1);
	struct log_place carry = {0};
	size_t block;

	if (former) {
		carry.segment = former->resume_segment;
		carry.offset = former->resume_offset;
	}
	for (; number <= r->last; number++) {
		const struct catalog_row *row = catalog_find(&r->catalog, number);

		if (row && may_skip(r) && !in_range(r->filter, row->min_time, row->max_time)) {
			carry.segment = row->resume_segment;
			carry.offset = row->resume_offset;
			skipped = true;
			continue;
		}
		if (!log_chunks_open(r, number))
			continue;
		if (find_block(r, 0, &block))
			break;
		carry.segment = r->seg.foot.resume_segment;
		carry.offset = r->seg.foot.resume_offset;
		skipped = true;
	}
	if (number > r->last)
		return false;
	if (skipped || block > 0)
		return jump(r, block, resume_of(r, block, carry));
	r->at = begin_of(r, block);
	r->until = end_of(r, block);
	return log_chunks_parse(r) || seek_segment(r, number + 1, false);
}

bool log_reader_seek(struct log_reader *r)
{
	size_t here, block;

	if (r->pauses)
		return r->paused = true, false;
	if (r->chunk == r->chunks.n)
		return seek_segment(r, r->at.segment + 1, false);
	here = r->seg.sealed ? log_segment_block(&r->seg, r->at.offset) : 0;
	if (!find_block(r, here, &block))
		return seek_segment(r, r->at.segment + 1, true);
	if (block != here) {
		log_chunks_forget(r);
		return jump(r, block, resume_of(r, block, r->at));
	}
	r->until = end_of(r, block);
	return true;
}

/* ---- where it begins ------------------------------------------------------------------------ */

bool log_reader_open(struct log_reader *r, const char *dir, const char *name,
    const struct log_filter *f, struct log_mark from)
{
	if (!log_reader_open_folder(r, dir, name, f))
		return false;
	/* Of numbers that are not there yet the folder knows nothing: it is another one. */
	if (from.end.segment > r->last)
		from = (struct log_mark){0};
	r->skip = from.end;
	if (from.resume.segment < r->first || !from.resume.segment) {
		if (!from.resume.segment)
			r->gone = read_gone(r->folder_fd);
		r->at.segment = r->first;
		r->mark = from.end.segment ? from : (struct log_mark){r->at, r->at};
		if (r->first && !seek_segment(r, r->first, false))
			r->at.segment = r->last;
		return true;
	}
	r->mark = from;
	r->at = from.resume;
	r->until = from.end;
	log_chunks_load(r, r->at.segment);
	return true;
}

static uint64_t segment_size(const struct log_reader *r, uint32_t segment)
{
	const struct catalog_row *row = catalog_find(&r->catalog, segment);
	struct seal_footer foot;
	char name[LOG_FILE_NAME_MAX];
	struct stat st;

	if (row)
		return row->bytes;
	log_file_name(name, segment, "seg");
	if (fstatat(r->folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return (uint64_t)st.st_size;
	return log_sealed_footer(r->folder_fd, segment, &foot) ? foot.bytes : 0;
}

/* Begin with the chunk that holds `offset`. */
static void begin_at_chunk(struct log_reader *r)
{
	r->start_segment = r->at.segment;
	r->start_slot = r->chunks.v[r->chunk].slot;
	r->at.offset = r->chunks.v[r->chunk].start;
	r->complete_from = r->until = r->at;
}

/* Begin with the block that holds `offset`: what is open there is known. */
static void begin_at_block(struct log_reader *r)
{
	size_t block = log_segment_block(&r->seg, r->at.offset);
	struct log_place begin = begin_of(r, block);

	r->complete_from = begin;
	r->complete_from.nth = UINT32_MAX;
	if (jump(r, block, resume_of(r, block, begin)))
		r->until = begin; /* whether it is read is asked there */
}

/* Begin about `offset` of the segment at r->at. */
static void begin_at(struct log_reader *r, uint64_t offset)
{
	if (!log_chunks_open(r, r->at.segment) || !log_chunks_parse(r) || !r->chunks.n)
		return;
	while (r->chunk + 1 < r->chunks.n && r->chunks.v[r->chunk + 1].start <= offset)
		r->chunk++;
	r->whole = false;
	r->complete_after = r->chunks.v[r->chunk].time;
	r->at.offset = offset;
	if (!r->seg.sealed) {
		begin_at_chunk(r);
		return;
	}
	log_chunks_forget(r);
	begin_at_block(r);
}

/* Where to begin to go back from: the last segment that may hold what is wanted before `stop`.  All
 * behind it is looked at anyway, so the open one, which has no row, can be stepped over. */
static uint32_t last_segment(const struct log_reader *r)
{
	uint32_t end = r->stop.segment && r->stop.segment < r->last ? r->stop.segment : r->last;
	const struct catalog_row *row;
	uint32_t n = end;

	while (n > r->first && r->filter->until) {
		row = catalog_find(&r->catalog, n);
		if (row ? row->min_time <= r->filter->until : n != r->last)
			break;
		n--;
	}
	return n;
}

/* Nothing before this segment is wanted. */
static bool is_before_range(const struct log_reader *r, uint32_t segment)
{
	const struct catalog_row *row = catalog_find(&r->catalog, segment);

	return row && r->filter->since && row->highest < r->filter->since;
}

bool log_reader_open_back(struct log_reader *r, const char *dir, const char *name,
    const struct log_filter *f, uint64_t back, struct log_place stop)
{
	uint64_t size;
	uint32_t n;

	if (!log_reader_open_folder(r, dir, name, f))
		return false;
	r->stop = stop;
	n = last_segment(r);
	size = stop.segment == n ? stop.offset : segment_size(r, n);
	while (size < back && n > r->first && !is_before_range(r, n - 1)) {
		back -= size;
		size = segment_size(r, --n);
	}
	r->at.segment = n;
	if (size >= back && n) {
		begin_at(r, size - back);
	} else if (n) {
		if (n == r->first && (!stop.segment || log_place_before(r->at, stop)))
			r->gone = read_gone(r->folder_fd);
		if (!seek_segment(r, n, n > r->first))
			r->at.segment = r->last;
	}
	r->mark = (struct log_mark){r->at, r->at};
	return true;
}
