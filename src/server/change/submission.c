#include "server/change/submission.h"

#include "manifest/definition_read.h"
#include "server/change/unit_spec.h"
#include "server/history/records.h"
#include "server/operation/operations.h"

static void entry_free(struct run_entry *r)
{
	service_def_release(&r->def);
	free(r->json);
	free(r->name);
	free(r);
}

static void tell_engine(struct daemon *d, const struct service_def *def)
{
	struct unit_spec u;
	auto_free char *meaning = service_def_meaning(def);

	unit_spec_init(&u, def, text_hash(meaning));
	engine_define(d->engine, clock_mono(), &u.is);
	unit_spec_release(&u);
}

static struct run_entry *add(struct daemon *d, struct service_def *take_def)
{
	struct run_entry *r = mem_new(sizeof(*r));

	r->def = *take_def;
	*take_def = (struct service_def){0};
	r->name = text_dup(r->def.name);
	json_t *o = service_def_stored(&r->def);
	json_object_set_new(o, "name", json_string("run")); /* its own is no service's name */
	r->json = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	map_put(&d->runs, r->name, r);
	return r;
}

static void name_run(struct daemon *d, struct service_def *def)
{
	const char *base = def->name ? def->name : def->actions.n ? def->actions.v[0].name : "run";
	def->is_run = true;
	if (def->name && strchr(def->name, '#')) /* of a due time: it has one name */
		return;
	/* the number that the engine gives the next run; only names need it to be free */
	char *name =
	    text_fmt("%s#%llu", base, (unsigned long long)records_counter(d->records, COUNTER_RUN));

	free(def->name);
	def->name = name;
}

enum err submission_begin(struct daemon *d, struct service_def *take_def, const char *who,
    op_id *out, const char **name, struct diags *diags, struct strv *chain, struct error *e)
{
	if (registry_resolve_run(d->registry, take_def, diags, chain, e)) {
		service_def_release(take_def);
		return e->code;
	}
	name_run(d, take_def);
	struct run_entry *r = add(d, take_def);
	tell_engine(d, &r->def);
	if (engine_submit(d->engine, clock_mono(), r->name, who, out, chain, e)) {
		engine_remove(d->engine, clock_mono(), r->name);
		map_remove(&d->runs, r->name);
		entry_free(r);
		return e->code;
	}
	*name = r->name;
	operations_begin(d, *out, who, "run.submit");
	return ERR_OK;
}

enum err submission_plan(struct daemon *d, struct service_def *def, struct op_plan *out,
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

bool submission_restore(struct daemon *d, const char *name, const char *definition_json)
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
		tell_engine(d, &add(d, &def)->def);
	}
	json_decref(o);
	diags_release(&diags);
	strv_release(&chain);
	return ok;
}

void submission_run_ended(struct daemon *d, unit_id unit)
{
	struct unit_view u;

	if (engine_unit(d->engine, unit, &u) && u.is_run && map_get(&d->runs, u.name))
		strv_add(&d->ended_runs, u.name);
}

void submission_sweep(struct daemon *d)
{
	for (size_t i = 0; i < d->ended_runs.n;) {
		struct run_entry *r = map_get(&d->runs, d->ended_runs.v[i]);

		if (r && !engine_remove(d->engine, clock_mono(), r->name)) {
			i++;
			continue;
		}
		if (r) {
			map_remove(&d->runs, r->name);
			entry_free(r);
		}
		free(d->ended_runs.v[i]);
		d->ended_runs.v[i] = d->ended_runs.v[--d->ended_runs.n];
	}
}

void submission_resolve_again(struct daemon *d)
{
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&d->runs, &i, &key, &value);) {
		struct run_entry *r = value;
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

void submission_release(struct daemon *d)
{
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&d->runs, &i, &key, &value);)
		entry_free(value);
	map_release(&d->runs);
}
