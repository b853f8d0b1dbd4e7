#include "server/explain/why.h"

#include "server/explain/status.h"
#include "server/supervise/gates.h"
#include "server/supervise/launch.h"

#define DEPTH_MAX   24 /* levels of the tree; what lies between is counted */
#define WALK_MAX    20000
#define LINES_DEPTH 32	 /* of the straight way that stands in a status */
#define EDGES_MAX   2000 /* looked at for one answer: a dense graph has a hundred thousand */

struct why {
	struct daemon *d;
	struct instant at;
	usec_wall now;
	json_t *seen; /* names whose causes were told */
	size_t edges;
};

static const char *text_in(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static int64_t int_in(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool is(const json_t *o, const char *key, const char *word)
{
	return text_eq(text_in(o, key), word);
}

/* "3.2 s", "5 min" */
static void add_span(struct str *out, usec_wall us)
{
	double s = us > 0 ? (double)us / 1e6 : 0;

	if (s < 1)
		str_fmt(out, "%d ms", (int)(s * 1000));
	else if (s < 60)
		str_fmt(out, "%.1f s", s);
	else if (s < 7200)
		str_fmt(out, "%d min", (int)(s / 60));
	else
		str_fmt(out, "%d h", (int)(s / 3600));
}

static json_t *node(const char *subject, const struct str *fact, int64_t since)
{
	return json_pack("{s:s, s:s, s:o, s:[]}", "subject", subject, "fact", str_text(fact),
	    "since", status_time(since), "because");
}

/* Printed pieces are cut, never refused. */
static void set_fmt(json_t *o, const char *key, const char *fmt, ...) attr_fmt(3, 4);
static void set_fmt(json_t *o, const char *key, const char *fmt, ...)
{
	va_list ap;
	char text[512];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_t *s = json_string(text);
	json_object_set_new(o, key, s ? s : json_string("?"));
}

static void mark_root(json_t *n)
{
	json_object_set_new(n, "root", json_true());
}

/* ---- one job in words ---------------------------------------------------------- */

static bool ended_badly(const json_t *j)
{
	return is(j, "state", "failed") || is(j, "state", "retrying");
}

static void add_ending(const json_t *j, struct str *out)
{
	char name[16];
	const char *reason = text_in(j, "reason"), *why = text_in(j, "why");
	int64_t signal = int_in(j, "signal"), code = int_in(j, "exit_code");
	bool told = false;

	if (why)
		str_fmt(out, ": %s", why);
	else if (text_eq(reason, "start_timeout"))
		str_add(out, ": it was not ready within start_timeout_ms");
	else if (text_eq(reason, "timeout"))
		str_add(out, ": it ran longer than timeout_ms");
	else if (signal)
		str_fmt(out, ": ended by %s", signal_name((int)signal, name, sizeof(name)));
	else if (json_is_true(json_object_get(j, "lost")))
		str_add(out, ": its exit status is not known");
	else if (code >= 0)
		str_fmt(out, ": exit code %d", (int)code);
	if (reason && !text_eq(reason, "exit_code") && !text_eq(reason, "signal")) {
		str_fmt(out, " (%s", reason);
		told = true;
	}
	if (int_in(j, "attempt") > 0) {
		str_fmt(out, "%sattempt %d", told ? ", " : " (", (int)int_in(j, "attempt"));
		if (int_in(j, "max_attempts"))
			str_fmt(out, " of %d", (int)int_in(j, "max_attempts"));
		told = true;
	}
	str_add(out, told ? ")" : "");
}

static void add_job_name(const json_t *p, const json_t *j, struct str *out)
{
	const char *name = text_in(p, "name"), *action = text_in(j, "action");

	str_add(out, name);
	if (action && *action && strcmp(action, name) != 0)
		str_fmt(out, "/%s", action);
}

static void describe_job(const struct why *w, const json_t *p, const json_t *j, struct str *out)
{
	const char *state = text_in(j, "state"), *note = text_in(j, "note");

	add_job_name(p, j, out);
	if (is(j, "state", "failed") || is(j, "state", "retrying")) {
		str_add(out, is(j, "state", "failed") ? " failed " : " is retrying, it ended ");
		add_span(out, w->now - int_in(j, "since"));
		str_add(out, " ago");
		add_ending(j, out);
		return;
	}
	str_fmt(out, " is %s%s, for ", state, is(j, "state", "running") ? ", not ready" : "");
	add_span(out, w->now - int_in(j, "since"));
	if (text_in(j, "why")) /* pending, or its chdir or exec hangs */
		str_fmt(out, ": %s", text_in(j, "why"));
	else if (note)
		str_fmt(out, ": %s", note);
	if (text_in(j, "left"))
		str_fmt(out, "; left: %s", text_in(j, "left"));
}

static bool is_trouble(const json_t *p, const json_t *j)
{
	static const char *const words[] = {
	    "failed", "retrying", "pending", "skipped", "starting", "running", "stopping"};

	for (size_t i = 0; i < countof(words); i++)
		if (is(j, "state", words[i]))
			return true;
	return is(j, "state", "ready") && text_in(j, "note") && is(p, "state", "degraded");
}

/* What follows by itself, and what somebody can do. */
static void advise(const struct why *w, const json_t *p, const json_t *j, json_t *n)
{
	const char *name = text_in(p, "name"), *reason = text_in(j, "reason");
	int64_t next = int_in(j, "next");
	auto_str in = {0};

	if (is(j, "state", "stopping") && int_in(j, "kill_at") > w->now) {
		add_span(&in, int_in(j, "kill_at") - w->now);
		set_fmt(n, "next", "what is left gets KILL in %s", str_text(&in));
	} else if (is(j, "state", "retrying")) {
		add_span(&in, next - w->now);
		set_fmt(n, "next", "the next attempt of %s follows in %s", name,
		    next ? str_text(&in) : "a moment");
		set_fmt(n, "hint", "hero_proc service start %s    (an attempt at once)", name);
	} else if (is(j, "state", "failed") && text_eq(reason, "spawn_error")) {
		set_fmt(n, "next", "no attempt follows by itself");
		set_fmt(n, "hint", "mend what can not be executed, then hero_proc service start %s",
		    name);
	} else if (is(j, "state", "failed") && strchr(name, '#')) {
		set_fmt(n, "hint", "hero_proc run get %s", name); /* an ad-hoc run */
	} else if (is(j, "state", "failed")) {
		set_fmt(n, "next", "no attempt follows by itself");
		set_fmt(n, "hint",
		    "hero_proc logs %s; once it is mended: hero_proc service start %s", name, name);
	} else if (is(j, "state", "running")) {
		set_fmt(n, "next", "%s goes on as soon as it is ready", name);
	}
}

static json_t *job_node(const struct why *w, const json_t *p, const json_t *j)
{
	auto_str fact = {0};

	describe_job(w, p, j, &fact);
	json_t *n = node(text_in(p, "name"), &fact, int_in(j, "since"));
	if (!is(j, "state", "skipped")) /* what it needed is the cause */
		mark_root(n);
	advise(w, p, j, n);
	if (ended_badly(j) && !is(j, "reason", "spawn_error")) {
		json_object_set(n, "action", json_object_get(j, "action"));
		json_object_set(n, "attempt", json_object_get(j, "attempt"));
	}
	return n;
}

/* ---- one unit in words ----------------------------------------------------------- */

static bool is_well(const json_t *p)
{
	return is(p, "state", "running") || is(p, "state", "exited");
}

/* On the way, the reason of its last attempt is not the reason of its state. */
static bool rests(const json_t *p)
{
	return is(p, "state", "blocked") || is(p, "state", "failed") ||
	       is(p, "state", "degraded") || is(p, "state", "inactive");
}

static void describe_unit(const struct why *w, const json_t *p, struct str *out)
{
	const char *subject = text_in(p, "reason_subject");

	str_fmt(out, "%s is %s", text_in(p, "name"),
	    json_is_true(json_object_get(p, "known")) ? text_in(p, "state") : "not registered");
	if (is(p, "wanted", "stop"))
		str_add(out, ", stopped by the operator");
	else if (text_in(p, "reason") && !is(p, "reason", "cancelled") && rests(p))
		str_fmt(out, subject ? ", %s(%s)" : ", %s", text_in(p, "reason"), subject);
	if (int_in(p, "since") > 0) {
		str_add(out, ", for ");
		add_span(out, w->now - int_in(p, "since"));
	}
	if (is(p, "wanted", "start"))
		str_add(out, "; wanted start");
}

/* A unit at the end of the way whose jobs say nothing: its state is the cause. */
static json_t *state_node(const struct why *w, const json_t *p)
{
	auto_str fact = {0};
	const char *name = text_in(p, "name");

	describe_unit(w, p, &fact);
	json_t *n = node(name, &fact, int_in(p, "since"));
	mark_root(n);
	if (is(p, "wanted", "stop"))
		set_fmt(n, "hint", "hero_proc service start %s", name);
	return n;
}

static json_t *conflict_node(const json_t *p)
{
	const char *name = text_in(p, "name"), *other = text_in(p, "conflict");
	auto_str fact = {0};

	str_fmt(
	    &fact, "%s conflicts with %s, which is %s", name, other, text_in(p, "conflict_state"));
	json_t *n = node(name, &fact, int_in(p, "since"));
	mark_root(n);
	if (!is(p, "state", "inactive"))
		set_fmt(n, "next", "%s starts by itself when %s is inactive", name, other);
	set_fmt(n, "hint", "hero_proc service start %s --replace    (stops %s)", name, other);
	return n;
}

/* ---- edges ------------------------------------------------------------------------ */

static const char *to_be(const json_t *e)
{
	static const char *const words[][2] = {{"started", "to be started"},
	    {"ready", "to be ready"}, {"healthy", "to be healthy"}, {"completed", "to end"},
	    {"succeeded", "to succeed"}};

	for (size_t i = 0; i < countof(words); i++)
		if (is(e, "condition", words[i][0]))
			return words[i][1];
	return "";
}

static void describe_edge(const json_t *p, const json_t *e, bool leaf, struct str *out)
{
	const char *target = text_in(e, "target"), *action = text_in(e, "target_action");

	str_fmt(
	    out, "%s %s ", text_in(p, "name"), is(p, "state", "degraded") ? "needs" : "waits for");
	if (text_in(e, "gate")) {
		str_add(out, text_in(e, "gate"));
		if (!json_is_true(json_object_get(e, "gate_only")))
			str_fmt(out, " of %s", target);
		str_fmt(out, ": %s", text_in(e, "last") ? text_in(e, "last") : "no answer yet");
	} else if (leaf) {
		str_fmt(out, "%s, which is not registered", target);
	} else {
		str_add(out, target);
		if (action && strcmp(action, target) != 0)
			str_fmt(out, "/%s", action);
		str_fmt(out, " %s", to_be(e));
		if (int_in(e, "timed_out_ms"))
			str_fmt(out, "; that timed out after %lld ms",
			    (long long)int_in(e, "timed_out_ms"));
	}
	if (text_in(e, "source") && strncmp(text_in(e, "source"), "rpc ", 4) != 0)
		str_fmt(out, " (%s)", text_in(e, "source"));
}

static void advise_edge(const json_t *p, const json_t *e, json_t *target, json_t *n)
{
	const char *name = text_in(p, "name");

	mark_root(n);
	if (text_in(e, "gate")) {
		set_fmt(n, "next", "%s starts by itself as soon as it answers", name);
		if (!json_is_true(json_object_get(e, "gate_only")))
			set_fmt(n, "hint", "hero_proc logs %s", text_in(e, "target"));
	} else if (!target || json_is_false(json_object_get(target, "known"))) {
		if (!is(p, "state", "inactive"))
			set_fmt(n, "next", "%s starts by itself when %s is registered", name,
			    text_in(e, "target"));
		set_fmt(n, "hint", "hero_proc service register FILE, or mend the name");
	}
}

static void add_causes(struct why *w, const json_t *p, json_t *into, int depth);

/* Beyond the depth: straight down to the end, without a tree. */
static json_t *bottom(struct why *w, json_t *take_p, json_t *into)
{
	json_t *p = take_p;
	size_t skipped = 0;

	for (; skipped < WALK_MAX; skipped++) {
		const json_t *e = json_array_get(json_object_get(p, "open"), 0);

		if (!e || text_in(e, "gate") || json_object_get(w->seen, text_in(p, "name")))
			break;
		json_t *next = picture_of(w->d, text_in(e, "target"), &w->at);
		if (!next || json_is_false(json_object_get(next, "known"))) {
			json_decref(next);
			break;
		}
		json_object_set_new_nocheck(w->seen, text_in(p, "name"), json_true());
		json_decref(p);
		p = next;
	}
	if (skipped) {
		auto_str fact = {0};

		str_fmt(&fact, "... %zu more, each waits for the next ...", skipped);
		json_array_append_new(into, node(text_in(p, "name"), &fact, int_in(p, "since")));
	}
	return p;
}

/* Everything that target `p` has to say; itself when it has no more to say. */
static void add_target(struct why *w, json_t *take_p, json_t *into, int depth)
{
	json_t *p = depth < DEPTH_MAX ? take_p : bottom(w, take_p, into);

	if (!json_object_get(w->seen, text_in(p, "name"))) {
		size_t before = json_array_size(into);

		add_causes(w, p, into, depth);
		if (json_array_size(into) == before)
			json_array_append_new(into, state_node(w, p));
	}
	json_decref(p);
}

static bool holds_by_now(const json_t *e, const json_t *target, size_t n)
{
	return n > 1 && !text_in(e, "gate") && is(e, "status", "waits") && target &&
	       is_well(target) && is(e, "condition", "ready");
}

static void add_edge(
    struct why *w, const json_t *p, const json_t *e, size_t n_open, json_t *into, int depth)
{
	const char *name = text_in(p, "name"), *to = text_in(e, "target");
	bool gate = text_in(e, "gate") || json_is_true(json_object_get(e, "gate_only"));
	bool told = !gate && json_object_get(w->seen, to);
	json_t *target = gate || told ? NULL : picture_of(w->d, to, &w->at);
	bool leaf = !told && (gate || !target || json_is_false(json_object_get(target, "known")));
	auto_str fact = {0};

	if (holds_by_now(e, target, n_open) || (!leaf && is(p, "state", "inactive"))) {
		json_decref(target);
		return;
	}
	describe_edge(p, e, leaf, &fact);
	json_t *n = node(name, &fact, int_in(e, "since"));
	if (int_in(e, "timed_out_ms"))
		mark_root(n); /* what is below goes on; that it took too long is the failure */
	if (leaf)
		advise_edge(p, e, target, n);
	else if (target && strcmp(to, name) != 0) /* a sibling speaks for itself */
		add_target(w, json_incref(target), json_object_get(n, "because"), depth + 1);
	json_decref(target);
	json_array_append_new(into, n);
}

/* What took it along, directly or through others. */
static void add_subject(struct why *w, const char *subject, json_t *into, int depth)
{
	json_t *by = picture_of(w->d, subject, &w->at);
	auto_str fact = {0};

	if (by && !json_is_false(json_object_get(by, "known"))) {
		add_target(w, by, into, depth + 1);
		return;
	}
	json_decref(by);
	if (json_object_get(w->seen, subject))
		return;
	str_fmt(&fact, "%s is not registered any more", subject);
	json_t *n = node(subject, &fact, 0);
	mark_root(n);
	set_fmt(n, "hint", "hero_proc service register FILE, or mend the name");
	json_array_append_new(into, n);
}

static void add_causes(struct why *w, const json_t *p, json_t *into, int depth)
{
	json_t *jobs = json_object_get(p, "jobs"), *open = json_object_get(p, "open"), *v;
	const char *name = text_in(p, "name");
	size_t i;

	if (json_object_get(w->seen, name))
		return;
	json_object_set_new_nocheck(w->seen, name, json_true());
	if (text_in(p, "conflict"))
		json_array_append_new(into, conflict_node(p));
	json_array_foreach (jobs, i, v)
		if (is_trouble(p, v))
			json_array_append_new(into, job_node(w, p, v));
	json_array_foreach (open, i, v)
		if (w->edges++ < EDGES_MAX)
			add_edge(w, p, v, json_array_size(open), into, depth);
	if (text_in(p, "reason_subject") &&
	    (is(p, "reason", "dependency_stopped") ||
		(is(p, "reason", "dependency_failed") && is(p, "state", "inactive"))))
		add_subject(w, text_in(p, "reason_subject"), into, depth);
}

/* ---- why it runs -------------------------------------------------------------------- */

static void add_demand(const json_t *p, json_t *into)
{
	const char *name = text_in(p, "name"), *who = text_in(p, "who");
	json_t *names = json_object_get(p, "needed_by"), *v;
	auto_str fact = {0};
	size_t i;

	if (is(p, "wanted", "start"))
		str_add(&fact, "the operator wants it (wanted start)");
	json_array_foreach (names, i, v)
		str_fmt(&fact, "%s%s",
		    i	     ? ", "
		    : fact.n ? "; needed by "
			     : "needed by ",
		    json_string_value(v));
	if (who && strcmp(who, "supervisor") != 0)
		str_fmt(&fact, "%sthis run was asked for by %s", fact.n ? "; " : "", who);
	if (fact.n)
		json_array_append_new(into, node(name, &fact, int_in(p, "since")));
}

/* What does not hold and need not, which explains a start without it (F26). */
static void add_ignored(struct daemon *d, const char *name, json_t *into)
{
	unit_id unit = engine_find(d->engine, name);
	struct job_view j;
	struct edge_view e;

	for (size_t i = 0; unit != ID_NONE && engine_job_at(d->engine, unit, i, &j); i++)
		for (size_t k = 0; engine_edge_at(d->engine, j.id, k, &e); k++) {
			auto_str line = {0};

			if (e.status != EDGE_IGNORED)
				continue;
			str_fmt(&line, "%s is optional and ignored: %s", e.target, e.text);
			if (e.source && strncmp(e.source, "rpc ", 4) != 0)
				str_fmt(&line, " (%s)", e.source);
			json_array_append_new(into, node(name, &line, clock_wall_of(e.since)));
		}
}

static bool is_stopped(const json_t *p)
{
	return is(p, "state", "inactive");
}

static usec_wall time_of_instant(struct daemon *d, const struct instant *at);

json_t *why_chain(struct daemon *d, const char *name, const struct instant *at)
{
	struct why w = {.d = d, .at = *at, .now = time_of_instant(d, at), .seen = json_object()};
	json_t *p = picture_of(d, name, at), *a = json_array();
	auto_str fact = {0};

	if (!p) {
		json_decref(w.seen);
		json_decref(a);
		return NULL;
	}
	describe_unit(&w, p, &fact);
	json_t *top = node(name, &fact, int_in(p, "since"));
	json_t *because = json_object_get(top, "because");
	json_array_append_new(a, top);
	if (is_well(p))
		add_demand(p, because);
	else
		add_causes(&w, p, because, 0);
	if (!is_well(p) && !json_array_size(because)) {
		mark_root(top);
		if (is_stopped(p))
			set_fmt(top, "hint", "hero_proc service start %s", name);
	}
	if (!at->time && !at->event)
		add_ignored(d, name, a);
	json_decref(w.seen);
	json_decref(p);
	return a;
}

static bool take_time(const struct store_event *e, void *ctx)
{
	*(usec_wall *)ctx = e->time;
	return true;
}

static usec_wall time_of_instant(struct daemon *d, const struct instant *at)
{
	usec_wall t = at->time;
	struct error e = {0};

	if (at->event)
		store_find_event(d->store, at->event, take_time, &t, &e);
	return t ? t : clock_wall();
}

/* ---- the straight way ------------------------------------------------------------------ */

/* The edge that explains most: blocked before waiting. */
static bool worst_edge(struct daemon *d, unit_id unit, struct edge_view *out)
{
	struct job_view j;
	struct edge_view e;
	bool found = false;

	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++)
		for (size_t k = 0;
		     j.core.state == JOB_WAITING_DEPS && engine_edge_at(d->engine, j.id, k, &e);
		     k++) {
			bool blocked = e.status == EDGE_BLOCKED;

			if ((!blocked && e.status != EDGE_WAITS) ||
			    (found && (!blocked || out->status == EDGE_BLOCKED)))
				continue;
			*out = e;
			found = true;
		}
	return found;
}

/* The end of the way: all that there is to say, by the code of the tree. */
static void add_end_lines(struct daemon *d, const struct unit_view *u, json_t *into)
{
	const struct instant now = {0};
	json_t *chain = why_chain(d, u->name, &now), *n;
	size_t i;

	json_array_foreach (json_object_get(json_array_get(chain, 0), "because"), i, n)
		json_array_append(into, json_object_get(n, "fact"));
	json_decref(chain);
}

json_t *why_lines(struct daemon *d, unit_id unit)
{
	json_t *a = json_array();
	struct unit_view u;
	struct edge_view e;

	for (int depth = 0; depth < LINES_DEPTH && engine_unit(d->engine, unit, &u); depth++) {
		const char *last;
		auto_str line = {0};

		if (u.state == SERVICE_INACTIVE || u.state == SERVICE_RUNNING ||
		    u.state == SERVICE_EXITED)
			break;
		if (engine_conflict_of(d->engine, unit) != ID_NONE || !worst_edge(d, unit, &e)) {
			add_end_lines(d, &u, a);
			break;
		}
		last = e.gate_waits && e.gate != ID_NONE ? gates_last(d, e.gate) : NULL;
		str_fmt(
		    &line, "%s waits: %s%s%s", u.name, e.text, last ? ": " : "", last ? last : "");
		if (e.source)
			str_fmt(&line, " (%s)", e.source);
		json_array_append_new(a, json_string(str_text(&line)));
		if (e.gate_waits || e.to_unit == ID_NONE || e.to_unit == unit)
			break;
		unit = e.to_unit;
	}
	return a;
}
