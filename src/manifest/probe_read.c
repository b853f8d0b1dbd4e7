#include "manifest/probe_read.h"

#include "manifest/judge.h"
#include "model/address.h"

#include <ctype.h>

#define INTERVAL_MIN 10

/* ---- what is asked ------------------------------------------------------------- */

static void set_kind(
    struct reader *r, struct probe_def *p, const struct node *n, enum probe_kind kind)
{
	if (p->kind_given && p->kind != kind)
		reader_error(r, n, "write two probes, or an exec that asks both",
		    "a probe is `%s` or `%s`, not both", probe_kind_str(p->kind),
		    probe_kind_str(kind));
	p->kind_given = true;
	p->kind = kind;
}

static void read_unix(struct reader *r, void *obj, const struct node *n)
{
	set_kind(r, obj, n, PROBE_UNIX);
	read_text(r, n, &((struct probe_def *)obj)->target);
}

static void read_port(struct reader *r, void *obj, const struct node *n)
{
	struct probe_def *p = obj;
	int64_t port;

	set_kind(r, p, n, PROBE_TCP);
	if (n->kind != NODE_INT) {
		read_text(r, n, &p->target);
	} else if (read_int(r, n, 1, 65535, &port)) {
		free(p->target);
		p->target = text_fmt("127.0.0.1:%lld", (long long)port);
	}
}

static void read_http(struct reader *r, void *obj, const struct node *n)
{
	struct probe_def *p = obj;
	static const char *const known[] = {"url", "socket", "path", NULL};
	const struct node *url = n->kind == NODE_TABLE ? node_get(n, "url") : n;

	set_kind(r, p, n, PROBE_HTTP);
	if (url)
		read_text(r, url, &p->target);
	if (n->kind != NODE_TABLE)
		return;
	read_only_keys(r, n, "an http probe", known);
	if (node_get(n, "socket"))
		read_text(r, node_get(n, "socket"), &p->socket);
	if (node_get(n, "path"))
		read_text(r, node_get(n, "path"), &p->path);
}

static void read_exec(struct reader *r, void *obj, const struct node *n)
{
	set_kind(r, obj, n, PROBE_EXEC);
	read_command(r, n, &((struct probe_def *)obj)->command);
}

/* A list is a command; what a string is, `kind` says. */
static void read_target(struct reader *r, void *obj, const struct node *n)
{
	struct probe_def *p = obj;

	if (n->kind == NODE_ARRAY)
		read_command(r, n, &p->command);
	else
		read_text(r, n, &p->target);
}

static json_t *write_target(const void *obj)
{
	const struct probe_def *p = obj;
	json_t *list = p->command.argv.n ? json_array() : NULL;

	for (size_t i = 0; i < p->command.argv.n; i++)
		json_array_append_new(list, json_string(p->command.argv.v[i]));
	if (list)
		return list;
	const char *text = p->command.text ? p->command.text : p->target;
	return text ? json_string(text) : NULL;
}

static void read_expression(struct reader *r, void *obj, const struct node *n)
{
	set_kind(r, obj, n, PROBE_LOG);
	read_text(r, n, &((struct probe_def *)obj)->target);
}

/* ---- rows ---------------------------------------------------------------------- */

#define PROBE(member) .at = offsetof(struct probe_def, member)
#define GIVEN(member) .given_at = offsetof(struct probe_def, member)

static const struct field probe_fields[] = {
    {"kind", {"type"}, F_ENUM, PROBE(kind), GIVEN(kind_given), .words = probe_kind_words,
	.doc = "unix, tcp, http, exec or log; or write one of these keys"},
    {"target", {0}, F_CUSTOM, .read = read_target, .write = write_target,
	.doc = "socket, host:port, URL, command or expression"},
    {"unix", {0}, F_CUSTOM, .read = read_unix, .doc = "a declared socket, or a path"},
    {"tcp", {"port"}, F_CUSTOM, .read = read_port, .doc = "host:port, or a port"},
    {"http", {"url"}, F_CUSTOM, .read = read_http, .doc = "a URL, or {socket, path}"},
    {"exec", {"command"}, F_CUSTOM, .read = read_exec, .doc = "a command; 0 passes"},
    {"log", {0}, F_CUSTOM, .read = read_expression, .doc = "an expression over lines of output"},
    {"socket", {0}, F_STR, PROBE(socket), .doc = "http over a declared socket, or a path"},
    {"path", {0}, F_STR, PROBE(path), .doc = "what is asked of it, default /health"},
    {"interval_ms", {"interval"}, F_MSEC, PROBE(interval), GIVEN(interval_given),
	.doc = "from one probe to the next; default 1 s, of liveness 10 s"},
    {"timeout_ms", {"timeout"}, F_MSEC, PROBE(timeout), GIVEN(timeout_given),
	.doc = "of one probe; default 1 s"},
    {"failure_threshold", {"retries"}, F_INT, PROBE(failure_threshold), GIVEN(threshold_given),
	.min = 1, .max = 1000, .doc = "failures in a row; default 3"},
    {"success_threshold", {0}, F_INT, PROBE(success_threshold), GIVEN(success_given), .min = 1,
	.max = 1000, .doc = "successes in a row; default 1"},
    {"action", {0}, F_ENUM, PROBE(action), .words = probe_action_words,
	.doc = "of liveness: restart or warn"},
};
static const struct schema probe_schema = {"a probe", probe_fields, countof(probe_fields)};

/* ---- can it fail? ---------------------------------------------------------------- */

/* A command that ends with 0 whatever happens. */
static bool always_succeeds(const struct command *c)
{
	static const char *const dull[] = {
	    "", "true", ":", "/bin/true", "/usr/bin/true", "exit", "exit 0", "echo"};
	auto_str text = {0};
	size_t n;

	command_fmt(&text, c);
	const char *command = str_text(&text);
	while (isspace((unsigned char)*command) || *command == ';')
		command++;
	for (n = strlen(command);
	     n > 0 && (isspace((unsigned char)command[n - 1]) || command[n - 1] == ';');)
		n--;
	for (size_t i = 0; i < countof(dull); i++)
		if (strlen(dull[i]) == n && strncmp(dull[i], command, n) == 0)
			return true;
	return false;
}

static void check_address(struct reader *r, const struct node *n, const struct probe_def *p)
{
	auto_free char *text =
	    p->kind == PROBE_TCP ? text_fmt("tcp:%s", p->target) : text_dup(p->target);
	struct address a;
	struct error e = {0};

	if (address_parse(&a, text, &e)) {
		reader_error(r, n,
		    p->kind == PROBE_TCP ? "write tcp = \"127.0.0.1:80\""
					 : "write http = \"http://127.0.0.1:80/health\", or socket "
					   "= \"rpc.sock\" with path",
		    "a probe: %s", e.msg);
		return;
	}
	if (p->kind == PROBE_HTTP && !a.get)
		reader_error(r, n, "write http://host:port/path", "`%s` is no URL", p->target);
	address_release(&a);
}

static void refuse_dull(struct reader *r, const struct node *n, const struct command *c)
{
	auto_str text = {0};

	command_fmt(&text, c);
	reader_error(r, n, "ask the service for something it does", "the probe `%s` can not fail",
	    str_text(&text));
}

static void check_target(struct reader *r, const struct node *n, const struct probe_def *p)
{
	if (p->kind == PROBE_HTTP && p->socket) {
		if (p->target || (p->path && *p->path != '/'))
			reader_error(r, n, "socket = \"rpc.sock\", path = \"/health\"",
			    "an http probe takes `url`, or `socket` with a `path` that begins with "
			    "/");
		return;
	}
	if (p->command.argv.n && p->kind != PROBE_EXEC) {
		reader_error(r, n, "write kind = \"exec\"",
		    "a list is a command, and the probe is `%s`", probe_kind_str(p->kind));
		return;
	}
	if (p->kind == PROBE_EXEC ? !command_is_given(&p->command) : !p->target || !*p->target) {
		reader_error(r, n, "name what it asks",
		    "the %s probe has no target, it can not fail", probe_kind_str(p->kind));
		return;
	}
	switch (p->kind) {
	case PROBE_TCP:
	case PROBE_HTTP: check_address(r, n, p); break;
	case PROBE_EXEC:
		if (always_succeeds(&p->command))
			refuse_dull(r, n, &p->command);
		break;
	case PROBE_LOG:
		if (judge_regex(r, &p->target, n) && regex_matches_everything(p->target))
			reader_error(r, n, "name what the line says",
			    "the probe `%s` matches every line", p->target);
		break;
	case PROBE_UNIX:
	case PROBE_KIND_COUNT: break;
	}
}

static void check_probe(struct reader *r, const struct node *n, const struct probe_def *p)
{
	if (!p->kind_given)
		reader_error(r, n, "write one of unix, tcp, http, exec, log",
		    "a probe asks nothing, it can not fail");
	else
		check_target(r, n, p);
	if (p->interval < INTERVAL_MIN || p->timeout < 1)
		reader_error(r, n, NULL, "`interval_ms` must be %d or more, `timeout_ms` 1 or more",
		    INTERVAL_MIN);
}

/* ---- reading and writing ----------------------------------------------------------- */

static void read_probe(
    struct reader *r, const struct node *n, enum probe_role role, struct probe_def **out)
{
	size_t before = r->diags->n;
	struct probe_def *p = mem_new(sizeof(*p));

	probe_def_free(*out);
	*out = p;
	*p = (struct probe_def){.interval = role == PROBE_LIVENESS ? 10000 : 1000,
	    .timeout = 1000,
	    .failure_threshold = 3,
	    .success_threshold = 1};
	schema_read(r, &(struct part){&probe_schema, p}, 1, n);
	if (p->kind == PROBE_EXEC && p->target && !command_is_given(&p->command))
		p->command.text = take(p->target);
	if (p->kind_given && p->kind == PROBE_UNIX && p->socket && !p->target)
		p->target = take(p->socket);
	if (!p->kind_given && p->socket) {
		p->kind_given = true;
		p->kind = PROBE_HTTP;
	}
	if (r->diags->n == before && !r->stored)
		check_probe(r, n, p);
}

void probes_read(struct reader *r, void *action_def, const struct node *n)
{
	struct action_def *a = action_def;

	for (const struct node *c = n->first; n->kind == NODE_TABLE && c; c = c->next) {
		int role = 0;

		while (role < PROBE_ROLE_COUNT && strcmp(probe_role_words[role], c->key) != 0)
			role++;
		if (role == PROBE_ROLE_COUNT || c->kind != NODE_TABLE)
			reader_error(r, c, "startup, readiness or liveness, each a table",
			    "`%s` is no probe", c->key);
		else
			read_probe(r, c, (enum probe_role)role, &a->probes[role]);
	}
	if (n->kind != NODE_TABLE)
		reader_error(r, n, NULL, "`probes` must be a table");
}

json_t *probes_write(const void *action_def)
{
	const struct action_def *a = action_def;
	json_t *o = json_object();

	for (int role = 0; role < PROBE_ROLE_COUNT; role++) {
		const struct probe_def *p = a->probes[role];
		json_t *into = p ? json_object() : NULL;

		if (!p)
			continue;
		schema_json(&probe_schema, p, true, into);
		json_object_set_new(o, probe_role_words[role], into);
	}
	if (json_object_size(o))
		return o;
	json_decref(o);
	return NULL;
}

/* How long it may take to become ready is start_timeout_ms there: the count is of liveness. */
void health_read(struct reader *r, struct action_def *a, const struct node *n)
{
	if (n->kind != NODE_TABLE) {
		reader_error(r, n, NULL, "`%s` must be a table", n->key);
		return;
	}
	read_probe(r, n, PROBE_LIVENESS, &a->probes[PROBE_LIVENESS]);
	struct probe_def *p = probe_def_dup(a->probes[PROBE_LIVENESS]);

	p->threshold_given = false;
	if (!p->interval_given)
		p->interval = 1000;
	p->failure_threshold = 3;
	p->action = PROBE_RESTARTS;
	probe_def_free(a->probes[PROBE_READINESS]);
	a->probes[PROBE_READINESS] = p;
}
