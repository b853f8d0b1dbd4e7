#include "server/methods/config_change.h"

#include "base/map.h"
#include "folder/folder.h"
#include "server/change/apply.h"
#include "server/change/registration.h"
#include "server/change/rehearsal.h"
#include "server/operation/operations.h"

void config_release(struct config *c)
{
	strv_release(&c->gone);
	strv_release(&c->stop);
	strv_release(&c->go);
	strv_release(&c->wanted);
	strv_release(&c->broken);
	json_decref(c->touched);
	json_decref(c->steps);
	intake_release(&c->in);
}

/* ---- which manifests are not there any more -------------------------------------------- */

static bool is_given(const struct intake *t, const char *source)
{
	return strv_has(&t->sources, source);
}

static bool is_gone(const struct config *c, const char *source)
{
	const json_t *paths = json_object_get(c->params, "paths"), *folder;
	size_t i;

	if (*source != '/' || is_given(&c->in, source))
		return false;
	if (param_bool(c->params, "prune", false))
		return true;
	json_array_foreach (paths, i, folder) {
		if (json_is_string(folder) && folder_has(json_string_value(folder), source))
			return true;
	}
	return false;
}

void config_withdraw_gone(struct config *c)
{
	struct intake *t = &c->in;
	struct strv sources = {0};

	registry_sources(t->d->registry, &sources);
	for (size_t i = 0; i < sources.n; i++) {
		if (!is_gone(c, sources.v[i]))
			continue;
		strv_add(&c->gone, sources.v[i]);
		*vec_push(&t->in) =
		    (struct contribution){NULL, c->gone.v[c->gone.n - 1], CONTRIBUTE_REGISTER};
	}
	strv_release(&sources);
}

/* ---- what that means for what runs ------------------------------------------------------ */

bool config_find_unit(const struct config *c, const char *name, struct unit_view *out)
{
	unit_id id = engine_find(c->in.d->engine, name);

	return id != ID_NONE && engine_unit(c->in.d->engine, id, out);
}

static const struct service_def *given_def(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->in.in.n; i++)
		if (c->in.in.v[i].def && text_eq(c->in.in.v[i].def->name, name))
			return c->in.in.v[i].def;
	return NULL;
}

/* Changed: what is up is restarted, what had ended and is wanted gets another try. */
static bool should_go_on(const struct unit_view *u)
{
	return apply_is_up(u) || (u->run_live && u->wanted == WANTED_START &&
				     (u->state == SERVICE_FAILED || u->state == SERVICE_EXITED));
}

static bool should_start(const struct config *c, const struct registry_change *ch)
{
	const struct service_def *def = given_def(c, ch->name);
	struct unit_view old;

	if (ch->renamed_from)
		return config_find_unit(c, ch->renamed_from, &old) && should_go_on(&old);
	return def && def->status == WANTED_START;
}

static void take_change(struct config *c, const struct registry_change *ch)
{
	struct unit_view u;
	bool known = *ch->name != '/' && config_find_unit(c, ch->name, &u);

	if (ch->kind == CHANGE_REMOVED && known && u.run_live && u.state != SERVICE_EXITED)
		strv_add(&c->stop, ch->name);
	if (ch->kind == CHANGE_CREATED && should_start(c, ch))
		strv_add(&c->go, ch->name);
	if (ch->kind == CHANGE_UPDATED && ch->restarts && known && should_go_on(&u)) {
		c->restarts = c->restarts || apply_is_up(&u);
		strv_add(&c->go, ch->name);
	}
}

/* Those that run already stay as they are: a start leaves them alone, a restart would not. */
static void take_started(struct config *c, const struct registry *registry)
{
	struct map seen = {0};
	struct unit_view u;

	intake_names(&c->in, registry, &c->wanted);
	for (size_t i = 0; i < c->go.n; i++)
		map_put(&seen, c->go.v[i], c);
	for (size_t i = 0; i < c->wanted.n; i++)
		if (!c->restarts || !config_find_unit(c, c->wanted.v[i], &u) ||
		    !(apply_is_up(&u) || u.state == SERVICE_EXITED))
			strv_add_once(&c->go, &seen, c->wanted.v[i]);
	map_release(&seen);
}

/* ---- the plan ---------------------------------------------------------------------------- */

static char *reason_for(const struct config *c, const char *name, const char *said)
{
	const struct registry_change *ch = registry_outcome_find(&c->in.out, name);

	if (ch && ch->kind == CHANGE_REMOVED)
		return text_dup("it is not defined any more");
	if (ch && ch->kind == CHANGE_CREATED)
		return text_dup(ch->renamed_from ? "renamed" : "added");
	if (ch && ch->kind == CHANGE_UPDATED && ch->differences.n)
		return text_fmt("%s%s", ch->differences.v[0], ch->differences.n > 1 ? " ..." : "");
	return text_dup(said);
}

static void take_step(struct config *c, const struct op_step *s)
{
	json_t *o = json_object_get(c->touched, s->service);

	if (!o) {
		auto_free char *reason = reason_for(c, s->service, s->reason);

		o = json_pack("{s:s?}", "reason", reason);
		json_object_set_new(c->touched, s->service, o);
	} else if (strcmp(s->step, "stop") == 0 && json_object_get(o, "gone")) {
		return; /* it was stopped with what was removed */
	}
	json_object_set_new(o, s->step, json_true());
}

static enum err plan_one(struct config *c, const struct engine *en, enum op_kind kind,
    const struct strv *names, struct error *e)
{
	struct op_plan plan = {0};
	struct strv chain = {0};
	const struct engine_request rq = {.kind = kind,
	    .names = (const char *const *)names->v,
	    .n_names = names->n,
	    .replace = kind != OP_STOP && param_bool(c->params, "replace", false),
	    .no_deps = kind != OP_STOP && param_bool(c->params, "no_deps", false),
	    .keep_wanted = kind == OP_STOP};
	enum err code = names->n ? engine_plan(en, clock_mono(), &rq, &plan, &chain, e) : ERR_OK;

	for (size_t i = 0; i < plan.n; i++)
		take_step(c, &plan.v[i]);
	json_t *steps = steps_json(plan.v, plan.n, NULL);
	json_array_extend(c->steps, steps);
	json_decref(steps);
	op_plan_release(&plan);
	strv_release(&chain);
	return code;
}

static void mark_gone(struct config *c)
{
	const char *name;
	json_t *o;

	json_object_foreach (c->touched, name, o)
		json_object_set_new(o, "gone", json_true());
}

static void drop(struct strv *names, const char *name)
{
	uint32_t kept = 0;

	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->v[i], name) == 0)
			free(names->v[i]);
		else
			names->v[kept++] = names->v[i];
	}
	names->n = kept;
}

static void find_broken(struct config *c, const struct registry *after)
{
	for (size_t i = 0; i < c->in.out.n; i++) {
		const struct registry_change *ch = &c->in.out.v[i];
		struct strv users = {0};

		if (ch->kind != CHANGE_REMOVED)
			continue;
		registry_missed_by(after, ch->name, &users);
		for (size_t k = 0; k < users.n; k++) {
			strv_take(&c->broken, text_fmt("%s needs %s", users.v[k], ch->name));
			drop(&c->go, users.v[k]); /* its start would be refused, and all with it */
		}
		strv_release(&users);
	}
}

/* On a registry and an engine of their own: nobody has accepted these definitions yet. */
static enum err plan(struct config *c, struct error *e)
{
	struct rehearsal r;
	enum err code = plan_one(c, c->in.d->engine, OP_STOP, &c->stop, e);

	mark_gone(c);
	if (!code)
		code = rehearsal_init(&r, c->in.d->change, c->in.in.v, c->in.in.n, e);
	if (code)
		return code;
	if (c->start)
		take_started(c, r.registry);
	find_broken(c, r.registry);
	code = plan_one(c, r.engine, c->restarts ? OP_RESTART : OP_START, &c->go, e);
	rehearsal_release(&r);
	return code;
}

static bool is_removed(const struct config *c)
{
	for (size_t i = 0; i < c->in.out.n; i++)
		if (c->in.out.v[i].kind == CHANGE_REMOVED)
			return true;
	return false;
}

static bool needs_plan(const struct config *c)
{
	return c->dry || c->restarts || is_removed(c);
}

enum err config_find_change(struct config *c, struct error *e)
{
	for (size_t i = 0; i < c->in.out.n; i++)
		take_change(c, &c->in.out.v[i]);
	if (needs_plan(c)) {
		c->touched = json_object();
		c->steps = json_array();
		return plan(c, e);
	}
	if (c->start)
		take_started(c, NULL);
	return ERR_OK;
}

/* ---- the answer -------------------------------------------------------------------------- */

static json_t *touched_json(const struct config *c, bool stop, bool start)
{
	json_t *list = json_array(), *o;
	const char *name;

	json_object_foreach (c->touched, name, o) {
		if ((json_object_get(o, "stop") != NULL) == stop &&
		    (json_object_get(o, "start") != NULL) == start)
			json_array_append_new(list, json_pack("{s:s, s:O}", "name", name, "reason",
							json_object_get(o, "reason")));
	}
	return list;
}

static json_t *change_json(const struct config *c, const struct registry_change *ch)
{
	json_t *reasons = json_array();
	json_t *o = json_pack("{s:s, s:o}", "name", ch->name, "reasons", reasons);

	for (size_t i = 0; i < ch->differences.n; i++)
		json_array_append_new(reasons, json_string(ch->differences.v[i]));
	for (size_t i = 0; ch->kind == CHANGE_REMOVED && i < ch->dropped.n; i++) {
		auto_free char *text = text_fmt("%s %s", ch->dropped.v[i],
		    is_given(&c->in, ch->dropped.v[i]) ? "does not define it any more"
						       : "is not there any more");

		json_array_append_new(reasons, json_string(text));
	}
	if (ch->kind == CHANGE_CREATED && !ch->renamed_from)
		json_array_append_new(reasons, json_string("it was not defined"));
	if (ch->kind == CHANGE_UPDATED)
		json_object_set_new(o, "restart", json_boolean(ch->restarts));
	if (ch->owners.n)
		json_object_set_new(o, "owners", strv_json(&ch->owners));
	if (ch->renamed_from) {
		auto_free char *text = text_fmt("it was called %s", ch->renamed_from);

		json_array_append_new(reasons, json_string(text));
		json_object_set_new(o, "from", json_string(ch->renamed_from));
	}
	return o;
}

static bool became_another(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->in.out.n; i++)
		if (text_eq(c->in.out.v[i].renamed_from, name))
			return true;
	return false;
}

static const char *list_of(const struct config *c, const struct registry_change *ch)
{
	switch (ch->kind) {
	case CHANGE_CREATED: return ch->renamed_from ? "renamed" : "added";
	case CHANGE_UPDATED: return "changed";
	case CHANGE_REMOVED: return became_another(c, ch->name) ? NULL : "removed";
	case CHANGE_UNCHANGED: return "unchanged";
	case CHANGE_RESOLVED:
	case CHANGE_KIND_COUNT: break;
	}
	return NULL;
}

json_t *config_answer(const struct config *c)
{
	json_t *o = json_pack("{s:[], s:[], s:[], s:[], s:[], s:o, s:b}", "added", "removed",
	    "renamed", "changed", "unchanged", "warnings", diags_json(&c->in.diags, DIAG_WARNING),
	    "dry_run", c->dry);

	for (size_t i = 0; i < c->in.out.n; i++) {
		const char *list = list_of(c, &c->in.out.v[i]);

		if (list)
			json_array_append_new(
			    json_object_get(o, list), change_json(c, &c->in.out.v[i]));
	}
	if (c->broken.n)
		json_object_set_new(o, "broken", strv_json(&c->broken));
	if (!c->touched)
		return o;
	json_object_set_new(o, "stops", touched_json(c, true, false));
	json_object_set_new(o, "restarts", touched_json(c, true, true));
	json_object_set_new(o, "starts", touched_json(c, false, true));
	if (c->dry)
		json_object_set(o, "steps", c->steps);
	return o;
}

size_t config_count_stopped(const struct config *c)
{
	const char *name;
	json_t *o;
	size_t n = 0;

	json_object_foreach (c->touched, name, o)
		n += json_object_get(o, "stop") != NULL;
	return n;
}
