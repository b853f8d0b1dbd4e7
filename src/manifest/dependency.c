#include "manifest/dependency.h"

#include "model/address.h"

/* ---- kinds and gates -------------------------------------------------------- */

static const struct {
	const char *word;
	unsigned bit;
} kind_words[] = {{"requires", DEP_REQUIRES}, {"wants", DEP_WANTS}, {"after", DEP_AFTER}};

static void add_kind(struct reader *r, const struct node *n, unsigned *kinds)
{
	static const char *const words[] = {"requires", "wants", "after", NULL};
	int at;

	if (read_words(r, n, words, &at))
		*kinds |= kind_words[at].bit;
}

static void read_kind(struct reader *r, void *obj, const struct node *n)
{
	struct dep *d = obj;

	d->kinds = 0;
	if (n->kind == NODE_ARRAY)
		for (const struct node *c = n->first; c; c = c->next)
			add_kind(r, c, &d->kinds);
	else
		add_kind(r, n, &d->kinds);
	if (d->kinds & DEP_REQUIRES)
		d->kinds = DEP_REQUIRES; /* it pulls and orders already */
	if (!d->kinds)
		d->kinds = DEP_REQUIRES;
}

static json_t *write_kind(const void *obj)
{
	const struct dep *d = obj;
	json_t *list = json_array();

	for (size_t i = 0; i < countof(kind_words); i++)
		if (d->kinds & kind_words[i].bit)
			json_array_append_new(list, json_string(kind_words[i].word));
	if (json_array_size(list) != 1)
		return list;
	json_t *one = json_incref(json_array_get(list, 0));
	json_decref(list);
	return one;
}

static bool has_dots(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p += 2)
		if ((p == path || p[-1] == '/') && (p[2] == '\0' || p[2] == '/'))
			return true;
	return false;
}

static void read_socket(struct reader *r, void *obj, const struct node *n)
{
	struct dep *d = obj;

	if (!read_text(r, n, &d->gate.text))
		return;
	d->gate.kind = GATE_SOCKET;
	if (!*d->gate.text || has_dots(d->gate.text))
		reader_error(r, n, "name a declared socket, such as rpc.sock, or an absolute path",
		    "`%s` is no socket", d->gate.text);
}

static void check_address(struct reader *r, const struct node *n, enum gate_kind kind)
{
	struct address a;
	struct error e = {0};

	if (kind != GATE_TCP && kind != GATE_HTTP && kind != GATE_HTTP_UNIX)
		return;
	if (address_parse(&a, n->s, &e))
		reader_error(r, n,
		    "write tcp:127.0.0.1:80, http://127.0.0.1:80/health or "
		    "http+unix:/path.sock:/health",
		    "gate: %s", e.msg);
	else
		address_release(&a);
}

static void read_gate(struct reader *r, void *obj, const struct node *n)
{
	static const struct {
		const char *prefix;
		enum gate_kind kind;
		bool whole; /* the scheme belongs to the text */
	} schemes[] = {{"http+unix:", GATE_HTTP_UNIX, false}, {"http://", GATE_HTTP, true},
	    {"unix:", GATE_UNIX, false}, {"tcp:", GATE_TCP, false}, {"!file:", GATE_NO_FILE, false},
	    {"file:", GATE_FILE, false}, {"flag:", GATE_FLAG, false},
	    {"socket:", GATE_SOCKET, false}};
	struct dep *d = obj;

	auto_free char *text = NULL;

	if (!read_text(r, n, &text))
		return;
	for (size_t i = 0; i < countof(schemes); i++) {
		size_t len = strlen(schemes[i].prefix);

		if (strncmp(n->s, schemes[i].prefix, len) != 0)
			continue;
		d->gate.kind = schemes[i].kind;
		text_set(&d->gate.text, schemes[i].whole ? n->s : n->s + len);
		if (!*d->gate.text || has_dots(d->gate.text))
			reader_error(r, n, NULL, "`%s` is no gate", n->s);
		else if (!r->stored)
			check_address(r, n, d->gate.kind);
		return;
	}
	reader_error(r, n,
	    strncmp(n->s, "https:", 6) == 0
		? "http:// is asked, https:// is not"
		: "write unix:/path, tcp:host:port, http://host:port/path, http+unix:/path:/path, "
		  "file:/path, "
		  "!file:/path or flag:NAME",
	    "`%s` is no gate", n->s);
}

char *gate_text(const struct gate_def *g)
{
	if (g->kind == GATE_NONE)
		return NULL;
	if (g->kind == GATE_HTTP)
		return text_dup(g->text);
	return text_fmt("%s:%s", gate_kind_str(g->kind), g->text);
}

static json_t *write_gate(const void *obj)
{
	auto_free char *text = gate_text(&((const struct dep *)obj)->gate);

	return text ? json_string(text) : NULL;
}

static void read_when(struct reader *r, void *obj, const struct node *n)
{
	struct dep *d = obj;
	const struct node *env = n->kind == NODE_TABLE ? node_get(n, "env") : NULL;
	const struct node *is = n->kind == NODE_TABLE ? node_get(n, "is") : NULL;

	if (!env || !is || n->n != 2) {
		reader_error(r, n, "write when = {env = \"AUTH_MODE\", is = \"proxy\"}",
		    "`when` needs `env` and `is`");
		return;
	}
	read_text(r, env, &d->when_env);
	read_text(r, is, &d->when_is);
}

static json_t *write_when(const void *obj)
{
	const struct dep *d = obj;

	return d->when_env ? json_pack("{s:s, s:s}", "env", d->when_env, "is", d->when_is) : NULL;
}

/* ---- rows --------------------------------------------------------------------- */

#define AT(member) .at = offsetof(struct dep, member)

static const struct field fields[] = {
    {"kind", {"kinds"}, F_CUSTOM, .read = read_kind, .write = write_kind,
	.doc = "requires (default), wants, after, or a list of them"},
    {"name", {"target"}, F_STR, AT(name), .doc = "the name that is resolved"},
    {"service", {0}, F_STR, AT(service), .doc = "the target service"},
    {"action", {0}, F_STR, AT(action), .doc = "an action of the target service"},
    {"repo", {0}, F_STR, AT(repo), .doc = "owner/name of the target's repository"},
    {"crate", {"crate_name"}, F_STR, AT(crate), .doc = "the target's crate"},
    {"bin", {"bin_name"}, F_STR, AT(bin), .doc = "the target's binary"},
    {"socket", {"socket_name"}, F_CUSTOM, .read = read_socket,
	.doc = "the edge waits until this socket of the target answers"},
    {"gate", {0}, F_CUSTOM, .read = read_gate, .write = write_gate,
	.doc = "something that must answer: unix:/path, tcp:host:port, http://host:port/path, "
	       "http+unix:/path:/path, file:/path, !file:/path, flag:NAME"},
    {"gate_probe", {0}, F_ENUM, AT(gate.probe), .given_at = offsetof(struct dep, gate.probe_given),
	.words = gate_probe_words,
	.doc = "connect: connect(2) is enough; health: GET /health as well"},
    {"condition", {0}, F_ENUM, AT(condition), .words = condition_words,
	.doc = "what must be true of the target"},
    {"timeout_ms", {"timeout"}, F_MSEC, AT(timeout),
	.doc = "how long the edge may wait, from the target's first execution; 0: for ever"},
    {"optional", {0}, F_BOOL, AT(optional),
	.doc = "ignored while the target is unregistered or wanted stop"},
    {"when", {0}, F_CUSTOM, .read = read_when, .write = write_when,
	.doc = "{env, is}: the edge exists only if the action's environment says so"},
    {"on_failure", {0}, F_ENUM, AT(on_failure), .words = on_failure_words,
	.doc = "when the target ends unplanned"},
    {"on_restart", {0}, F_ENUM, AT(on_restart), .words = on_restart_words,
	.doc = "when the target is restarted on request"},
    {"on_stop", {0}, F_ENUM, AT(on_stop), .words = on_stop_words,
	.doc = "when the target is stopped on request"},
    {"for", {0}, F_STRV, AT(applies_to), .doc = "binaries of this file that the entry is for"},
    {"any", {0}, F_STRV, AT(any), .doc = "a group: `need` of these names are enough"},
    {"need", {0}, F_INT, AT(need), .min = 1, .max = 1000, .doc = "how many of `any`"},
    {"of_service", {0}, F_BOOL, AT(of_service), .internal = true},
    {"source_path", {0}, F_STR, AT(source.path), .internal = true},
    {"source_text", {0}, F_STR, AT(source_text), .internal = true},
};
const struct schema dependency_schema = {"a dependency", fields, countof(fields)};

/* ---- reading -------------------------------------------------------------------- */

static void check_group(struct reader *r, const struct node *n, const struct dep *d)
{
	struct strv seen = {0};

	for (size_t i = 0; i < d->any.n; i++) {
		if (!name_is_valid(d->any.v[i]))
			reader_error(r, n, NULL, "`any`: `%s` is not a name", d->any.v[i]);
		if (strv_has(&seen, d->any.v[i]))
			reader_error(r, n, NULL, "`any`: `%s` stands there twice", d->any.v[i]);
		strv_add(&seen, d->any.v[i]);
	}
	strv_release(&seen);
	if (d->any.n && (dep_key(d) || d->repo))
		reader_error(r, n, "write two entries", "a group has no target beside `any`");
	if (d->any.n && d->need > (int64_t)d->any.n)
		reader_error(r, n, NULL, "`need` is %lld, and `any` has %u names",
		    (long long)d->need, d->any.n);
	if (!d->any.n && node_get(n, "need"))
		reader_error(r, n, "write any = [...]", "`need` is for a group");
	if (d->any.n && d->kinds == DEP_WANTS)
		reader_error(r, n, "use requires, after or [\"wants\", \"after\"]",
		    "a group delays, and `wants` alone does not");
}

static void check_names(struct reader *r, const struct node *n, const struct dep *d)
{
	const char *names[] = {d->name, d->service, d->action, d->crate, d->bin};

	check_group(r, n, d);
	for (size_t i = 0; i < countof(names); i++)
		if (names[i] && !name_is_valid(names[i]))
			reader_error(r, n,
			    "1 to 255 letters, digits and . _ @ : + - or a backslash",
			    "`%s` is not a name", names[i]);
	if (!dep_key(d) && !d->any.n && d->gate.kind == GATE_NONE)
		reader_error(
		    r, n, "name its `bin`, `crate` or `repo`", "a dependency names no target");
	if (d->repo && !name_is_valid(text_last_part(d->repo)))
		reader_error(r, n, "write owner/name", "`%s` is not a repository", d->repo);
}

static void set_source(struct reader *r, const struct node *n, struct dep *d)
{
	if (r->stored)
		return;
	d->source = (struct place){text_dup(r->file), n->line, n->column};
	d->source_text = reader_place(r, n);
}

static void check_gates(struct reader *r, const struct node *n)
{
	const struct node *gate = node_get(n, "gate");
	const struct node *socket =
	    node_get(n, "socket") ? node_get(n, "socket") : node_get(n, "socket_name");

	if (gate && socket)
		reader_error(r, gate, "write two entries",
		    "`gate` and `%s` (line %d) both say what is tested", socket->key, socket->line);
}

static bool has_error_since(const struct diags *d, size_t before)
{
	for (size_t i = before; i < d->n; i++)
		if (d->v[i].severity == DIAG_ERROR)
			return true;
	return false;
}

bool dependency_read(struct reader *r, const struct node *n, unsigned kinds, struct dep *out)
{
	size_t before = r->diags->n;

	dep_init(out);
	out->kinds = kinds;
	if (n->kind == NODE_STRING) {
		read_text(r, n, &out->name);
	} else if (n->kind == NODE_TABLE) {
		schema_read(r, &(struct part){&dependency_schema, out}, 1, n);
		bool ends = out->condition == COND_COMPLETED || out->condition == COND_SUCCEEDED;
		if (ends && !node_get(n, "on_stop"))
			out->on_stop = ON_STOP_KEEP;
		check_gates(r, n);
	} else {
		reader_error(r, n, NULL, "a dependency is a name or a table, not %s",
		    node_kind_str(n->kind));
	}
	set_source(r, n, out);
	if (!has_error_since(r->diags, before))
		check_names(r, n, out);
	if (!has_error_since(r->diags, before))
		return true;
	dep_release(out);
	return false;
}

static bool same_edge(const struct dep *a, const struct dep *b)
{
	return text_eq(dep_key(a), dep_key(b)) && text_eq(a->service, b->service) &&
	       text_eq(a->action, b->action) && a->gate.kind == b->gate.kind &&
	       text_eq(a->gate.text, b->gate.text) && a->condition == b->condition &&
	       text_eq(a->when_env, b->when_env) && text_eq(a->when_is, b->when_is) &&
	       strv_eq(&a->any, &b->any);
}

void dependencies_take(struct dep_list *l, struct dep *take_d)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!same_edge(&l->v[i], take_d))
			continue;
		unsigned kinds = l->v[i].kinds | take_d->kinds;
		/* What requires decides whether it is optional, how long it may take and so on. */
		if (take_d->kinds & ~l->v[i].kinds & DEP_REQUIRES) {
			struct dep weaker = l->v[i];

			l->v[i] = *take_d;
			*take_d = weaker;
		}
		l->v[i].kinds = kinds & DEP_REQUIRES ? DEP_REQUIRES : kinds;
		if (take_d->need > l->v[i].need)
			l->v[i].need = take_d->need; /* of a group said twice: both hold */
		dep_release(take_d);
		return;
	}
	*vec_push(l) = *take_d;
	*take_d = (struct dep){0};
}

void dependency_expand(struct dep_list *out, struct dep *take_d)
{
	for (size_t i = 0; i < take_d->any.n; i++) {
		struct dep *member = vec_push(out);

		dep_copy(member, take_d);
		text_set(&member->name, take_d->any.v[i]);
	}
	if (take_d->any.n)
		dep_release(take_d);
	else
		*vec_push(out) = *take_d;
}

static void take_each(struct dep_list *out, struct dep *take_d)
{
	struct dep_list parts = {0};

	dependency_expand(&parts, take_d);
	for (size_t i = 0; i < parts.n; i++)
		dependencies_take(out, &parts.v[i]);
	free(parts.v);
}

bool dependency_is_written(const struct dep *d)
{
	return !d->any.n || text_eq(dep_key(d), d->any.v[0]);
}

void dependencies_read(
    struct reader *r, const struct node *list, unsigned kinds, struct dep_list *out)
{
	struct dep d;

	if (list->kind != NODE_ARRAY) {
		if (list->kind == NODE_STRING) {
			if (dependency_read(r, list, kinds, &d))
				take_each(out, &d);
			return;
		}
		reader_error(r, list, NULL, "`%s` must be a list, not %s",
		    list->key ? list->key : "it", node_kind_str(list->kind));
		return;
	}
	for (const struct node *c = list->first; c; c = c->next)
		if (dependency_read(r, c, kinds, &d))
			take_each(out, &d);
}

/* ---- writing --------------------------------------------------------------------- */

json_t *dependency_stored(const struct dep *d)
{
	json_t *o = json_object();

	schema_json(&dependency_schema, d, true, o);
	json_object_del(o, d->any.n ? "name" : "need"); /* one entry speaks for the group */
	return o;
}

static json_t *json_strings(const struct strv *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(list, json_string(l->v[i]));
	return list;
}

static json_t *resolved_json(const struct resolution *r)
{
	json_t *o = json_pack("{s:s, s:s?, s:s?, s:s?, s:s}", "rule", resolved_rule_str(r->rule),
	    "service", r->service, "action", r->action, "gate_path", r->gate_path, "gate_probe",
	    gate_probe_str(r->gate_probe));

	if (r->candidates.n)
		json_object_set_new(o, "candidates", json_strings(&r->candidates));
	return o;
}

json_t *dependency_shown(const struct dep *d)
{
	const struct resolution *r = &d->resolved;
	auto_free char *gate = gate_text(&d->gate);
	const char *service = r->service   ? r->service
			      : d->service ? d->service
			      : d->action  ? NULL
					   : dep_key(d);

	json_t *o =
	    json_pack("{s:o, s:{s:s?, s:s?}, s:s?, s:s, s:s?, s:I, s:b, s:s, s:s, s:s, s:o, s:s?}",
		"kind", write_kind(d), "target", "service", service, "action",
		r->service ? r->action : d->action, "key", dep_key(d), "condition",
		condition_str(d->condition), "gate", gate, "timeout_ms", (json_int_t)d->timeout,
		"optional", d->optional, "on_failure", on_failure_str(d->on_failure), "on_restart",
		on_restart_str(d->on_restart), "on_stop", on_stop_str(d->on_stop), "resolved",
		resolved_json(r), "source", d->source_text);
	if (d->any.n) {
		json_object_set_new(o, "any", json_strings(&d->any));
		json_object_set_new(o, "need", json_integer((json_int_t)d->need));
	}
	return o;
}
