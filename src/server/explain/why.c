#include "server/explain/why.h"
#include "server/explain/explain_state.h"

#include "server/explain/frontier.h"
#include "server/explain/why_words.h"
#include "server/supervise/gates.h"

#define DEPTH_MAX   24	/* levels of the tree; what lies between is counted */
#define ACTIONS_MAX 200 /* levels of actions of one service: a picture shows 100 of its edges */
#define WALK_MAX    20000
#define LINES_DEPTH 32	 /* of the straight way that stands in a status */
#define EDGES_MAX   2000 /* looked at for one answer: a dense graph has a hundred thousand */

struct why {
	struct explain *d;
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

static void add_causes(struct why *w, const json_t *p, json_t *into, int depth);
static void add_action_causes(
    struct why *w, const json_t *p, const char *action, json_t *into, int depth);

/* What was told is not told again; false: it was. */
static bool see(struct why *w, const char *name)
{
	if (json_object_get(w->seen, name))
		return false;
	json_object_set_new_nocheck(w->seen, name, json_true());
	return true;
}

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
		json_array_append_new(
		    into, why_node(text_in(p, "name"), &fact, int_in(p, "since")));
	}
	return p;
}

static const json_t *job_named(const json_t *p, const char *action)
{
	json_t *j;
	size_t i;

	json_array_foreach (json_object_get(p, "jobs"), i, j)
		if (is(j, "action", action))
			return j;
	return NULL;
}

static bool is_one_of_several(const json_t *p, const char *action)
{
	return action && json_array_size(json_object_get(p, "jobs")) > 1 && job_named(p, action);
}

/* Everything that target `p` has to say; itself when it has no more to say. */
static void add_target(struct why *w, json_t *take_p, json_t *into, int depth)
{
	json_t *p = depth < DEPTH_MAX ? take_p : bottom(w, take_p, into);

	if (!json_object_get(w->seen, text_in(p, "name"))) {
		size_t before = json_array_size(into);

		add_causes(w, p, into, depth);
		if (json_array_size(into) == before)
			json_array_append_new(into, why_state_node(w->now, p));
	}
	json_decref(p);
}

static bool holds_by_now(const json_t *e, const json_t *target, size_t n)
{
	return n > 1 && !text_in(e, "gate") && is(e, "status", "waits") && target &&
	       why_is_well(target) && is(e, "condition", "ready");
}

static void add_edge(
    struct why *w, const json_t *p, const json_t *e, size_t n_open, json_t *into, int depth)
{
	const char *name = text_in(p, "name"), *to = text_in(e, "target");
	bool gate = text_in(e, "gate") || json_is_true(json_object_get(e, "gate_only"));
	bool sibling = !gate && strcmp(to, name) == 0;
	bool told = sibling || (!gate && json_object_get(w->seen, to));
	json_t *target = gate || told ? NULL : picture_of(w->d, to, &w->at);
	bool leaf = !told && (gate || !target || json_is_false(json_object_get(target, "known")));
	auto_str fact = {0};

	if (holds_by_now(e, target, n_open) || (!leaf && is(p, "state", "inactive"))) {
		json_decref(target);
		return;
	}
	why_describe_edge(p, e, leaf, &fact);
	json_t *n = why_node(name, &fact, int_in(e, "since"));
	if (int_in(e, "timed_out_ms"))
		why_mark_root(n); /* what is below goes on; that it took too long is the failure */
	if (leaf)
		why_advise_edge(p, e, target, n);
	else if ((target || sibling) &&
		 is_one_of_several(target ? target : p, text_in(e, "target_action")))
		add_action_causes(w, target ? target : p, text_in(e, "target_action"),
		    json_object_get(n, "because"), depth + 1);
	else if (target)
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
	json_t *n = why_node(subject, &fact, 0);
	why_mark_root(n);
	why_set(n, "hint", "hero_proc service register FILE, or mend the name");
	json_array_append_new(into, n);
}

/* What a service as a whole says of its actions: first what something is wrong with. */
static void add_jobs(struct why *w, const json_t *p, json_t *into)
{
	json_t *v;
	size_t i;

	json_array_foreach (json_object_get(p, "jobs"), i, v) {
		auto_str title = {0};

		why_title(p, text_in(v, "action"), &title);
		if (why_is_trouble(p, v) &&
		    (!is_one_of_several(p, text_in(v, "action")) || see(w, str_text(&title))))
			json_array_append_new(into, why_job_node(w->now, p, v));
	}
}

static void add_causes(struct why *w, const json_t *p, json_t *into, int depth)
{
	json_t *open = json_object_get(p, "open"), *v;
	size_t i;

	if (!see(w, text_in(p, "name")))
		return;
	if (text_in(p, "conflict"))
		json_array_append_new(into, why_conflict_node(p));
	add_jobs(w, p, into);
	json_array_foreach (open, i, v)
		if (w->edges++ < EDGES_MAX)
			add_edge(w, p, v, json_array_size(open), into, depth);
	if (text_in(p, "reason_subject") &&
	    (is(p, "reason", "dependency_stopped") ||
		(is(p, "reason", "dependency_failed") && is(p, "state", "inactive"))))
		add_subject(w, text_in(p, "reason_subject"), into, depth);
}

/* One action of several: what it waits for, action by action. */
static void add_action_causes(
    struct why *w, const json_t *p, const char *action, json_t *into, int depth)
{
	const json_t *job = job_named(p, action), *open = json_object_get(p, "open");
	auto_str title = {0};
	json_t *v;
	size_t i;

	why_title(p, action, &title);
	if (!see(w, str_text(&title)) || depth > ACTIONS_MAX)
		return;
	if (why_is_trouble(p, job))
		json_array_append_new(into, why_job_node(w->now, p, job));
	json_array_foreach (open, i, v)
		if (is(v, "action", action) && w->edges++ < EDGES_MAX)
			add_edge(w, p, v, 1, into, depth);
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
		json_array_append_new(into, why_node(name, &fact, int_in(p, "since")));
}

/* What does not hold and need not, which explains a start without it (F26). */
static void add_ignored(struct explain *d, const char *name, json_t *into)
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
			json_array_append_new(into, why_node(name, &line, clock_wall_of(e.since)));
		}
}

static bool is_stopped(const json_t *p)
{
	return is(p, "state", "inactive");
}

static usec_wall time_of_instant(struct explain *d, const struct instant *at);

static json_t *top_of_service(struct why *w, const json_t *p)
{
	auto_str fact = {0};

	why_describe_unit(w->now, p, &fact);
	json_t *top = why_node(text_in(p, "name"), &fact, int_in(p, "since"));
	json_t *because = json_object_get(top, "because");
	if (why_is_well(p))
		add_demand(p, because);
	else
		add_causes(w, p, because, 0);
	if (!why_is_well(p) && !json_array_size(because)) {
		why_mark_root(top);
		if (is_stopped(p))
			why_set(top, "hint", "hero_proc service start %s", text_in(p, "name"));
	}
	return top;
}

static json_t *top_of_action(struct why *w, const json_t *p, const char *action)
{
	const json_t *job = job_named(p, action);
	auto_str fact = {0}, title = {0};

	why_title(p, action, &title);
	str_fmt(&fact, "%s is %s, for ", str_text(&title), text_in(job, "state"));
	why_span(&fact, w->now - int_in(job, "since"));
	json_t *top = why_node(text_in(p, "name"), &fact, int_in(job, "since"));
	json_t *because = json_object_get(top, "because");
	add_action_causes(w, p, action, because, 0);
	if (!json_array_size(because) && (is_stopped(p) || is(job, "state", "cancelled")))
		json_array_append_new(because, why_state_node(w->now, p));
	return top;
}

json_t *why_chain(struct explain *d, const char *name, const struct instant *at)
{
	struct why w = {.d = d, .at = *at, .now = time_of_instant(d, at), .seen = json_object()};
	const char *action = strchr(name, '/') ? strchr(name, '/') + 1 : NULL;
	auto_free char *service =
	    text_dup_n(name, action ? (size_t)(action - name - 1) : strlen(name));
	json_t *p = picture_of(d, service, at), *a = NULL;

	if (p && (!action || job_named(p, action))) {
		a = json_array();
		json_array_append_new(a, is_one_of_several(p, action) ? top_of_action(&w, p, action)
								      : top_of_service(&w, p));
		if (!at->time && !at->event)
			add_ignored(d, service, a);
	}
	json_decref(w.seen);
	json_decref(p);
	return a;
}

static bool take_time(const struct store_event *e, void *ctx)
{
	*(usec_wall *)ctx = e->time;
	return true;
}

static usec_wall time_of_instant(struct explain *d, const struct instant *at)
{
	usec_wall t = at->time;
	struct error e = {0};

	if (at->event)
		store_find_event(d->store, at->event, take_time, &t, &e);
	return t ? t : clock_wall();
}

/* ---- the straight way ------------------------------------------------------------------ */

/* The end of the way: all that there is to say, by the code of the tree. */
static void add_end_lines(struct explain *d, const char *title, json_t *into)
{
	const struct instant now = {0};
	json_t *chain = why_chain(d, title, &now), *n;
	size_t i;

	json_array_foreach (json_object_get(json_array_get(chain, 0), "because"), i, n)
		json_array_append(into, json_object_get(n, "fact"));
	json_decref(chain);
}

/* `service`, or `service/action` of one of several. */
static char *title_of(struct explain *d, const struct unit_view *u, job_id job)
{
	struct job_view j;

	return u->n_jobs > 1 && job != ID_NONE && engine_job(d->engine, job, &j, NULL)
		   ? text_fmt("%s/%s", u->name, j.name)
		   : text_dup(u->name);
}

static bool is_at_rest(const struct unit_view *u)
{
	return u->state == SERVICE_INACTIVE || u->state == SERVICE_RUNNING ||
	       u->state == SERVICE_EXITED;
}

json_t *why_lines(struct explain *d, unit_id unit)
{
	json_t *a = json_array();
	job_id job = ID_NONE;
	struct unit_view u;
	struct edge_view e;

	for (int depth = 0; depth < LINES_DEPTH && engine_unit(d->engine, unit, &u); depth++) {
		auto_free char *title = title_of(d, &u, job);
		auto_str line = {0};

		if (is_at_rest(&u))
			break;
		if (engine_conflict_of(d->engine, unit) != ID_NONE ||
		    !frontier_edge(d->engine, unit, job, &e)) {
			add_end_lines(d, title, a);
			break;
		}
		const char *last =
		    e.gate_waits && e.gate != ID_NONE ? gates_last(d->supervision, e.gate) : NULL;
		auto_free char *who = title_of(d, &u, e.from);
		str_fmt(&line, "%s waits: %s%s%s", who, e.text, last ? ": " : "", last ? last : "");
		if (e.source)
			str_fmt(&line, " (%s)", e.source);
		json_array_append_new(a, json_string(str_text(&line)));
		if (e.gate_waits || e.to_unit == ID_NONE)
			break;
		unit = e.to_unit;
		job = e.to_job;
	}
	return a;
}
