#include "manifest/manifest_file.h"

#include "base/limits.h"
#include "base/map.h"
#include "manifest/dependency.h"

static struct action_def *find_binary(struct manifest_file *f, const char *name)
{
	for (size_t i = 0; i < f->binaries.n; i++)
		if (text_eq(f->binaries.v[i].name, name))
			return &f->binaries.v[i];
	return NULL;
}

/* Who is who in the file, by name: entries times binaries must stay affordable. */
struct names {
	struct map binaries; /* name → its action_def */
	struct map base;     /* named by an entry: what the others of the file stand on */
	bool *internal;	     /* per entry: does it name a binary of this file? */
	size_t edges;
};

static void names_init(struct names *n, struct manifest_file *f)
{
	*n = (struct names){.internal = mem_new(f->entries.n + 1)};
	for (size_t i = 0; i < f->binaries.n; i++)
		if (f->binaries.v[i].name)
			map_put(&n->binaries, f->binaries.v[i].name, &f->binaries.v[i]);
	for (size_t i = 0; i < f->entries.n; i++) {
		const char *key = dep_key(&f->entries.v[i]);
		struct action_def *a = key ? map_get(&n->binaries, key) : NULL;

		n->internal[i] = a != NULL;
		if (a)
			map_put(&n->base, a->name, a);
	}
}

static void names_release(struct names *n)
{
	map_release(&n->binaries);
	map_release(&n->base);
	free(n->internal);
	*n = (struct names){0};
}

/* Its entries, each edge once; given[i] counts the binaries that entry i applies to. */
static void give_entries(
    struct manifest_file *f, struct names *n, struct action_def *a, size_t *given)
{
	bool has_own = a->depends_on_given, is_base = map_get(&n->base, a->name) != NULL;
	struct map seen = {0};

	for (size_t i = 0; i < f->entries.n && n->edges < LIMIT_EDGES; i++) {
		const struct dep *d = &f->entries.v[i];
		const char *key = dep_key(d);
		struct dep copy;

		if (d->applies_to.n ? !strv_has(&d->applies_to, a->name)
				    : is_base && n->internal[i])
			continue;
		if (text_eq(key, a->name))
			continue;
		dep_copy(&copy, d);
		strv_release(&copy.applies_to);
		if (has_own || !key || map_get(&seen, key))
			dependencies_take(&a->depends_on, &copy);
		else
			*vec_push(&a->depends_on) = copy;
		if (key)
			map_put(&seen, key, a);
		a->depends_on_given = true;
		given[i]++;
		n->edges++;
	}
	map_release(&seen);
}

/* Are all names of `for` binaries of this file? */
static bool check_for(struct manifest_file *f, const struct names *n, const struct dep *d)
{
	bool known = true;

	for (size_t k = 0; k < d->applies_to.n; k++) {
		if (map_get(&n->binaries, d->applies_to.v[k]))
			continue;
		known = false;
		diag_add(f->r.diags, DIAG_ERROR, f->r.file, d->source.line, d->source.column, "for",
		    NULL, "`for` names `%s`, which is no binary of this file", d->applies_to.v[k]);
	}
	return known;
}

static const char *hint_of_nobody(const struct manifest_file *f, const struct dep *d)
{
	if (d->applies_to.n)
		return "`for` must name one that is started and is not the target itself";
	return f->binaries.n ? "add `for`, or the binary that needs it"
			     : "add [[binaries]], or name the binary that it is for";
}

static void distribute(struct manifest_file *f)
{
	size_t *given = mem_new((f->entries.n + 1) * sizeof(*given));
	struct names names;

	names_init(&names, f);
	for (size_t b = 0; b < f->binaries.n; b++)
		if (f->binaries.v[b].name && action_is_executed(&f->binaries.v[b]))
			give_entries(f, &names, &f->binaries.v[b], given);
	if (names.edges >= LIMIT_EDGES)
		diag_add(f->r.diags, DIAG_ERROR, f->r.file, 1, 1, NULL, "give each entry its `for`",
		    "the entries make more than %d edges", LIMIT_EDGES);
	for (size_t i = 0; i < f->entries.n && names.edges < LIMIT_EDGES; i++) {
		const struct dep *d = &f->entries.v[i];

		if (check_for(f, &names, d) && !given[i])
			diag_add(f->r.diags, DIAG_ERROR, f->r.file, d->source.line,
			    d->source.column, NULL, hint_of_nobody(f, d),
			    "the dependency on `%s` applies to no started binary",
			    dep_key(d) ? dep_key(d) : "?");
	}
	free(given);
	names_release(&names);
}

/* The caller speaks for binaries that the file may not list. */
static struct action_def *add_binary(struct manifest_file *f, const char *name)
{
	struct action_def *a = find_binary(f, name);

	if (a)
		return a;
	a = vec_push(&f->binaries);
	action_def_init(a);
	a->name = text_dup(name);
	a->source = (struct place){text_dup(f->r.file), 1, 1};
	action_exec_default(a);
	return a;
}

static void add_caller_binaries(struct manifest_file *f)
{
	struct action_def *a = f->o->binary ? add_binary(f, f->o->binary) : NULL;

	if (a && f->o->exec && a->exec_is_default) {
		text_set(&a->argv.v[0], f->o->exec);
		a->exec_is_default = false;
	}
	for (size_t i = 0; f->o->binaries && i < f->o->binaries->n; i++)
		add_binary(f, f->o->binaries->v[i]);
}

static void add_single(struct manifest_file *f)
{
	if (!f->has_single)
		return;
	struct action_def *a = vec_push(&f->binaries);
	*a = f->single;
	f->single = (struct action_def){0};
	text_set(&a->name, f->service.name ? f->service.name : "main");
}

static void give_env(struct manifest_file *f)
{
	for (size_t b = 0; b < f->binaries.n; b++) {
		struct action_def *a = &f->binaries.v[b];

		for (size_t i = 0; i < f->env.n; i++) {
			bool own = false;

			for (size_t k = 0; k < a->env.n; k++)
				own = own || text_eq(a->env.v[k].name, f->env.v[i].name);
			if (own)
				continue;
			struct env_var *v = vec_push(&a->env);
			*v = f->env.v[i];
			v->name = text_dup(v->name);
			v->value = text_dup(v->value);
		}
	}
}

void manifest_file_allot(struct manifest_file *f)
{
	add_single(f);
	add_caller_binaries(f);
	give_env(f);
	distribute(f);
}

/* ---- shapes --------------------------------------------------------------------------------- */

/* service.name, else the repo's last part, else the manifest's folder (SPEC 3.1). */
static char *socket_folder(const struct manifest_file *f)
{
	if (f->service.name)
		return text_dup(f->service.name);
	if (f->repo)
		return text_dup(text_last_part(f->repo));
	const char *path = f->o->path ? f->o->path : "";
	const char *slash = strrchr(path, '/');
	auto_free char *folder = slash ? text_dup_n(path, (size_t)(slash - path)) : NULL;
	const char *last = text_last_part(folder);
	return last && name_is_valid(last) ? text_dup(last) : NULL;
}

static void finish(struct service_def *s, const struct manifest_file *f)
{
	if (!s->socket_folder)
		s->socket_folder = socket_folder(f);
	strv_add(&s->sources, f->r.file);
	for (size_t i = 0; i < s->dependencies.n; i++)
		s->dependencies.v[i].of_service = true;
}

static void make_composite(const struct manifest_file *f, struct manifest *out)
{
	struct service_def *s = vec_push(out);

	service_def_copy(s, &f->service);
	if (!s->name)
		s->name = socket_folder(f);
	for (size_t i = 0; i < f->binaries.n; i++)
		action_def_copy(vec_push(&s->actions), &f->binaries.v[i]);
	finish(s, f);
}

static void make_per_binary(const struct manifest_file *f, struct manifest *out)
{
	for (size_t i = 0; i < f->binaries.n; i++) {
		struct service_def *s = vec_push(out);

		service_def_copy(s, &f->service);
		text_set(&s->name, f->binaries.v[i].name);
		if (f->binaries.v[i].description && !s->description)
			s->description = text_dup(f->binaries.v[i].description);
		action_def_copy(vec_push(&s->actions), &f->binaries.v[i]);
		finish(s, f);
	}
}

void manifest_file_make(const struct manifest_file *f, struct manifest *out)
{
	enum manifest_shape shape = f->o->shape != SHAPE_AUTO ? f->o->shape : f->shape;

	if (shape == SHAPE_AUTO)
		shape = f->named || f->has_single || !f->binaries.n ? SHAPE_COMPOSITE
								    : SHAPE_PER_BINARY;
	if (shape == SHAPE_COMPOSITE)
		make_composite(f, out);
	else
		make_per_binary(f, out);
}
