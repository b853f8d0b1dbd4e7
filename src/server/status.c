#include "server/status.h"

#include "server/former.h"
#include "server/operation_json.h"
#include "server/gates.h"
#include "server/launch.h"
#include "server/notified.h"
#include "server/probes.h"
#include "server/why.h"

json_t *status_time(usec_wall t)
{
	char text[ISO_TIME_BYTES];

	return t ? json_string(clock_iso(t, text)) : json_null();
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

static json_t *target_state(struct daemon *d, const struct edge_view *e)
{
	struct unit_view u;
	struct job_view j;

	if (e->to_job != ID_NONE && engine_job(d->engine, e->to_job, &j, NULL))
		return json_string(job_state_str(j.core.state));
	if (e->to_unit != ID_NONE && engine_unit(d->engine, e->to_unit, &u))
		return json_string(u.registered ? service_state_str(u.state) : "missing");
	return json_null();
}

static json_t *edge_json(struct daemon *d, const struct job_view *j, const struct edge_view *e)
{
	json_t *o = json_pack("{s:s, s:s, s:o, s:s, s:s?, s:o, s:s, s:o, s:s?, s:s}", "action",
	    j->name, "target", e->target, "kind", status_kinds(e->kinds), "condition",
	    condition_str(e->condition), "gate", e->gate_text, "state", target_state(d, e),
	    "status", edge_status_str(e->status), "since", status_time(clock_wall_of(e->since)),
	    "source", e->source, "text", e->text);
	const char *last = e->gate_waits && e->gate != ID_NONE ? gates_last(d, e->gate) : NULL;

	if (e->target_action)
		json_object_set_new(o, "target_action", json_string(e->target_action));
	if (e->timed_out)
		json_object_set_new(o, "timed_out", json_true());
	if (last)
		json_object_set_new(o, "last_probe", json_string(last));
	return o;
}

json_t *status_waiting_on(struct daemon *d, unit_id unit)
{
	json_t *a = json_array();
	struct job_view j;
	struct edge_view e;

	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++) {
		if (j.core.state != JOB_WAITING_DEPS)
			continue;
		for (size_t k = 0; engine_edge_at(d->engine, j.id, k, &e); k++)
			if (e.status == EDGE_WAITS || e.status == EDGE_BLOCKED)
				json_array_append_new(a, edge_json(d, &j, &e));
	}
	return a;
}

static bool has_ended_once(const struct job_view *j)
{
	return j->core.completed || j->core.failures || j->core.exited ||
	       (job_state_is_end(j->core.state) && j->core.was_executed);
}

static json_t *action_json(struct daemon *d, const struct job_view *j)
{
	const struct job_slot *s = j->id < d->slots.n ? &d->slots.v[j->id] : NULL;
	bool ended = has_ended_once(j);
	char name[16];
	json_t *o = json_pack("{s:s, s:s, s:o, s:i, s:o, s:o, s:o, s:i}", "name", j->name, "state",
	    job_state_str(j->core.state), "pid", s && s->pid ? json_integer(s->pid) : json_null(),
	    "attempt", (int)j->attempt, "exit_code",
	    ended && j->core.last.code >= 0 ? json_integer(j->core.last.code) : json_null(),
	    "signal",
	    ended && j->core.last.signal
		? json_string(signal_name(j->core.last.signal, name, sizeof(name)))
		: json_null(),
	    "since", status_time(clock_wall_of(j->since)), "restarts", (int)j->restarts);

	if (j->core.reason != REASON_NONE)
		json_object_set_new(o, "reason", json_string(reason_str(j->core.reason)));
	if (j->why && (j->core.state == JOB_FAILED || j->core.state == JOB_RETRYING ||
			  j->core.state == JOB_PENDING))
		json_object_set_new(o, "why", json_string(j->why));
	unit_id unit;
	json_t *probes =
	    engine_job(d->engine, j->id, &(struct job_view){0}, &unit)
		? probes_status(s ? s->live : NULL, daemon_action(d, unit, j->name, NULL))
		: NULL;
	if (probes)
		json_object_set_new(o, "probes", probes);
	if (s && s->row)
		json_object_set_new(o, "job", json_integer(s->row));
	if (s && s->live)
		notified_show(s->live, o);
	return o;
}

static json_t *actions_json(struct daemon *d, unit_id unit)
{
	json_t *a = json_array();
	struct job_view j;

	for (size_t i = 0; engine_job_at(d->engine, unit, i, &j); i++)
		if (!j.virtual)
			json_array_append_new(a, action_json(d, &j));
	return a;
}

static json_t *reason_json(const struct unit_view *u)
{
	if (u->reason == REASON_NONE)
		return json_null();
	if (!u->reason_subject)
		return json_string(reason_str(u->reason));
	auto_free char *text = text_fmt("%s(%s)", reason_str(u->reason), u->reason_subject);
	return json_string(text);
}

static json_t *run_json(struct daemon *d, const struct unit_view *u)
{
	if (!u->run)
		return json_null();
	const struct unit_slot *s = u->id < d->units.n ? &d->units.v[u->id] : NULL;
	auto_free char *name = u->is_run ? text_dup(u->name)
					 : text_fmt("%s#%llu", u->name, (unsigned long long)u->run);

	return json_pack("{s:I, s:s, s:s, s:s?, s:o}", "id", (json_int_t)u->run, "name", name,
	    "state", run_state_str(u->run_state), "who", s ? s->who : NULL, "started",
	    status_time(s ? s->started : 0));
}

json_t *status_of_unit(struct daemon *d, unit_id unit, const bool *demanded)
{
	struct unit_view u;

	if (!engine_unit(d->engine, unit, &u))
		return NULL;
	json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", u.name,
	    "state", service_state_str(u.state), "wanted", wanted_str(u.wanted), "since",
	    status_time(clock_wall_of(u.since)), "reason", reason_json(&u), "waiting_on",
	    status_waiting_on(d, unit), "cause", why_lines(d, unit), "run", run_json(d, &u),
	    "actions", actions_json(d, unit));

	bool is_demanded = demanded ? demanded[unit] : engine_demanded(d->engine, unit);
	json_object_set_new(o, "demanded", json_boolean(is_demanded));
	struct strv differences = {0};
	if (former_differences(d, unit, &differences)) {
		json_object_set_new(o, "definition_changed", json_true());
		json_object_set_new(o, "differences", strv_json(&differences));
	}
	strv_release(&differences);
	if (u.op)
		json_object_set_new(o, "operation", json_integer((json_int_t)u.op));
	return o;
}
