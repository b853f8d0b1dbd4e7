#include "server/explain/timeline.h"

#include "server/explain/status.h"

/* clang-format off */
#define PHASE_LIST(X)                                                       \
	X(PHASE_WAIT,      "wait_us",      "for its turn")                  \
	X(PHASE_EXEC,      "exec_us",      "from the spawn to execve(2)")   \
	X(PHASE_READINESS, "readiness_us", "until it was ready, or ended")  \
	X(PHASE_BACKOFF,   "backoff_us",   "between two attempts")          \
	X(PHASE_GATE,      "gate_us",      "until the gate answered")
ENUM_DECLARE(phase, PHASE_LIST, PHASE_COUNT);
ENUM_DEFINE(phase, PHASE_LIST, PHASE_COUNT)
/* clang-format on */

#define CHAIN_MAX 50000 /* events of one chain */
#define LOOK_BACK 100000
#define BLAME_MAX 100000

/* One event, as much of it as counts here. */
struct moment {
	int64_t id, cause;
	usec_wall time;
	char *subject;
	json_t *fact;
};
struct moments {
	struct moment *v;
	size_t n, cap;
};

static void moments_release(struct moments *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].subject);
		json_decref(l->v[i].fact);
	}
	free(l->v);
	*l = (struct moments){0};
}

static const char *text_in(const struct moment *m, const char *key)
{
	const char *s = json_string_value(json_object_get(m->fact, key));

	return s ? s : "";
}

static bool is(const struct moment *m, const char *key, const char *word)
{
	return strcmp(text_in(m, key), word) == 0;
}

static int64_t operation_of(const struct moment *m)
{
	return json_integer_value(json_object_get(m->fact, "operation"));
}

static bool take_moment(const struct store_event *e, void *ctx)
{
	*vec_push((struct moments *)ctx) = (struct moment){.id = e->id,
	    .cause = e->cause,
	    .time = e->time,
	    .subject = text_dup(e->subject),
	    .fact = json_loads(e->fact, 0, NULL)};
	return true;
}

/* ---- where it ends ----------------------------------------------------------------- */

struct search {
	const struct timeline_of *of;
	struct moments found;
};

/* The end of that operation; that start of a service; or any operation that changed something. */
static bool is_end(const struct moment *m, const struct timeline_of *of)
{
	if (of->operation)
		return is(m, "event", "done") && operation_of(m) == of->operation;
	if (of->name)
		return is(m, "event", "unit") &&
		       (is(m, "to", "running") || is(m, "to", "exited")) &&
		       !is(m, "from", "degraded") && m->cause;
	return is(m, "event", "done") && json_is_true(json_object_get(m->fact, "changed")) &&
	       (is(m, "kind", "start") || is(m, "kind", "restart") || is(m, "kind", "boot"));
}

static bool look_at(const struct store_event *e, void *ctx)
{
	struct search *s = ctx;
	struct moments one = {0};

	if (!s->of->name && !strstr(e->fact, "\"event\":\"done\""))
		return true;
	take_moment(e, &one);
	if (!is_end(&one.v[0], s->of)) {
		moments_release(&one);
		return true;
	}
	s->found = one;
	return false;
}

static bool find_end(struct daemon *d, const struct timeline_of *of, struct moments *out)
{
	struct search s = {.of = of};
	struct error e = {0};

	store_last_events(
	    d->store, of->operation ? NULL : of->name, 0, 0, LOOK_BACK, look_at, &s, &e);
	*out = s.found;
	return s.found.n > 0;
}

/* From the end back to what has no cause; reversed, so that the oldest is first. */
static bool read_chain(struct daemon *d, const struct timeline_of *of, struct moments *out)
{
	struct error e = {0};

	if (!find_end(d, of, out))
		return false;
	while (out->n < CHAIN_MAX) {
		size_t before = out->n;
		int64_t cause = out->v[before - 1].cause;

		if (!cause || cause >= out->v[before - 1].id ||
		    store_find_event(d->store, cause, take_moment, out, &e) || out->n == before)
			break;
	}
	for (size_t i = 0; i < out->n / 2; i++) {
		struct moment swap = out->v[i];

		out->v[i] = out->v[out->n - 1 - i];
		out->v[out->n - 1 - i] = swap;
	}
	return true;
}

/* ---- stretches of time --------------------------------------------------------------- */

/* What was going on until `m` happened. */
static enum phase phase_before(const struct moment *m)
{
	if (is(m, "event", "edge"))
		return is(m, "to", "holds") && *text_in(m, "gate") ? PHASE_GATE : PHASE_WAIT;
	if (!is(m, "event", "job") && !is(m, "event", "probe"))
		return PHASE_WAIT;
	if (is(m, "from", "retrying"))
		return PHASE_BACKOFF;
	if (is(m, "from", "starting"))
		return PHASE_EXEC;
	if (is(m, "from", "running") || is(m, "from", "ready") || is(m, "event", "probe"))
		return PHASE_READINESS;
	return PHASE_WAIT;
}

static void add_us(json_t *o, const char *key, int64_t us)
{
	json_object_set_new(
	    o, key, json_integer(json_integer_value(json_object_get(o, key)) + (json_int_t)us));
}

static json_t *phases(const char *service, const char *action)
{
	json_t *o = json_pack("{s:s?, s:s}", "service", service, "action", action);

	for (size_t i = 0; i < PHASE_COUNT; i++)
		json_object_set_new(o, phase_str((enum phase)i), json_integer(0));
	json_object_set_new(o, "total_us", json_integer(0));
	return o;
}

static json_t *head(const struct moments *l)
{
	const struct moment *first = &l->v[0], *last = &l->v[l->n - 1];
	json_t *o = json_pack("{s:o, s:s, s:s, s:o, s:o, s:I}", "operation",
	    operation_of(first) ? json_integer((json_int_t)operation_of(first)) : json_null(),
	    "method", text_in(first, "method"), "who", text_in(first, "who"), "started",
	    status_time(first->time), "ended", status_time(last->time), "total_us",
	    (json_int_t)(last->time - first->time));

	if (first->cause) /* retention took what was before */
		json_object_set_new(o, "truncated", json_true());
	return o;
}

json_t *timeline_chain(struct daemon *d, const struct timeline_of *of)
{
	struct moments l = {0};
	json_t *chain = json_array(), *row = NULL;

	if (!read_chain(d, of, &l)) {
		json_decref(chain);
		return NULL;
	}
	for (size_t i = 1; i < l.n; i++) {
		const struct moment *m = &l.v[i];
		int64_t us = m->time - l.v[i - 1].time;

		if (!row ||
		    !text_eq(json_string_value(json_object_get(row, "service")), m->subject))
			json_array_append_new(
			    chain, row = phases(m->subject, text_in(m, "action")));
		if (*text_in(m, "action"))
			json_object_set(row, "action", json_object_get(m->fact, "action"));
		add_us(row, phase_str(phase_before(m)), us);
		add_us(row, "total_us", us);
		json_object_set_new(
		    row, "at_us", json_integer((json_int_t)(m->time - l.v[0].time)));
	}
	json_t *o = head(&l);
	json_object_set_new(o, "chain", chain);
	moments_release(&l);
	return o;
}

/* ---- blame ------------------------------------------------------------------------------ */

struct blame {
	int64_t end, operation;
	struct moments jobs; /* changes of jobs */
};

static bool take_job(const struct store_event *e, void *ctx)
{
	struct blame *b = ctx;

	if (e->id > b->end)
		return false;
	if (strncmp(e->fact, "{\"event\":\"job\"", 14) != 0)
		return true;
	take_moment(e, &b->jobs);
	const struct moment *m = &b->jobs.v[b->jobs.n - 1];
	if (b->operation && operation_of(m) && operation_of(m) != b->operation) {
		free(m->subject);
		json_decref(m->fact);
		b->jobs.n--;
	}
	return true;
}

/* The last change of each job, and its row; found by "service/action". */
struct tally {
	json_t *rows;  /* key -> row */
	json_t *times; /* key -> time of the last change */
};

static void count(struct tally *t, const struct moment *m, usec_wall begun)
{
	auto_free char *key = text_fmt("%s/%s", m->subject ? m->subject : "", text_in(m, "action"));
	json_t *row = json_object_get(t->rows, key), *last = json_object_get(t->times, key);
	int64_t us = m->time - (last ? json_integer_value(last) : begun);

	if (!row)
		json_object_set_new(t->rows, key, row = phases(m->subject, text_in(m, "action")));
	add_us(row, phase_str(phase_before(m)), us);
	if (phase_before(m) != PHASE_WAIT)
		add_us(row, "total_us", us);
	json_object_set(row, "attempt", json_object_get(m->fact, "attempt"));
	json_object_set_new(t->times, key, json_integer((json_int_t)m->time));
}

static int by_total(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	json_int_t i = json_integer_value(json_object_get(x, "total_us")),
		   j = json_integer_value(json_object_get(y, "total_us"));

	return i < j ? 1 : i > j ? -1 : 0;
}

static json_t *sorted(json_t *rows)
{
	size_t n = json_object_size(rows), i = 0;
	json_t **list = mem_new((n + 1) * sizeof(*list)), *out = json_array(), *row;
	const char *key;

	json_object_foreach (rows, key, row)
		list[i++] = row;
	qsort(list, n, sizeof(*list), by_total);
	for (i = 0; i < n; i++)
		json_array_append(out, list[i]);
	free(list);
	return out;
}

json_t *timeline_blame(struct daemon *d, const struct timeline_of *of)
{
	struct moments l = {0};
	struct error e = {0};
	struct tally t = {json_object(), json_object()};
	json_t *o = NULL;

	if (read_chain(d, of, &l)) {
		struct blame b = {.end = l.v[l.n - 1].id, .operation = operation_of(&l.v[0])};

		store_list_events(d->store, NULL, 0, 0, l.v[0].id, BLAME_MAX, take_job, &b, &e);
		for (size_t i = 0; i < b.jobs.n; i++)
			count(&t, &b.jobs.v[i], l.v[0].time);
		o = head(&l);
		json_object_set_new(o, "services", sorted(t.rows));
		moments_release(&b.jobs);
	}
	json_decref(t.rows);
	json_decref(t.times);
	moments_release(&l);
	return o;
}
