/* facts.c - what is true of units and edges, derived each time; nothing here writes. */
#include "engine/world.h"

ENUM_DEFINE(edge_status, EDGE_STATUS_LIST, EDGE_STATUS_COUNT)
ENUM_DEFINE(job_health, JOB_HEALTH_LIST, JOB_HEALTH_COUNT)

bool job_tracks_edges(const struct job *j)
{
	return j->core.state == JOB_WAITING_DEPS ||
	       (j->is->policy.virtual && j->core.state == JOB_READY);
}

const char *unit_title(const struct engine *en, unit_id u)
{
	return u == ID_NONE ? "?" : en->units.v[u].name;
}

/* An activation is in progress as long as the operation that began it (SPEC 2.3): a
 * fact that changes once, so two that conflict can not wait for each other in turns. */
static bool is_being_started(const struct engine *en, const struct unit *un)
{
	const struct op *op = un->conflicts.n ? op_by_id(en, un->cause) : NULL;

	return op && op->state == OP_ACTIVE;
}

/* One that goes already is only waited for. */
static bool conflict_blocks(const struct engine *en, const struct unit *un)
{
	return un->conflict_with != ID_NONE && !en->units.v[un->conflict_with].stopping;
}

static bool all(const struct parts *p, enum part part)
{
	return p->n[part] == p->jobs;
}

static uint32_t with_process(const struct parts *p)
{
	return p->n[JOB_STARTING] + p->n[JOB_RUNNING] + p->n[JOB_READY] + p->n[JOB_STOPPING];
}

/* Of the jobs that `completed` and `succeeded` speak of: the one-shots, or all. */
static void ends_of(const struct parts *p, bool stands, struct facts *f)
{
	uint32_t shots = p->n[PART_ONE_SHOT];

	f->completed =
	    p->jobs && (shots ? p->n[PART_SHOT_COMPLETED] == shots : all(p, PART_COMPLETED));
	f->succeeded =
	    stands && p->jobs &&
	    (shots ? p->n[PART_SHOT_SUCCEEDED] == shots : p->n[JOB_SUCCEEDED] == p->jobs);
}

struct facts facts_of(const struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];
	struct parts space;
	const struct parts *p = parts_of(en, u, &space);
	bool up = un->live && !un->stopping; /* what is told to stop is no ground to stand on */
	uint32_t failed =
	    p->n[JOB_FAILED] + p->n[JOB_SKIPPED] +
	    (un->stopping ? 0 : p->n[JOB_CANCELLED]); /* an action alone was stopped */
	struct facts f = {.live = un->live,
	    .process = p->n[PART_PROCESS],
	    .was_executed = p->n[PART_WAS_EXECUTED],
	    .unhealthy = p->n[PART_UNHEALTHY],
	    .not_coming = p->n[PART_NOT_COMING],
	    .gone = p->n[PART_GONE],
	    .stopping = un->stopping,
	    .blocked = (p->n[PART_BLOCKED] || conflict_blocks(en, un)) && un->live,
	    .failed = failed && un->live,
	    .executed = up && p->jobs && all(p, PART_EXECUTED),
	    .waiting = p->n[JOB_WAITING_DEPS] && !with_process(p),
	    .ended = p->n[JOB_CREATED] + p->n[JOB_SUCCEEDED] + p->n[JOB_FAILED] +
			 p->n[JOB_CANCELLED] + p->n[JOB_SKIPPED] ==
		     p->jobs};

	f.first_over = p->n[PART_FIRST_OVER] || f.failed;
	f.ready = (up && p->jobs && all(p, PART_READY)) ||
		  (up && f.failed && all(p, PART_WAS_READY) && p->n[JOB_READY]);
	f.healthy = f.ready && all(p, PART_HEALTHY);
	f.active = f.process || un->stopping || un->start_after_stop ||
		   (f.live && !f.ended && un->conflict_with == ID_NONE && is_being_started(en, un));
	ends_of(p, up, &f);
	return f;
}

static enum service_state state_of_parts(const struct engine *en, unit_id u)
{
	struct parts space;
	const struct parts *p = parts_of(en, u, &space);
	const uint32_t *n = p->n;
	uint32_t moving =
	    n[JOB_STARTING] + n[JOB_RUNNING] + n[JOB_RETRYING] + n[JOB_PENDING] + n[JOB_STOPPING];

	if (n[JOB_FAILED] + n[JOB_SKIPPED] + n[JOB_CANCELLED])
		return moving || n[JOB_READY] ? SERVICE_DEGRADED : SERVICE_FAILED;
	if (n[JOB_SUCCEEDED] == p->jobs && !n[PART_VIRTUAL])
		return SERVICE_EXITED;
	if (n[JOB_READY] + n[JOB_SUCCEEDED] == p->jobs)
		return en->units.v[u].n_broken || n[PART_UNHEALTHY] ? SERVICE_DEGRADED
								    : SERVICE_RUNNING;
	if (moving)
		return SERVICE_STARTING;
	if (n[PART_BLOCKED])
		return n[JOB_READY] ? SERVICE_DEGRADED : SERVICE_BLOCKED;
	return n[JOB_READY] + n[JOB_SUCCEEDED] ? SERVICE_STARTING : SERVICE_WAITING_DEPS;
}

enum service_state facts_state(const struct engine *en, unit_id u, const struct facts *f)
{
	if (f->stopping)
		return SERVICE_STOPPING;
	if (!f->live)
		return SERVICE_INACTIVE;
	if (en->units.v[u].conflict_with != ID_NONE && !f->process)
		return SERVICE_BLOCKED;
	return state_of_parts(en, u);
}

enum run_state facts_run_state(const struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];
	const struct facts *f = &un->facts;

	if (un->stopping)
		return RUN_STOPPING;
	if (!un->run)
		return RUN_CREATED;
	if (!un->live)
		return RUN_CANCELLED;
	if (f->ended)
		return f->failed ? RUN_FAILED : RUN_SUCCEEDED;
	return f->was_executed ? RUN_RUNNING : RUN_WAITING_DEPS;
}

/* ---- edges --------------------------------------------------------------- */

static bool target_is_known(const struct engine *en, const struct edge *ed)
{
	return en->units.v[ed->to_unit].registered && (!ed->is->action || ed->to_job != ID_NONE);
}

static bool job_condition(const struct engine *en, const struct edge *ed)
{
	const struct job *jb = &en->jobs.v[ed->to_job];
	const struct job_core *c = &jb->core;
	bool live = en->units.v[ed->to_unit].live && !en->units.v[ed->to_unit].stopping;

	switch (ed->is->condition) {
	case COND_STARTED: return live && job_is_executed(jb);
	case COND_READY: return live && job_is_ready(jb);
	case COND_HEALTHY: return live && job_is_healthy(jb);
	case COND_COMPLETED: return c->completed;
	case COND_SUCCEEDED: return live && c->state == JOB_SUCCEEDED;
	case CONDITION_COUNT: break;
	}
	return false;
}

static bool unit_condition(const struct engine *en, const struct edge *ed)
{
	const struct facts *f = &en->units.v[ed->to_unit].facts;

	switch (ed->is->condition) {
	case COND_STARTED: return f->executed;
	case COND_READY: return f->ready;
	case COND_HEALTHY: return f->healthy;
	case COND_COMPLETED: return f->completed;
	case COND_SUCCEEDED: return f->succeeded;
	case CONDITION_COUNT: break;
	}
	return false;
}

bool edge_target_holds(const struct engine *en, edge_id e)
{
	const struct edge *ed = &en->edges.v[e];

	if (ed->is->gate_only)
		return true;
	if (!target_is_known(en, ed))
		return false;
	return ed->to_job != ID_NONE ? job_condition(en, ed) : unit_condition(en, ed);
}

/* Nothing that happens by itself will make the condition true. */
static bool target_is_stuck(const struct engine *en, const struct edge *ed)
{
	const struct unit *t = &en->units.v[ed->to_unit];
	const struct facts *f = &t->facts;

	if (t->start_after_stop)
		return false;
	if (!t->live || t->stopping)
		return true;
	if (ed->to_job != ID_NONE) {
		const struct job *j = &en->jobs.v[ed->to_job];

		return job_state_is_end(j->core.state) || conflict_blocks(en, t) ||
		       job_is_not_coming(j) || job_is_blocked(j);
	}
	return f->failed || f->gone || f->blocked || f->ended || f->not_coming;
}

static bool target_is_settled(const struct engine *en, const struct edge *ed)
{
	const struct unit *t = &en->units.v[ed->to_unit];

	if (t->start_after_stop || t->stopping)
		return false;
	if (ed->to_job != ID_NONE && t->live && en->jobs.v[ed->to_job].core.failures)
		return true;
	return target_is_stuck(en, ed) || (ed->to_job == ID_NONE && t->facts.first_over);
}

enum edge_status edge_evaluate(const struct engine *en, edge_id e, bool *gate_wanted)
{
	const struct edge *ed = &en->edges.v[e];
	bool hard = ed->is->kinds & DEP_REQUIRES;

	*gate_wanted = false;
	if (!(ed->is->kinds & DEP_ORDERS))
		return EDGE_HOLDS; /* wants alone delays nothing */
	if (!ed->is->gate_only && !target_is_known(en, ed))
		return ed->is->optional ? EDGE_IGNORED : hard ? EDGE_BLOCKED : EDGE_HOLDS;
	if (!ed->is->gate_only && ed->is->optional &&
	    en->units.v[ed->to_unit].wanted == WANTED_STOP)
		return EDGE_IGNORED;
	if (edge_target_holds(en, e)) {
		if (ed->gate == ID_NONE)
			return EDGE_HOLDS;
		*gate_wanted = true;
		if (en->gates.v[ed->gate].open && ed->gate_waiting)
			return EDGE_HOLDS;
	} else if (hard ? target_is_stuck(en, ed) : target_is_settled(en, ed)) {
		return hard ? EDGE_BLOCKED : EDGE_HOLDS;
	}
	if (ed->timed_out)
		return hard ? EDGE_BLOCKED : EDGE_HOLDS;
	return EDGE_WAITS;
}

/* Those that are ignored are not asked for: of two that are left, two are enough. */
enum edge_status edge_group_status(const struct engine *en, edge_id e)
{
	const struct edge *ed = &en->edges.v[e];
	uint32_t holds = 0, may = 0, ignored = 0, n = 0, need = ed->is->need;

	if (!ed->is->group)
		return ed->status;
	for_group (en, e, m) {
		enum edge_status s = en->edges.v[m].status;

		n++;
		holds += s == EDGE_HOLDS;
		may += s == EDGE_HOLDS || s == EDGE_WAITS;
		ignored += s == EDGE_IGNORED;
	}
	if (ignored == n)
		return EDGE_IGNORED;
	need = ignored && need > n - ignored ? n - ignored : need;
	return holds >= need ? EDGE_HOLDS : may >= need ? EDGE_WAITS : EDGE_BLOCKED;
}

enum edge_status edge_effect(const struct engine *en, edge_id e)
{
	enum edge_status own = en->edges.v[e].status, all = edge_group_status(en, e);

	return own == EDGE_HOLDS || own == EDGE_IGNORED ? own
	       : all == EDGE_HOLDS			? EDGE_IGNORED
							: all;
}

bool edge_group_holds(const struct engine *en, edge_id e, uint32_t without_mark)
{
	uint32_t holds = 0;

	if (!en->edges.v[e].is->group)
		return false;
	for_group (en, e, m) {
		unit_id t = en->edges.v[m].to_unit;
		bool goes = t != ID_NONE && without_mark && en->units.v[t].mark == without_mark;

		holds += !goes && edge_target_holds(en, m);
	}
	return holds >= en->edges.v[e].is->need;
}

/* Automation starts what is inactive, wanted by nobody's stop, and needed. */
bool edge_may_pull(const struct engine *en, edge_id e)
{
	const struct edge *ed = &en->edges.v[e];
	const struct unit *t = ed->to_unit == ID_NONE ? NULL : &en->units.v[ed->to_unit];

	return t && (ed->is->kinds & DEP_PULLS) && t->registered && !t->live && !t->stopping &&
	       t->wanted != WANTED_STOP && !en->shutdown;
}

/* SPEC 2.5.9: from the target's first execution; still while the target itself waits. */
bool edge_is_ticking(const struct engine *en, edge_id e)
{
	const struct edge *ed = &en->edges.v[e];

	if (!ed->is->timeout || ed->timed_out)
		return false;
	if (ed->is->gate_only)
		return true;
	if (ed->to_job != ID_NONE) {
		const struct job_core *c = &en->jobs.v[ed->to_job].core;

		return c->was_executed && c->state != JOB_WAITING_DEPS;
	}
	const struct facts *f = &en->units.v[ed->to_unit].facts;
	return f->was_executed && !f->waiting;
}

bool job_is_up(const struct job *j)
{
	const struct job_core *c = &j->core;

	return !j->is->policy.virtual && (c->state == JOB_RUNNING || c->state == JOB_READY ||
					     (c->state == JOB_STARTING && c->hangs));
}

/* Is its target one whose failures matter: there, and not told to stop? */
static bool target_may_fail(const struct engine *en, const struct edge *ed)
{
	return (ed->is->kinds & DEP_REQUIRES) && !ed->is->gate_only && target_is_known(en, ed) &&
	       ed->is->condition != COND_COMPLETED && en->units.v[ed->to_unit].live &&
	       !en->units.v[ed->to_unit].stopping;
}

bool edge_is_broken(const struct engine *en, edge_id e)
{
	const struct edge *ed = &en->edges.v[e];

	if (!job_is_up(&en->jobs.v[ed->from]) || ed->is->condition == COND_SUCCEEDED ||
	    !target_may_fail(en, ed) || edge_group_holds(en, e, 0))
		return false;
	bool holds = edge_target_holds(en, e);
	if (ed->to_job != ID_NONE) {
		const struct job *jb = &en->jobs.v[ed->to_job];

		return job_is_unhealthy(jb) || (!holds && job_failed_meanwhile(jb));
	}
	struct parts space;
	const struct parts *p = parts_of(en, ed->to_unit, &space);
	return p->n[PART_UNHEALTHY] || (!holds && p->n[PART_FAILED_MEANWHILE]);
}

bool edge_target_failed(const struct engine *en, edge_id e, uint64_t since)
{
	const struct edge *ed = &en->edges.v[e];

	if (!target_may_fail(en, ed))
		return false;
	if (ed->to_job != ID_NONE)
		return en->jobs.v[ed->to_job].failed_at > since;
	const struct tally *t = tally_of(en, ed->to_unit);
	if (t)
		return t->failed_at > since;
	for_jobs (en, ed->to_unit, j)
		if (en->jobs.v[j].failed_at > since)
			return true;
	return false;
}

/* Its `on_failure` is due: the target failed after the dependent was spawned. */
bool edge_is_failing(const struct engine *en, edge_id e)
{
	const struct edge *ed = &en->edges.v[e];
	const struct job *from = &en->jobs.v[ed->from];

	return ed->is->on_failure != ON_FAILURE_KEEP && job_is_up(from) && !from->stop_mark &&
	       edge_target_failed(en, e, from->spawned_at) && !edge_group_holds(en, e, 0);
}

/* ---- in words ------------------------------------------------------------ */

static void describe_end(const struct job *j, struct str *out)
{
	const struct job_core *c = &j->core;

	if (j->why && job_has_why(c))
		str_add(out, j->why);
	else if (c->last.signal)
		str_fmt(out, "ended by signal %d", c->last.signal);
	else if (c->last.code >= 0 && c->reason != REASON_START_TIMEOUT)
		str_fmt(out, "exit code %d", c->last.code);
	else
		str_add(out, reason_str(c->reason));
	if (c->reason == REASON_NOT_READY || c->reason == REASON_GAVE_UP)
		str_fmt(out,
		    c->reason == REASON_GAVE_UP ? ", gave up after %u attempts"
						: ", before it was ready (attempt %u)",
		    j->attempt);
}

static const struct job *culprit(const struct engine *en, const struct edge *ed)
{
	if (ed->to_job != ID_NONE)
		return &en->jobs.v[ed->to_job];
	const struct job *found = NULL;
	for_jobs (en, ed->to_unit, j) {
		const struct job *jb = &en->jobs.v[j];

		if (jb->core.state == JOB_FAILED)
			return jb;
		if (!found && !job_is_ready(jb))
			found = jb;
	}
	for_jobs (en, ed->to_unit, j)
		if (!found && job_is_unhealthy(&en->jobs.v[j]))
			found = &en->jobs.v[j];
	return found;
}

static void describe_target(const struct engine *en, const struct edge *ed, struct str *out)
{
	const struct unit *t = &en->units.v[ed->to_unit];
	const struct job *j = culprit(en, ed);

	if (!t->live && t->wanted == WANTED_STOP)
		str_add(out, " is stopped by the operator");
	else if (!t->live && !t->start_after_stop)
		str_add(out, t->stopping ? " is stopping" : " is inactive");
	else if (t->conflict_with != ID_NONE)
		str_fmt(out, " is blocked: it conflicts with %s", unit_title(en, t->conflict_with));
	else if (j && (j->core.state == JOB_FAILED || j->core.state == JOB_RETRYING)) {
		str_add(out, j->core.state == JOB_FAILED ? " failed: " : " is retrying: ");
		describe_end(j, out);
	} else if (j && j->health == HEALTH_BAD && job_state_has_process(j->core.state))
		str_fmt(out, " is %s, its probe fails: %s", job_state_str(j->core.state),
		    j->why ? j->why : "?");
	else if (j && job_state_is_end(j->core.state))
		str_fmt(out, " is over: %s", job_state_str(j->core.state));
	else if (t->facts.blocked)
		str_add(out, " is blocked");
	else if (j && j->core.state == JOB_READY)
		str_add(out, " is ready, no probe has passed yet");
	else
		str_fmt(out, " is %s, not %s yet",
		    j ? job_state_str(j->core.state) : service_state_str(t->state),
		    ed->is->condition == COND_READY ? "ready" : condition_str(ed->is->condition));
}

void edge_describe(const struct engine *en, edge_id e, struct str *out)
{
	const struct edge *ed = &en->edges.v[e];
	bool known = ed->is->gate_only || target_is_known(en, ed);

	if (ed->is->gate && (ed->is->gate_only || edge_target_holds(en, e))) {
		str_fmt(out, "%s%s%s %s", engine_gate_text(en, ed->gate),
		    ed->is->gate_only ? "" : " of ", ed->is->gate_only ? "" : ed->is->key,
		    ed->status == EDGE_HOLDS ? "answers" : "does not answer yet");
	} else if (!known) {
		str_fmt(out, "`%s` is not registered", ed->is->key);
	} else {
		str_add(out, en->units.v[ed->to_unit].name);
		if (ed->is->action && strcmp(ed->is->action, en->units.v[ed->to_unit].name) != 0)
			str_fmt(out, "/%s", ed->is->action);
		if (edge_target_holds(en, e))
			str_fmt(out, " is %s", condition_str(ed->is->condition));
		else
			describe_target(en, ed, out);
	}
	if (ed->is->group) {
		unsigned n = 0;

		for_group (en, e, m)
			n++;
		str_fmt(out, " (%u of %u are needed)", ed->is->need, n);
	}
	if (ed->timed_out && ed->status != EDGE_HOLDS)
		str_fmt(out, " (timed out after %lld ms)", (long long)ed->is->timeout);
}
