#include "server/explain/timeline.h"
#include "server/explain/explain_state.h"
#include "server/host/json_time.h"

#include "server/explain/frontier.h"
#include "server/history/events.h"

/* clang-format off */
#define PHASE_LIST(X)                                                       \
	X(PHASE_WAIT,      "wait_us",      "for its turn")                  \
	X(PHASE_EXEC,      "exec_us",      "from the spawn to execve(2)")   \
	X(PHASE_READINESS, "readiness_us", "until it was ready, or ended")  \
	X(PHASE_BACKOFF,   "backoff_us",   "between two attempts")          \
	X(PHASE_GATE,      "gate_us",      "until the gate answered")       \
	X(PHASE_RUN,       "run_us",       "it was ready, until it ended")  \
	X(PHASE_STOP,      "stop_us",      "from the stop signal until nothing of it was left")
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

/* A start ended here, well or not.  Who was ready before and falls back begins none. */
static bool ends_a_start(const struct moment *m)
{
	return is(m, "event", "unit") && m->cause && !is(m, "from", "degraded") &&
	       (is(m, "to", "running") || is(m, "to", "exited") ||
		   (!is(m, "from", "running") && !is(m, "from", "exited") &&
		       (is(m, "to", "failed") || is(m, "to", "blocked") ||
			   is(m, "to", "degraded"))));
}

/* The end of that operation; that start of a service; or any operation that changed something. */
static bool is_end(const struct moment *m, const struct timeline_of *of)
{
	if (of->operation)
		return is(m, "event", "done") && operation_of(m) == of->operation;
	if (of->name)
		return ends_a_start(m);
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

static void moment_now(const struct timeline_now *now, struct moments *out)
{
	*vec_push(out) = (struct moment){.id = INT64_MAX,
	    .cause = now->event,
	    .time = now->time,
	    .subject = text_dup(now->service),
	    .fact =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "event", now->at_gate ? "edge" : "job",
		    "action", now->action, "from", now->state, "to", now->at_gate ? "holds" : "now",
		    "gate", now->at_gate ? "?" : "", "operation", (json_int_t)now->operation)};
}

static bool find_end(struct explain *d, const struct timeline_of *of, struct moments *out)
{
	struct search s = {.of = of};
	struct error e = {0};

	if (of->now.service) {
		moment_now(&of->now, out);
		return true;
	}
	store_last_events(
	    d->store, of->operation ? NULL : of->name, 0, 0, LOOK_BACK, look_at, &s, &e);
	*out = s.found;
	return s.found.n > 0;
}

/* ---- from there back to where it began ----------------------------------------------- */

struct begin_search {
	char *mark;
	struct moments found;
};

static bool look_for_begin(const struct store_event *e, void *ctx)
{
	struct begin_search *s = ctx;

	if (!strstr(e->fact, s->mark))
		return true;
	take_moment(e, &s->found);
	return false;
}

/* The event that an operation began with; none if retention took it. */
static struct moments find_begin(struct explain *d, int64_t operation, int64_t before)
{
	struct begin_search s = {
	    .mark = text_fmt("{\"event\":\"operation\",\"operation\":%lld,", (long long)operation)};
	struct error e = {0};

	if (operation)
		store_last_events(d->store, NULL, 0, before, LOOK_BACK, look_for_begin, &s, &e);
	free(s.mark);
	return s.found;
}

static void turn_round(struct moments *l)
{
	for (size_t i = 0; i < l->n / 2; i++) {
		struct moment swap = l->v[i];

		l->v[i] = l->v[l->n - 1 - i];
		l->v[l->n - 1 - i] = swap;
	}
}

/* From the end back to what has no cause, or to the operation: what it found under way counts from
 * there.  Reversed, so that the oldest is first. */
static bool read_chain(struct explain *d, const struct timeline_of *of, struct moments *out)
{
	struct error e = {0};

	if (!find_end(d, of, out))
		return false;
	struct moments begin = find_begin(d, operation_of(&out->v[0]), out->v[0].id);
	int64_t first = begin.n ? begin.v[0].id : 0;
	while (out->n < CHAIN_MAX) {
		size_t before = out->n;
		int64_t cause = out->v[before - 1].cause;

		if (!cause || cause <= first || cause >= out->v[before - 1].id ||
		    store_find_event(d->store, cause, take_moment, out, &e) || out->n == before)
			break;
	}
	if (begin.n)
		*vec_push(out) = begin.v[0];
	free(begin.v);
	turn_round(out);
	return true;
}

/* ---- stretches of time --------------------------------------------------------------- */

/* What goes on while a job is in that state. */
static enum phase phase_in(const char *state)
{
	static const struct {
		enum job_state state;
		enum phase phase;
	} rows[] = {{JOB_STARTING, PHASE_EXEC}, {JOB_RUNNING, PHASE_READINESS},
	    {JOB_RETRYING, PHASE_BACKOFF}, {JOB_READY, PHASE_RUN}, {JOB_STOPPING, PHASE_STOP}};

	for (size_t i = 0; i < countof(rows); i++)
		if (strcmp(job_state_str(rows[i].state), state) == 0)
			return rows[i].phase;
	return PHASE_WAIT;
}

/* What was going on until `m` happened. */
static enum phase phase_before(const struct moment *m)
{
	if (is(m, "event", "edge"))
		return is(m, "to", "holds") && *text_in(m, "gate") ? PHASE_GATE : PHASE_WAIT;
	if (is(m, "event", "probe"))
		return is(m, "job_state", "ready") ? PHASE_RUN : PHASE_READINESS;
	if (!is(m, "event", "job") || is(m, "to", "stopping")) /* its turn to stop comes now */
		return PHASE_WAIT;
	return phase_in(text_in(m, "from"));
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
	    json_time(first->time), "ended",
	    last->id == INT64_MAX ? json_null() : json_time(last->time), "total_us",
	    (json_int_t)(last->time - first->time));

	if (!is(first, "event", "operation") && first->cause) /* retention took what was before */
		json_object_set_new(o, "truncated", json_true());
	return o;
}

/* A row is one action.  What is told of a service as a whole follows from its last action. */
static bool is_row_of(const json_t *row, const struct moment *m)
{
	const char *action = text_in(m, "action");

	return text_eq(json_string_value(json_object_get(row, "service")), m->subject) &&
	       (!*action || text_eq(json_string_value(json_object_get(row, "action")), action));
}

json_t *timeline_chain(struct explain *d, const struct timeline_of *of)
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

		if (!row || !is_row_of(row, m))
			json_array_append_new(
			    chain, row = phases(m->subject, text_in(m, "action")));
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
	int64_t begin, end; /* events */
	usec_wall begun;
	bool *ours;	     /* by id - begin: it follows from the operation, or is in its chain */
	json_t *rows;	     /* "service/action" -> row */
	json_t *last;	     /* "service/action" -> index + 1 of its last change */
	struct moments jobs; /* changes of jobs, and of the gates that they wait for */
};

/* What something else did meanwhile is not to blame. */
static bool belongs(struct blame *b, const struct store_event *e)
{
	if (e->cause >= b->begin && e->cause < e->id && b->ours[e->cause - b->begin])
		b->ours[e->id - b->begin] = true;
	return b->ours[e->id - b->begin];
}

static bool take_job(const struct store_event *e, void *ctx)
{
	struct blame *b = ctx;

	if (e->id > b->end || e->id - b->begin > BLAME_MAX)
		return false;
	if (belongs(b, e) &&
	    (strncmp(e->fact, "{\"event\":\"job\"", 14) == 0 ||
		(strncmp(e->fact, "{\"event\":\"edge\"", 15) == 0 && strstr(e->fact, "\"gate\":"))))
		take_moment(e, &b->jobs);
	return true;
}

/* Neither waiting nor being ready is work on the way to readiness. */
static void add_span(json_t *row, enum phase phase, int64_t us)
{
	add_us(row, phase_str(phase), us);
	if (phase != PHASE_WAIT && phase != PHASE_RUN)
		add_us(row, "total_us", us);
}

static void count(struct blame *b, size_t i)
{
	const struct moment *m = &b->jobs.v[i];
	auto_free char *key = text_fmt("%s/%s", m->subject ? m->subject : "", text_in(m, "action"));
	json_t *row = json_object_get(b->rows, key);
	size_t last = (size_t)json_integer_value(json_object_get(b->last, key));

	if (!row)
		json_object_set_new(b->rows, key, row = phases(m->subject, text_in(m, "action")));
	add_span(row, phase_before(m), m->time - (last ? b->jobs.v[last - 1].time : b->begun));
	if (is(m, "event", "job"))
		json_object_set(row, "attempt", json_object_get(m->fact, "attempt"));
	json_object_set_new(b->last, key, json_integer((json_int_t)i + 1));
}

/* It goes on: what is under way counts up to now. */
static void count_until_now(struct blame *b, usec_wall now)
{
	const char *key;
	json_t *row;

	json_object_foreach (b->rows, key, row) {
		size_t last = (size_t)json_integer_value(json_object_get(b->last, key));
		const struct moment *m = &b->jobs.v[last - 1];
		const char *to = text_in(m, "to");
		enum phase phase = strcmp(to, "gate") == 0 ? PHASE_GATE : phase_in(to);

		if (phase != PHASE_WAIT || strcmp(to, "waiting_deps") == 0)
			add_span(row, phase, now - m->time);
	}
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

json_t *timeline_blame(struct explain *d, const struct timeline_of *of)
{
	struct moments l = {0};
	struct error e = {0};
	json_t *o = NULL;

	if (read_chain(d, of, &l)) {
		struct blame b = {.begin = l.v[0].id,
		    .end = l.v[l.n - 1].id,
		    .begun = l.v[0].time,
		    .ours = mem_new(BLAME_MAX + 1),
		    .rows = json_object(),
		    .last = json_object()};

		for (size_t i = 0; i < l.n; i++)
			if (l.v[i].id - b.begin <= BLAME_MAX)
				b.ours[l.v[i].id - b.begin] = true;
		store_list_events(d->store, NULL, 0, 0, b.begin, BLAME_MAX, take_job, &b, &e);
		for (size_t i = 0; i < b.jobs.n; i++)
			count(&b, i);
		if (of->now.service)
			count_until_now(&b, of->now.time);
		o = head(&l);
		json_object_set_new(o, "services", sorted(b.rows));
		json_decref(b.rows);
		json_decref(b.last);
		free(b.ours);
		moments_release(&b.jobs);
	}
	moments_release(&l);
	return o;
}

/* ---- what is under way ------------------------------------------------------------------- */

static bool starts_something(const struct op_view *op)
{
	return op->state == OP_ACTIVE && (op->kind == OP_START || op->kind == OP_RESTART ||
					     op->kind == OP_BOOT || op->kind == OP_RUN);
}

/* The operation that is asked about, if it goes on. */
static bool find_operation(
    const struct engine *en, const struct timeline_of *of, struct op_view *out)
{
	struct unit_view u;

	if (of->operation)
		return engine_op(en, (op_id)of->operation, out) && starts_something(out);
	if (of->name) {
		unit_id id = engine_find(en, of->name);

		return id != ID_NONE && engine_unit(en, id, &u) && u.op &&
		       engine_op(en, u.op, out) && starts_something(out);
	}
	for (op_id before = 0; engine_op_in_flight(en, before, out); before = out->id)
		if (starts_something(out))
			return true;
	return false;
}

static bool find_frontier(
    const struct engine *en, const char *name, const struct op_view *op, struct frontier *out)
{
	unit_id id;

	for (size_t i = 0; !name && i < op->names->n; i++) {
		id = engine_find(en, op->names->v[i]);
		if (id != ID_NONE && frontier_find(en, id, out))
			return true;
	}
	id = name ? engine_find(en, name) : ID_NONE;
	return id != ID_NONE && frontier_find(en, id, out);
}

void timeline_look(struct explain *d, struct timeline_of *of)
{
	struct op_view op;
	struct frontier at;
	struct unit_view u;
	struct job_view j;

	if (!find_operation(d->engine, of, &op) || !find_frontier(d->engine, of->name, &op, &at) ||
	    !engine_unit(d->engine, at.unit, &u) || !engine_job(d->engine, at.job, &j, NULL))
		return;
	of->now = (struct timeline_now){.operation = (int64_t)op.id,
	    .service = text_dup(u.name),
	    .action = text_dup(j.name),
	    .state = job_state_str(j.core.state),
	    .at_gate = at.gate,
	    .event = events_of_job(d->history, &u, &j),
	    .time = clock_wall()};
}

void timeline_forget(struct timeline_of *of)
{
	free(of->now.service);
	free(of->now.action);
	of->now = (struct timeline_now){0};
}
