/* define.c - a definition comes, changes, goes; a pass follows. */
#include "engine/world.h"

static bool may_rebuild(const struct engine *en, unit_id u)
{
	for_jobs (en, u, j)
		if (job_state_has_process(en->jobs.v[j].core.state) &&
		    !en->jobs.v[j].is->policy.virtual)
			return false;
	return true;
}

/* Who waits for this name and is demanded gets it started (SPEC 2.5.6). */
static void pull_for_waiting(struct engine *en, unit_id u)
{
	for_in (en, u, e) {
		const struct edge *ed = &en->edges.v[e];
		const struct job *from = &en->jobs.v[ed->from];

		if (en->units.v[from->unit].live && job_tracks_edges(from) &&
		    (ed->is->kinds & DEP_PULLS)) {
			unit_pull_later(en, u, e);
			return;
		}
	}
}

/* Another definition, nothing running: what one-shots achieved no longer counts. */
static void forget_results(struct engine *en, unit_id u)
{
	bool all_ended = true;

	for_jobs (en, u, j) {
		struct job_core *c = &en->jobs.v[j].core;

		all_ended = all_ended && (job_state_is_end(c->state) || c->state == JOB_CREATED);
		if (c->state == JOB_SUCCEEDED)
			*c = (struct job_core){.last = c->last};
		job_changed(en, j);
	}
	if (all_ended)
		en->units.v[u].live = false;
}

static void begin_new_jobs(struct engine *en, msec now, unit_id u)
{
	for_jobs (en, u, j) {
		if (job_tracks_edges(&en->jobs.v[j]))
			job_recount_later(en, j);
		if (en->units.v[u].live && !en->units.v[u].stopping &&
		    en->jobs.v[j].core.state == JOB_CREATED)
			job_event_now(en, now, j, JOB_EV_BEGIN, NULL);
	}
}

unit_id engine_define(struct engine *en, msec now, const struct engine_unit_spec *from)
{
	unit_id u = unit_named(en, from->name);
	struct unit *un = &en->units.v[u];
	struct spec *old = un->spec;
	bool is_new = !un->registered;

	unit_take_spec(en, u, spec_dup(from));
	un = &en->units.v[u];
	un->registered = true;
	un->is_run = from->is_run;
	if (is_new) {
		un->wanted = from->wanted;
		un->since = now;
	}
	if (may_rebuild(en, u)) {
		if (old && old->is.revision != from->revision)
			forget_results(en, u);
		unit_rebuild(en, now, u);
		begin_new_jobs(en, now, u);
	} else {
		en->units.v[u].definition_changed = true;
	}
	spec_drop(old);
	unit_touch(en, u);
	if (is_new && !en->restoring)
		pull_for_waiting(en, u);
	run_passes(en, now);
	return u;
}

bool engine_remove(struct engine *en, msec now, const char *name)
{
	unit_id u = unit_by_name(en, name);

	if (u == ID_NONE || !en->units.v[u].registered || !may_rebuild(en, u))
		return false;
	unit_unregister(en, u);
	unit_touch(en, u);
	run_passes(en, now);
	unit_drop_if_unused(en, u);
	return true;
}
