#include "server/change/registration.h"
#include "server/change/change_state.h"

#include "server/schedule/schedules.h"

#include "manifest/definition_read.h"
#include "rpc/json_out.h"
#include "server/change/apply.h"
#include "server/change/unit_spec.h"
#include "server/history/events.h"
#include "server/history/records.h"
#include "server/operation/operations.h"
#include "server/supervise/previous_definition.h"

#include <jansson.h>

/* ---- the engine's side ------------------------------------------------------- */

static void tell_engine(struct change *d, const struct service_def *def)
{
	struct unit_spec u;

	unit_spec_init(&u, def, registry_revision(d->registry, def->name));
	engine_define(d->engine, clock_mono(), &u.is);
	unit_spec_release(&u);
}

/* False: it is active, and will be removed once it is not. */
static bool forget(struct change *d, const char *name)
{
	if (engine_find(d->engine, name) == ID_NONE || engine_remove(d->engine, clock_mono(), name))
		return true;
	if (!strv_has(&d->leaving, name))
		strv_add(&d->leaving, name);
	return false;
}

static void stop_and_forget(struct change *d, const char *name, const char *who)
{
	struct error e = {0};
	struct strv chain = {0};
	op_id op = 0;
	const struct engine_request rq = {
	    .kind = OP_STOP, .names = &name, .n_names = 1, .keep_wanted = true, .who = who};

	struct unit_view u;

	if (forget(d, name) || (engine_unit(d->engine, engine_find(d->engine, name), &u) &&
				   u.state == SERVICE_STOPPING))
		return;
	if (engine_request(d->engine, clock_mono(), &rq, &op, &chain, &e))
		report(REPORT_WARN, "stop of the removed service %s: %s", name, e.msg);
	else
		operations_begin(d->operations, op, who, NULL);
	strv_release(&chain);
}

static void leave(struct change *d, size_t i)
{
	free(d->leaving.v[i]);
	d->leaving.v[i] = d->leaving.v[--d->leaving.n];
}

void registration_unit_changed(struct change *d, unit_id unit)
{
	struct unit_view u;

	if (d->leaving.n == 0 || !engine_unit(d->engine, unit, &u))
		return;
	for (size_t i = 0; i < d->leaving.n; i++) {
		if (strcmp(d->leaving.v[i], u.name) != 0)
			continue;
		if (registry_find(d->registry, u.name) ||
		    engine_remove(d->engine, clock_mono(), d->leaving.v[i]))
			leave(d, i);
		return;
	}
}

/* ---- the store's side -------------------------------------------------------- */

static void store_one(struct change *d, const char *name, const struct contribution *c)
{
	json_t *o = json_pack("{s:s, s:o}", "mode", contribution_mode_str(c->mode), "definition",
	    service_def_stored(c->def));
	auto_str text = {0};

	json_out_tree(&text, NULL, o);
	json_decref(o);
	store_put_contribution(
	    d->store, &(struct store_contribution){
			  .source = c->source, .service = name, .json = str_text(&text)});
}

static void store_all_of(struct change *d, const char *name)
{
	struct contribution c;

	for (size_t i = 0; registry_contribution(d->registry, name, i, &c); i++)
		store_one(d, name, &c);
}

void registration_store(struct change *d)
{
	const struct service_def *s;

	for (s = NULL; (s = registry_next(d->registry, s ? s->name : NULL));)
		store_all_of(d, s->name);
	for (s = NULL; (s = registry_next_loose(d->registry, s ? s->name : NULL));)
		store_all_of(d, s->name);
}

static void store_change(struct change *d, const struct registry_change *change)
{
	store_all_of(d, change->name);
	for (size_t i = 0; i < change->dropped.n; i++)
		store_remove_contribution(d->store, change->dropped.v[i], change->name);
}

/* ---- both ---------------------------------------------------------------------- */

/* What runs was executed from it; the row of its run says so. */
static void keep_former(struct change *d, const struct registry_change *c)
{
	unit_id unit = engine_find(d->engine, c->name);
	struct unit_view u;

	previous_definition_keep(d->supervision, c->name, c->before);
	if (unit != ID_NONE && engine_unit(d->engine, unit, &u) && u.run_live)
		records_put_run(d->history, unit);
}

static void settle(struct change *d, const struct registry_outcome *out)
{
	for (size_t i = 0; i < out->n; i++) {
		const struct registry_change *c = &out->v[i];

		if (c->kind != CHANGE_RESOLVED && !c->stored)
			store_change(d, c);
		if (c->before)
			keep_former(d, c);
		if (c->kind != CHANGE_RESOLVED && !d->applying)
			apply_redefined(d, c->name);
		if (c->kind != CHANGE_RESOLVED)
			schedules_redefined(d->schedules, c->name);
		if (*c->name == '/' || c->kind == CHANGE_UNCHANGED)
			continue; /* an action of no service is no unit */
		if (c->kind == CHANGE_REMOVED) {
			events_definition(d->history, c->name, "removed", NULL);
			store_remove_wanted(d->store, c->name);
			stop_and_forget(d, c->name, "registry");
		} else {
			const struct service_def *def = registry_find(d->registry, c->name);

			tell_engine(d, def);
			if (c->kind != CHANGE_RESOLVED)
				events_definition(d->history, c->name,
				    c->kind == CHANGE_CREATED ? "created" : "updated",
				    def->sources.n ? def->sources.v[0] : NULL);
			if (c->kind == CHANGE_CREATED && def->status != WANTED_IGNORE)
				store_put_wanted(
				    d->store, &(struct store_wanted){
						  .service = def->name, .wanted = def->status});
		}
	}
}

enum err registration_apply(struct change *d, const struct contribution *in, size_t n,
    unsigned flags, struct registry_outcome *out, struct diags *diags, struct error *e)
{
	const size_t before = diags->n;

	for (size_t i = 0; i < n && !(flags & REGISTRY_LOAD); i++)
		schedules_check(d->schedules, in[i].def, diags);
	if (diags->n > before)
		return error_set(e, ERR_INVALID, "%s", diags->v[before].message);
	enum err code = registry_apply(d->registry, in, n, flags, out, diags, e);

	if (code == ERR_OK && !(flags & REGISTRY_DRY_RUN))
		settle(d, out);
	return code;
}

enum err registration_restore(struct change *d, const struct registry_former *in, size_t n,
    struct registry_outcome *out, struct diags *diags, struct error *e)
{
	enum err code = registry_restore(d->registry, in, n, out, diags, e);

	if (code == ERR_OK)
		settle(d, out);
	return code;
}

enum err registration_delete(struct change *d, const char *name, struct error *e)
{
	struct registry_outcome out = {0};
	enum err code = registry_delete(d->registry, name, &out, e);

	if (code == ERR_OK) {
		forget(d, name);
		settle(d, &out);
	}
	registry_outcome_release(&out);
	return code;
}

enum err registration_delete_action(struct change *d, const char *service, const char *context,
    const char *action, struct registry_outcome *out, struct error *e)
{
	enum err code = registry_delete_action(d->registry, service, context, action, out, e);

	if (code == ERR_OK)
		settle(d, out);
	return code;
}

/* ---- at the start ---------------------------------------------------------------- */

struct loading {
	struct contribution *v;
	size_t n, cap;
};

static bool load_one(const struct store_contribution *row, void *ctx)
{
	struct loading *l = ctx;
	struct diags diags = {0};
	json_t *o = json_loads(row->json, 0, NULL);
	struct service_def *def = mem_new(sizeof(*def));
	struct contribution c = {.def = def, .mode = CONTRIBUTE_SET};

	const char *mode = json_string_value(json_object_get(o, "mode"));
	if (mode)
		contribution_mode_parse(mode, &c.mode);
	if (o && service_def_read_json(
		     json_object_get(o, "definition"), row->source, true, &diags, def)) {
		c.source = text_dup(row->source);
		*vec_push(l) = c;
	} else {
		report(REPORT_ERROR, "stored definition of %s from %s can not be read%s%s",
		    row->service, row->source, diags.n ? ": " : "",
		    diags.n ? diags.v[0].message : "");
		free(def);
	}
	diags_release(&diags);
	json_decref(o);
	return true;
}

static void loading_release(struct loading *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct service_def *def = (struct service_def *)(uintptr_t)l->v[i].def;

		service_def_release(def);
		free(def);
		free((char *)(uintptr_t)l->v[i].source);
	}
	free(l->v);
}

enum err registration_load(struct change *d, struct error *e)
{
	struct loading l = {0};
	struct registry_outcome out = {0};
	struct diags diags = {0};

	if (store_load_contributions(d->store, load_one, &l, e) == ERR_OK &&
	    registry_apply(d->registry, l.v, l.n, REGISTRY_LOAD, &out, &diags, e) == ERR_OK)
		for (const struct service_def *s = NULL;
		     (s = registry_next(d->registry, s ? s->name : NULL));)
			tell_engine(d, s);
	for (size_t i = 0; i < out.n; i++)
		schedules_redefined(d->schedules, out.v[i].name);
	for (size_t i = 0; i < diags.n; i++)
		report(REPORT_WARN, "%s", diags.v[i].message);
	loading_release(&l);
	registry_outcome_release(&out);
	diags_release(&diags);
	return e->code;
}
