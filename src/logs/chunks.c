/* chunks.c - one segment's index in memory. */
#include "logs/chunks.h"

#include <fcntl.h>
#include <sys/stat.h>

void log_source_release(struct log_source *s)
{
	free(take(s->action));
	free(take(s->run));
}

static void add_source(struct log_reader *r, const struct slot *s, size_t at, size_t n)
{
	struct log_source *to;
	char text[SLOT_NAMES_MAX * 31 + 1] = "";
	const char *run;

	if (s->names > SLOT_NAMES_MAX || at + s->names >= n)
		return; /* the names are not complete: nothing refers to it */
	for (size_t i = 0; i < s->names; i++) {
		const struct slot_name *name = (const void *)(s + 1 + i);

		memcpy(text + i * sizeof(name->text), name->text, sizeof(name->text));
	}
	run = text + strlen(text) + 1;
	to = vec_push(&r->sources);
	to->number = (uint32_t)at;
	to->attempt = s->source;
	to->job = (int64_t)s->offset;
	to->resumed = s->flags & SLOT_RESUMED;
	to->stream = s->count < LOG_STREAM_COUNT ? (enum log_stream)s->count : LOG_ANY;
	to->action = text_dup(text);
	to->run = text_dup(run < text + sizeof(text) ? run : "");
}

static uint32_t find_source(const struct log_reader *r, uint32_t number)
{
	size_t low = 0, high = r->sources.n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (r->sources.v[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->sources.n && r->sources.v[low].number == number ? (uint32_t)low
									: SOURCE_UNKNOWN;
}

static void add_chunk(struct log_reader *r, const struct slot *s, size_t at, uint64_t size)
{
	struct log_chunk *c;
	uint64_t start = s->offset < size ? s->offset : size;

	if (r->chunks.n > 0)
		r->chunks.v[r->chunks.n - 1].end = start;
	c = vec_push(&r->chunks);
	c->kind = s->kind;
	c->flags = s->flags;
	c->source = find_source(r, s->source);
	c->slot = (uint32_t)at;
	c->time = s->time;
	c->start = start;
	c->end = s->kind == SLOT_END ? start : size;
	c->count = s->count;
}

static void parse(struct log_reader *r, const struct slot *s, size_t n, uint64_t size)
{
	for (size_t i = 0; i < n; i++)
		switch (s[i].kind) {
		case SLOT_SOURCE: add_source(r, &s[i], i, n); break;
		case SLOT_CHUNK:
		case SLOT_END:
		case SLOT_DROP: add_chunk(r, &s[i], i, size); break;
		default: break; /* a name, or a slot of a later version */
		}
}

void log_chunks_clear(struct log_reader *r)
{
	for (size_t i = 0; i < r->sources.n; i++)
		log_source_release(&r->sources.v[i]);
	r->sources.n = r->chunks.n = 0;
	close_at_exit(&r->seg_fd);
	r->seg_fd = -1;
	r->window_n = 0;
	r->hit_to = 0;
}

bool log_chunks_load(struct log_reader *r, uint32_t segment)
{
	char name[LOG_FILE_NAME_MAX];
	struct stat seg, idx;
	auto_fd int fd = -1;
	auto_free struct slot *slots = NULL;
	ssize_t got;

	log_chunks_clear(r);
	log_file_name(name, segment, "seg");
	r->seg_fd = openat(r->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	log_file_name(name, segment, "idx");
	fd = openat(r->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	/* The segment's size first: format.h says why. */
	if (r->seg_fd < 0 || fd < 0 || fstat(r->seg_fd, &seg) < 0 || fstat(fd, &idx) < 0)
		return false;
	slots = mem_grow(NULL, (size_t)idx.st_size, 1);
	got = pread(fd, slots, (size_t)idx.st_size, 0);
	if (got < 0)
		return false;
	log_reader_cost(r, 1, (uint64_t)got);
	parse(r, slots, (size_t)got / sizeof(*slots), (uint64_t)seg.st_size);
	return true;
}
