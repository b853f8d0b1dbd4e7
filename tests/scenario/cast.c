/* cast.c - definitions into the registry and on to the engine, as src/server/change/registration.c
 * does it. */
#include "stage.h"

#include "base/map.h"
#include "manifest/definition_read.h"
#include "manifest/manifest.h"
#include "server/change/unit_spec.h"

#include <stdio.h>

struct casting *stage_casting(const struct stage *s, const char *name)
{
	for (size_t i = 0; i < s->registered.n; i++)
		if (strcmp(s->registered.v[i]->name, name) == 0)
			return s->registered.v[i];
	return NULL;
}

const struct life *stage_life(const struct stage *s, const char *service, const char *action)
{
	const struct casting *k = stage_casting(s, service);

	for (size_t i = 0; k && i < k->roles.n; i++)
		if (strcmp(k->roles.v[i].action, action) == 0)
			return &k->roles.v[i].life;
	return NULL;
}

const struct service_def *stage_definition(const struct stage *s, const char *name)
{
	for (size_t i = 0; i < s->runs.n; i++)
		if (strcmp(s->runs.v[i].name, name) == 0)
			return &s->runs.v[i];
	return registry_find(s->registry, name);
}

static void tell_engine(struct stage *s, const char *name)
{
	const struct service_def *def = stage_definition(s, name);
	auto_free char *meaning = service_def_meaning(def);
	struct unit_spec u;

	unit_spec_init(&u, def, text_hash(meaning));
	engine_define(s->engine, s->now, &u.is);
	unit_spec_release(&u);
}

static bool leave(struct stage *s, const char *name)
{
	if (engine_find(s->engine, name) == ID_NONE || engine_remove(s->engine, s->now, name))
		return true;
	if (!strv_has(&s->leaving, name))
		strv_add(&s->leaving, name);
	return false;
}

void stage_forget_left(struct stage *s)
{
	for (size_t i = 0; i < s->leaving.n;) {
		if (!registry_find(s->registry, s->leaving.v[i]) &&
		    !engine_remove(s->engine, s->now, s->leaving.v[i])) {
			i++;
			continue;
		}
		free(s->leaving.v[i]);
		s->leaving.v[i] = s->leaving.v[--s->leaving.n];
	}
}

static void stop_and_leave(struct stage *s, const char *name)
{
	const struct engine_request rq = {
	    .kind = OP_STOP, .names = &name, .n_names = 1, .keep_wanted = true, .who = "registry"};
	struct strv chain = {0};
	struct error e = {0};
	op_id op;

	if (!leave(s, name) && engine_request(s->engine, s->now, &rq, &op, &chain, &e))
		snprintf(s->broken, sizeof(s->broken), "the stop of %s, which is removed: %s", name,
		    e.msg);
	strv_release(&chain);
}

static void tell_outcome(struct stage *s, const struct registry_outcome *out)
{
	for (size_t i = 0; i < out->n; i++) {
		if (*out->v[i].name == '/' || out->v[i].kind == CHANGE_UNCHANGED)
			continue;
		if (out->v[i].kind == CHANGE_REMOVED)
			stop_and_leave(s, out->v[i].name);
		else
			tell_engine(s, out->v[i].name);
	}
}

static void remember(struct stage *s, struct casting *k)
{
	for (size_t i = 0; i < s->registered.n; i++)
		if (strcmp(s->registered.v[i]->name, k->name) == 0) {
			s->registered.v[i] = k;
			return;
		}
	*vec_push(&s->registered) = k;
}

/* A manifest is written and read again, so that it goes the whole way of a file. */
static bool read_definition(const struct casting *k, struct service_def *out, struct diags *diags)
{
	struct service_def def = {0};
	struct manifest m = {0};
	struct error e = {0};
	auto_str text = {0};

	if (!service_def_read_json(k->definition, "scenario", false, diags, &def))
		return false;
	if (strcmp(k->via, "define") == 0) {
		*out = def;
		return true;
	}
	manifest_write(&def, &text);
	service_def_release(&def);
	auto_free char *path = text_fmt("%s/service.toml", k->name);
	const struct manifest_options o = {.path = path, .shape = SHAPE_COMPOSITE};
	if (manifest_read(str_text(&text), text.n, &o, &m, diags, &e))
		return false;
	*out = m.v[0];
	m.v[0] = (struct service_def){0};
	manifest_release(&m);
	return true;
}

static void keep_messages(
    struct stage *s, const struct diags *diags, const struct registry_outcome *out)
{
	for (size_t i = 0; i < diags->n; i++)
		str_fmt(&s->said, "%s %s\n", diags->v[i].message,
		    diags->v[i].hint ? diags->v[i].hint : "");
	for (size_t i = 0; i < out->chain.n; i++)
		str_fmt(&s->said, "%s\n", out->chain.v[i]);
}

static bool contribute(struct stage *s, const struct casting *k, bool set, struct service_def *def,
    struct contribution *out, struct diags *diags)
{
	bool manifest = strcmp(k->via, "manifest") == 0;

	if (!read_definition(k, def, diags))
		return false;
	auto_free char *path = text_fmt("%s/service.toml", k->name);
	strv_add(&s->texts, manifest ? path : "scenario");
	*out = (struct contribution){.def = def,
	    .source = s->texts.v[s->texts.n - 1],
	    .mode = manifest ? CONTRIBUTE_REGISTER
		    : set    ? CONTRIBUTE_SET
			     : CONTRIBUTE_DEFINE};
	return true;
}

enum err stage_register(
    struct stage *s, struct casting *const *cast, size_t n, bool set, struct error *e)
{
	struct registry_outcome out = {0};
	struct diags diags = {0};
	struct service_def *defs = mem_new((n + 1) * sizeof(*defs));
	struct contribution *in = mem_new((n + 1) * sizeof(*in));
	bool ok = true;

	e->code = ERR_OK;
	str_clear(&s->said);
	for (size_t i = 0; i < n && ok; i++)
		ok = contribute(s, cast[i], set, &defs[i], &in[i], &diags);
	if (!ok)
		error_set(e, ERR_INVALID, "%s", diags.n ? diags.v[0].message : "a definition");
	else if (registry_apply(s->registry, in, n, 0, &out, &diags, e) == ERR_OK) {
		for (size_t i = 0; i < n; i++)
			remember(s, cast[i]);
		tell_outcome(s, &out);
	}
	keep_messages(s, &diags, &out);
	for (size_t i = 0; i < n; i++)
		service_def_release(&defs[i]);
	free(defs);
	free(in);
	diags_release(&diags);
	registry_outcome_release(&out);
	return e->code;
}

static enum err delete_one(struct stage *s, const char *name, struct error *e)
{
	struct registry_outcome out = {0};

	if (registry_delete(s->registry, name, &out, e) == ERR_OK) {
		leave(s, name);
		tell_outcome(s, &out);
	}
	registry_outcome_release(&out);
	return e->code;
}

/* One stop of all of them; then they are forgotten. */
static enum err stop_then_delete(struct stage *s, const struct strv *names, struct error *e)
{
	const struct engine_request rq = {.kind = OP_STOP,
	    .names = (const char *const *)names->v,
	    .n_names = names->n,
	    .keep_wanted = true,
	    .who = "delete"};
	struct strv chain = {0};
	op_id op;
	enum err code = engine_request(s->engine, s->now, &rq, &op, &chain, e);

	for (size_t i = names->n; i-- > 0 && code == ERR_OK;)
		code = delete_one(s, names->v[i], e);
	strv_release(&chain);
	return code;
}

enum err stage_delete(
    struct stage *s, const char *name, bool force, bool with_dependents, struct error *e)
{
	struct strv all = {0};

	e->code = ERR_OK;
	if (!registry_find(s->registry, name))
		return error_set(e, ERR_NOT_FOUND, "no service `%s`", name);
	strv_add(&all, name);
	for (size_t i = 0; i < all.n; i++) {
		struct strv more = {0};

		registry_dependents(s->registry, all.v[i], &more);
		for (size_t k = 0; k < more.n; k++)
			if (!strv_has(&all, more.v[k]))
				strv_add(&all, more.v[k]);
		strv_release(&more);
	}
	if (all.n > 1 && !force && !with_dependents)
		error_set(e, ERR_CONFLICT, "%s is needed by %s", name, all.v[1]);
	struct strv gone = {0};
	for (size_t i = 0; i < all.n && (i == 0 || with_dependents); i++)
		strv_add(&gone, all.v[i]);
	if (e->code == ERR_OK)
		stop_then_delete(s, &gone, e);
	strv_release(&gone);
	strv_release(&all);
	return e->code;
}

/* ---- ad-hoc runs ------------------------------------------------------------------------- */

static json_t *submission(const struct casting *k)
{
	const json_t *needs =
	    json_object_get(json_object_get(k->definition, "dependencies"), "requires");

	return json_pack("{s:s, s:O, s:O*}", "name", k->name, "actions",
	    json_object_get(k->definition, "actions"), "depends_on", needs);
}

enum err stage_submit(
    struct stage *s, struct casting *k, op_id *out, struct strv *chain, struct error *e)
{
	struct service_def def = {0};
	struct diags diags = {0};
	json_t *params = submission(k);

	e->code = ERR_OK;
	if (!run_def_read_json(params, "scenario", &diags, &def))
		error_set(e, ERR_INVALID, "%s", diags.n ? diags.v[0].message : "a run");
	else if (registry_resolve_run(s->registry, &def, &diags, chain, e) == ERR_OK) {
		def.is_run = true;
		*vec_push(&s->runs) = def;
		def = (struct service_def){0};
		remember(s, k);
		tell_engine(s, k->name);
		if (engine_submit(s->engine, s->now, k->name, "scenario", out, chain, e))
			engine_remove(s->engine, s->now, k->name);
	}
	service_def_release(&def);
	diags_release(&diags);
	json_decref(params);
	return e->code;
}

/* ---- a new engine ----------------------------------------------------------------------- */

static void new_engine(struct stage *s)
{
	s->engine = engine_new(1);
	engine_keep_tallies(s->engine, 1);
	s->watched.n = 0;
	engine_restore_begin(s->engine);
	for (const struct service_def *d = NULL;
	     (d = registry_next(s->registry, d ? d->name : NULL));)
		tell_engine(s, d->name);
}

/* What was asked for and never happened is forgotten; everything else is as it was. */
static struct engine_job_memory memory_of(
    const struct stage *s, const struct unit_view *u, const struct job_view *j)
{
	struct engine_job_memory m = {.core = j->core,
	    .token = j->token,
	    .attempt = j->attempt,
	    .restarts = j->restarts,
	    .since = j->since};

	if (m.core.state == JOB_STARTING && !stage_proc(s, u->name, j->name)) {
		m.core.state = JOB_WAITING_DEPS;
		m.core.attempts--;
	}
	return m;
}

static void restore(struct stage *s, const struct engine *old, bool runs)
{
	struct unit_view u;
	struct job_view j;

	for (unit_id id = 0; id < engine_unit_count(old); id++) {
		if (!engine_unit(old, id, &u) || !u.registered)
			continue;
		engine_restore_unit(s->engine, u.name, u.wanted, runs ? u.run : 0,
		    runs && u.run_live, runs ? u.reason : REASON_NONE,
		    runs ? u.reason_subject : NULL);
		for (size_t i = 0; runs && engine_job_at(old, id, i, &j); i++) {
			const struct engine_job_memory m = memory_of(s, &u, &j);

			engine_restore_job(s->engine, u.name, j.name, &m);
		}
	}
}

void stage_kill_server(struct stage *s)
{
	struct engine *old = s->engine;

	new_engine(s);
	restore(s, old, true);
	engine_set_counters(s->engine, 1000000 + s->procs.n, 1000000, 1000000);
	engine_restored(s->engine, s->now);
	engine_free(old);
	stage_settle(s);
}

static void start_wanted(struct stage *s)
{
	struct strv names = {0}, chain = {0};
	struct unit_view u;
	struct error e = {0};
	op_id op;

	for (unit_id i = 0; i < engine_unit_count(s->engine); i++)
		if (engine_unit(s->engine, i, &u) && u.registered && u.wanted == WANTED_START)
			strv_add(&names, u.name);
	const struct engine_request rq = {.kind = OP_BOOT,
	    .names = (const char *const *)names.v,
	    .n_names = names.n,
	    .keep_wanted = true,
	    .who = "boot"};
	if (names.n && engine_request(s->engine, s->now, &rq, &op, &chain, &e))
		snprintf(s->broken, sizeof(s->broken), "boot: %s", e.msg);
	strv_release(&names);
	strv_release(&chain);
}

void stage_boot(struct stage *s)
{
	struct engine *old = s->engine;

	new_engine(s);
	restore(s, old, false);
	engine_set_counters(s->engine, 1000000 + s->procs.n, 1000000, 1000000);
	engine_restored(s->engine, s->now);
	engine_free(old);
	s->is_over = false;
	start_wanted(s);
	stage_settle(s);
}
