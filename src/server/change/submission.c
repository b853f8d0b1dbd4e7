#include "server/change/submission.h"
#include "server/change/change_state.h"

#include "base/map.h"
#include "manifest/definition_read.h"
#include "server/change/unit_spec.h"
#include "server/history/definitions.h"
#include "server/history/records.h"
#include "server/operation/operations.h"

static void tell_engine(struct change *d, const struct service_def *def)
{
	struct unit_spec u;
	auto_free char *meaning = service_def_meaning(def);

	unit_spec_init(&u, def, text_hash(meaning));
	engine_define(d->engine, clock_mono(), &u.is);
	unit_spec_release(&u);
}

static void name_run(struct change *d, struct service_def *def)
{
	const char *base = def->name ? def->name : def->actions.n ? def->actions.v[0].name : "run";
	def->is_run = true;
	if (def->name && strchr(def->name, '#')) /* of a due time: it has one name */
		return;
	/* the number that the engine gives the next run; only names need it to be free */
	char *name =
	    text_fmt("%s#%llu", base, (unsigned long long)records_counter(d->history, COUNTER_RUN));

	free(def->name);
	def->name = name;
}

enum err submission_begin(struct change *d, struct service_def *take_def, const char *who,
    op_id *out, const char **name, struct diags *diags, struct strv *chain, struct error *e)
{
	if (registry_resolve_run(d->registry, take_def, diags, chain, e)) {
		service_def_release(take_def);
		return e->code;
	}
	name_run(d, take_def);
	struct run_definition *r = run_definition_add(d->history, take_def);
	tell_engine(d, &r->def);
	if (engine_submit(d->engine, clock_mono(), r->name, who, out, chain, e)) {
		engine_remove(d->engine, clock_mono(), r->name);
		run_definition_remove(d->history, r->name);
		return e->code;
	}
	*name = r->name;
	operations_begin(d->operations, *out, who, "run.submit");
	return ERR_OK;
}

enum err submission_plan(struct change *d, struct service_def *def, struct op_plan *out,
    struct diags *diags, struct strv *chain, struct error *e)
{
	if (registry_resolve_run(d->registry, def, diags, chain, e))
		return e->code;
	name_run(d, def);
	const char *name = def->name;
	const struct engine_request rq = {.kind = OP_RUN, .names = &name, .n_names = 1};
	tell_engine(d, def);
	enum err code = engine_plan(d->engine, clock_mono(), &rq, out, chain, e);
	engine_remove(d->engine, clock_mono(), name);
	return code;
}

bool submission_restore(struct change *d, const char *name, const char *definition_json)
{
	struct service_def def = {0};
	struct diags diags = {0};
	struct strv chain = {0};
	struct error e = {0};
	json_t *o = definition_json ? json_loads(definition_json, 0, NULL) : NULL;
	bool ok = o && service_def_read_json(o, "store", true, &diags, &def);

	if (ok) {
		text_set(&def.name, name);
		def.is_run = true;
		if (registry_resolve_run(d->registry, &def, &diags, &chain, &e))
			report(REPORT_WARN, "run %s: %s", name, e.msg);
		tell_engine(d, &run_definition_add(d->history, &def)->def);
	}
	json_decref(o);
	diags_release(&diags);
	strv_release(&chain);
	return ok;
}

void submission_run_ended(struct change *d, unit_id unit)
{
	struct unit_view u;

	if (engine_unit(d->engine, unit, &u) && u.is_run && run_definition_find(d->history, u.name))
		strv_add(&d->ended_runs, u.name);
}

void submission_sweep(struct change *d)
{
	for (size_t i = 0; i < d->ended_runs.n;) {
		struct run_definition *r = run_definition_find(d->history, d->ended_runs.v[i]);

		if (r && !engine_remove(d->engine, clock_mono(), r->name)) {
			i++;
			continue;
		}
		if (r)
			run_definition_remove(d->history, r->name);
		free(d->ended_runs.v[i]);
		d->ended_runs.v[i] = d->ended_runs.v[--d->ended_runs.n];
	}
}

void submission_resolve_again(struct change *d)
{
	struct run_definition *r;

	for (size_t i = 0; (r = run_definition_next(d->history, &i));) {
		struct unit_view u;
		struct diags diags = {0};
		struct strv chain = {0};
		struct error e = {0};
		unit_id id = engine_find(d->engine, r->name);

		if (id != ID_NONE && engine_unit(d->engine, id, &u) &&
		    u.run_state == RUN_WAITING_DEPS &&
		    registry_resolve_run(d->registry, &r->def, &diags, &chain, &e) == ERR_OK)
			tell_engine(d, &r->def);
		diags_release(&diags);
		strv_release(&chain);
	}
}
