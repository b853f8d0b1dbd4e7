#include "server/explain/picture.h"
#include "server/explain/explain_state.h"
#include "server/supervise/process_set.h"

#include "server/history/events.h"
#include "server/history/failures.h"
#include "server/supervise/notified.h"
#include "server/supervise/probes.h"
#include "server/supervise/readiness.h"

#define LOOK_BACK 1000 /* events read of one unit */
#define OPEN_MAX  100

static void set_text(json_t *o, const char *key, const char *value)
{
	if (value)
		json_object_set_new(o, key, json_string(value));
}

static void set_int(json_t *o, const char *key, int64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

static void set_list(json_t *o, const char *key, const struct str *text)
{
	json_object_set_new(o, key, json_loads(str_text(text), 0, NULL));
}

/* ---- now -------------------------------------------------------------------------- */

void picture_note(
    struct explain *d, const struct job_view *j, const struct action_def *a, struct str *out)
{
	const struct attempt *at = attempt_of(d->supervision, j->id);
	const char *text = at ? readiness_text(at) : NULL, *said = at ? notified_status(at) : NULL;
	auto_free char *expected = events_expected(a);

	if (!probes_trouble(at, out) && j->core.state == JOB_RUNNING && (text || expected))
		str_add(out, text ? text : expected);
	if (said && j->core.state == JOB_RUNNING)
		str_fmt(out, "%sit says: %s", out->n ? ", " : "", said);
}

/* Who a stop waits for, and until when. */
static void add_left(struct explain *d, const struct job_view *j, json_t *o)
{
	const struct attempt *at = attempt_of(d->supervision, j->id);
	struct proc_pids pids = {0};
	auto_str left = {0};

	if (at && at->executed)
		process_set_read(at, &pids);
	if (process_set_describe(&pids, &left))
		set_text(o, "left", str_text(&left));
	free(pids.v);
	if (j->deadline != MSEC_NEVER)
		set_int(o, "kill_at", clock_wall_of(j->deadline));
}

/* How the attempt before the present one ended. */
static void add_before(const struct failures *l, const struct job_view *j, json_t *o)
{
	const struct attempt_failure *f = l && l->n ? &l->v[l->n - 1] : NULL;

	if (!f || f->attempt + 1 != j->attempt)
		return;
	json_t *before = json_pack("{s:s, s:i, s:i, s:I, s:I}", "reason", reason_str(f->reason),
	    "exit_code", f->code, "signal", f->signal, "attempt", (json_int_t)f->attempt, "since",
	    (json_int_t)f->time);
	set_text(before, "why", f->why);
	json_object_set_new(o, "before", before);
}

static json_t *job_now(struct explain *d, unit_id unit, const struct job_view *j)
{
	const struct action_def *a = supervision_action(d->supervision, unit, j->name, NULL);
	json_t *o = json_object();
	auto_str note = {0};

	set_text(o, "action", j->name);
	set_text(o, "state", job_state_str(j->core.state));
	if (j->core.reason != REASON_NONE)
		set_text(o, "reason", reason_str(j->core.reason));
	if (job_has_why(&j->core))
		set_text(o, "why", j->why);
	set_int(o, "exit_code", j->core.last.code);
	set_int(o, "signal", j->core.last.signal);
	json_object_set_new(o, "lost", json_boolean(j->core.last.lost));
	set_int(o, "attempt", j->attempt);
	set_int(o, "max_attempts", a ? a->retry.max_attempts : 0);
	set_int(o, "since", clock_wall_of(j->since));
	if (j->core.state == JOB_RETRYING && j->deadline != MSEC_NEVER)
		set_int(o, "next", clock_wall_of(j->deadline));
	add_before(history_job(d->history, j->id)->failures, j, o);
	picture_note(d, j, a, &note);
	if (note.n)
		set_text(o, "note", str_text(&note));
	if (j->core.state == JOB_STOPPING)
		add_left(d, j, o);
	return o;
}

/* Which edges say why it is where it is: one that does not run may lack what it needs. */
static enum open_edges open_edges_of(enum service_state s)
{
	return s == SERVICE_DEGRADED   ? OPEN_ANY
	       : s == SERVICE_INACTIVE ? OPEN_MISSING
				       : OPEN_WAITING;
}

static void add_conflict(struct explain *d, unit_id unit, bool inactive, json_t *o)
{
	struct unit_view other;
	unit_id id = inactive ? engine_conflict_active(d->engine, unit)
			      : engine_conflict_of(d->engine, unit);

	if (id == ID_NONE || !engine_unit(d->engine, id, &other))
		return;
	set_text(o, "conflict", other.name);
	set_text(o, "conflict_state", service_state_str(other.state));
}

static json_t *now(struct explain *d, const char *name)
{
	unit_id id = engine_find(d->engine, name);
	struct unit_view u;
	struct job_view j;
	auto_str open = {0}, needed = {0};

	if (id == ID_NONE || !engine_unit(d->engine, id, &u))
		return NULL;
	json_t *o = json_object(), *jobs = json_array();
	set_text(o, "name", u.name);
	json_object_set_new(o, "known", json_boolean(u.registered || u.is_run));
	set_text(o, "state", service_state_str(u.state));
	set_text(o, "wanted", wanted_str(u.wanted));
	if (u.reason != REASON_NONE)
		set_text(o, "reason", reason_str(u.reason));
	set_text(o, "reason_subject", u.reason_subject);
	set_int(o, "since", clock_wall_of(u.since));
	add_conflict(d, id, u.state == SERVICE_INACTIVE, o);
	const struct unit_record *record = history_find_unit(d->history, id);
	if (u.run_live && record && (u.state == SERVICE_RUNNING || u.state == SERVICE_EXITED))
		set_text(o, "who", record->who);
	for (size_t i = 0; engine_job_at(d->engine, id, i, &j); i++)
		json_array_append_new(jobs, job_now(d, id, &j));
	json_object_set_new(o, "jobs", jobs);
	events_add_open(d->history, &open, id, ID_NONE, open_edges_of(u.state), OPEN_MAX);
	set_list(o, "open", &open);
	if (u.state == SERVICE_RUNNING) {
		events_add_demand(d->history, &needed, id);
		set_list(o, "needed_by", &needed);
	}
	return o;
}

/* ---- then ------------------------------------------------------------------------- */

struct replay {
	json_t *o, *jobs, *gates, *open; /* open: NULL until an event told of it */
	bool unit_seen, defined_seen, wanted_seen;
	size_t n;
};

static json_t *job_named(const json_t *jobs, const char *action)
{
	json_t *j;
	size_t i;

	json_array_foreach (jobs, i, j)
		if (text_eq(json_string_value(json_object_get(j, "action")), action))
			return j;
	return NULL;
}

static void copy_keys(json_t *to, const json_t *from, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *v = json_object_get(from, keys[i]);

		if (v)
			json_object_set(to, keys[i], v);
	}
}

static void take_unit(struct replay *r, const json_t *fact, usec_wall time)
{
	static const char *const keys[] = {
	    "reason", "reason_subject", "conflict", "conflict_state", "needed_by", "who"};

	if (r->unit_seen)
		return;
	r->unit_seen = true;
	json_object_set(r->o, "state", json_object_get(fact, "to"));
	if (!r->wanted_seen)
		json_object_set(r->o, "wanted", json_object_get(fact, "wanted"));
	copy_keys(r->o, fact, keys, countof(keys));
	set_int(r->o, "since", time);
}

/* An older event of a job: the end of the attempt before the one that was the last then. */
static void take_before(json_t *j, const json_t *fact, usec_wall time)
{
	static const char *const keys[] = {"reason", "why", "exit_code", "signal", "attempt"};
	json_int_t attempt = json_integer_value(json_object_get(fact, "attempt"));

	if (json_object_get(j, "before") || !json_object_get(fact, "exit_code") ||
	    attempt + 1 != json_integer_value(json_object_get(j, "attempt")) || !attempt)
		return;
	json_t *before = json_object();
	copy_keys(before, fact, keys, countof(keys));
	set_int(before, "since", time);
	json_object_set_new(j, "before", before);
}

static void take_job(struct replay *r, const json_t *fact, usec_wall time)
{
	static const char *const keys[] = {
	    "action", "reason", "why", "exit_code", "signal", "lost", "attempt", "max_attempts"};
	const char *action = json_string_value(json_object_get(fact, "action"));
	json_t *j = job_named(r->jobs, action), *next = json_object_get(fact, "next_ms");

	if (j && json_object_get(j, "state")) {
		take_before(j, fact, time);
		return;
	}
	if (!j)
		json_array_insert_new(r->jobs, 0, j = json_object());
	copy_keys(j, fact, keys, countof(keys));
	if (!json_object_get(j, "note") && json_object_get(fact, "note"))
		json_object_set(j, "note", json_object_get(fact, "note"));
	json_object_set(j, "state", json_object_get(fact, "to"));
	set_int(j, "since", time);
	if (next)
		set_int(j, "next", time + json_integer_value(next) * 1000);
}

/* What a probe or a gate said after the last change of the job. */
static void take_note(struct replay *r, const json_t *fact, const char *kind)
{
	const char *action = json_string_value(json_object_get(fact, "action"));
	const char *last = json_string_value(json_object_get(fact, "last")),
		   *state = json_string_value(json_object_get(fact, "state"));
	json_t *j = job_named(r->jobs, action);

	if (!last || !action || (j && (json_object_get(j, "state") || json_object_get(j, "note"))))
		return;
	if (!j)
		json_array_insert_new(r->jobs, 0, j = json_pack("{s:s}", "action", action));
	if (strcmp(kind, "note") == 0)
		set_text(j, "note", last);
	else if (!text_eq(state, "passing")) {
		auto_free char *text = text_fmt(
		    "%s probe: %s", json_string_value(json_object_get(fact, "probe")), last);
		set_text(j, "note", text);
	}
}

static void take_gate_note(struct replay *r, const json_t *fact)
{
	const char *gate = json_string_value(json_object_get(fact, "gate"));

	if (gate && !r->open && !json_object_get(r->gates, gate))
		json_object_set(r->gates, gate, json_object_get(fact, "last"));
}

static bool take_event(const struct store_event *e, void *ctx)
{
	struct replay *r = ctx;
	json_t *fact = json_loads(e->fact, 0, NULL), *open = json_object_get(fact, "open");
	const char *kind = json_string_value(json_object_get(fact, "event"));

	r->n++;
	if (text_eq(kind, "note"))
		take_gate_note(r, fact);
	if (text_eq(kind, "unit"))
		take_unit(r, fact, e->time);
	else if (text_eq(kind, "job"))
		take_job(r, fact, e->time);
	else if (text_eq(kind, "probe") || text_eq(kind, "note"))
		take_note(r, fact, kind);
	else if (text_eq(kind, "wanted") && !r->wanted_seen) {
		r->wanted_seen = true;
		json_object_set(r->o, "wanted", json_object_get(fact, "to"));
	} else if (text_eq(kind, "definition") && !r->defined_seen) {
		r->defined_seen = true;
		if (!r->unit_seen)
			set_int(r->o, "since", e->time);
		json_object_set_new(r->o, "known",
		    json_boolean(
			!text_eq(json_string_value(json_object_get(fact, "to")), "removed")));
	}
	if (open && !r->open)
		r->open = json_incref(open);
	json_decref(fact);
	return true;
}

/* Edges of jobs that wait, or of any when it was degraded; `last` from the newest note. */
static json_t *still_open(const struct replay *r)
{
	json_t *out = json_array(), *e;
	const char *state = json_string_value(json_object_get(r->o, "state"));
	bool any = text_eq(state, "degraded") || text_eq(state, "inactive");
	size_t i;

	json_array_foreach (r->open, i, e) {
		const json_t *j =
		    job_named(r->jobs, json_string_value(json_object_get(e, "action")));

		if (!any &&
		    !text_eq(json_string_value(json_object_get(j, "state")), "waiting_deps"))
			continue;
		const char *gate = json_string_value(json_object_get(e, "gate"));
		if (gate && json_object_get(r->gates, gate))
			json_object_set(e, "last", json_object_get(r->gates, gate));
		json_array_append(out, e);
	}
	return out;
}

static json_t *then(struct explain *d, const char *name, const struct instant *at)
{
	struct replay r = {.o = json_object(), .jobs = json_array(), .gates = json_object()};
	struct error e = {0};

	set_text(r.o, "name", name);
	set_text(r.o, "state", "inactive");
	set_text(r.o, "wanted", "ignore");
	json_object_set_new(r.o, "known", json_true());
	store_last_events(
	    d->store, name, at->time, at->event ? at->event + 1 : 0, LOOK_BACK, take_event, &r, &e);
	json_object_set_new(r.o, "open", still_open(&r));
	json_object_set_new(r.o, "jobs", r.jobs);
	json_decref(r.open);
	json_decref(r.gates);
	if (r.n)
		return r.o;
	json_decref(r.o);
	return NULL;
}

json_t *picture_of(struct explain *d, const char *name, const struct instant *at)
{
	return at->time || at->event ? then(d, name, at) : now(d, name);
}
