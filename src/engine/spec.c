/* spec.c - a definition copied into one block of memory, shared by reference. */
#include "engine/world.h"

/* First with `at` NULL to learn the size, then with room to copy into. */
struct block {
	char *at;
	size_t n;
};

static void *room(struct block *b, size_t n, size_t align)
{
	b->n = (b->n + align - 1) & ~(align - 1);
	void *p = b->at ? b->at + b->n : NULL;
	b->n += n;
	return p;
}

static const char *text(struct block *b, const char *s)
{
	if (!s)
		return NULL;
	char *p = room(b, strlen(s) + 1, 1);
	if (p)
		strcpy(p, s);
	return p;
}

static const struct engine_edge_spec *edges(
    struct block *b, const struct engine_edge_spec *from, size_t n)
{
	struct engine_edge_spec *to = room(b, n * sizeof(*to), _Alignof(struct engine_edge_spec));

	for (size_t i = 0; i < n; i++) {
		struct engine_edge_spec e = from[i];

		e.service = text(b, e.service);
		e.action = text(b, e.action);
		e.key = text(b, e.key);
		e.gate = text(b, e.gate);
		e.source = text(b, e.source);
		if (to)
			to[i] = e;
	}
	return to;
}

/* A target gets one job without a process that carries its edges. */
static const struct engine_job_spec *jobs(struct block *b, const struct engine_unit_spec *from)
{
	const struct engine_job_spec target = {.name = "",
	    .policy = {.virtual = true},
	    .edges = from->edges,
	    .n_edges = from->n_edges};
	const struct engine_job_spec *in = from->n_jobs ? from->jobs : &target;
	size_t n = from->n_jobs ? from->n_jobs : 1;
	struct engine_job_spec *to = room(b, n * sizeof(*to), _Alignof(struct engine_job_spec));

	for (size_t i = 0; i < n; i++) {
		struct engine_job_spec j = in[i];

		j.name = text(b, j.name);
		j.edges = edges(b, j.edges, j.n_edges);
		if (to)
			to[i] = j;
	}
	return to;
}

static struct spec *copy(struct block *b, const struct engine_unit_spec *from)
{
	struct spec *s = room(b, sizeof(*s), _Alignof(struct spec));
	struct engine_unit_spec is = *from;

	is.name = text(b, from->name);
	is.jobs = jobs(b, from);
	is.n_jobs = from->n_jobs ? from->n_jobs : 1;
	is.edges = NULL;
	is.n_edges = 0;
	const char **conflicts = room(b, from->n_conflicts * sizeof(char *), _Alignof(char *));
	for (size_t i = 0; i < from->n_conflicts; i++) {
		const char *t = text(b, from->conflicts[i]);

		if (conflicts)
			conflicts[i] = t;
	}
	is.conflicts = conflicts;
	if (s)
		*s = (struct spec){.refs = 1, .is = is};
	return s;
}

struct spec *spec_dup(const struct engine_unit_spec *from)
{
	struct block b = {0};

	copy(&b, from);
	b.at = mem_new(b.n);
	b.n = 0;
	return copy(&b, from);
}

struct spec *spec_hold(struct spec *s)
{
	s->refs++;
	return s;
}

void spec_drop(struct spec *s)
{
	if (s && --s->refs == 0)
		free(s);
}
