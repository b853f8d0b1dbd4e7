#include "server/change/rehearsal.h"
#include "server/change/change_state.h"

#include "manifest/definition_read.h"
#include "server/change/unit_spec.h"
#include "server/history/definitions.h"

struct contributions {
	struct contribution *v;
	size_t n, cap;
};

static enum err copy_registry(
    struct registry *to, struct change *d, const struct contribution *in, size_t n, struct error *e)
{
	struct contributions all = {0};
	struct registry_outcome out = {0};
	struct diags diags = {0};
	struct contribution c;

	for (const struct service_def *s = NULL;
	     (s = registry_next(d->registry, s ? s->name : NULL));)
		for (size_t i = 0; registry_contribution(d->registry, s->name, i, &c); i++)
			*vec_push(&all) = c;
	enum err code = registry_apply(to, all.v, all.n, REGISTRY_LOAD, &out, &diags, e);
	registry_outcome_release(&out);
	if (!code)
		code = registry_apply(to, in, n, 0, &out, &diags, e);
	registry_outcome_release(&out);
	diags_release(&diags);
	free(all.v);
	return code;
}

static void define(struct engine *en, const struct service_def *def)
{
	struct unit_spec u;

	unit_spec_init(&u, def, 1); /* each is told once */
	engine_define(en, clock_mono(), &u.is);
	unit_spec_release(&u);
}

static void define_all(struct rehearsal *r, struct change *d)
{
	const struct run_definition *run;

	for (const struct service_def *s = NULL;
	     (s = registry_next(r->registry, s ? s->name : NULL));)
		define(r->engine, s);
	for (size_t i = 0; (run = run_definition_next(d->history, &i));)
		define(r->engine, &run->def);
}

static void put_states(struct engine *to, const struct engine *from)
{
	struct unit_view u;
	struct job_view j;

	for (unit_id id = 0; id < engine_unit_count(from); id++) {
		if (!engine_unit(from, id, &u) || !u.registered)
			continue;
		engine_restore_unit(
		    to, u.name, u.wanted, u.run, u.run_live, u.reason, u.reason_subject);
		for (size_t i = 0; engine_job_at(from, id, i, &j); i++)
			engine_restore_job(to, u.name, j.name,
			    &(struct engine_job_memory){.core = j.core,
				.token = j.token,
				.attempt = j.attempt,
				.restarts = j.restarts,
				.since = j.since});
	}
}

enum err rehearsal_init(
    struct rehearsal *r, struct change *d, const struct contribution *in, size_t n, struct error *e)
{
	const struct registry_config cfg = {.hero_socket_dir = d->paths->sockets};

	*r = (struct rehearsal){.registry = registry_new(&cfg), .engine = engine_new(1)};
	if (copy_registry(r->registry, d, in, n, e)) {
		rehearsal_release(r);
		return e->code;
	}
	engine_restore_begin(r->engine);
	define_all(r, d);
	put_states(r->engine, d->engine);
	engine_restored(r->engine, clock_mono());
	return ERR_OK;
}

void rehearsal_release(struct rehearsal *r)
{
	engine_free(r->engine);
	registry_free(r->registry);
	*r = (struct rehearsal){0};
}
