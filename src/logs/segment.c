#include "logs/segment.h"

#include "base/str.h"
#include "logs/libzstd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { WINDOW_BYTES = 64 << 10, BLOCKS_MAX = 1 << 20 };

uint64_t seal_check(const void *bytes, size_t n, uint64_t seed)
{
	const unsigned char *s = bytes;
	uint64_t h = seed ^ 0xcbf29ce484222325ull;

	for (size_t i = 0; i < n; i++)
		h = (h ^ s[i]) * 0x100000001b3ull;
	return h;
}

uint64_t seal_footer_check(const struct seal_footer *f, const struct log_block *blocks)
{
	return seal_check(f, offsetof(struct seal_footer, check),
	    seal_check(blocks, f->n_blocks * sizeof(*blocks), 1));
}

static bool read_at(int fd, void *to, size_t n, uint64_t at)
{
	return pread(fd, to, n, (off_t)at) == (ssize_t)n;
}

static int open_file(int folder_fd, uint32_t number, const char *suffix)
{
	char name[LOG_FILE_NAME_MAX];

	log_file_name(name, number, suffix);
	return openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static bool is_sane(const struct seal_footer *f, uint64_t file)
{
	return f->magic == SEAL_MAGIC && f->n_blocks && f->n_blocks < BLOCKS_MAX &&
	       f->blocks_at + f->n_blocks * sizeof(struct log_block) + sizeof(*f) == file &&
	       f->filters_at + f->filters_size == f->blocks_at &&
	       f->slots_at + f->slots_size == f->filters_at && f->slots_at < file;
}

static bool blocks_are_sane(const struct log_segment *s)
{
	uint64_t start = 0, at = 0;

	for (size_t i = 0; i < s->foot.n_blocks; i++) {
		const struct log_block *b = &s->blocks[i];

		if ((i ? b->start <= start : b->start != 0) || b->start > s->size || b->at != at ||
		    b->filter_at + (uint64_t)gram_bytes(b->filter) > s->foot.filters_size)
			return false;
		start = b->start;
		at += b->size;
	}
	return at + 8 == s->foot.slots_at;
}

/* Footer and table. */
static bool read_table(struct log_segment *s)
{
	struct seal_footer *f = &s->foot;
	struct stat st;
	size_t n;

	if (fstat(s->fd, &st) < 0 || (size_t)st.st_size < sizeof(*f) ||
	    !read_at(s->fd, f, sizeof(*f), (uint64_t)st.st_size - sizeof(*f)) ||
	    !is_sane(f, (uint64_t)st.st_size))
		return false;
	n = f->n_blocks * sizeof(*s->blocks);
	s->blocks = mem_grow(NULL, f->n_blocks, sizeof(*s->blocks));
	s->size = f->bytes;
	s->cost += n + sizeof(*f);
	return read_at(s->fd, s->blocks, n, f->blocks_at) &&
	       seal_footer_check(f, s->blocks) == f->check && blocks_are_sane(s);
}

static bool open_sealed(struct log_segment *s, int folder_fd, uint32_t number)
{
	s->fd = open_file(folder_fd, number, "zst");
	s->sealed = true;
	if (s->fd >= 0 && read_table(s))
		return true;
	log_segment_close(s);
	return false;
}

bool log_segment_open(struct log_segment *s, int folder_fd, uint32_t number)
{
	struct stat st;

	*s = (struct log_segment){.number = number};
	s->fd = open_file(folder_fd, number, "seg");
	if (s->fd < 0)
		return open_sealed(s, folder_fd, number);
	if (fstat(s->fd, &st) == 0) {
		s->size = (uint64_t)st.st_size;
		return true;
	}
	log_segment_close(s);
	return false;
}

void log_segment_close(struct log_segment *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->blocks);
	free(s->filters);
	free(s->packed);
	*s = (struct log_segment){.fd = -1};
}

static bool raw_slots(struct log_segment *s, int fd, struct slot **out, size_t *n)
{
	struct stat st;
	auto_free struct slot *slots = NULL;
	ssize_t got;

	if (fstat(fd, &st) < 0)
		return false;
	slots = mem_grow(NULL, (size_t)st.st_size + 1, 1);
	got = pread(fd, slots, (size_t)st.st_size, 0);
	if (got < 0)
		return false;
	s->cost += (uint64_t)got;
	*n = (size_t)got / sizeof(*slots);
	*out = take(slots);
	return true;
}

/* A frame of the file, unpacked to exactly `n` bytes. */
static bool unpack(struct log_segment *s, uint64_t at, size_t size, void *to, size_t n)
{
	struct error e;
	const struct zstd *z = zstd_load(&e);

	if (!z)
		return false;
	s->packed = mem_grow(s->packed, size + 1, 1);
	s->cost += n;
	return read_at(s->fd, s->packed, size, at) &&
	       z->ZSTD_decompress(to, n, s->packed, size) == n;
}

bool log_segment_slots(struct log_segment *s, int folder_fd, struct slot **out, size_t *n)
{
	auto_fd int fd = s->sealed ? -1 : open_file(folder_fd, s->number, "idx");
	uint32_t number = s->number;
	uint64_t cost = s->cost;
	auto_free struct slot *slots = NULL;

	if (fd >= 0)
		return raw_slots(s, fd, out, n);
	if (!s->sealed) { /* it was sealed between the two */
		log_segment_close(s);
		if (!open_sealed(s, folder_fd, number))
			return false;
		s->number = number;
		s->cost += cost;
	}
	slots = mem_grow(NULL, s->foot.n_slots + 1, sizeof(*slots));
	if (!unpack(
		s, s->foot.slots_at, s->foot.slots_size, slots, s->foot.n_slots * sizeof(*slots)))
		return false;
	*n = s->foot.n_slots;
	*out = take(slots);
	return true;
}

const uint8_t *log_segment_filters(struct log_segment *s)
{
	if (s->filters)
		return s->filters;
	s->filters = mem_grow(NULL, s->foot.filters_size + 1, 1);
	s->cost += s->foot.filters_size;
	if (!read_at(s->fd, s->filters, s->foot.filters_size, s->foot.filters_at))
		free(take(s->filters));
	return s->filters;
}

size_t log_segment_block(const struct log_segment *s, uint64_t offset)
{
	size_t low = 0, high = s->foot.n_blocks;

	while (high - low > 1) {
		size_t mid = (low + high) / 2;

		if (s->blocks[mid].start <= offset)
			low = mid;
		else
			high = mid;
	}
	return low;
}

uint64_t log_segment_block_end(const struct log_segment *s, size_t block)
{
	return block + 1 < s->foot.n_blocks ? s->blocks[block + 1].start : s->size;
}

static bool sealed_window(
    struct log_segment *s, uint64_t at, char **window, size_t *cap, uint64_t *from, size_t *n)
{
	size_t i = log_segment_block(s, at);
	const struct log_block *b = &s->blocks[i];
	size_t size = (size_t)(log_segment_block_end(s, i) - b->start);

	if (size > *cap) {
		*window = mem_grow(*window, size, 1);
		*cap = size;
	}
	*from = b->start;
	*n = size;
	return at < s->size && unpack(s, b->at, b->size, *window, size);
}

bool log_segment_window(
    struct log_segment *s, uint64_t at, char **window, size_t *cap, uint64_t *from, size_t *n)
{
	ssize_t got;

	if (s->sealed)
		return sealed_window(s, at, window, cap, from, n);
	if (*cap < WINDOW_BYTES) {
		*window = mem_grow(*window, WINDOW_BYTES, 1);
		*cap = WINDOW_BYTES;
	}
	got = pread(s->fd, *window, WINDOW_BYTES, (off_t)at);
	if (got <= 0)
		return false;
	s->cost += (uint64_t)got;
	*from = at;
	*n = (size_t)got;
	return true;
}

bool log_sealed_footer(int folder_fd, uint32_t number, struct seal_footer *out)
{
	struct log_segment s = {0};

	if (!open_sealed(&s, folder_fd, number))
		return false;
	*out = s.foot;
	log_segment_close(&s);
	return true;
}
