/* why.c - causes in words: from what was asked down to what is broken. */
#include "engine/world.h"

static edge_id blocked_edge(const struct engine *en, unit_id u)
{
	edge_id waits = ID_NONE;

	for_jobs (en, u, j) {
		if (en->jobs.v[j].core.state != JOB_WAITING_DEPS)
			continue;
		for_out (en, j, e) {
			enum edge_status s = edge_effect(en, e);

			if (s == EDGE_BLOCKED)
				return e;
			if (s == EDGE_WAITS && waits == ID_NONE)
				waits = e;
		}
	}
	return waits;
}

static const struct job *failed_job(const struct engine *en, unit_id u)
{
	const struct job *found = NULL;

	for_jobs (en, u, j) {
		const struct job *jb = &en->jobs.v[j];

		if (jb->core.state == JOB_FAILED)
			return jb;
		if (!found && jb->core.state != JOB_READY && jb->core.state != JOB_SUCCEEDED)
			found = jb;
	}
	return found;
}

static void describe_job(const struct job *jb, struct str *out)
{
	const struct job_core *c = &jb->core;

	if (c->cause == REASON_START_TIMEOUT || c->reason == REASON_START_TIMEOUT)
		str_fmt(out, "not ready within start_timeout_ms%s%s", jb->why ? ": " : "",
		    jb->why ? jb->why : "");
	else if (jb->why && job_has_why(c))
		str_fmt(out, "%s", jb->why);
	else if (c->reason == REASON_DEPENDENCY_FAILED)
		str_add(out, "it ends because what it requires failed (on_failure)");
	else if (c->reason == REASON_START_TIMEOUT || c->reason == REASON_TIMEOUT)
		str_fmt(out, "%s after attempt %u", reason_str(c->reason), jb->attempt);
	else if (c->last.signal)
		str_fmt(out, "ended by signal %d", c->last.signal);
	else if (c->last.code >= 0)
		str_fmt(out, "exit code %d", c->last.code);
	else
		str_fmt(out, "%s", job_state_str(c->state));
	if (c->reason == REASON_NOT_READY)
		str_add(out, " before it was ready");
	if (c->reason == REASON_GAVE_UP)
		str_fmt(out, ", gave up after %u attempts", jb->attempt);
}

void describe_failure(const struct engine *en, unit_id u, struct str *out)
{
	const struct unit *un = &en->units.v[u];
	const struct job *jb = failed_job(en, u);
	edge_id e = blocked_edge(en, u);

	str_fmt(out, "%s", un->name);
	if (un->conflict_with != ID_NONE) {
		str_fmt(
		    out, " conflicts with %s, which is active", unit_title(en, un->conflict_with));
	} else if (e != ID_NONE && !un->facts.failed) {
		str_add(out, " waits: ");
		edge_describe(en, e, out);
		str_fmt(out, " (%s)", en->edges.v[e].is->source ? en->edges.v[e].is->source : "?");
	} else if (jb) {
		if (strcmp(jb->is->name, un->name) != 0 && *jb->is->name)
			str_fmt(out, "/%s", jb->is->name);
		str_fmt(out, " %s: ", jb->core.state == JOB_FAILED ? "failed" : "is not ready");
		describe_job(jb, out);
	} else {
		str_fmt(out, " is %s", service_state_str(un->state));
	}
}

enum err blocked_code(const struct engine *en, unit_id u, struct str *sentence)
{
	edge_id e = blocked_edge(en, u);

	describe_failure(en, u, sentence);
	if (en->units.v[u].conflict_with != ID_NONE)
		return ERR_CONFLICT;
	if (e == ID_NONE)
		return ERR_DEPENDENCY_FAILED;
	const struct edge *ed = &en->edges.v[e];
	if (ed->timed_out)
		return ERR_TIMEOUT;
	return !ed->is->gate_only && !en->units.v[ed->to_unit].registered ? ERR_MISSING_DEPENDENCY
									  : ERR_DEPENDENCY_FAILED;
}

/* One line a cause, root cause last; order edges have no circle, depth is bounded anyway. */
void chain_of(const struct engine *en, unit_id u, struct strv *out)
{
	for (size_t depth = 0; depth < 64; depth++) {
		auto_str line = {0};

		describe_failure(en, u, &line);
		strv_add(out, str_text(&line));
		edge_id e = en->units.v[u].conflict_with == ID_NONE ? blocked_edge(en, u) : ID_NONE;
		if (e == ID_NONE || en->units.v[u].facts.failed ||
		    en->edges.v[e].to_unit == ID_NONE)
			return;
		unit_id t = en->edges.v[e].to_unit;
		if (!en->units.v[t].live || t == u)
			return;
		u = t;
	}
}
