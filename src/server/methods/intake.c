#include "server/methods/intake.h"
#include "base/map.h"

#include <malloc.h>

void intake_init(struct intake *t, struct rpc_call *call)
{
	*t = (struct intake){.call = call, .d = ops_daemon(call), .who = ops_who(call)};
}

void intake_release(struct intake *t)
{
	for (size_t i = 0; i < t->n_manifests; i++)
		manifest_release(&t->manifests[i]);
	free(t->manifests);
	free(t->who);
	free(t->in.v);
	strv_release(&t->sources);
	diags_release(&t->diags);
	registry_outcome_release(&t->out);
	if (t->trim)
		malloc_trim(0);
}

static const char *source_of(struct intake *t, const char *path, const struct manifest *m)
{
	strv_take(
	    &t->sources, path ? text_dup(path) : text_fmt("inline:%s", m->n ? m->v[0].name : ""));
	return t->sources.v[t->sources.n - 1];
}

enum err intake_read_one(struct intake *t, const char *text, const char *path, const json_t *params)
{
	struct manifest *m = &t->manifests[t->n_manifests++];
	struct manifest_options o = {
	    .path = path, .binary = param_text(params, "for"), .exec = param_text(params, "exec")};
	const char *shape = param_text(params, "shape");

	if (shape && !manifest_shape_parse(shape, &o.shape))
		return error_set(&t->e, ERR_INVALID,
		    "shape: `%s` is none of auto, composite, per_binary", shape);
	if (manifest_read(text, strlen(text), &o, m, &t->diags, &t->e))
		return t->e.code;
	const char *source = source_of(t, path, m);
	for (size_t i = 0; i < m->n; i++)
		*vec_push(&t->in) = (struct contribution){&m->v[i], source, CONTRIBUTE_REGISTER};
	return ERR_OK;
}

enum err intake_read_all(struct intake *t, const json_t *params)
{
	const json_t *list = json_object_get(params, "manifests");
	const char *text = param_text(params, "manifest");
	enum err code = ERR_OK;
	size_t i;
	json_t *m;

	t->manifests = mem_new((json_array_size(list) + 1) * sizeof(*t->manifests));
	if (!text && !json_array_size(list))
		return error_set(&t->e, ERR_INVALID, "either `manifest` or `manifests` is needed");
	if (text)
		code = intake_read_one(t, text, param_text(params, "path"), params);
	json_array_foreach (list, i, m) {
		const char *body = param_text(m, "text");

		if (!body)
			return error_set(
			    &t->e, ERR_INVALID, "manifests: each needs `path` and `text`");
		if (intake_read_one(t, body, param_text(m, "path"), params))
			code = t->e.code;
	}
	return code;
}

void intake_names(const struct intake *t, const struct registry *registry, struct strv *out)
{
	struct map seen = {0}, changes = {0};

	for (size_t i = 0; i < t->out.n; i++)
		map_put(&changes, t->out.v[i].name, &t->out.v[i]);
	for (size_t i = 0; i < t->in.n; i++) {
		const char *name = t->in.v[i].def ? t->in.v[i].def->name : NULL;
		const struct registry_change *c = name ? map_get(&changes, name) : NULL;

		for (size_t k = 0; c && k < c->owners.n; k++)
			strv_add_once(out, &seen, c->owners.v[k]);
		if (!(c && c->owners.n) && name && (!registry || registry_find(registry, name)))
			strv_add_once(out, &seen, name);
	}
	map_release(&changes);
	map_release(&seen);
}
