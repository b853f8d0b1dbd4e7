#include "server/explain/progress.h"
#include "server/explain/explain_state.h"

#include "base/map.h"
#include "base/utf8.h"
#include "logs/query.h"
#include "rpc/json_out.h"
#include "server/explain/event_stream.h"
#include "server/explain/picture.h"
#include "server/explain/status.h"
#include "server/explain/why.h"
#include "server/history/failures.h"
#include "server/host/background.h"
#include "server/host/json_time.h"
#include "server/operation/operations.h"
#include "server/supervise/launch.h"

#include <event2/event.h>

#define LINES_MAX  32 /* read for one answer */
#define LINE_BYTES 240
#define CHANGE_MS  30 /* changes are gathered so long before they are told */

/* ---- who is told of ------------------------------------------------------------------ */

struct cast {
	struct strv names;
	struct map seen;
};

static void add_targets(struct explain *d, unit_id unit, struct cast *c)
{
	struct job_view j;
	struct edge_view e;

	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++)
		for (size_t k = 0;
		     j.core.state == JOB_WAITING_DEPS && engine_edge_at(d->engine, j.id, k, &e);
		     k++)
			if (e.to_unit != ID_NONE &&
			    (e.status == EDGE_WAITS || e.status == EDGE_BLOCKED))
				strv_add_once(&c->names, &c->seen, e.target);
}

static void add_operation(const struct op_view *op, struct cast *c)
{
	for (size_t i = 0; i < op->names->n; i++)
		strv_add_once(&c->names, &c->seen, op->names->v[i]);
	for (size_t i = 0; i < op->n_steps; i++)
		strv_add_once(&c->names, &c->seen, op->steps[i].service);
	for (size_t i = 0; i < op->started->n; i++)
		strv_add_once(&c->names, &c->seen, op->started->v[i]);
}

/* One of the server's own is told by those that it began. */
static void add_own(struct explain *d, const struct own_operation *own, struct cast *c)
{
	json_t *id;
	size_t i;
	struct op_view op;

	for (i = 0; i < own->names.n; i++)
		strv_add_once(&c->names, &c->seen, own->names.v[i]);
	json_array_foreach (json_object_get(own->detail, "operations"), i, id)
		if (engine_op(d->engine, (op_id)json_integer_value(id), &op))
			add_operation(&op, c);
}

/* Asked for, started, stopped; then what these wait for, and so on.  False: it is forgotten. */
static bool cast_init(struct explain *d, op_id id, struct cast *c)
{
	const struct operation_about *about = operations_about(d->operations, id);
	struct op_view op;

	*c = (struct cast){0};
	if (about && about->own)
		add_own(d, about->own, c);
	else if (engine_op(d->engine, id, &op))
		add_operation(&op, c);
	else
		return false;
	for (size_t i = 0; i < c->names.n; i++) {
		unit_id unit = engine_find(d->engine, c->names.v[i]);

		if (unit != ID_NONE)
			add_targets(d, unit, c);
	}
	return true;
}

static void cast_release(struct cast *c)
{
	map_release(&c->seen);
	strv_release(&c->names);
}

int64_t progress_change(struct explain *d, op_id id)
{
	struct cast c;
	int64_t last = 0;

	if (!cast_init(d, id, &c))
		return 0;
	for (size_t i = 0; i < c.names.n; i++) {
		unit_id unit = engine_find(d->engine, c.names.v[i]);
		int64_t news = unit != ID_NONE ? history_unit(d->history, unit)->news : 0;

		last = news > last ? news : last;
	}
	cast_release(&c);
	return last;
}

/* ---- one action ------------------------------------------------------------------------ */

static void failure_out(struct str *out, const struct attempt_failure *f)
{
	char name[16];

	json_out_open(out, NULL, '{');
	json_out_int(out, "attempt", f->attempt);
	json_time_out(out, "time", f->time);
	json_out_text(out, "reason", reason_str(f->reason));
	if (f->code >= 0 && !f->signal)
		json_out_int(out, "exit_code", f->code);
	else
		json_out_null(out, "exit_code");
	json_out_text(out, "signal", f->signal ? signal_name(f->signal, name, sizeof(name)) : NULL);
	json_out_text(out, "why", f->why);
	json_out_text(out, "line", f->line);
	json_out_close(out, '}');
}

static void failures_out(struct str *out, const struct failures *l)
{
	json_out_open(out, "failures", '[');
	for (size_t i = 0; l && i < l->n; i++)
		failure_out(out, &l->v[i]);
	json_out_close(out, ']');
	if (l && l->ever > l->n)
		json_out_int(out, "failures_before", (int64_t)(l->ever - l->n));
}

static void waits_out(struct str *out, struct explain *d, const struct job_view *j)
{
	json_t *waits = json_array();

	status_add_waits(d, j, waits);
	json_out_tree(out, "waiting_on", waits);
	json_decref(waits);
}

static void action_out(struct str *out, struct explain *d, unit_id unit, const struct job_view *j)
{
	const struct job_record *s = history_job(d->history, j->id);
	auto_str note = {0};

	picture_note(d, j, supervision_action(d->supervision, unit, j->name, NULL), &note);
	json_out_open(out, NULL, '{');
	json_out_text(out, "name", j->name);
	json_out_text(out, "state", job_state_str(j->core.state));
	json_time_out(out, "since", clock_wall_of(j->since));
	json_out_int(out, "attempt", j->attempt);
	if (s->pid)
		json_out_int(out, "pid", s->pid);
	if (j->core.state == JOB_RETRYING && j->deadline != MSEC_NEVER)
		json_time_out(out, "next", clock_wall_of(j->deadline));
	if (note.n)
		json_out_text(out, "note", str_text(&note));
	waits_out(out, d, j);
	failures_out(out, s->failures);
	json_out_close(out, '}');
}

static void service_out(struct str *out, struct explain *d, const struct unit_view *u)
{
	struct job_view j, target = {.virtual = false};

	json_out_open(out, NULL, '{');
	json_out_text(out, "name", u->name);
	json_out_text(out, "state", service_state_str(u->state));
	json_out_text(out, "wanted", wanted_str(u->wanted));
	json_time_out(out, "since", clock_wall_of(u->since));
	if (u->reason != REASON_NONE)
		json_out_text(out, "reason", reason_str(u->reason));
	json_out_open(out, "actions", '[');
	for (size_t i = 0; engine_job_at(d->engine, u->id, i, &j); i++)
		if (j.virtual)
			target = j;
		else
			action_out(out, d, u->id, &j);
	json_out_close(out, ']');
	if (target.virtual)
		waits_out(out, d, &target);
	json_out_close(out, '}');
}

/* ---- all of it ---------------------------------------------------------------------------- */

static bool is_at_rest(enum service_state s)
{
	return s == SERVICE_RUNNING || s == SERVICE_EXITED || s == SERVICE_INACTIVE;
}

/* The ids of those that are told, in order; their number. */
static size_t choose(struct explain *d, const struct cast *c, size_t limit, unit_id *out)
{
	size_t n = 0, busy = 0, rest;
	struct unit_view u;

	for (size_t i = 0; i < c->names.n; i++) {
		unit_id id = engine_find(d->engine, c->names.v[i]);

		if (id != ID_NONE && engine_unit(d->engine, id, &u))
			busy += !is_at_rest(u.state);
	}
	rest = limit > busy ? limit - busy : 0;
	for (size_t i = 0; n < limit && i < c->names.n; i++) {
		unit_id id = engine_find(d->engine, c->names.v[i]);

		if (id == ID_NONE || !engine_unit(d->engine, id, &u) ||
		    (is_at_rest(u.state) && !rest))
			continue;
		rest -= is_at_rest(u.state);
		out[n++] = id;
	}
	return n;
}

void progress_add(struct explain *d, op_id id, size_t limit, json_t *operation)
{
	struct cast c;
	struct unit_view u;
	auto_str text = {0};

	if (!cast_init(d, id, &c))
		return;
	auto_free unit_id *ids = mem_new((c.names.n + 1) * sizeof(*ids));
	size_t n = choose(d, &c, limit, ids);
	json_out_open(&text, NULL, '[');
	for (size_t i = 0; i < n; i++)
		if (engine_unit(d->engine, ids[i], &u))
			service_out(&text, d, &u);
	json_out_close(&text, ']');
	json_object_set_new(operation, "progress", json_loadb(text.s, text.n, 0, NULL));
	json_object_set_new(operation, "change", json_integer((json_int_t)progress_change(d, id)));
	if (n < c.names.n)
		json_object_set_new(operation, "more", json_integer((json_int_t)(c.names.n - n)));
	cast_release(&c);
}

/* ---- the last lines of attempts that failed ------------------------------------------------- */

struct wanted_line {
	job_id job;
	uint64_t token;
	uint32_t attempt;
	char *unit, *action, *line;
	bool is_run;
};

struct question {
	struct explain *d;
	json_t *operation;
	op_id id;
	size_t limit;
	progress_fn fn;
	void *ctx;
	char *dir;
	struct wanted_line lines[LINES_MAX];
	size_t n, settling;
};

static void answer(struct question *q)
{
	progress_add(q->d, q->id, q->limit, q->operation);
	q->fn(q->ctx, q->operation);
	for (size_t i = 0; i < q->n; i++) {
		free(q->lines[i].unit);
		free(q->lines[i].action);
		free(q->lines[i].line);
	}
	free(q->dir);
	free(q);
}

static bool take_line(const struct log_line *line, void *ctx)
{
	struct wanted_line *w = ctx;

	auto_str text = {0};

	utf8_readable(&text, line->bytes, line->n, LINE_BYTES);
	free(w->line);
	w->line = str_take(&text);
	return true;
}

static void read_lines(void *ctx)
{
	struct question *q = ctx;

	for (size_t i = 0; i < q->n; i++) {
		struct wanted_line *w = &q->lines[i];
		const char *services[] = {w->unit};
		const struct log_filter f = {.services = w->is_run ? NULL : services,
		    .n_services = w->is_run ? 0 : 1,
		    .run = w->is_run ? w->unit : NULL,
		    .action = w->action,
		    .attempt = w->attempt,
		    .tail = 1};
		struct error e = {0};

		logs_query(q->dir, &f, take_line, w, NULL, &e);
	}
}

static void lines_read(void *ctx)
{
	struct question *q = ctx;

	for (size_t i = 0; i < q->n; i++) {
		struct wanted_line *w = &q->lines[i];
		struct attempt_failure *f =
		    failures_find(history_job(q->d->history, w->job), w->token);

		if (!f || f->line_read)
			continue;
		f->line_read = true;
		f->line = take(w->line);
	}
	answer(q);
}

/* What they wrote was captured. */
static void settled(uint64_t token, void *ctx)
{
	struct question *q = ctx;
	(void)token;

	if (--q->settling == 0)
		background_run(q->d->background, read_lines, lines_read, q);
}

static void want_lines(struct question *q, const struct unit_view *u)
{
	struct job_view j;

	for (size_t i = 0; engine_job_at(q->d->engine, u->id, i, &j); i++) {
		const struct failures *l = history_job(q->d->history, j.id)->failures;

		for (size_t k = 0; l && k < l->n && q->n < LINES_MAX; k++)
			if (!l->v[k].line_read)
				q->lines[q->n++] = (struct wanted_line){.job = j.id,
				    .token = l->v[k].token,
				    .attempt = l->v[k].attempt,
				    .unit = text_dup(u->name),
				    .action = text_dup(j.name),
				    .is_run = u->is_run};
	}
}

void progress_give(
    struct explain *d, json_t *take_operation, size_t limit, progress_fn fn, void *ctx)
{
	op_id id = (op_id)json_integer_value(json_object_get(take_operation, "operation"));
	struct question *q = mem_new(sizeof(*q));
	struct unit_view u;
	struct cast c;

	*q = (struct question){d, take_operation, id, limit, fn, ctx, .dir = NULL};
	if (cast_init(d, id, &c)) {
		for (size_t i = 0; i < c.names.n; i++)
			if (engine_unit(d->engine, engine_find(d->engine, c.names.v[i]), &u))
				want_lines(q, &u);
		cast_release(&c);
	}
	if (!q->n) {
		answer(q);
		return;
	}
	q->dir = text_dup(d->paths->logs);
	q->settling = q->n;
	for (size_t i = 0; i < q->n; i++)
		logs_settle(d->logs, q->lines[i].token, settled, q);
}

/* ---- changes, and the end -------------------------------------------------------------------- */

/* Of the first that is not well; what its process wrote last is not in it. */
static char *why_of_names(struct explain *d, const struct strv *names)
{
	const struct instant now = {0};
	struct unit_view u;

	for (size_t i = 0; i < names->n; i++) {
		unit_id id = engine_find(d->engine, names->v[i]);

		if (id == ID_NONE || !engine_unit(d->engine, id, &u) ||
		    u.state == SERVICE_RUNNING || u.state == SERVICE_EXITED)
			continue;
		json_t *chain = why_chain(d, u.name, &now);
		char *text = why_text(chain, NULL, false);
		json_decref(chain);
		return text;
	}
	return NULL;
}

struct progress {
	struct explain *d;
	struct event *changed; /* something happened, and somebody waits for a change */
};

static int64_t change_of(void *ctx, op_id id)
{
	const struct progress *p = ctx;

	return progress_change(p->d, id);
}

static char *why_named(void *ctx, const struct strv *names)
{
	return why_of_names((struct explain *)ctx, names);
}

static void add_progress(void *ctx, op_id id, size_t limit, json_t *operation)
{
	progress_add((struct explain *)ctx, id, limit, operation);
}

static void tell_changes(evutil_socket_t fd, short what, void *ctx)
{
	struct progress *p = ctx;
	(void)fd, (void)what;

	operations_tell_changes(p->d->operations, change_of, p);
}

static void on_event(void *ctx)
{
	struct progress *p = ctx;

	if (operations_wait_for_changes(p->d->operations) &&
	    !event_pending(p->changed, EV_TIMEOUT, NULL))
		event_add(p->changed, &(struct timeval){.tv_usec = CHANGE_MS * 1000});
}

struct progress *progress_new(struct explain *d)
{
	const struct operations_above above = {
	    .ctx = d, .why = why_named, .add_progress = add_progress};
	struct progress *p = mem_new(sizeof(*p));

	*p = (struct progress){d, evtimer_new(d->base, tell_changes, p)};
	event_stream_listen(d->hub, on_event, p);
	operations_set_above(d->operations, &above);
	return p;
}

void progress_free(struct progress *p)
{
	if (!p)
		return;
	event_free(p->changed);
	free(p);
}
