#include "server/explain/status.h"
#include "server/explain/explain_state.h"
#include "server/host/json_time.h"

#include "server/explain/why.h"
#include "server/history/records.h"
#include "server/supervise/gates.h"
#include "server/supervise/launch.h"
#include "server/supervise/notified.h"
#include "server/supervise/previous_definition.h"
#include "server/supervise/probes.h"

static void int_or_null(struct str *out, const char *key, bool known, int64_t n)
{
	if (known)
		json_out_int(out, key, n);
	else
		json_out_null(out, key);
}

json_t *status_kinds(unsigned kinds)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {{DEP_REQUIRES, "requires"}, {DEP_WANTS, "wants"}, {DEP_AFTER, "after"}};
	json_t *a = json_array();

	for (size_t i = 0; i < countof(words); i++)
		if (kinds & words[i].bit)
			json_array_append_new(a, json_string(words[i].word));
	if (json_array_size(a) != 1)
		return a;
	json_t *one = json_incref(json_array_get(a, 0));
	json_decref(a);
	return one;
}

static json_t *target_state(struct explain *d, const struct edge_view *e)
{
	struct unit_view u;
	struct job_view j;

	if (e->to_job != ID_NONE && engine_job(d->engine, e->to_job, &j, NULL))
		return json_string(job_state_str(j.core.state));
	if (e->to_unit != ID_NONE && engine_unit(d->engine, e->to_unit, &u))
		return json_string(u.registered ? service_state_str(u.state) : "missing");
	return json_null();
}

static json_t *edge_json(struct explain *d, const struct job_view *j, const struct edge_view *e)
{
	json_t *o = json_pack("{s:s, s:s, s:o, s:s, s:s?, s:o, s:s, s:o, s:s?, s:s}", "action",
	    j->name, "target", e->target, "kind", status_kinds(e->kinds), "condition",
	    condition_str(e->condition), "gate", e->gate_text, "state", target_state(d, e),
	    "status", edge_status_str(e->status), "since", json_time(clock_wall_of(e->since)),
	    "source", e->source, "text", e->text);
	const char *last =
	    e->gate_waits && e->gate != ID_NONE ? gates_last(d->supervision, e->gate) : NULL;

	if (e->target_action)
		json_object_set_new(o, "target_action", json_string(e->target_action));
	if (e->timed_out)
		json_object_set_new(o, "timed_out", json_true());
	if (last)
		json_object_set_new(o, "last_probe", json_string(last));
	return o;
}

void status_add_waits(struct explain *d, const struct job_view *j, json_t *into)
{
	struct edge_view e;

	for (size_t k = 0;
	     j->core.state == JOB_WAITING_DEPS && engine_edge_at(d->engine, j->id, k, &e); k++)
		if (e.status == EDGE_WAITS || e.status == EDGE_BLOCKED)
			json_array_append_new(into, edge_json(d, j, &e));
}

json_t *status_waiting_on(struct explain *d, unit_id unit)
{
	json_t *a = json_array();
	struct job_view j;

	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++)
		status_add_waits(d, &j, a);
	return a;
}

static bool has_ended_once(const struct job_view *j)
{
	return j->core.completed || j->core.failures || j->core.exited ||
	       (job_state_is_end(j->core.state) && j->core.was_executed);
}

static void action_out(struct str *out, struct explain *d, unit_id unit, const struct job_view *j)
{
	const struct job_record *s = history_find_job(d->history, j->id);
	const struct attempt *at = attempt_of(d->supervision, j->id);
	const struct job_core *c = &j->core;
	bool ended = has_ended_once(j);
	char name[16];

	json_out_open(out, NULL, '{');
	json_out_text(out, "name", j->name);
	json_out_text(out, "state", job_state_str(c->state));
	int_or_null(out, "pid", s && s->pid, s ? s->pid : 0);
	json_out_int(out, "attempt", j->attempt);
	int_or_null(out, "exit_code", ended && c->last.code >= 0, c->last.code);
	json_out_text(out, "signal",
	    ended && c->last.signal ? signal_name(c->last.signal, name, sizeof(name)) : NULL);
	json_time_out(out, "since", clock_wall_of(j->since));
	json_out_int(out, "restarts", j->restarts);
	if (c->reason != REASON_NONE)
		json_out_text(out, "reason", reason_str(c->reason));
	if (j->why && job_has_why(c))
		json_out_text(out, "why", j->why);
	json_t *probes = probes_status(at, supervision_action(d->supervision, unit, j->name, NULL));
	if (probes)
		json_out_tree(out, "probes", probes);
	json_decref(probes);
	if (s && s->row)
		json_out_int(out, "job", s->row);
	if (at)
		notified_show(at, out);
	json_out_close(out, '}');
}

static void actions_out(struct str *out, struct explain *d, unit_id unit)
{
	struct job_view j;

	json_out_open(out, "actions", '[');
	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++)
		if (!j.virtual)
			action_out(out, d, unit, &j);
	json_out_close(out, ']');
}

static void reason_out(struct str *out, const struct unit_view *u)
{
	auto_str text = {0};

	if (u->reason != REASON_NONE)
		str_add(&text, reason_str(u->reason));
	if (text.n && u->reason_subject)
		str_fmt(&text, "(%s)", u->reason_subject);
	json_out_text(out, "reason", text.s);
}

static void run_out(struct str *out, struct explain *d, const struct unit_view *u)
{
	const struct unit_record *s = history_find_unit(d->history, u->id);

	if (!u->run) {
		json_out_null(out, "run");
		return;
	}
	auto_free char *name = run_name(u);
	json_out_open(out, "run", '{');
	json_out_int(out, "id", (int64_t)u->run);
	json_out_text(out, "name", name);
	json_out_text(out, "state", run_state_str(u->run_state));
	json_out_text(out, "who", s ? s->who : NULL);
	json_time_out(out, "started", s ? s->started : 0);
	json_out_close(out, '}');
}

static void differences_out(struct str *out, struct explain *d, unit_id unit)
{
	struct strv differences = {0};

	if (previous_definition_differences(d->supervision, unit, &differences)) {
		json_out_bool(out, "definition_changed", true);
		json_out_open(out, "differences", '[');
		for (size_t i = 0; i < differences.n; i++)
			json_out_text(out, NULL, differences.v[i]);
		json_out_close(out, ']');
	}
	strv_release(&differences);
}

bool status_out(struct str *out, struct explain *d, unit_id unit, const bool *demanded)
{
	struct unit_view u;

	if (!engine_unit(d->engine, unit, &u))
		return false;
	json_t *waiting_on = status_waiting_on(d, unit), *cause = why_lines(d, unit);

	json_out_open(out, NULL, '{');
	json_out_text(out, "name", u.name);
	json_out_text(out, "state", service_state_str(u.state));
	json_out_text(out, "wanted", wanted_str(u.wanted));
	json_time_out(out, "since", clock_wall_of(u.since));
	reason_out(out, &u);
	json_out_tree(out, "waiting_on", waiting_on);
	json_out_tree(out, "cause", cause);
	run_out(out, d, &u);
	actions_out(out, d, unit);
	json_out_bool(
	    out, "demanded", demanded ? demanded[unit] : engine_demanded(d->engine, unit));
	differences_out(out, d, unit);
	if (u.op)
		json_out_int(out, "operation", (int64_t)u.op);
	json_out_close(out, '}');
	json_decref(waiting_on);
	json_decref(cause);
	return true;
}
