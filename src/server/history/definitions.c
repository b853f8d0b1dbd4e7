#include "server/history/definitions.h"

#include "manifest/definition_read.h"
#include "server/history/history_state.h"

#include <jansson.h>

const struct service_def *definition_find(const struct history *h, const char *unit)
{
	const struct run_definition *r = run_definition_find(h, unit);

	return r ? &r->def : registry_find(h->is.registry, unit);
}

static char *json_of(const struct service_def *def)
{
	json_t *o = service_def_stored(def);

	json_object_set_new(o, "name", json_string("run")); /* its own is no service's name */
	char *text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

struct run_definition *run_definition_add(struct history *h, struct service_def *take_def)
{
	struct run_definition *r = mem_new(sizeof(*r));

	r->def = *take_def;
	*take_def = (struct service_def){0};
	r->name = text_dup(r->def.name);
	r->json = json_of(&r->def);
	map_put(&h->runs, r->name, r);
	return r;
}

struct run_definition *run_definition_find(const struct history *h, const char *name)
{
	return map_get(&h->runs, name);
}

static void run_definition_free(struct run_definition *r)
{
	service_def_release(&r->def);
	free(r->json);
	free(r->name);
	free(r);
}

void run_definition_remove(struct history *h, const char *name)
{
	struct run_definition *r = map_remove(&h->runs, name);

	if (r)
		run_definition_free(r);
}

struct run_definition *run_definition_next(const struct history *h, size_t *i)
{
	const char *name;
	void *value;

	return map_next(&h->runs, i, &name, &value) ? value : NULL;
}

size_t run_definition_count(const struct history *h)
{
	return h->runs.n;
}

void run_definitions_release(struct history *h)
{
	struct run_definition *r;

	for (size_t i = 0; (r = run_definition_next(h, &i));)
		run_definition_free(r);
	map_release(&h->runs);
}
