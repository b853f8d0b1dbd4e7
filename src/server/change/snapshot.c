#include "server/change/snapshot.h"
#include "server/change/change_state.h"

#include "manifest/definition_read.h"

static json_t *former_of(struct change *d, const char *name)
{
	json_t *list = json_array();
	struct contribution c;
	struct unit_view u;

	for (size_t i = 0; registry_contribution(d->registry, name, i, &c); i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:o}", "source", c.source, "mode",
			contribution_mode_str(c.mode), "definition", service_def_stored(c.def)));
	unit_id unit = engine_find(d->engine, name);

	if (unit == ID_NONE || !engine_unit(d->engine, unit, &u))
		return json_pack("{s:o}", "contributions", list);
	return json_pack("{s:o, s:b, s:s}", "contributions", list, "live",
	    u.run_live && u.state != SERVICE_EXITED, "wanted", wanted_str(u.wanted));
}

json_t *snapshot_take(struct change *d, const struct strv *names)
{
	json_t *o = json_object();

	for (size_t i = 0; i < names->n; i++)
		json_object_set_new(o, names->v[i], former_of(d, names->v[i]));
	return o;
}

static void read_former(const char *name, const json_t *o, struct registry_former *out)
{
	const json_t *c;
	size_t i;

	out->name = name;
	json_array_foreach (json_object_get(o, "contributions"), i, c) {
		struct service_def *def = mem_new(sizeof(*def));
		struct diags diags = {0};
		struct contribution in = {
		    .def = def, .source = json_string_value(json_object_get(c, "source"))};

		if (contribution_mode_parse(
			json_string_value(json_object_get(c, "mode")), &in.mode) &&
		    service_def_read_json(
			json_object_get(c, "definition"), in.source, true, &diags, def))
			*vec_push(out) = in;
		else
			free(def);
		diags_release(&diags);
	}
}

void snapshot_release(struct snapshot *f)
{
	for (size_t i = 0; i < f->n; i++) {
		for (size_t k = 0; k < f->v[i].n; k++) {
			struct service_def *def = (struct service_def *)(uintptr_t)f->v[i].v[k].def;

			service_def_release(def);
			free(def);
		}
		free(f->v[i].v);
	}
	free(f->v);
}

void snapshot_read(struct snapshot *out, json_t *before)
{
	const char *name;
	json_t *o;

	json_object_foreach (before, name, o)
		read_former(name, o, vec_push(out));
}
