#include "server/scheduling.h"
#include "server/history/definitions.h"

#include "server/change/submission.h"
#include "server/history/events.h"
#include "server/operation/operations.h"
#include "server/schedule/schedules.h"
#include "server/supervise/perform.h"

static const struct service_def *definition(void *ctx, const char *name)
{
	struct daemon *d = ctx;

	return *name == '/' ? registry_find_loose(d->registry, name)
			    : registry_find(d->registry, name);
}

static void add_variable(struct action_def *a, const char *name, const char *value)
{
	struct env_var *v = vec_push(&a->env);

	v->name = text_dup(name);
	v->value = text_dup(value);
}

/* "service/action", or the bare name in its context. */
static void make_run(struct service_def *run, const struct service_def *owner,
    const struct action_def *known, const char *name, const char *scheduled_at)
{
	service_def_init(run);
	run->name = text_dup(name);
	struct action_def *a = vec_push(&run->actions);
	action_def_init(a);
	a->name = owner->name && *owner->name != '/' ? text_fmt("%s/%s", owner->name, known->name)
						     : text_dup(known->name);
	text_set(&a->context, known->context);
	a->source.path = text_dup("schedule");
	add_variable(a, "HERO_SCHEDULED_AT", scheduled_at);
}

static enum err submit(void *ctx, const struct service_def *owner, const struct action_def *a,
    const char *name, const char *scheduled_at, bool durable, struct error *e)
{
	struct daemon *d = ctx;
	struct service_def run;
	struct diags diags = {0};
	struct strv chain = {0};
	const char *ignored;
	op_id op;

	make_run(&run, owner, a, name, scheduled_at);
	run.commit_first = durable;
	enum err code =
	    submission_begin(d->change, &run, "schedule", &op, &ignored, &diags, &chain, e);
	perform_effects(d->supervision);
	diags_release(&diags);
	strv_release(&chain);
	return code;
}

static bool is_open(void *ctx, const char *run)
{
	struct daemon *d = ctx;
	struct unit_view u;
	const unit_id id = engine_find(d->engine, run);

	return id != ID_NONE && engine_unit(d->engine, id, &u) && u.run_live;
}

static bool found(const struct store_run *row, void *ctx)
{
	(void)row;
	*(bool *)ctx = true;
	return false;
}

static bool is_stored(void *ctx, const char *run)
{
	struct daemon *d = ctx;
	struct error e;
	bool is = false;

	return store_find_run(d->store, run, found, &is, &e) == ERR_OK && is;
}

static bool is_wanted_stop(void *ctx, const char *service)
{
	struct daemon *d = ctx;
	struct unit_view u;
	const unit_id id = engine_find(d->engine, service);

	return id != ID_NONE && engine_unit(d->engine, id, &u) && u.wanted == WANTED_STOP;
}

static void event(void *ctx, const char *kind, const char *subject, const char *fact)
{
	struct daemon *d = ctx;
	auto_free char *whole =
	    text_fmt("{\"event\": \"%s\"%s%s", kind, fact[1] == '}' ? "" : ", ", fact + 1);

	events_emit(d->history, kind, subject, 0, whole);
}

enum err scheduling_open(struct daemon *d, struct error *e)
{
	const struct schedules_config config = {.base = d->base,
	    .store = d->store,
	    .ctx = d,
	    .definition = definition,
	    .submit = submit,
	    .is_open = is_open,
	    .is_stored = is_stored,
	    .is_wanted_stop = is_wanted_stop,
	    .event = event};

	d->schedules = schedules_new(&config, e);
	return d->schedules ? ERR_OK : e->code;
}

void scheduling_run_ended(struct daemon *d, unit_id unit)
{
	struct unit_view u;
	struct job_view j;

	if (!engine_unit(d->engine, unit, &u) || !u.is_run)
		return;
	const struct run_definition *r = run_definition_find(d->history, u.name);
	for (size_t i = 0; r && engine_job_at(d->engine, unit, i, &j); i++) {
		const struct action_def *a = service_find_action(&r->def, j.name);
		if (a && a->origin && j.core.state == JOB_SUCCEEDED)
			schedules_succeeded(d->schedules, a->origin);
	}
	schedules_run_ended(d->schedules, u.name, u.run_state == RUN_SUCCEEDED);
}
