#include "manifest/manifest_file.h"

#include "base/limits.h"
#include "base/map.h"
#include "manifest/dependency.h"
#include "manifest/judge.h"
#include "manifest/probe_read.h"
#include "model/log_policy.h"

ENUM_DEFINE(manifest_shape, MANIFEST_SHAPE_LIST, MANIFEST_SHAPE_COUNT)

/* ---- rows of the file -------------------------------------------------------------- */

#define FILE_AT(member) .at = offsetof(struct manifest_file, member)

static void read_binaries(struct reader *r, void *obj, const struct node *n)
{
	struct manifest_file *f = obj;

	if (n->kind != NODE_ARRAY) {
		reader_error(r, n, "write [[binaries]]", "`binaries` must be a list of tables");
		return;
	}
	for (const struct node *c = n->first; c; c = c->next)
		action_def_read(r, c, (struct part){0}, true, vec_push(&f->binaries));
}

static void read_zinit_dependencies(struct manifest_file *f, const struct node *n)
{
	static const struct {
		const char *key;
		unsigned kinds;
	} keys[] = {{"requires", DEP_REQUIRES}, {"wants", DEP_WANTS}, {"after", DEP_AFTER}};

	for (const struct node *c = n->first; c; c = c->next) {
		size_t k = 0;

		while (k < countof(keys) && strcmp(keys[k].key, c->key) != 0)
			k++;
		if (k < countof(keys))
			dependencies_read(&f->r, c, keys[k].kinds, &f->service.dependencies);
		else if (strcmp(c->key, "conflicts") == 0)
			read_strv(&f->r, c, &f->service.conflicts);
		else
			reader_error(&f->r, c,
			    "an edge to a binary is written [[dependencies]], with two brackets",
			    "the table [dependencies] has no key `%s`", c->key);
	}
}

static void read_dependencies(struct reader *r, void *obj, const struct node *n)
{
	struct manifest_file *f = obj;
	struct dep d;

	if (n->kind == NODE_TABLE) {
		read_zinit_dependencies(f, n);
		return;
	}
	if (n->kind != NODE_ARRAY) {
		reader_error(
		    r, n, "write [[dependencies]]", "`dependencies` must be a list of tables");
		return;
	}
	for (const struct node *c = n->first; c; c = c->next) {
		if (!dependency_read(r, c, DEP_REQUIRES, &d))
			continue;
		if (!d.bin && !d.crate && d.repo)
			reader_warn(r, c, "name its `bin`",
			    "only `repo` is given: taken as the service `%s`", dep_key(&d));
		dependency_expand(
		    &f->entries, &d); /* what is twice is seen where it is given to a binary */
	}
}

static void read_file_env(struct reader *r, void *obj, const struct node *n)
{
	static const struct field row[] = {{"env", {0}, F_ENV, FILE_AT(env)}};
	static const struct schema schema = {"the environment", row, 1};
	struct node table = {.kind = NODE_TABLE, .first = (struct node *)(uintptr_t)n};
	struct node copy = *n;

	copy.next = NULL;
	table.first = &copy;
	schema_read(r, &(struct part){&schema, obj}, 1, &table);
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
    {"restart", {0}, F_ENUM, SINGLE(retry.restart), .words = restart_words},
    {"restart_delay_ms", {0}, F_MSEC, SINGLE(retry.delay),
	.given_at = offsetof(struct action_def, retry.delay_given)},
    {"restart_delay_max_ms", {0}, F_MSEC, SINGLE(retry.delay_max)},
    {"max_restarts", {0}, F_CUSTOM, .read = read_max_restarts},
    {"stability_period_ms", {0}, F_MSEC, SINGLE(retry.stability_period)},
    {"start_timeout_ms", {0}, F_MSEC, SINGLE(start_timeout)},
    {"stop_timeout_ms", {0}, F_MSEC, SINGLE(stop_timeout)},
    {"stop_signal", {0}, F_STR, SINGLE(stop_signal), .judge = judge_signal},
};
static const struct schema lifecycle_schema = {
    "[lifecycle]", lifecycle_fields, countof(lifecycle_fields)};

static void read_lifecycle(struct reader *r, void *obj, const struct node *n)
{
	struct manifest_file *f = obj;

	if (n->kind != NODE_TABLE)
		reader_error(r, n, NULL, "`lifecycle` must be a table");
	else
		schema_read(r, &(struct part){&lifecycle_schema, &f->single}, 1, n);
}

static void read_health(struct reader *r, void *obj, const struct node *n)
{
	health_read(r, &((struct manifest_file *)obj)->single, n);
}

/* What is kept of the output, as `log` of an action.  buffer_lines is how many lines there are to
 * be at least: our bounds are in bytes, and much above any ring of lines. */
static void read_logging_key(struct reader *r, struct action_def *a, const struct node *n)
{
	struct log_policy_def ignored;
	auto_free char *value = n->kind == NODE_STRING ? text_dup(n->s)
				: n->kind == NODE_INT  ? text_fmt("%lld", (long long)n->i)
						       : text_dup("");
	const char *right = log_policy_entry(&ignored, n->key, value);
	struct env_var *v;

	if (right) {
		reader_error(r, n, right, "[logging]: `%s = %s` is not understood", n->key, value);
		return;
	}
	v = vec_push(&a->log);
	v->name = text_dup(n->key);
	v->value = take(value);
}

static void read_logging(struct reader *r, void *obj, const struct node *n)
{
	struct manifest_file *f = obj;
	int64_t lines;

	if (n->kind != NODE_TABLE) {
		reader_error(r, n, NULL, "`%s` must be a table", n->key);
		return;
	}
	for (const struct node *c = n->first; c; c = c->next)
		if (strcmp(c->key, "buffer_lines") == 0)
			read_int(r, c, 0, INT64_MAX, &lines);
		else
			read_logging_key(r, &f->single, c);
}

static void read_oneshot(struct reader *r, void *obj, const struct node *n)
{
	struct manifest_file *f = obj;
	bool one = false;

	if (!read_bool(r, n, &one))
		return;
	f->single.is_process = !one;
	retry_policy_default(&f->single.retry, !one);
}

static void read_single_exec(struct reader *r, void *obj, const struct node *n)
{
	struct manifest_file *f = obj;

	f->has_single = true;
	action_exec_read(r, &f->single, n);
	f->single.source = (struct place){text_dup(r->file), n->line, n->column};
}

static const struct field own_fields[] = {
    {"repo", {0}, F_STR, FILE_AT(repo), .doc = "owner/name of this file's repository"},
    {"shape", {0}, F_ENUM, FILE_AT(shape), .words = manifest_shape_words,
	.doc = "composite or per_binary"},
    {"exec", {0}, F_CUSTOM, .read = read_single_exec, .doc = "zinit form: the one command"},
    {"oneshot", {0}, F_CUSTOM, .read = read_oneshot, .doc = "zinit form: it ends by itself"},
    {"dir", {"cwd"}, F_STR, FILE_AT(single.cwd), .doc = "zinit form: working directory"},
};
static const struct schema own_schema = {"[service]", own_fields, countof(own_fields)};

static void read_service_table(struct reader *r, void *obj, const struct node *n)
{
	struct manifest_file *f = obj;
	static const struct field env_row[] = {{"env", {0}, F_CUSTOM, .read = read_file_env}};
	static const struct schema env_schema = {"[service]", env_row, 1};
	struct part parts[] = {{&own_schema, f}, {&service_schema, &f->service}, {&env_schema, f}};

	if (n->kind != NODE_TABLE) {
		reader_error(r, n, NULL, "`service` must be a table");
		return;
	}
	schema_read(r, parts, countof(parts), n);
	f->named = node_get(n, "name") != NULL;
}

static const struct field file_fields[] = {
    {"service", {0}, F_CUSTOM, .read = read_service_table},
    {"binaries", {0}, F_CUSTOM, .read = read_binaries},
    {"dependencies", {0}, F_CUSTOM, .read = read_dependencies},
    {"env", {0}, F_CUSTOM, .read = read_file_env},
    {"lifecycle", {0}, F_CUSTOM, .read = read_lifecycle},
    {"health", {0}, F_CUSTOM, .read = read_health},
    {"logging", {0}, F_CUSTOM, .read = read_logging},
};
static const struct schema file_schema = {"a manifest", file_fields, countof(file_fields)};

/* ---- the whole file -----------------------------------------------------------------------------
 */

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
		if (is_key_of(&file_schema, c->key) || is_key_of(&service_schema, c->key) ||
		    is_key_of(&own_schema, c->key))
			return true;
	return false;
}

static void read_root(struct manifest_file *f)
{
	struct part parts[] = {{&file_schema, f}, {&own_schema, f}, {&service_schema, &f->service}};

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

static void check_twins(struct manifest_file *f)
{
	struct map seen = {0};

	for (size_t i = 0; i < f->binaries.n; i++) {
		struct action_def *a = &f->binaries.v[i];

		if (!a->name)
			continue;
		if (map_get(&seen, a->name))
			diag_add(f->r.diags, DIAG_ERROR, f->r.file, a->source.line,
			    a->source.column, "name", NULL, "two binaries are named `%s`", a->name);
		map_put(&seen, a->name, a);
	}
	map_release(&seen);
}

/* Keys of the zinit form speak of the one command of [service]. */
static void check_single_keys(struct manifest_file *f)
{
	static const char *const keys[] = {"lifecycle", "health", "oneshot", "dir", "cwd"};
	const struct node *service = node_get(f->root, "service");

	for (size_t i = 0; i < countof(keys) && !f->has_single; i++) {
		const struct node *at = node_get(f->root, keys[i]);

		if (!at && service && service->kind == NODE_TABLE)
			at = node_get(service, keys[i]);
		if (at)
			reader_warn(&f->r, at,
			    "give it to the binaries: retry_policy, kind = \"job\", cwd ...",
			    "`%s` speaks of the `exec` of [service], and there is none", keys[i]);
	}
}

/* The keys of [service] may stand at top level, and say the same if they do both. */
static void check_top_level(struct manifest_file *f)
{
	const struct node *service = node_get(f->root, "service");

	for (const struct node *c = f->root->first; service && service->kind == NODE_TABLE && c;
	     c = c->next) {
		const struct node *twin = c->kind == NODE_ARRAY || is_key_of(&file_schema, c->key)
					      ? NULL
					      : /* lists are united */
					      node_get(service, c->key);

		if (!twin)
			continue;
		json_t *a = node_json(c), *b = node_json(twin);
		if (!json_equal(a, b))
			reader_error(&f->r, twin, "keep one",
			    "`%s` of [service] and of the top level (line %d) say different things",
			    c->key, c->line);
		json_decref(a);
		json_decref(b);
	}
}

/* Other names are checked where edges are read. */
static void check_conflicts(struct manifest_file *f, const struct node *table)
{
	const struct node *list =
	    table && table->kind == NODE_TABLE ? node_get(table, "conflicts") : NULL;
	const struct node *one = list && list->kind == NODE_ARRAY ? list->first : list;

	for (; one; one = one == list ? NULL : one->next)
		if (one->kind == NODE_STRING && !name_is_valid(one->s))
			reader_error(&f->r, one, NULL, "`conflicts`: `%s` is not a name", one->s);
}

/* What becomes the name of a service or of a folder. */
static void check_names(struct manifest_file *f, const struct node *table)
{
	static const char *const keys[] = {"name", "context", "socket_folder", "repo"};

	for (size_t i = 0; i < countof(keys) && table && table->kind == NODE_TABLE; i++) {
		const struct node *at = node_get(table, keys[i]);
		const char *text = at && at->kind == NODE_STRING ? at->s : NULL;

		if (text &&
		    !name_is_valid(strcmp(keys[i], "repo") == 0 ? text_last_part(text) : text))
			reader_error(&f->r, at,
			    "1 to 255 letters, digits and . _ @ : + - or a backslash",
			    "`%s` is not a name", text);
	}
	check_conflicts(f, table);
}

/* A key is kept as a text of C: what stands behind a NUL would be dropped in silence. */
static void check_keys(struct manifest_file *f, const struct node *n)
{
	for (const struct node *c = n->first; c; c = c->next) {
		if (c->key && strlen(c->key) < c->key_bytes)
			reader_error(&f->r, c, NULL, "the key `%s...` holds a NUL byte", c->key);
		check_keys(f, c);
	}
}

static void check_file(struct manifest_file *f)
{
	if (!looks_like_manifest(f->root)) {
		f->r.diags->n = 0; /* nothing was read before */
		diag_add(f->r.diags, DIAG_ERROR, f->r.file, 1, 1, NULL,
		    "a manifest has [service], [[binaries]] or [[dependencies]]",
		    "this is not a service manifest");
		return;
	}
	check_keys(f, f->root);
	check_top_level(f);
	check_names(f, f->root);
	check_names(f, node_get(f->root, "service"));
	check_conflicts(f, node_get(f->root, "dependencies"));
	read_root(f);
	manifest_file_allot(f);
	check_twins(f);
	check_single_keys(f);
	if (!f->binaries.n && !f->service.name && !diags_has_error(f->r.diags))
		diag_add(f->r.diags, DIAG_ERROR, f->r.file, 1, 1, NULL,
		    "add [[binaries]], or a name to [service]", "the manifest defines no service");
}

static void file_release(struct manifest_file *f)
{
	service_def_release(&f->service);
	free(f->repo);
	for (size_t i = 0; i < f->binaries.n; i++)
		action_def_release(&f->binaries.v[i]);
	free(f->binaries.v);
	/* entries and env are parts of throw-away structs with the right release */
	struct service_def deps = {.dependencies = f->entries};
	struct action_def env = {.env = f->env};
	service_def_release(&deps);
	action_def_release(&env);
	action_def_release(&f->single);
}

static enum err first_error(const struct diags *d, struct error *e)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].severity == DIAG_ERROR)
			return error_set(e, ERR_INVALID, "%s:%d:%d: %s",
			    d->v[i].file ? d->v[i].file : "?", d->v[i].line, d->v[i].column,
			    d->v[i].message);
	return ERR_OK;
}

enum err manifest_read(const char *text, size_t n, const struct manifest_options *o,
    struct manifest *out, struct diags *diags, struct error *e)
{
	const char *path = o->path ? o->path : "service.toml";
	struct diags own = {0};
	struct manifest_file f = {.r = {.diags = &own, .file = path}, .o = o};
	int line, column;
	struct node *root = node_of_toml(text, n, e, &line, &column);

	*out = (struct manifest){0};
	service_def_init(&f.service);
	action_def_init(&f.single);
	f.root = root;
	if (root)
		check_file(&f);
	else
		diag_add(&own, DIAG_ERROR, path, line, column, NULL, NULL, "%s", e->msg);
	enum err code = first_error(&own, e);
	if (!code)
		manifest_file_make(&f, out);
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
	*m = (struct manifest){0};
}
