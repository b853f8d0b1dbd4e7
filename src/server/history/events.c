#include "server/history/events.h"

#include "rpc/json_out.h"
#include "server/history/definitions.h"
#include "server/history/failures.h"
#include "server/history/history_state.h"
#include "server/history/records.h"
#include "server/host/clock.h"

#include <stdio.h>

#define OPEN_MAX   8  /* edges named in one event */
#define OPEN_LOOKS 64 /* jobs that are looked at for it in a unit of more */
#define LOOK_BACK  200
#define NAMES_MAX  3

int64_t events_emit(
    struct history *h, const char *kind, const char *subject, int64_t cause, const char *fact)
{
	int64_t id = (int64_t)records_take(h, COUNTER_EVENT);
	usec_wall now = clock_wall();

	store_put_event(
	    h->store, &(struct store_event){
			  .id = id, .cause = cause, .time = now, .subject = subject, .fact = fact});
	h->is.recorded(h->is.ctx, id, cause, now, kind, fact);
	return id;
}

/* ---- what was last said of whom ------------------------------------------------ */

struct search {
	const char *with; /* a part of the fact */
	int64_t found;
};

static bool look_at(const struct store_event *e, void *ctx)
{
	struct search *s = ctx;

	if (s->with && !strstr(e->fact, s->with))
		return true;
	s->found = e->id;
	return false;
}

static int64_t read_last(struct history *h, const char *subject, const char *with)
{
	struct search s = {.with = with};
	struct error e = {0};

	store_last_events(h->store, subject, 0, 0, LOOK_BACK, look_at, &s, &e);
	return s.found;
}

int64_t events_of_operation(struct history *h, op_id id, const char *subject)
{
	auto_free char *with =
	    text_fmt("\"event\":\"operation\",\"operation\":%llu,", (unsigned long long)id);

	return read_last(h, subject, with);
}

static int64_t last_of_job(struct history *h, const struct unit_view *u, const struct job_view *j)
{
	struct job_record *s = history_job(h, j->id);

	if (s->event == EVENT_UNREAD) {
		auto_str with = {0};

		str_add(&with, "\"action\":");
		json_out_text(&with, NULL, j->name);
		s->event = read_last(h, u->name, str_text(&with));
	}
	return s->event;
}

static int64_t *unit_event(struct history *h, unit_id u)
{
	return &history_unit(h, u)->event;
}

static int64_t tell(struct history *h, unit_id unit, const char *kind, const char *name,
    int64_t cause, const struct str *fact)
{
	int64_t event = events_emit(h, kind, name, cause, str_text(fact));

	return history_unit(h, unit)->news = event;
}

static int64_t last_of_unit(struct history *h, const struct unit_view *u)
{
	int64_t *at = unit_event(h, u->id);

	if (*at == EVENT_UNREAD)
		*at = read_last(h, u->name, NULL);
	return *at;
}

int64_t events_of_job(struct history *h, const struct unit_view *u, const struct job_view *j)
{
	int64_t own = last_of_job(h, u, j), edge = history_job(h, j->id)->edge_event;

	return edge > own ? edge : own;
}

int64_t events_last_of(struct history *h, const struct strv *names)
{
	struct unit_view u;
	int64_t last = 0;

	for (size_t i = 0; i < names->n; i++) {
		unit_id id = engine_find(h->engine, names->v[i]);
		int64_t event =
		    id != ID_NONE && engine_unit(h->engine, id, &u) ? last_of_unit(h, &u) : 0;

		if (event > last)
			last = event;
	}
	return last;
}

/* ---- facts ---------------------------------------------------------------------- */

static void add_field(struct str *out, const char *key, const char *value)
{
	if (!value)
		return;
	str_fmt(out, ",\"%s\":", key);
	json_out_text(out, NULL, value);
}

static void begin_fact(struct str *out, const char *kind, const struct unit_view *u)
{
	str_fmt(out, "{\"event\":\"%s\"", kind);
	add_field(out, u->is_run ? "run_name" : "service", u->name);
	if (u->run)
		str_fmt(out, ",\"run\":%llu", (unsigned long long)u->run);
	if (u->op)
		str_fmt(out, ",\"operation\":%llu", (unsigned long long)u->op);
}

static bool is_open(const struct edge_view *e)
{
	return e->status == EDGE_WAITS || e->status == EDGE_BLOCKED;
}

static void add_edge(
    struct history *h, struct str *out, const struct job_view *j, const struct edge_view *e)
{
	const char *last =
	    e->gate_waits && e->gate != ID_NONE ? h->is.gate_last(h->is.ctx, e->gate) : NULL;

	str_fmt(out, "{\"status\":\"%s\",\"condition\":\"%s\"", edge_status_str(e->status),
	    condition_str(e->condition));
	add_field(out, "action", j->name);
	add_field(out, "target", e->target);
	add_field(out, "target_action", e->target_action);
	if (e->to_unit == ID_NONE)
		str_add(out, ",\"gate_only\":true");
	if (e->gate_waits)
		add_field(out, "gate", e->gate_text);
	if (last && *last)
		add_field(out, "last", last);
	if (e->timed_out)
		str_fmt(out, ",\"timed_out_ms\":%lld", (long long)e->timeout);
	str_fmt(out, ",\"since\":%lld", (long long)clock_wall_of(e->since));
	add_field(out, "text", e->text);
	add_field(out, "source", e->source);
	str_add_char(out, '}');
}

/* Nothing of that name is registered. */
static bool is_missing(struct history *h, const struct edge_view *e)
{
	struct unit_view u;

	return e->to_unit != ID_NONE && engine_unit(h->engine, e->to_unit, &u) && !u.registered;
}

/* The open edges of one job, beyond the `n` that are there; how many there are then. */
static size_t add_open_of_job(struct history *h, struct str *out, const struct job_view *j,
    enum open_edges which, size_t n, size_t max)
{
	struct edge_view e;

	if (which == OPEN_WAITING && j->core.state != JOB_WAITING_DEPS)
		return n;
	for (size_t k = 0; n < max && engine_edge_at(h->engine, j->id, k, &e); k++) {
		if (!is_open(&e) || (which == OPEN_MISSING && !is_missing(h, &e)))
			continue;
		str_add(out, n++ ? "," : "");
		add_edge(h, out, j, &e);
	}
	return n;
}

void events_add_open(struct history *h, struct str *out, unit_id unit, job_id near,
    enum open_edges which, size_t max)
{
	struct unit_view u = {0};
	struct job_view j;
	size_t n = 0, looks = OPEN_LOOKS;

	engine_unit(h->engine, unit, &u);
	bool all = near == ID_NONE || u.n_jobs <= OPEN_LOOKS;
	str_add_char(out, '[');
	for (size_t i = 0; all && n < max && engine_job_at(h->engine, unit, i, &j); i++)
		n = add_open_of_job(h, out, &j, which, n, max);
	for (job_id at = all ? ID_NONE : near;
	     looks-- && n < max && at != ID_NONE && engine_job(h->engine, at, &j, NULL);
	     at = engine_next_job(h->engine, at))
		n = add_open_of_job(h, out, &j, which, n, max);
	str_add_char(out, ']');
}

static void add_open(
    struct history *h, struct str *fact, unit_id unit, job_id near, enum open_edges which)
{
	str_add(fact, ",\"open\":");
	events_add_open(h, fact, unit, near, which, OPEN_MAX);
}

/* ---- jobs ------------------------------------------------------------------------- */

/* Why a run began: the operation, or whose edge pulled it in. */
static int64_t cause_of_run(struct history *h, const struct unit_view *u)
{
	int64_t op = h->is.operation_event(h->is.ctx, u->cause);
	struct unit_view by;

	if (op || u->pulled_by == ID_NONE || !engine_unit(h->engine, u->pulled_by, &by))
		return op;
	return last_of_unit(h, &by);
}

/* The last end among those that had to be gone before this one was told to stop. */
static int64_t last_dependent_gone(
    struct history *h, const struct unit_view *u, const struct job_view *j)
{
	edge_id at = ID_NONE;
	job_id from, to;
	int64_t last = 0;

	while (engine_next_into(h->engine, u->id, &at, &from, &to)) {
		struct job_view v;
		unit_id of;
		struct unit_view by;
		bool other = engine_job(h->engine, from, &v, &of) && of != u->id;

		if ((to == ID_NONE ? !other : to != j->id) || job_state_has_process(v.core.state) ||
		    !engine_unit(h->engine, of, &by))
			continue;
		int64_t event = last_of_job(h, &by, &v);
		last = event > last ? event : last;
	}
	return last;
}

static int64_t cause_of_stop(
    struct history *h, const struct unit_view *u, const struct job_view *j, int64_t own)
{
	int64_t op = h->is.operation_event(h->is.ctx, u->stop_cause);
	int64_t turn = j && j->core.state == JOB_STOPPING ? last_dependent_gone(h, u, j) : 0;
	struct unit_view by;
	unit_id id = u->reason_subject ? engine_find(h->engine, u->reason_subject) : ID_NONE;

	own = turn > own ? turn : own;
	if (op || id == ID_NONE || id == u->id || !engine_unit(h->engine, id, &by))
		return op > own ? op : own;
	return last_of_unit(h, &by);
}

/* What it conflicts with has gone since it began to wait. */
static int64_t last_conflict_gone(struct history *h, const struct unit_view *u)
{
	const struct service_def *s = definition_find(h, u->name);
	struct unit_view other;
	int64_t last = 0;

	for (size_t i = 0; s && i < s->conflicts.n; i++) {
		unit_id id = engine_find(h->engine, s->conflicts.v[i]);

		if (id == ID_NONE || !engine_unit(h->engine, id, &other))
			continue;
		int64_t event = last_of_unit(h, &other);
		last = event > last ? event : last;
	}
	return last;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t cause_of_job(
    struct history *h, const struct effect *fx, const struct unit_view *u, const struct job_view *j)
{
	int64_t own = last_of_job(h, u, j);
	const struct job_record *s = history_job(h, fx->job);

	switch ((enum job_state)fx->to) {
	case JOB_WAITING_DEPS:
		if (fx->from == JOB_RETRYING)
			return own;
		return later(later(fx->from == JOB_CREATED ? 0 : own, cause_of_run(h, u)),
		    history_unit(h, u->id)->end_event); /* of a restart: the last of it was gone */
	case JOB_PENDING:
	case JOB_STARTING: return later(later(own, s->edge_event), last_conflict_gone(h, u));
	case JOB_STOPPING:
	case JOB_CANCELLED: return cause_of_stop(h, u, j, own);
	case JOB_SKIPPED: return later(own, s->edge_event);
	case JOB_READY: return later(own, j->virtual ? s->edge_event : 0);
	case JOB_CREATED:
	case JOB_RUNNING:
	case JOB_RETRYING:
	case JOB_SUCCEEDED:
	case JOB_FAILED:
	case JOB_STATE_COUNT: break;
	}
	return own;
}

char *events_expected(const struct action_def *a)
{
	switch (a ? action_readiness(a) : READY_EXECUTED) {
	case READY_NOTIFY: return text_dup("it has not sent READY=1 to $NOTIFY_SOCKET");
	case READY_FD:
		return text_fmt("no newline on descriptor %lld yet", (long long)a->readiness.fd);
	case READY_LOG: return text_fmt("no line of output matches `%s` yet", a->readiness.log);
	case READY_AFTER: return text_fmt("ready after %lld ms", (long long)a->readiness.after);
	case READY_MANUAL: return text_dup("nobody has said `hero_proc service ready` yet");
	case READY_EXECUTED:
	case READY_SOCKETS: /* they say it themselves */
	case READY_PROBE:
	case READINESS_KIND_COUNT: break;
	}
	return NULL;
}

static void add_end(
    struct history *h, struct str *fact, const struct effect *fx, const struct job_view *j)
{
	const struct action_def *a = h->is.action(h->is.ctx, fx->unit, j->name);

	str_fmt(fact, ",\"exit_code\":%d,\"signal\":%d", j->core.last.code, j->core.last.signal);
	if (j->core.last.lost)
		str_add(fact, ",\"lost\":true");
	if (a && a->retry.max_attempts)
		str_fmt(fact, ",\"max_attempts\":%lld", (long long)a->retry.max_attempts);
	if (fx->to == JOB_RETRYING && j->deadline != MSEC_NEVER)
		str_fmt(fact, ",\"next_ms\":%lld", (long long)(j->deadline - j->since));
}

void events_job(struct history *h, const struct effect *fx)
{
	struct job_view j;
	struct unit_view u;
	auto_str fact = {0};

	if (!engine_job(h->engine, fx->job, &j, NULL) || !engine_unit(h->engine, fx->unit, &u) ||
	    !u.run)
		return;
	int64_t cause = cause_of_job(h, fx, &u, &j);
	struct job_record *s = history_job(h, fx->job);
	begin_fact(&fact, "job", &u);
	add_field(&fact, "action", j.name);
	str_fmt(&fact, ",\"job\":%lld,\"from\":\"%s\",\"to\":\"%s\",\"attempt\":%u",
	    (long long)s->row, job_state_str((enum job_state)fx->from),
	    job_state_str((enum job_state)fx->to), fx->attempt);
	if (fx->reason != REASON_NONE)
		add_field(&fact, "reason", reason_str(fx->reason));
	if (s->pid)
		str_fmt(&fact, ",\"pid\":%d", s->pid);
	if (failures_is_end(fx))
		add_end(h, &fact, fx, &j);
	if (fx->to == JOB_FAILED || fx->to == JOB_RETRYING || fx->to == JOB_PENDING ||
	    (fx->to == JOB_STOPPING &&
		(fx->reason == REASON_PROBE_FAILED || fx->reason == REASON_START_TIMEOUT)))
		add_field(&fact, "why", j.why);
	if (fx->to == JOB_RUNNING) {
		auto_free char *expected =
		    events_expected(h->is.action(h->is.ctx, fx->unit, j.name));

		add_field(&fact, "note", expected);
	}
	if (fx->to == JOB_WAITING_DEPS)
		add_open(h, &fact, fx->unit, fx->job, OPEN_WAITING);
	str_add_char(&fact, '}');
	s->event = tell(h, fx->unit, "job", u.name, cause, &fact);
	*unit_event(h, fx->unit) = s->event;
	if (job_state_is_end((enum job_state)fx->to))
		history_unit(h, fx->unit)->end_event = s->event;
}

/* ---- units ------------------------------------------------------------------------ */

void events_add_demand(struct history *h, struct str *out, unit_id unit)
{
	unit_id by[NAMES_MAX];
	size_t n = engine_needed_by(h->engine, unit, by, countof(by));
	struct unit_view u;

	str_add_char(out, '[');
	for (size_t i = 0; i < n; i++)
		json_out_text(out, NULL, engine_unit(h->engine, by[i], &u) ? u.name : NULL);
	str_add_char(out, ']');
}

/* A new server's engine finds it as it was: nothing has happened. */
static bool was_so_before(const struct history *h, const struct effect *fx)
{
	return h->recovering && fx->from == SERVICE_INACTIVE &&
	       (fx->to == SERVICE_RUNNING || fx->to == SERVICE_EXITED || fx->to == SERVICE_FAILED ||
		   fx->to == SERVICE_DEGRADED);
}

void events_unit(struct history *h, const struct effect *fx)
{
	struct unit_view u, other;
	auto_str fact = {0};
	unit_id conflict = engine_conflict_of(h->engine, fx->unit);

	if (!engine_unit(h->engine, fx->unit, &u) || was_so_before(h, fx))
		return;
	begin_fact(&fact, "unit", &u);
	str_fmt(&fact, ",\"from\":\"%s\",\"to\":\"%s\",\"wanted\":\"%s\"",
	    service_state_str((enum service_state)fx->from),
	    service_state_str((enum service_state)fx->to), wanted_str(u.wanted));
	if (u.reason != REASON_NONE)
		add_field(&fact, "reason", reason_str(u.reason));
	add_field(&fact, "reason_subject", u.reason_subject);
	if (conflict != ID_NONE && engine_unit(h->engine, conflict, &other)) {
		add_field(&fact, "conflict", other.name);
		add_field(&fact, "conflict_state", service_state_str(other.state));
	}
	if (fx->to == SERVICE_BLOCKED || fx->to == SERVICE_DEGRADED)
		add_open(h, &fact, fx->unit, ID_NONE,
		    fx->to == SERVICE_DEGRADED ? OPEN_ANY : OPEN_WAITING);
	if ((fx->to == SERVICE_RUNNING || fx->to == SERVICE_EXITED) && fx->unit < h->units.n)
		add_field(&fact, "who", h->units.v[fx->unit].who);
	if (fx->to == SERVICE_RUNNING) {
		str_add(&fact, ",\"needed_by\":");
		events_add_demand(h, &fact, fx->unit);
	}
	str_add_char(&fact, '}');
	int64_t own = last_of_unit(h, &u);
	int64_t cause = fx->to == SERVICE_STOPPING ? cause_of_stop(h, &u, NULL, own) : own;
	int64_t event = tell(h, fx->unit, "unit", u.name, cause, &fact);
	*unit_event(h, fx->unit) = event;
}

void events_wanted(struct history *h, const struct effect *fx)
{
	struct unit_view u;
	auto_str fact = {0};

	if (!engine_unit(h->engine, fx->unit, &u) || u.is_run)
		return;
	begin_fact(&fact, "wanted", &u);
	str_fmt(&fact, ",\"from\":\"%s\",\"to\":\"%s\"}", wanted_str((enum wanted)fx->from),
	    wanted_str((enum wanted)fx->to));
	tell(h, fx->unit, "wanted", u.name, h->is.operation_event(h->is.ctx, u.op), &fact);
}

/* ---- edges ------------------------------------------------------------------------ */

static int64_t cause_of_edge(
    struct history *h, const struct effect *fx, const struct edge_view *e, int64_t own)
{
	struct unit_view u;
	struct job_view j;
	int64_t other = 0;

	if (fx->to == EDGE_HOLDS && fx->from == EDGE_WAITS && e->gate_text)
		return own; /* the gate was asked, and answered */
	if (e->to_unit == ID_NONE || !engine_unit(h->engine, e->to_unit, &u))
		return own;
	if (e->to_job != ID_NONE && engine_job(h->engine, e->to_job, &j, NULL))
		other = last_of_job(h, &u, &j);
	else
		other = last_of_unit(h, &u);
	return other ? other : own;
}

void events_edge(struct history *h, const struct effect *fx)
{
	struct edge_view e;
	struct unit_view u;
	struct job_view j;
	auto_str fact = {0};
	bool asks = fx->from == EDGE_WAITS && fx->to == EDGE_WAITS;

	if (!engine_edge(h->engine, fx->edge, &e) || e.from != fx->job ||
	    !engine_job(h->engine, fx->job, &j, NULL) || !engine_unit(h->engine, fx->unit, &u))
		return;
	struct job_record *s = history_job(h, fx->job);
	int64_t own = last_of_job(h, &u, &j);
	int64_t cause = cause_of_edge(h, fx, &e, s->edge_event > own ? s->edge_event : own);
	begin_fact(&fact, "edge", &u);
	add_field(&fact, "action", j.name);
	add_field(&fact, "target", e.target);
	add_field(&fact, "target_action", e.target_action);
	add_field(&fact, "from", asks ? "waits" : edge_status_str((enum edge_status)fx->from));
	add_field(&fact, "to", asks ? "gate" : edge_status_str((enum edge_status)fx->to));
	add_field(&fact, "gate", e.gate_text);
	if (e.timed_out)
		str_add(&fact, ",\"timed_out\":true");
	add_field(&fact, "text", e.text);
	add_field(&fact, "source", e.source);
	add_open(h, &fact, fx->unit, fx->job, OPEN_WAITING);
	str_add_char(&fact, '}');
	s->edge_event = tell(h, fx->unit, "edge", u.name, cause, &fact);
	*unit_event(h, fx->unit) = s->edge_event;
}

void events_probe(
    struct history *h, job_id job, const char *probe, const char *state, const char *last)
{
	struct job_view j;
	struct unit_view u;
	unit_id unit;
	auto_str fact = {0};

	if (!engine_job(h->engine, job, &j, &unit) || !engine_unit(h->engine, unit, &u))
		return;
	int64_t own = last_of_job(h, &u, &j);
	begin_fact(&fact, "probe", &u);
	add_field(&fact, "action", j.name);
	add_field(&fact, "probe", probe);
	add_field(&fact, "state", state);
	add_field(&fact, "job_state", job_state_str(j.core.state));
	str_fmt(&fact, ",\"attempt\":%u", j.attempt);
	add_field(&fact, "last", last);
	str_add_char(&fact, '}');
	history_job(h, job)->event = tell(h, unit, "probe", u.name, own, &fact);
}

void events_note(
    struct history *h, unit_id unit, const char *action, const char *gate, const char *text)
{
	struct unit_view u;
	auto_str fact = {0};

	if (!engine_unit(h->engine, unit, &u))
		return;
	begin_fact(&fact, "note", &u);
	add_field(&fact, "action", action);
	add_field(&fact, "gate", gate);
	add_field(&fact, "last", text);
	str_add_char(&fact, '}');
	tell(h, unit, "note", u.name, last_of_unit(h, &u), &fact);
}

/* ---- the rest ----------------------------------------------------------------------- */

void events_definition(struct history *h, const char *service, const char *to, const char *text)
{
	auto_str fact = {0};
	unit_id unit = engine_find(h->engine, service);

	str_add(&fact, "{\"event\":\"definition\"");
	add_field(&fact, "service", service);
	add_field(&fact, "to", to);
	add_field(&fact, "source", text);
	if (unit != ID_NONE)
		add_open(h, &fact, unit, ID_NONE, OPEN_MISSING);
	str_add_char(&fact, '}');
	events_emit(h, "definition", service, 0, str_text(&fact));
}

void events_flag(struct history *h, const char *flag, bool set)
{
	auto_str fact = {0};

	str_add(&fact, "{\"event\":\"flag\"");
	add_field(&fact, "flag", flag);
	add_field(&fact, "to", set ? "set" : "clear");
	str_add_char(&fact, '}');
	events_emit(h, "flag", flag, 0, str_text(&fact));
}
