/* timer.c - a binary heap of deadlines; who disarms only counts up a generation. */
#include "engine/world.h"

static bool is_stale(const struct engine *en, const struct timer *t)
{
	switch (t->kind) {
	case TIMER_JOB: return en->jobs.v[t->id].timer_gen != t->gen;
	case TIMER_EDGE: return en->edges.v[t->id].timer_gen != t->gen;
	case TIMER_OP: return en->ops.v[t->id].timer_gen != t->gen;
	}
	return true;
}

static void swap(struct timer *a, struct timer *b)
{
	struct timer t = *a;

	*a = *b;
	*b = t;
}

static void sift_down(struct engine *en, size_t i)
{
	struct timer *v = en->timers.v;

	for (;;) {
		size_t least = i, l = 2 * i + 1;

		if (l < en->timers.n && v[l].at < v[least].at)
			least = l;
		if (l + 1 < en->timers.n && v[l + 1].at < v[least].at)
			least = l + 1;
		if (least == i)
			return;
		swap(&v[i], &v[least]);
		i = least;
	}
}

/* Many disarmed timers (a stable fleet restarts often): build the heap anew. */
static void drop_stale(struct engine *en)
{
	size_t kept = 0;

	for (size_t i = 0; i < en->timers.n; i++)
		if (!is_stale(en, &en->timers.v[i]))
			en->timers.v[kept++] = en->timers.v[i];
	en->timers.n = kept;
	for (size_t i = kept / 2; i-- > 0;)
		sift_down(en, i);
}

void timer_push(struct engine *en, msec at, enum timer_kind kind, uint32_t id, uint32_t gen)
{
	if (en->timers.n == en->timers.cap && en->timers.n >= 64)
		drop_stale(en);
	*vec_push(&en->timers) = (struct timer){at, kind, id, gen};
	for (size_t i = en->timers.n - 1; i && en->timers.v[(i - 1) / 2].at > at; i = (i - 1) / 2)
		swap(&en->timers.v[i], &en->timers.v[(i - 1) / 2]);
}

static void pop(struct engine *en)
{
	en->timers.v[0] = en->timers.v[--en->timers.n];
	sift_down(en, 0);
}

bool timer_pop_due(struct engine *en, msec now, struct timer *out)
{
	while (en->timers.n && (is_stale(en, &en->timers.v[0]) || en->timers.v[0].at <= now)) {
		struct timer t = en->timers.v[0];
		bool stale = is_stale(en, &t);

		pop(en);
		if (!stale)
			return *out = t, true;
	}
	return false;
}

/* Looks only: a stale entry at the top means one early tick, which drops it. */
msec engine_deadline(const struct engine *en)
{
	return en->timers.n ? en->timers.v[0].at : MSEC_NEVER;
}
