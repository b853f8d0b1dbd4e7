/* chunks.c - one segment's index in memory. */
#include "logs/chunks.h"

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

void log_reader_cost(struct log_reader *r, uint64_t segments)
{
	uint64_t bytes = r->seg.cost;

	r->seg.cost = 0;
	if (!r->filter->cost)
		return;
	r->filter->cost->segments_opened += segments;
	r->filter->cost->bytes_read += bytes;
}

void log_chunks_forget(struct log_reader *r)
{
	for (size_t i = 0; i < r->sources.n; i++)
		log_source_release(&r->sources.v[i]);
	r->sources.n = r->chunks.n = r->chunk = 0;
}

void log_chunks_clear(struct log_reader *r)
{
	log_chunks_forget(r);
	log_segment_close(&r->seg);
	r->window_n = 0;
	r->hit_to = 0;
}

bool log_chunks_open(struct log_reader *r, uint32_t segment)
{
	log_chunks_clear(r);
	if (r->spare.fd >= 0 && r->spare.number == segment) {
		r->seg = r->spare;
		r->spare = (struct log_segment){.fd = -1};
		return true;
	}
	if (!log_segment_open(&r->seg, r->folder_fd, segment))
		return false;
	log_reader_cost(r, 1);
	return true;
}

bool log_chunks_parse(struct log_reader *r)
{
	auto_free struct slot *slots = NULL;
	size_t n;

	if (!log_segment_slots(&r->seg, r->folder_fd, &slots, &n))
		return false;
	log_reader_cost(r, 0);
	parse(r, slots, n, r->seg.size);
	return true;
}

bool log_chunks_load(struct log_reader *r, uint32_t segment)
{
	return log_chunks_open(r, segment) && log_chunks_parse(r);
}
