/* facts.c - what `wait` and `expect` ask, answered by the engine's views and by the make-believe
 * processes. */
#include "stage.h"

#include <stdio.h>

static bool unit_of(const struct stage *s, const char *name, struct unit_view *u)
{
	unit_id id = engine_find(s->engine, name);

	return id != ID_NONE && engine_unit(s->engine, id, u) && (u->registered || u->is_run);
}

static bool job_of(const struct stage *s, const struct clause *k, struct job_view *j)
{
	unit_id id = engine_find(s->engine, k->subject);

	for (size_t i = 0; id != ID_NONE && engine_job_at(s->engine, id, i, j); i++)
		if (!k->action || strcmp(j->name, k->action) == 0)
			return true;
	return false;
}

static bool same(const char *is, const struct clause *k, struct str *seen)
{
	str_fmt(seen, "it is %s", is);
	return (strcmp(is, k->word) == 0) != k->no;
}

static bool state_is(struct stage *s, const struct clause *k, struct str *seen)
{
	struct unit_view u;
	struct job_view j;

	if (k->action)
		return same(job_of(s, k, &j) ? job_state_str(j.core.state) : "unknown", k, seen);
	bool known = unit_of(s, k->subject, &u);
	return same(!known     ? "not registered"
		    : u.is_run ? run_state_str(u.run_state)
			       : service_state_str(u.state),
	    k, seen);
}

static bool reason_is(struct stage *s, const struct clause *k, struct str *seen)
{
	struct unit_view u;
	struct job_view j;

	if (k->action)
		return same(job_of(s, k, &j) ? reason_str(j.core.reason) : "unknown", k, seen);
	if (!unit_of(s, k->subject, &u))
		return same("not registered", k, seen);
	auto_free char *text = u.reason == REASON_NONE ? text_dup("none")
			       : u.reason_subject
				   ? text_fmt("%s(%s)", reason_str(u.reason), u.reason_subject)
				   : text_dup(reason_str(u.reason));
	return same(text, k, seen);
}

static bool executed_times(struct stage *s, const struct clause *k, struct str *seen)
{
	auto_free char *whole =
	    k->action ? text_fmt("%s/%s", k->subject, k->action) : text_dup(k->subject);
	int64_t n = 0;

	while (stage_mark(s, whole, MOMENT_EXECUTED, n + 1))
		n++;
	str_fmt(seen, "it was executed %lld times", (long long)n);
	return n == k->number;
}

static bool waits_for(struct stage *s, const struct clause *k, struct str *seen)
{
	unit_id id = engine_find(s->engine, k->subject);
	bool nothing = strcmp(k->word, "nothing") == 0, any = false, found = false;
	struct job_view j;
	struct edge_view e;

	str_add(seen, "it waits for:");
	for (size_t i = 0; id != ID_NONE && engine_job_at(s->engine, id, i, &j); i++)
		for (size_t n = 0;
		     j.core.state == JOB_WAITING_DEPS && engine_edge_at(s->engine, j.id, n, &e);
		     n++) {
			if (e.status != EDGE_WAITS && e.status != EDGE_BLOCKED)
				continue;
			any = true;
			found = found || strcmp(e.target, k->word) == 0;
			str_fmt(seen, " %s", e.target);
		}
	return nothing ? !any : found;
}

static bool is_changed(struct stage *s, const struct clause *k, struct str *seen)
{
	struct unit_view u;

	str_add(seen, "it is not");
	return unit_of(s, k->subject, &u) && u.definition_changed;
}

static bool attempt_is(struct stage *s, const struct clause *k, struct str *seen)
{
	struct job_view j;
	bool known = job_of(s, k, &j);

	str_fmt(seen, "it is attempt %u", known ? j.attempt : 0);
	return known && j.attempt == k->number;
}

static bool ended(struct stage *s, const struct clause *k, struct str *seen)
{
	struct job_view j;
	bool known = job_of(s, k, &j);

	str_fmt(seen, "its last end was code %d, signal %d", known ? j.core.last.code : -1,
	    known ? j.core.last.signal : 0);
	return known && (strcmp(k->word, "signal") == 0 ? j.core.last.signal : j.core.last.code) ==
			    k->number;
}

static bool is_missing(struct stage *s, const struct clause *k, struct str *seen)
{
	struct unit_view u;

	str_add(seen, "it is registered");
	return !unit_of(s, k->subject, &u);
}

/* ---- causes -------------------------------------------------------------------------- */

static void explain(const struct stage *s, const char *name, int depth, struct str *out)
{
	unit_id id = engine_find(s->engine, name);
	struct unit_view u;
	struct job_view j;
	struct edge_view e;

	if (id == ID_NONE || !engine_unit(s->engine, id, &u) || depth > 16)
		return;
	str_fmt(out, "%s is %s, %s", u.name,
	    u.registered ? service_state_str(u.state) : "not registered", reason_str(u.reason));
	if (u.reason_subject)
		str_fmt(out, "(%s)", u.reason_subject);
	if (engine_conflict_of(s->engine, id) != ID_NONE &&
	    engine_unit(s->engine, engine_conflict_of(s->engine, id), &u))
		str_fmt(out, ", conflicts with %s", u.name);
	str_add_char(out, '\n');
	for (size_t i = 0; engine_job_at(s->engine, id, i, &j); i++) {
		str_fmt(out, "  %s is %s, %s, exit code %d: %s\n", j.name,
		    job_state_str(j.core.state), reason_str(j.core.reason), j.core.last.code,
		    j.why ? j.why : "");
		for (size_t n = 0; engine_edge_at(s->engine, j.id, n, &e); n++) {
			if (e.status == EDGE_HOLDS)
				continue;
			str_fmt(out, "  %s%s (%s)\n",
			    e.status == EDGE_IGNORED ? "optional and ignored: " : "", e.text,
			    e.source ? e.source : "");
			if (e.to_unit != ID_NONE && e.to_unit != id)
				explain(s, e.target, depth + 1, out);
		}
	}
}

static bool why_has(struct stage *s, const struct clause *k, struct str *seen)
{
	explain(s, k->subject, 0, seen);
	return strstr(str_text(seen), k->word);
}

static bool said(struct stage *s, const struct clause *k, struct str *seen)
{
	str_fmt(seen, "it was said: %s", str_text(&s->said));
	return strstr(str_text(&s->said), k->word);
}

static bool plan_is(struct stage *s, const struct clause *k, struct str *seen)
{
	static const enum op_kind kinds[] = {OP_START, OP_STOP, OP_RESTART};
	const char *name = k->subject;
	const struct engine_request rq = {
	    .kind = kinds[k->verb - VERB_START], .names = &name, .n_names = 1, .who = "plan"};
	struct op_plan plan = {0};
	struct strv chain = {0}, names = {0};
	struct error e = {0};

	if (engine_plan(s->engine, s->now, &rq, &plan, &chain, &e))
		str_fmt(seen, "refused: %s", e.msg);
	for (size_t i = 0; i < plan.n; i++) {
		strv_add(&names, plan.v[i].service);
		str_fmt(seen, " %s %s", plan.v[i].step, plan.v[i].service);
	}
	bool eq = !e.code && strv_eq(&names, &k->names);
	op_plan_release(&plan);
	strv_release(&chain);
	strv_release(&names);
	return eq;
}

static bool in_order(struct stage *s, const struct clause *k, struct str *seen)
{
	const struct mark *last = NULL;

	for (size_t i = 0; i < k->points.n; i++) {
		const struct point *p = &k->points.v[i];
		const struct mark *m = stage_mark(s, p->subject, p->moment, p->nth);

		if (!m || (last && m < last)) {
			str_fmt(seen, m ? "%s %s %lld came earlier" : "%s %s %lld did not happen",
			    p->subject, moment_str(p->moment), (long long)p->nth);
			return false;
		}
		last = m;
	}
	return true;
}

bool fact_holds(struct stage *s, const struct clause *k, struct str *seen)
{
	struct unit_view u;

	switch (k->fact) {
	case FACT_STATE: return state_is(s, k, seen);
	case FACT_WANTED:
		return same(
		    unit_of(s, k->subject, &u) ? wanted_str(u.wanted) : "not registered", k, seen);
	case FACT_REASON: return reason_is(s, k, seen);
	case FACT_EXECUTED: return executed_times(s, k, seen);
	case FACT_ALIVE: str_add(seen, "no process"); return stage_proc(s, k->subject, k->action);
	case FACT_GONE: str_add(seen, "it is alive"); return !stage_proc(s, k->subject, k->action);
	case FACT_MISSING: return is_missing(s, k, seen);
	case FACT_ENDED: return ended(s, k, seen);
	case FACT_WAITS: return waits_for(s, k, seen);
	case FACT_CHANGED: return is_changed(s, k, seen);
	case FACT_ATTEMPT: return attempt_is(s, k, seen);
	case FACT_WHY: return why_has(s, k, seen);
	case FACT_SAID: return said(s, k, seen);
	case FACT_PLAN: return plan_is(s, k, seen);
	case FACT_ORDER: return in_order(s, k, seen);
	case FACT_COUNT: break;
	}
	return false;
}
