#include "server/why.h"

#include "server/gates.h"
#include "server/launch.h"
#include "server/notified.h"
#include "server/probes.h"
#include "server/readiness.h"
#include "server/status.h"

#define DEPTH_MAX 32
#define LINES_MAX 5

static void describe_end(const struct job_view *j, struct str *out)
{
	char name[16];

	if (j->why && (j->core.reason == REASON_SPAWN_ERROR ||
			  j->core.reason == REASON_PROBE_FAILED || j->core.state == JOB_PENDING))
		str_fmt(out, ": %s", j->why);
	else if (j->core.last.signal)
		str_fmt(out, ": %s", signal_name(j->core.last.signal, name, sizeof(name)));
	else if (j->core.last.lost)
		str_add(out, ": its exit status is not known");
	else if (j->core.reason != REASON_START_TIMEOUT && j->core.last.code >= 0)
		str_fmt(out, ": exit code %d", j->core.last.code);
	if (j->core.reason != REASON_NONE && j->core.reason != REASON_EXIT_CODE &&
	    j->core.reason != REASON_SIGNAL && j->core.reason != REASON_SPAWN_ERROR)
		str_fmt(out, " (%s)", reason_str(j->core.reason));
	if (j->attempt)
		str_fmt(out, ", attempt %u", j->attempt);
}

/* Executed and not ready: what its readiness looks at said this the last time. */
static void describe_readiness(struct daemon *d, const struct job_view *j, struct str *out)
{
	const struct attempt *at = daemon_slot(d, j->id)->live;
	const char *text = at ? readiness_text(at) : NULL;
	auto_str probe = {0};
	const char *said = at ? notified_status(at) : NULL;

	str_add(out, ", not ready");
	if (probes_trouble(at, &probe))
		str_fmt(out, ": %s", str_text(&probe));
	else if (text)
		str_fmt(out, ": %s", text);
	if (said)
		str_fmt(out, ", it says: %s", said);
}

/* Ready, and a probe has something to say against it. */
static void describe_health(struct daemon *d, const struct job_view *j, struct str *out)
{
	auto_str probe = {0};
	if (probes_trouble(daemon_slot(d, j->id)->live, &probe))
		str_fmt(out, ", %s", str_text(&probe));
}

static void describe_job(
    struct daemon *d, const struct unit_view *u, const struct job_view *j, struct str *out)
{
	bool named_alike = strcmp(u->name, j->name) == 0;

	str_fmt(out, "%s%s%s is %s", u->name, named_alike ? "" : "/", named_alike ? "" : j->name,
	    job_state_str(j->core.state));
	if (j->core.state == JOB_FAILED || j->core.state == JOB_RETRYING ||
	    j->core.state == JOB_PENDING || j->core.state == JOB_SKIPPED)
		describe_end(j, out);
	else if (j->core.state == JOB_RUNNING)
		describe_readiness(d, j, out);
	else if (j->core.state == JOB_READY)
		describe_health(d, j, out);
}

static bool is_trouble(const struct job_view *j)
{
	switch (j->core.state) {
	case JOB_FAILED:
	case JOB_RETRYING:
	case JOB_PENDING:
	case JOB_SKIPPED:
	case JOB_STARTING:
	case JOB_RUNNING: return true;
	case JOB_CREATED:
	case JOB_WAITING_DEPS:
	case JOB_READY:
	case JOB_STOPPING:
	case JOB_SUCCEEDED:
	case JOB_CANCELLED:
	case JOB_STATE_COUNT: break;
	}
	return false;
}

static bool is_ill(struct daemon *d, const struct job_view *j)
{
	auto_str ignored = {0};

	return is_trouble(j) || (j->core.state == JOB_READY &&
				    probes_trouble(daemon_slot(d, j->id)->live, &ignored));
}

static bool is_open(const struct edge_view *e)
{
	return e->status == EDGE_WAITS || e->status == EDGE_BLOCKED;
}

/* Of a job that runs, only a need that was lost says anything. */
static bool counts(const struct job_view *j, const struct edge_view *e)
{
	return is_open(e) && (j->core.state == JOB_WAITING_DEPS || (e->kinds & DEP_REQUIRES));
}

static bool shows_edges(const struct unit_view *u, const struct job_view *j)
{
	return j->core.state == JOB_WAITING_DEPS ||
	       (j->core.state == JOB_READY && u->state == SERVICE_DEGRADED);
}

static void describe_edge(struct daemon *d, const struct edge_view *e, struct str *out)
{
	const char *last = e->gate_waits && e->gate != ID_NONE ? gates_last(d, e->gate) : NULL;

	str_add(out, e->text);
	if (last)
		str_fmt(out, ": %s", last);
	if (e->source)
		str_fmt(out, " (%s)", e->source);
}

/* A unit without edges and jobs in trouble: why it is where it is. */
static void describe_unit(const struct unit_view *u, struct str *out)
{
	str_fmt(out, "%s is %s", u->name,
	    u->registered || u->is_run ? service_state_str(u->state) : "not registered");
	if (u->wanted == WANTED_STOP)
		str_add(out, ", stopped by the operator");
	else if (u->reason != REASON_NONE)
		str_fmt(out, u->reason_subject ? ", %s(%s)" : ", %s", reason_str(u->reason),
		    u->reason_subject);
}

/* ---- the tree --------------------------------------------------------------------- */

static json_t *node(const char *subject, const char *fact, msec since, json_t *take_because)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "subject", subject, "fact", fact, "since",
	    status_time(clock_wall_of(since)), "because", take_because);
}

static json_t *causes(struct daemon *d, unit_id unit, json_t *seen, int depth);

static json_t *conflict_node(struct daemon *d, const struct unit_view *u, unit_id other)
{
	struct unit_view o;
	auto_str fact = {0};

	engine_unit(d->engine, other, &o);
	str_fmt(&fact, "%s conflicts with %s, which is %s", u->name, o.name,
	    service_state_str(o.state));
	return node(u->name, str_text(&fact), u->since, json_array());
}

static void add_edges(struct daemon *d, const struct unit_view *u, const struct job_view *j,
    json_t *seen, int depth, json_t *into)
{
	struct edge_view e;

	for (size_t k = 0; engine_edge_at(d->engine, j->id, k, &e); k++) {
		auto_str fact = {0};

		if (!counts(j, &e))
			continue;
		describe_edge(d, &e, &fact);
		json_t *because = e.to_unit != ID_NONE && !e.gate_waits && depth < DEPTH_MAX
				      ? causes(d, e.to_unit, seen, depth + 1)
				      : json_array();
		json_array_append_new(into, node(u->name, str_text(&fact), e.since, because));
	}
}

static json_t *causes(struct daemon *d, unit_id unit, json_t *seen, int depth)
{
	json_t *a = json_array();
	struct unit_view u;
	struct job_view j;
	unit_id other = engine_conflict_of(d->engine, unit);

	if (!engine_unit(d->engine, unit, &u) || json_object_get(seen, u.name))
		return a;
	json_object_set_new_nocheck(seen, u.name, json_true());
	if (other != ID_NONE)
		json_array_append_new(a, conflict_node(d, &u, other));
	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++) {
		auto_str fact = {0};

		if (shows_edges(&u, &j))
			add_edges(d, &u, &j, seen, depth, a);
		else if (is_ill(d, &j)) {
			describe_job(d, &u, &j, &fact);
			json_array_append_new(
			    a, node(u.name, str_text(&fact), j.since, json_array()));
		}
	}
	return a;
}

/* What does not hold and need not, which explains a start without it (F26). */
static void ignored_edges(struct daemon *d, unit_id unit, struct strv *out)
{
	struct job_view j;
	struct edge_view e;

	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++)
		for (size_t k = 0; engine_edge_at(d->engine, j.id, k, &e); k++) {
			auto_str line = {0};

			if (e.status != EDGE_IGNORED)
				continue;
			str_fmt(&line, "%s is optional and ignored: ", e.target);
			describe_edge(d, &e, &line);
			strv_take(out, str_take(&line));
		}
}

static bool is_well(const struct unit_view *u)
{
	return u->state == SERVICE_RUNNING || u->state == SERVICE_EXITED;
}

json_t *why_chain(struct daemon *d, unit_id unit)
{
	struct unit_view u;
	auto_str fact = {0};
	json_t *seen = json_object(), *a = json_array();

	if (engine_unit(d->engine, unit, &u)) {
		describe_unit(&u, &fact);
		json_array_append_new(
		    a, node(u.name, str_text(&fact), u.since,
			   is_well(&u) ? json_array() : causes(d, unit, seen, 0)));
		struct strv ignored = {0};
		ignored_edges(d, unit, &ignored);
		for (size_t i = 0; i < ignored.n; i++)
			json_array_append_new(a, node(u.name, ignored.v[i], u.since, json_array()));
		strv_release(&ignored);
	}
	json_decref(seen);
	return a;
}

/* ---- the straight way down to the root --------------------------------------------- */

struct walk {
	struct daemon *d;
	struct strv lines;
	unit_id culprit_unit;
	job_id culprit_job;
};

/* The edge that explains most: blocked before waiting. */
static bool worst_edge(struct daemon *d, const struct unit_view *u, struct edge_view *out)
{
	struct job_view j;
	struct edge_view e;
	bool found = false;

	for (size_t i = 0; engine_job_at(d->engine, u->id, i, &j); i++) {
		if (!shows_edges(u, &j))
			continue;
		for (size_t k = 0; engine_edge_at(d->engine, j.id, k, &e); k++)
			if (counts(&j, &e) &&
			    (!found || (e.status == EDGE_BLOCKED && out->status != EDGE_BLOCKED))) {
				*out = e;
				found = true;
			}
	}
	return found;
}

static bool worst_job(struct daemon *d, unit_id unit, struct job_view *out)
{
	struct job_view j;
	bool found = false;

	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++)
		if (is_ill(d, &j) && (!found || j.core.state == JOB_FAILED)) {
			*out = j;
			found = true;
		}
	return found;
}

/* One line; the unit to go on with, or ID_NONE at the root. */
static unit_id step(struct walk *w, unit_id unit)
{
	struct unit_view u;
	struct edge_view e;
	struct job_view j;
	auto_str line = {0};
	unit_id next = ID_NONE, other = engine_conflict_of(w->d->engine, unit);

	if (!engine_unit(w->d->engine, unit, &u) || is_well(&u))
		return ID_NONE;
	if (other != ID_NONE) {
		struct unit_view o;

		engine_unit(w->d->engine, other, &o);
		str_fmt(&line, "%s conflicts with %s, which is %s", u.name, o.name,
		    service_state_str(o.state));
	} else if (worst_edge(w->d, &u, &e)) {
		str_fmt(&line, "%s %s: ", u.name,
		    u.state == SERVICE_DEGRADED ? "goes on without what it needs" : "waits");
		describe_edge(w->d, &e, &line);
		if (!e.gate_waits && e.to_unit != ID_NONE && e.to_unit != unit)
			next = e.to_unit;
	} else if (worst_job(w->d, unit, &j)) {
		describe_job(w->d, &u, &j, &line);
		w->culprit_unit = unit;
		w->culprit_job = j.id;
	} else {
		describe_unit(&u, &line);
	}
	strv_take(&w->lines, str_take(&line));
	return next;
}

static void go_down(struct walk *w, unit_id unit)
{
	w->culprit_unit = ID_NONE;
	for (int depth = 0; unit != ID_NONE && depth < DEPTH_MAX; depth++)
		unit = step(w, unit);
}

json_t *why_lines(struct daemon *d, unit_id unit)
{
	struct walk w = {.d = d};
	struct unit_view u;
	json_t *a = json_array();

	if (engine_unit(d->engine, unit, &u) && u.state != SERVICE_INACTIVE)
		go_down(&w, unit);
	for (size_t i = 0; i < w.lines.n; i++)
		json_array_append_new(a, json_string(w.lines.v[i]));
	strv_release(&w.lines);
	return a;
}

char *why_text(struct daemon *d, unit_id unit, const char **service, const char **action)
{
	struct walk w = {.d = d};
	struct unit_view u;
	struct job_view j;
	auto_str out = {0};

	if (!engine_unit(d->engine, unit, &u))
		return text_dup("");
	describe_unit(&u, &out);
	if (u.wanted != WANTED_IGNORE)
		str_fmt(&out, ", wanted %s", wanted_str(u.wanted));
	if (u.state != SERVICE_INACTIVE)
		go_down(&w, unit);
	for (size_t i = 0; i < w.lines.n; i++) {
		/* the top and the root are what people need; the middle is in the chain */
		if (w.lines.n > LINES_MAX - 1 && i == LINES_MAX - 3) {
			str_fmt(&out, "\n  ... %zu more ...", w.lines.n - (LINES_MAX - 2));
			i = w.lines.n - 2;
			continue;
		}
		str_fmt(&out, "\n  %s", w.lines.v[i]);
	}
	strv_release(&w.lines);
	ignored_edges(d, unit, &w.lines);
	for (size_t i = 0; i < w.lines.n && i < LINES_MAX; i++)
		str_fmt(&out, "\n  %s", w.lines.v[i]);
	strv_release(&w.lines);
	*service = *action = NULL;
	if (w.culprit_unit != ID_NONE && engine_unit(d->engine, w.culprit_unit, &u) &&
	    engine_job(d->engine, w.culprit_job, &j, NULL) && (j.core.state != JOB_STARTING)) {
		*service = u.name;
		*action = j.name;
	}
	return str_take(&out);
}
