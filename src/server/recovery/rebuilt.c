#include "server/recovery/rebuilt.h"

#include "base/map.h"
#include "server/history/definitions.h"
#include "server/recovery/recover.h"
#include "server/supervise/readiness.h"

/* Who was not ready by its start time-out was ended then.  What notifies said so to the keeper,
 * which repeats it; it may also have asked for more time. */
static bool outlived_its_start(const struct action_def *a, const struct survivor *s)
{
	return a->start_timeout > 0 && action_readiness(a) != READY_NOTIFY && s->label.since > 0 &&
	       clock_mono() - s->label.since > a->start_timeout;
}

/* The descriptor is held until the readiness was recorded. */
static bool was_read(const struct action_def *a, const struct survivor *s)
{
	return action_readiness(a) == READY_FD && s->held[HELD_READY] < 0;
}

struct job_row rebuilt_row_of(struct daemon *d, const struct survivor *s)
{
	struct job_row row = recovery_row_of(s);
	const struct service_def *def = definition_find(d->history, row.unit);
	const struct action_def *a = def ? service_find_action(def, row.action) : NULL;

	if (s->exited || s->starting || !a)
		return row;
	if (s->asked) {
		row.state = JOB_STOPPING;
		row.stop = true;
		row.since = clock_mono(); /* when it was asked is not known */
	} else if (a->is_process && (outlived_its_start(a, s) || was_read(a, s))) {
		row.state = JOB_READY;
		row.ready = true;
		row.ready_at = row.created;
	}
	return row;
}

/* ---- jobs without a process ----------------------------------------------------------------- */

static bool is_placed(const struct recovery *r, job_id job)
{
	const struct job_record *known = history_find_job(r->d->history, job);

	return known && known->row;
}

/* What `a` was executed after, in its own service. */
static void add_reasons(
    struct map *done, struct strv *work, const struct service_def *def, const struct action_def *a)
{
	for (size_t i = 0; i < a->depends_on.n; i++) {
		const struct dep *dep = &a->depends_on.v[i];
		const char *name = dep->resolved.action;

		if (!(dep->kinds & DEP_REQUIRES) || !text_eq(dep->resolved.service, def->name) ||
		    !name || map_get(done, name) || !service_find_action(def, name))
			continue;
		map_put(done, service_find_action(def, name)->name, done);
		strv_add(work, name);
	}
}

static void find_done(
    const struct recovery *r, unit_id unit, const struct service_def *def, struct map *done)
{
	struct strv work = {0};
	struct job_view j;

	for (size_t i = 0; engine_job_at(r->d->engine, unit, i, &j); i++)
		if (is_placed(r, j.id) && service_find_action(def, j.name))
			strv_add(&work, j.name);
	for (size_t i = 0; i < work.n; i++)
		add_reasons(done, &work, def, service_find_action(def, work.v[i]));
	strv_release(&work);
}

static void place_one(
    struct recovery *r, const struct unit_view *u, const struct job_view *j, bool has_succeeded)
{
	usec_wall now = clock_wall();
	char *unit = text_dup(u->name), *action = text_dup(j->name);
	const struct job_row row = {.unit = unit,
	    .action = action,
	    .run = u->run,
	    .exit_code = has_succeeded ? 0 : -1,
	    .state = has_succeeded ? JOB_SUCCEEDED : JOB_CANCELLED,
	    .reason = has_succeeded ? REASON_NONE : REASON_LOST,
	    .created = now,
	    .started = has_succeeded ? now : 0,
	    .ended = now,
	    .since = clock_mono(),
	    .ready = has_succeeded};

	recovery_place_row(r->d, &row, NULL);
	free(unit);
	free(action);
}

static void place_rest_of(struct recovery *r, const struct unit_view *u)
{
	const struct service_def *def = definition_find(r->d->history, u->name);
	struct map done = {0};
	struct job_view j;

	if (!def)
		return;
	find_done(r, u->id, def, &done);
	for (size_t i = 0; engine_job_at(r->d->engine, u->id, i, &j); i++) {
		const struct action_def *a = service_find_action(def, j.name);
		bool succeeded = a && !a->is_process && map_get(&done, a->name);

		if (!is_placed(r, j.id) && !j.virtual && (succeeded || u->is_run))
			place_one(r, u, &j, succeeded);
	}
	map_release(&done);
}

void rebuilt_place_rest(struct recovery *r)
{
	struct unit_view u;

	for (unit_id id = 0; id < engine_unit_count(r->d->engine); id++)
		if (engine_unit(r->d->engine, id, &u) && u.run_live)
			place_rest_of(r, &u);
}
