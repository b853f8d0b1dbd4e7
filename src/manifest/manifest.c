#include "manifest/manifest.h"

#include "base/limits.h"
#include "base/map.h"
#include "manifest/dependency.h"
#include "manifest/probe_read.h"
#include "manifest/judge.h"

ENUM_DEFINE(manifest_shape, MANIFEST_SHAPE_LIST, MANIFEST_SHAPE_COUNT)

/* The file as it was read, before entries are given to binaries. */
struct file {
	struct reader r;
	const struct manifest_options *o;
	struct service_def service; /* keys of [service]; its dependencies are service-level */
	char *repo;
	enum manifest_shape shape;
	struct action_list binaries;
	struct dep_list entries; /* of [[dependencies]] */
	struct env_list env;
	struct action_def single; /* zinit: the command of [service] */
	bool has_single, named;
	const struct node *root;
};

/* ---- rows of the file -------------------------------------------------------------- */

#define FILE_AT(member) .at = offsetof(struct file, member)

static void read_binaries(struct reader *r, void *obj, const struct node *n)
{
	struct file *f = obj;

	if (n->kind != NODE_ARRAY) {
		reader_error(r, n, "write [[binaries]]", "`binaries` must be a list of tables");
		return;
	}
	for (const struct node *c = n->first; c; c = c->next)
		action_def_read(r, c, (struct part){ 0 }, true, vec_push(&f->binaries));
}

static void read_zinit_dependencies(struct file *f, const struct node *n)
{
	static const struct {
		const char *key;
		unsigned kinds;
	} keys[] = { { "requires", DEP_REQUIRES }, { "wants", DEP_WANTS }, { "after", DEP_AFTER } };

	for (const struct node *c = n->first; c; c = c->next) {
		size_t k = 0;

		while (k < countof(keys) && strcmp(keys[k].key, c->key) != 0)
			k++;
		if (k < countof(keys))
			dependencies_read(&f->r, c, keys[k].kinds, &f->service.dependencies);
		else if (strcmp(c->key, "conflicts") == 0)
			read_strv(&f->r, c, &f->service.conflicts);
		else
			reader_error(&f->r, c, "an edge to a binary is written [[dependencies]], with two brackets",
			    "the table [dependencies] has no key `%s`", c->key);
	}
}

static void read_dependencies(struct reader *r, void *obj, const struct node *n)
{
	struct file *f = obj;
	struct dep d;

	if (n->kind == NODE_TABLE) {
		read_zinit_dependencies(f, n);
		return;
	}
	if (n->kind != NODE_ARRAY) {
		reader_error(r, n, "write [[dependencies]]", "`dependencies` must be a list of tables");
		return;
	}
	for (const struct node *c = n->first; c; c = c->next) {
		if (!dependency_read(r, c, DEP_REQUIRES, &d))
			continue;
		if (!d.bin && !d.crate && d.repo)
			reader_warn(r, c, "name its `bin`", "only `repo` is given: taken as the service `%s`", dep_key(&d));
		dependency_expand(&f->entries, &d); /* what is twice is seen where it is given to a binary */
	}
}

static void read_file_env(struct reader *r, void *obj, const struct node *n)
{
	static const struct field row[] = { { "env", { 0 }, F_ENV, FILE_AT(env) } };
	static const struct schema schema = { "the environment", row, 1 };
	struct node table = { .kind = NODE_TABLE, .first = (struct node *)(uintptr_t)n };
	struct node copy = *n;

	copy.next = NULL;
	table.first = &copy;
	schema_read(r, &(struct part){ &schema, obj }, 1, &table);
}

/* ---- zinit ------------------------------------------------------------------------------ */

static void read_max_restarts(struct reader *r, void *obj, const struct node *n)
{
	struct action_def *a = obj;
	int64_t restarts = 0;

	if (read_int(r, n, 0, 1000000, &restarts))
		a->retry.max_attempts = restarts ? restarts + 1 : 0;
}

#define SINGLE(member) .at = offsetof(struct action_def, member)

static const struct field lifecycle_fields[] = {
	{ "restart", { 0 }, F_ENUM, SINGLE(retry.restart), .words = restart_words },
	{ "restart_delay_ms", { 0 }, F_MSEC, SINGLE(retry.delay), .given_at = offsetof(struct action_def, retry.delay_given) },
	{ "restart_delay_max_ms", { 0 }, F_MSEC, SINGLE(retry.delay_max) },
	{ "max_restarts", { 0 }, F_CUSTOM, .read = read_max_restarts },
	{ "stability_period_ms", { 0 }, F_MSEC, SINGLE(retry.stability_period) },
	{ "start_timeout_ms", { 0 }, F_MSEC, SINGLE(start_timeout) },
	{ "stop_timeout_ms", { 0 }, F_MSEC, SINGLE(stop_timeout) },
	{ "stop_signal", { 0 }, F_STR, SINGLE(stop_signal), .judge = judge_signal },
};
static const struct schema lifecycle_schema = { "[lifecycle]", lifecycle_fields, countof(lifecycle_fields) };

static void read_lifecycle(struct reader *r, void *obj, const struct node *n)
{
	struct file *f = obj;

	if (n->kind != NODE_TABLE)
		reader_error(r, n, NULL, "`lifecycle` must be a table");
	else
		schema_read(r, &(struct part){ &lifecycle_schema, &f->single }, 1, n);
}

static void read_health(struct reader *r, void *obj, const struct node *n)
{
	health_read(r, &((struct file *)obj)->single, n);
}

static void read_later(struct reader *r, void *obj, const struct node *n)
{
	(void)obj;
	if (n->kind != NODE_TABLE)
		reader_error(r, n, NULL, "`%s` must be a table", n->key);
	else
		reader_warn(r, n, NULL, "[%s] is read but not acted on yet", n->key);
}

static void read_oneshot(struct reader *r, void *obj, const struct node *n)
{
	struct file *f = obj;
	bool one = false;

	if (!read_bool(r, n, &one))
		return;
	f->single.is_process = !one;
	retry_policy_default(&f->single.retry, !one);
}

static void read_single_exec(struct reader *r, void *obj, const struct node *n)
{
	struct file *f = obj;

	f->has_single = true;
	if (n->kind == NODE_STRING)
		read_text(r, n, &f->single.script);
	else
		read_strv(r, n, &f->single.argv);
	f->single.source = (struct place){ text_dup(r->file), n->line, n->column };
}

static const struct field own_fields[] = {
	{ "repo", { 0 }, F_STR, FILE_AT(repo), .doc = "owner/name of this file's repository" },
	{ "shape", { 0 }, F_ENUM, FILE_AT(shape), .words = manifest_shape_words, .doc = "composite or per_binary" },
	{ "exec", { 0 }, F_CUSTOM, .read = read_single_exec, .doc = "zinit form: the one command" },
	{ "oneshot", { 0 }, F_CUSTOM, .read = read_oneshot, .doc = "zinit form: it ends by itself" },
	{ "dir", { "cwd" }, F_STR, FILE_AT(single.cwd), .doc = "zinit form: working directory" },
};
static const struct schema own_schema = { "[service]", own_fields, countof(own_fields) };

static void read_service_table(struct reader *r, void *obj, const struct node *n)
{
	struct file *f = obj;
	static const struct field env_row[] = { { "env", { 0 }, F_CUSTOM, .read = read_file_env } };
	static const struct schema env_schema = { "[service]", env_row, 1 };
	struct part parts[] = { { &own_schema, f }, { &service_schema, &f->service }, { &env_schema, f } };

	if (n->kind != NODE_TABLE) {
		reader_error(r, n, NULL, "`service` must be a table");
		return;
	}
	schema_read(r, parts, countof(parts), n);
	f->named = node_get(n, "name") != NULL;
}

static const struct field file_fields[] = {
	{ "service", { 0 }, F_CUSTOM, .read = read_service_table },
	{ "binaries", { 0 }, F_CUSTOM, .read = read_binaries },
	{ "dependencies", { 0 }, F_CUSTOM, .read = read_dependencies },
	{ "env", { 0 }, F_CUSTOM, .read = read_file_env },
	{ "lifecycle", { 0 }, F_CUSTOM, .read = read_lifecycle },
	{ "health", { 0 }, F_CUSTOM, .read = read_health },
	{ "logging", { 0 }, F_CUSTOM, .read = read_later },
};
static const struct schema file_schema = { "a manifest", file_fields, countof(file_fields) };

/* ---- who gets which entry --------------------------------------------------------------- */

static struct action_def *find_binary(struct file *f, const char *name)
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
	bool *internal;      /* per entry: does it name a binary of this file? */
	size_t edges;
};

static void names_init(struct names *n, struct file *f)
{
	*n = (struct names){ .internal = mem_new(f->entries.n + 1) };
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
	*n = (struct names){ 0 };
}

/* Its entries, each edge once; given[i] counts the binaries that entry i applies to. */
static void give_entries(struct file *f, struct names *n, struct action_def *a, size_t *given)
{
	bool has_own = a->depends_on_given, is_base = map_get(&n->base, a->name) != NULL;
	struct map seen = { 0 };

	for (size_t i = 0; i < f->entries.n && n->edges < LIMIT_EDGES; i++) {
		const struct dep *d = &f->entries.v[i];
		const char *key = dep_key(d);
		struct dep copy;

		if (d->applies_to.n ? !strv_has(&d->applies_to, a->name) : is_base && n->internal[i])
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
static bool check_for(struct file *f, const struct names *n, const struct dep *d)
{
	bool known = true;

	for (size_t k = 0; k < d->applies_to.n; k++) {
		if (map_get(&n->binaries, d->applies_to.v[k]))
			continue;
		known = false;
		diag_add(f->r.diags, DIAG_ERROR, f->r.file, d->source.line, d->source.column, "for", NULL,
		    "`for` names `%s`, which is no binary of this file", d->applies_to.v[k]);
	}
	return known;
}

static const char *hint_of_nobody(const struct file *f, const struct dep *d)
{
	if (d->applies_to.n)
		return "`for` must name one that is started and is not the target itself";
	return f->binaries.n ? "add `for`, or the binary that needs it" :
			       "add [[binaries]], or name the binary that it is for";
}

static void distribute(struct file *f)
{
	size_t *given = mem_new((f->entries.n + 1) * sizeof(*given));
	struct names names;

	names_init(&names, f);
	for (size_t b = 0; b < f->binaries.n; b++)
		if (f->binaries.v[b].name && action_is_started(&f->binaries.v[b]))
			give_entries(f, &names, &f->binaries.v[b], given);
	if (names.edges >= LIMIT_EDGES)
		diag_add(f->r.diags, DIAG_ERROR, f->r.file, 1, 1, NULL, "give each entry its `for`",
		    "the entries make more than %d edges", LIMIT_EDGES);
	for (size_t i = 0; i < f->entries.n && names.edges < LIMIT_EDGES; i++) {
		const struct dep *d = &f->entries.v[i];

		if (check_for(f, &names, d) && !given[i])
			diag_add(f->r.diags, DIAG_ERROR, f->r.file, d->source.line, d->source.column, NULL,
			    hint_of_nobody(f, d), "the dependency on `%s` applies to no started binary",
			    dep_key(d) ? dep_key(d) : "?");
	}
	free(given);
	names_release(&names);
}

/* The caller speaks for binaries that the file may not list. */
static struct action_def *add_binary(struct file *f, const char *name)
{
	struct action_def *a = find_binary(f, name);

	if (a)
		return a;
	a = vec_push(&f->binaries);
	action_def_init(a);
	a->name = text_dup(name);
	a->source = (struct place){ text_dup(f->r.file), 1, 1 };
	strv_take(&a->argv, text_fmt("${PATH_ROOT}/bin/%s", a->name));
	return a;
}

static void add_caller_binaries(struct file *f)
{
	struct action_def *a = f->o->binary ? add_binary(f, f->o->binary) : NULL;

	if (a && f->o->exec && a->argv.n == 1 && strncmp(a->argv.v[0], "${PATH_ROOT}/bin/", 17) == 0)
		text_set(&a->argv.v[0], f->o->exec);
	for (size_t i = 0; f->o->binaries && i < f->o->binaries->n; i++)
		add_binary(f, f->o->binaries->v[i]);
}

static void add_single(struct file *f)
{
	if (!f->has_single)
		return;
	struct action_def *a = vec_push(&f->binaries);
	*a = f->single;
	f->single = (struct action_def){ 0 };
	text_set(&a->name, f->service.name ? f->service.name : "main");
}

static void give_env(struct file *f)
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

/* ---- shapes --------------------------------------------------------------------------------- */

static const char *last_part(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

/* service.name, else the repo's last part, else the manifest's folder (SPEC 3.1). */
static char *socket_folder(const struct file *f)
{
	if (f->service.name)
		return text_dup(f->service.name);
	if (f->repo)
		return text_dup(last_part(f->repo));
	const char *path = f->o->path ? f->o->path : "";
	const char *slash = strrchr(path, '/');
	auto_free char *folder = slash ? text_dup_n(path, (size_t)(slash - path)) : NULL;
	const char *last = last_part(folder);
	return last && name_is_valid(last) ? text_dup(last) : NULL;
}

static void finish(struct service_def *s, const struct file *f)
{
	if (!s->socket_folder)
		s->socket_folder = socket_folder(f);
	strv_add(&s->sources, f->r.file);
	for (size_t i = 0; i < s->dependencies.n; i++)
		s->dependencies.v[i].of_service = true;
}

static void make_composite(struct file *f, struct manifest *out)
{
	struct service_def *s = vec_push(out);

	service_def_copy(s, &f->service);
	if (!s->name)
		s->name = socket_folder(f);
	for (size_t i = 0; i < f->binaries.n; i++)
		action_def_copy(vec_push(&s->actions), &f->binaries.v[i]);
	finish(s, f);
}

static void make_per_binary(struct file *f, struct manifest *out)
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

static void make_services(struct file *f, struct manifest *out)
{
	enum manifest_shape shape = f->o->shape != SHAPE_AUTO ? f->o->shape : f->shape;

	if (shape == SHAPE_AUTO)
		shape = f->named || f->has_single || !f->binaries.n ? SHAPE_COMPOSITE : SHAPE_PER_BINARY;
	if (shape == SHAPE_COMPOSITE)
		make_composite(f, out);
	else
		make_per_binary(f, out);
}

/* ---- the whole file ----------------------------------------------------------------------------- */

static bool is_key_of(const struct schema *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->fields[i].key, key) == 0)
			return true;
	return false;
}

static bool looks_like_manifest(const struct node *root)
{
	for (const struct node *c = root->first; c; c = c->next)
		if (is_key_of(&file_schema, c->key) || is_key_of(&service_schema, c->key) || is_key_of(&own_schema, c->key))
			return true;
	return false;
}

static void read_root(struct file *f)
{
	struct part parts[] = { { &file_schema, f }, { &own_schema, f }, { &service_schema, &f->service } };

	/* [service] first: oneshot and exec decide defaults that [lifecycle] then changes. */
	const struct node *service = node_get(f->root, "service");
	struct node rest = *f->root;
	if (service)
		read_service_table(&f->r, f, service);
	struct node *filtered = node_new(NODE_TABLE, NULL, 0);
	for (const struct node *c = rest.first; c; c = c->next)
		if (c != service) {
			struct node *copy = mem_new(sizeof(*copy));

			*copy = *c;
			copy->next = NULL;
			node_add(filtered, copy);
		}
	schema_read(&f->r, parts, countof(parts), filtered);
	f->named = f->named || node_get(f->root, "name");
	for (struct node *c = filtered->first, *next; c; c = next) {
		next = c->next;
		free(c); /* a shallow copy: texts and children belong to root */
	}
	free(filtered);
}

static void check_twins(struct file *f)
{
	struct map seen = { 0 };

	for (size_t i = 0; i < f->binaries.n; i++) {
		struct action_def *a = &f->binaries.v[i];

		if (!a->name)
			continue;
		if (map_get(&seen, a->name))
			diag_add(f->r.diags, DIAG_ERROR, f->r.file, a->source.line, a->source.column, "name", NULL,
			    "two binaries are named `%s`", a->name);
		map_put(&seen, a->name, a);
	}
	map_release(&seen);
}

/* Keys of the zinit form speak of the one command of [service]. */
static void check_single_keys(struct file *f)
{
	static const char *const keys[] = { "lifecycle", "health", "oneshot", "dir", "cwd" };
	const struct node *service = node_get(f->root, "service");

	for (size_t i = 0; i < countof(keys) && !f->has_single; i++) {
		const struct node *at = node_get(f->root, keys[i]);

		if (!at && service && service->kind == NODE_TABLE)
			at = node_get(service, keys[i]);
		if (at)
			reader_warn(&f->r, at, "give it to the binaries: retry_policy, kind = \"job\", cwd ...",
			    "`%s` speaks of the `exec` of [service], and there is none", keys[i]);
	}
}

/* The keys of [service] may stand at top level, and say the same if they do both. */
static void check_top_level(struct file *f)
{
	const struct node *service = node_get(f->root, "service");

	for (const struct node *c = f->root->first; service && service->kind == NODE_TABLE && c; c = c->next) {
		const struct node *twin = c->kind == NODE_ARRAY || is_key_of(&file_schema, c->key) ?
		    NULL : /* lists are united */
		    node_get(service, c->key);

		if (!twin)
			continue;
		json_t *a = node_json(c), *b = node_json(twin);
		if (!json_equal(a, b))
			reader_error(&f->r, twin, "keep one", "`%s` of [service] and of the top level (line %d) say different things",
			    c->key, c->line);
		json_decref(a);
		json_decref(b);
	}
}

/* Other names are checked where edges are read. */
static void check_conflicts(struct file *f, const struct node *table)
{
	const struct node *list = table && table->kind == NODE_TABLE ? node_get(table, "conflicts") : NULL;
	const struct node *one = list && list->kind == NODE_ARRAY ? list->first : list;

	for (; one; one = one == list ? NULL : one->next)
		if (one->kind == NODE_STRING && !name_is_valid(one->s))
			reader_error(&f->r, one, NULL, "`conflicts`: `%s` is not a name", one->s);
}

/* What becomes the name of a service or of a folder. */
static void check_names(struct file *f, const struct node *table)
{
	static const char *const keys[] = { "name", "context", "socket_folder", "repo" };

	for (size_t i = 0; i < countof(keys) && table && table->kind == NODE_TABLE; i++) {
		const struct node *at = node_get(table, keys[i]);
		const char *text = at && at->kind == NODE_STRING ? at->s : NULL;

		if (text && !name_is_valid(strcmp(keys[i], "repo") == 0 ? last_part(text) : text))
			reader_error(&f->r, at, "1 to 255 letters, digits and . _ @ : + - or a backslash",
			    "`%s` is not a name", text);
	}
	check_conflicts(f, table);
}

static void check_file(struct file *f)
{
	if (!looks_like_manifest(f->root)) {
		f->r.diags->n = 0; /* nothing was read before */
		diag_add(f->r.diags, DIAG_ERROR, f->r.file, 1, 1, NULL,
		    "a manifest has [service], [[binaries]] or [[dependencies]]", "this is not a service manifest");
		return;
	}
	check_top_level(f);
	check_names(f, f->root);
	check_names(f, node_get(f->root, "service"));
	check_conflicts(f, node_get(f->root, "dependencies"));
	read_root(f);
	add_single(f);
	add_caller_binaries(f);
	give_env(f);
	distribute(f);
	check_twins(f);
	check_single_keys(f);
	if (!f->binaries.n && !f->service.name && !diags_has_error(f->r.diags))
		diag_add(f->r.diags, DIAG_ERROR, f->r.file, 1, 1, NULL, "add [[binaries]], or a name to [service]",
		    "the manifest defines no service");
}

static void file_release(struct file *f)
{
	service_def_release(&f->service);
	free(f->repo);
	for (size_t i = 0; i < f->binaries.n; i++)
		action_def_release(&f->binaries.v[i]);
	free(f->binaries.v);
	/* entries and env are parts of throw-away structs with the right release */
	struct service_def deps = { .dependencies = f->entries };
	struct action_def env = { .env = f->env };
	service_def_release(&deps);
	action_def_release(&env);
	action_def_release(&f->single);
}

static enum err first_error(const struct diags *d, struct error *e)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].severity == DIAG_ERROR)
			return error_set(e, ERR_INVALID, "%s:%d:%d: %s", d->v[i].file ? d->v[i].file : "?",
			    d->v[i].line, d->v[i].column, d->v[i].message);
	return ERR_OK;
}

enum err manifest_read(const char *text, size_t n, const struct manifest_options *o,
    struct manifest *out, struct diags *diags, struct error *e)
{
	const char *path = o->path ? o->path : "service.toml";
	struct diags own = { 0 };
	struct file f = { .r = { .diags = &own, .file = path }, .o = o };
	int line, column;
	struct node *root = node_of_toml(text, n, e, &line, &column);

	*out = (struct manifest){ 0 };
	service_def_init(&f.service);
	action_def_init(&f.single);
	f.root = root;
	if (root)
		check_file(&f);
	else
		diag_add(&own, DIAG_ERROR, path, line, column, NULL, NULL, "%s", e->msg);
	enum err code = first_error(&own, e);
	if (!code)
		make_services(&f, out);
	diags_sort(&own);
	diags_quote(&own, path, text, n);
	for (size_t i = 0; i < own.n; i++)
		*vec_push(diags) = own.v[i];
	free(own.v);
	file_release(&f);
	node_free(root);
	return code;
}

void manifest_release(struct manifest *m)
{
	for (size_t i = 0; i < m->n; i++)
		service_def_release(&m->v[i]);
	free(m->v);
	*m = (struct manifest){ 0 };
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void write_value(const json_t *v, struct str *out)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

	/* JSON strings, numbers, booleans and flat lists are TOML as well, but for a bare DEL. */
	for (const char *p = text; *p; p++)
		if (*p == 0x7f)
			str_add(out, "\\u007f");
		else
			str_add_char(out, *p);
	free(text);
}

static void write_line(struct str *out, const char *key, const json_t *v)
{
	if (!v || json_is_object(v) || (json_is_array(v) && json_is_object(json_array_get(v, 0))))
		return;
	str_fmt(out, "%s = ", key);
	write_value(v, out);
	str_add_char(out, '\n');
}

static void write_key(struct str *out, const char *key)
{
	bool bare = *key;

	for (const char *p = key; *p; p++)
		bare = bare && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
				   *p == '_' || *p == '-');
	if (bare) {
		str_add(out, key);
		return;
	}
	json_t *text = json_string(key);
	write_value(text, out);
	json_decref(text);
}

static void write_inline(struct str *out, const json_t *v)
{
	const char *k;
	json_t *m;
	size_t i;

	if (json_is_object(v)) {
		str_add(out, "{ ");
		bool first = true;
		json_object_foreach ((json_t *)(uintptr_t)v, k, m) {
			str_add(out, first ? "" : ", ");
			write_key(out, k);
			str_add(out, " = ");
			write_inline(out, m);
			first = false;
		}
		str_add(out, " }");
	} else if (json_is_array(v)) {
		str_add(out, "[");
		json_array_foreach (v, i, m) {
			str_add(out, i ? ", " : "");
			write_inline(out, m);
		}
		str_add(out, "]");
	} else {
		write_value(v, out);
	}
}

static void write_table(struct str *out, const json_t *o, const char *const *leave, size_t n_leave)
{
	const char *k;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)o, k, v) {
		bool left = strncmp(k, "source", 6) == 0 || strcmp(k, "depends_on_given") == 0 ||
		    strcmp(k, "of_service") == 0 || strcmp(k, "is_run") == 0 ||
		    strcmp(k, "abort_on_failure") == 0;

		for (size_t i = 0; i < n_leave; i++)
			left = left || strcmp(k, leave[i]) == 0;
		if (left)
			continue;
		str_fmt(out, "%s = ", k);
		write_inline(out, v);
		str_add_char(out, '\n');
	}
}

void manifest_write(const struct service_def *s, struct str *out)
{
	static const char *const of_service[] = { "dependencies", "actions", "name" };
	static const char *const of_action[] = { "depends_on" };
	json_t *o = service_def_stored(s);

	str_add(out, "[service]\n");
	write_line(out, "name", json_object_get(o, "name"));
	write_table(out, o, of_service, countof(of_service));
	for (size_t k = 0; k < 3; k++) {
		static const char *const words[] = { "requires", "wants", "after" };
		json_t *list = json_array();

		for (size_t i = 0; i < s->dependencies.n; i++)
			if ((s->dependencies.v[i].kinds & (1u << k)) && dependency_is_written(&s->dependencies.v[i]))
				json_array_append_new(list, dependency_stored(&s->dependencies.v[i]));
		if (json_array_size(list)) {
			str_fmt(out, "%s = [", words[k]);
			for (size_t i = 0; i < json_array_size(list); i++) {
				json_t *d = json_array_get(list, i);

				json_object_del(d, "source_path");
				json_object_del(d, "source_text");
				json_object_del(d, "of_service");
				str_add(out, i ? ", " : "");
				write_inline(out, d);
			}
			str_add(out, "]\n");
		}
		json_decref(list);
	}
	json_t *a;
	size_t i;
	json_array_foreach (json_object_get(o, "actions"), i, a) {
		str_add(out, "\n[[binaries]]\n");
		write_table(out, a, of_action, countof(of_action));
		if (s->actions.v[i].depends_on_given && !s->actions.v[i].depends_on.n)
			str_add(out, "depends_on = []\n");
	}
	for (i = 0; i < s->actions.n; i++)
		for (size_t k = 0; k < s->actions.v[i].depends_on.n; k++) {
			const struct dep *d = &s->actions.v[i].depends_on.v[k];
			json_t *e = dependency_stored(d);

			if (d->of_service || !dependency_is_written(d)) {
				json_decref(e);
				continue;
			}
			json_object_set_new(e, "for", json_pack("[s]", s->actions.v[i].name));
			str_add(out, "\n[[dependencies]]\n");
			write_table(out, e, NULL, 0);
			json_decref(e);
		}
	json_decref(o);
}
