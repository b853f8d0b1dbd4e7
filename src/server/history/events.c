#include "server/history/events.h"

#include "rpc/json_out.h"
#include "server/explain/event_stream.h"
#include "server/history/failures.h"
#include "server/history/records.h"
#include "server/operation/operations.h"
#include "server/supervise/gates.h"

#include <stdio.h>

#define OPEN_MAX  8 /* edges named in one event */
#define LOOK_BACK 200
#define NAMES_MAX 3

int64_t events_emit(
    struct daemon *d, const char *kind, const char *subject, int64_t cause, const char *fact)
{
	int64_t id = (int64_t)records_take(d->records, COUNTER_EVENT);
	usec_wall now = clock_wall();

	store_put_event(
	    d->store, &(struct store_event){
			  .id = id, .cause = cause, .time = now, .subject = subject, .fact = fact});
	event_stream_publish(d->hub, id, cause, now, kind, fact);
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

static int64_t read_last(struct daemon *d, const char *subject, const char *with)
{
	struct search s = {.with = with};
	struct error e = {0};

	store_last_events(d->store, subject, 0, 0, LOOK_BACK, look_at, &s, &e);
	return s.found;
}

int64_t events_of_operation(struct daemon *d, op_id id, const char *subject)
{
	auto_free char *with =
	    text_fmt("\"event\":\"operation\",\"operation\":%llu,", (unsigned long long)id);

	return read_last(d, subject, with);
}

static int64_t last_of_job(struct daemon *d, const struct unit_view *u, const struct job_view *j)
{
	struct job_slot *s = daemon_slot(d, j->id);

	if (s->event == EVENT_UNREAD) {
		auto_str with = {0};

		str_add(&with, "\"action\":");
		json_out_text(&with, NULL, j->name);
		s->event = read_last(d, u->name, str_text(&with));
	}
	return s->event;
}

static struct unit_slot *unit_slot(struct daemon *d, unit_id u)
{
	while (d->units.n <= u)
		vec_push(&d->units);
	return &d->units.v[u];
}

static int64_t *unit_event(struct daemon *d, unit_id u)
{
	return &unit_slot(d, u)->event;
}

static int64_t tell(struct daemon *d, unit_id unit, const char *kind, const char *name,
    int64_t cause, const struct str *fact)
{
	int64_t event = events_emit(d, kind, name, cause, str_text(fact));

	return unit_slot(d, unit)->news = event;
}

static int64_t last_of_unit(struct daemon *d, const struct unit_view *u)
{
	int64_t *at = unit_event(d, u->id);

	if (*at == EVENT_UNREAD)
		*at = read_last(d, u->name, NULL);
	return *at;
}

int64_t events_of_job(struct daemon *d, const struct unit_view *u, const struct job_view *j)
{
	int64_t own = last_of_job(d, u, j), edge = daemon_slot(d, j->id)->edge_event;

	return edge > own ? edge : own;
}

int64_t events_last_of(struct daemon *d, const struct strv *names)
{
	struct unit_view u;
	int64_t last = 0;

	for (size_t i = 0; i < names->n; i++) {
		unit_id id = engine_find(d->engine, names->v[i]);
		int64_t event =
		    id != ID_NONE && engine_unit(d->engine, id, &u) ? last_of_unit(d, &u) : 0;

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
    struct daemon *d, struct str *out, const struct job_view *j, const struct edge_view *e)
{
	const char *last = e->gate_waits && e->gate != ID_NONE ? gates_last(d, e->gate) : NULL;

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
static bool is_missing(struct daemon *d, const struct edge_view *e)
{
	struct unit_view u;

	return e->to_unit != ID_NONE && engine_unit(d->engine, e->to_unit, &u) && !u.registered;
}

void events_add_open(
    struct daemon *d, struct str *out, unit_id unit, enum open_edges which, size_t max)
{
	struct job_view j;
	struct edge_view e;
	size_t n = 0;

	str_add_char(out, '[');
	for (size_t i = 0; n < max && engine_job_at(d->engine, unit, i, &j); i++)
		for (size_t k = 0; (which != OPEN_WAITING || j.core.state == JOB_WAITING_DEPS) &&
				   n < max && engine_edge_at(d->engine, j.id, k, &e);
		     k++) {
			if (!is_open(&e) || (which == OPEN_MISSING && !is_missing(d, &e)))
				continue;
			str_add(out, n++ ? "," : "");
			add_edge(d, out, &j, &e);
		}
	str_add_char(out, ']');
}

static void add_open(struct daemon *d, struct str *fact, unit_id unit, enum open_edges which)
{
	str_add(fact, ",\"open\":");
	events_add_open(d, fact, unit, which, OPEN_MAX);
}

/* ---- jobs ------------------------------------------------------------------------- */

/* Why a run began: the operation, or whose edge pulled it in. */
static int64_t cause_of_run(struct daemon *d, const struct unit_view *u)
{
	int64_t op = operations_event(d, u->cause);
	struct unit_view by;

	if (op || u->pulled_by == ID_NONE || !engine_unit(d->engine, u->pulled_by, &by))
		return op;
	return last_of_unit(d, &by);
}

/* The last end among those that had to be gone before this one was told to stop. */
static int64_t last_dependent_gone(
    struct daemon *d, const struct unit_view *u, const struct job_view *j)
{
	edge_id at = ID_NONE;
	job_id from, to;
	int64_t last = 0;

	while (engine_next_into(d->engine, u->id, &at, &from, &to)) {
		struct job_view v;
		unit_id of;
		struct unit_view by;
		bool other = engine_job(d->engine, from, &v, &of) && of != u->id;

		if ((to == ID_NONE ? !other : to != j->id) || job_state_has_process(v.core.state) ||
		    !engine_unit(d->engine, of, &by))
			continue;
		int64_t event = last_of_job(d, &by, &v);
		last = event > last ? event : last;
	}
	return last;
}

static int64_t cause_of_stop(
    struct daemon *d, const struct unit_view *u, const struct job_view *j, int64_t own)
{
	int64_t op = operations_event(d, u->stop_cause);
	int64_t turn = j && j->core.state == JOB_STOPPING ? last_dependent_gone(d, u, j) : 0;
	struct unit_view by;
	unit_id id = u->reason_subject ? engine_find(d->engine, u->reason_subject) : ID_NONE;

	own = turn > own ? turn : own;
	if (op || id == ID_NONE || id == u->id || !engine_unit(d->engine, id, &by))
		return op > own ? op : own;
	return last_of_unit(d, &by);
}

/* What it conflicts with has gone since it began to wait. */
static int64_t last_conflict_gone(struct daemon *d, const struct unit_view *u)
{
	const struct service_def *s = daemon_definition(d, u->name);
	struct unit_view other;
	int64_t last = 0;

	for (size_t i = 0; s && i < s->conflicts.n; i++) {
		unit_id id = engine_find(d->engine, s->conflicts.v[i]);

		if (id == ID_NONE || !engine_unit(d->engine, id, &other))
			continue;
		int64_t event = last_of_unit(d, &other);
		last = event > last ? event : last;
	}
	return last;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t cause_of_job(
    struct daemon *d, const struct effect *fx, const struct unit_view *u, const struct job_view *j)
{
	int64_t own = last_of_job(d, u, j);
	const struct job_slot *s = daemon_slot(d, fx->job);

	switch ((enum job_state)fx->to) {
	case JOB_WAITING_DEPS:
		if (fx->from == JOB_RETRYING)
			return own;
		return later(later(fx->from == JOB_CREATED ? 0 : own, cause_of_run(d, u)),
		    unit_slot(d, u->id)->end_event); /* of a restart: the last of it was gone */
	case JOB_PENDING:
	case JOB_STARTING: return later(later(own, s->edge_event), last_conflict_gone(d, u));
	case JOB_STOPPING:
	case JOB_CANCELLED: return cause_of_stop(d, u, j, own);
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
    struct daemon *d, struct str *fact, const struct effect *fx, const struct job_view *j)
{
	const struct action_def *a = daemon_action(d, fx->unit, j->name, NULL);

	str_fmt(fact, ",\"exit_code\":%d,\"signal\":%d", j->core.last.code, j->core.last.signal);
	if (j->core.last.lost)
		str_add(fact, ",\"lost\":true");
	if (a && a->retry.max_attempts)
		str_fmt(fact, ",\"max_attempts\":%lld", (long long)a->retry.max_attempts);
	if (fx->to == JOB_RETRYING && j->deadline != MSEC_NEVER)
		str_fmt(fact, ",\"next_ms\":%lld", (long long)(j->deadline - j->since));
}

void events_job(struct daemon *d, const struct effect *fx)
{
	struct job_view j;
	struct unit_view u;
	auto_str fact = {0};

	if (!engine_job(d->engine, fx->job, &j, NULL) || !engine_unit(d->engine, fx->unit, &u) ||
	    !u.run)
		return;
	int64_t cause = cause_of_job(d, fx, &u, &j);
	struct job_slot *s = daemon_slot(d, fx->job);
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
		add_end(d, &fact, fx, &j);
	if (fx->to == JOB_FAILED || fx->to == JOB_RETRYING || fx->to == JOB_PENDING ||
	    (fx->to == JOB_STOPPING &&
		(fx->reason == REASON_PROBE_FAILED || fx->reason == REASON_START_TIMEOUT)))
		add_field(&fact, "why", j.why);
	if (fx->to == JOB_RUNNING) {
		auto_free char *expected =
		    events_expected(daemon_action(d, fx->unit, j.name, NULL));

		add_field(&fact, "note", expected);
	}
	if (fx->to == JOB_WAITING_DEPS)
		add_open(d, &fact, fx->unit, OPEN_WAITING);
	str_add_char(&fact, '}');
	s->event = tell(d, fx->unit, "job", u.name, cause, &fact);
	*unit_event(d, fx->unit) = s->event;
	if (job_state_is_end((enum job_state)fx->to))
		unit_slot(d, fx->unit)->end_event = s->event;
}

/* ---- units ------------------------------------------------------------------------ */

void events_add_demand(struct daemon *d, struct str *out, unit_id unit)
{
	unit_id by[NAMES_MAX];
	size_t n = engine_needed_by(d->engine, unit, by, countof(by));
	struct unit_view u;

	str_add_char(out, '[');
	for (size_t i = 0; i < n; i++)
		json_out_text(out, NULL, engine_unit(d->engine, by[i], &u) ? u.name : NULL);
	str_add_char(out, ']');
}

/* A new server's engine finds it as it was: nothing has happened. */
static bool was_so_before(const struct daemon *d, const struct effect *fx)
{
	return d->recovering && fx->from == SERVICE_INACTIVE &&
	       (fx->to == SERVICE_RUNNING || fx->to == SERVICE_EXITED || fx->to == SERVICE_FAILED ||
		   fx->to == SERVICE_DEGRADED);
}

void events_unit(struct daemon *d, const struct effect *fx)
{
	struct unit_view u, other;
	auto_str fact = {0};
	unit_id conflict = engine_conflict_of(d->engine, fx->unit);

	if (!engine_unit(d->engine, fx->unit, &u) || was_so_before(d, fx))
		return;
	begin_fact(&fact, "unit", &u);
	str_fmt(&fact, ",\"from\":\"%s\",\"to\":\"%s\",\"wanted\":\"%s\"",
	    service_state_str((enum service_state)fx->from),
	    service_state_str((enum service_state)fx->to), wanted_str(u.wanted));
	if (u.reason != REASON_NONE)
		add_field(&fact, "reason", reason_str(u.reason));
	add_field(&fact, "reason_subject", u.reason_subject);
	if (conflict != ID_NONE && engine_unit(d->engine, conflict, &other)) {
		add_field(&fact, "conflict", other.name);
		add_field(&fact, "conflict_state", service_state_str(other.state));
	}
	if (fx->to == SERVICE_BLOCKED || fx->to == SERVICE_DEGRADED)
		add_open(d, &fact, fx->unit, fx->to == SERVICE_DEGRADED ? OPEN_ANY : OPEN_WAITING);
	if ((fx->to == SERVICE_RUNNING || fx->to == SERVICE_EXITED) && fx->unit < d->units.n)
		add_field(&fact, "who", d->units.v[fx->unit].who);
	if (fx->to == SERVICE_RUNNING) {
		str_add(&fact, ",\"needed_by\":");
		events_add_demand(d, &fact, fx->unit);
	}
	str_add_char(&fact, '}');
	int64_t own = last_of_unit(d, &u);
	int64_t cause = fx->to == SERVICE_STOPPING ? cause_of_stop(d, &u, NULL, own) : own;
	int64_t event = tell(d, fx->unit, "unit", u.name, cause, &fact);
	*unit_event(d, fx->unit) = event;
}

void events_wanted(struct daemon *d, const struct effect *fx)
{
	struct unit_view u;
	auto_str fact = {0};

	if (!engine_unit(d->engine, fx->unit, &u) || u.is_run)
		return;
	begin_fact(&fact, "wanted", &u);
	str_fmt(&fact, ",\"from\":\"%s\",\"to\":\"%s\"}", wanted_str((enum wanted)fx->from),
	    wanted_str((enum wanted)fx->to));
	tell(d, fx->unit, "wanted", u.name, operations_event(d, u.op), &fact);
}

/* ---- edges ------------------------------------------------------------------------ */

static int64_t cause_of_edge(
    struct daemon *d, const struct effect *fx, const struct edge_view *e, int64_t own)
{
	struct unit_view u;
	struct job_view j;
	int64_t other = 0;

	if (fx->to == EDGE_HOLDS && fx->from == EDGE_WAITS && e->gate_text)
		return own; /* the gate was asked, and answered */
	if (e->to_unit == ID_NONE || !engine_unit(d->engine, e->to_unit, &u))
		return own;
	if (e->to_job != ID_NONE && engine_job(d->engine, e->to_job, &j, NULL))
		other = last_of_job(d, &u, &j);
	else
		other = last_of_unit(d, &u);
	return other ? other : own;
}

void events_edge(struct daemon *d, const struct effect *fx)
{
	struct edge_view e;
	struct unit_view u;
	struct job_view j;
	auto_str fact = {0};
	bool asks = fx->from == EDGE_WAITS && fx->to == EDGE_WAITS;

	if (!engine_edge(d->engine, fx->edge, &e) || e.from != fx->job ||
	    !engine_job(d->engine, fx->job, &j, NULL) || !engine_unit(d->engine, fx->unit, &u))
		return;
	struct job_slot *s = daemon_slot(d, fx->job);
	int64_t own = last_of_job(d, &u, &j);
	int64_t cause = cause_of_edge(d, fx, &e, s->edge_event > own ? s->edge_event : own);
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
	add_open(d, &fact, fx->unit, OPEN_WAITING);
	str_add_char(&fact, '}');
	s->edge_event = tell(d, fx->unit, "edge", u.name, cause, &fact);
	*unit_event(d, fx->unit) = s->edge_event;
}

void events_probe(
    struct daemon *d, job_id job, const char *probe, const char *state, const char *last)
{
	struct job_view j;
	struct unit_view u;
	unit_id unit;
	auto_str fact = {0};

	if (!engine_job(d->engine, job, &j, &unit) || !engine_unit(d->engine, unit, &u))
		return;
	int64_t own = last_of_job(d, &u, &j);
	begin_fact(&fact, "probe", &u);
	add_field(&fact, "action", j.name);
	add_field(&fact, "probe", probe);
	add_field(&fact, "state", state);
	add_field(&fact, "job_state", job_state_str(j.core.state));
	str_fmt(&fact, ",\"attempt\":%u", j.attempt);
	add_field(&fact, "last", last);
	str_add_char(&fact, '}');
	daemon_slot(d, job)->event = tell(d, unit, "probe", u.name, own, &fact);
}

void events_note(
    struct daemon *d, unit_id unit, const char *action, const char *gate, const char *text)
{
	struct unit_view u;
	auto_str fact = {0};

	if (!engine_unit(d->engine, unit, &u))
		return;
	begin_fact(&fact, "note", &u);
	add_field(&fact, "action", action);
	add_field(&fact, "gate", gate);
	add_field(&fact, "last", text);
	str_add_char(&fact, '}');
	tell(d, unit, "note", u.name, last_of_unit(d, &u), &fact);
}

/* ---- the rest ----------------------------------------------------------------------- */

void events_definition(struct daemon *d, const char *service, const char *to, const char *text)
{
	auto_str fact = {0};
	unit_id unit = engine_find(d->engine, service);

	str_add(&fact, "{\"event\":\"definition\"");
	add_field(&fact, "service", service);
	add_field(&fact, "to", to);
	add_field(&fact, "source", text);
	if (unit != ID_NONE)
		add_open(d, &fact, unit, OPEN_MISSING);
	str_add_char(&fact, '}');
	events_emit(d, "definition", service, 0, str_text(&fact));
}

void events_flag(struct daemon *d, const char *flag, bool set)
{
	auto_str fact = {0};

	str_add(&fact, "{\"event\":\"flag\"");
	add_field(&fact, "flag", flag);
	add_field(&fact, "to", set ? "set" : "clear");
	str_add_char(&fact, '}');
	events_emit(d, "flag", flag, 0, str_text(&fact));
}
