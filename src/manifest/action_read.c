/* action_read.c - the rows of an action, and what they mean together. */
#include "manifest/definition_read.h"
#include "model/capabilities.h"

#include "base/limits.h"
#include "manifest/dependency.h"
#include "manifest/judge.h"
#include "manifest/probe_read.h"
#include "manifest/schedule_read.h"

/* ---- parts of an action ------------------------------------------------------- */

#define POLICY(member) .at = offsetof(struct retry_policy, member)

static bool read_rule(struct reader *r, const struct node *n, struct retry_rule *out)
{
	static const char *const verdicts[] = {"restart", "stop", "fail", NULL};
	static const char *const known[] = {"code", "signal", "then", "action", NULL};
	const struct node *code = node_get(n, "code"), *signal = node_get(n, "signal");
	const struct node *then = node_get(n, "then") ? node_get(n, "then") : node_get(n, "action");
	size_t before = r->diags->n;

	if (n->kind != NODE_TABLE || !then || !code == !signal) {
		reader_error(r, n, "write {code = 3, then = \"fail\"}",
		    "a rule needs `then`, and either `code` or `signal`");
		return false;
	}
	read_only_keys(r, n, "a rule", known);
	read_words(r, then, verdicts, &out->verdict);
	if (code)
		read_int(r, code, 0, 255, &out->code);
	else if (read_text(r, signal, &out->signal) && !r->stored)
		judge_signal(r, &out->signal, signal);
	return r->diags->n == before;
}

static void read_rules(struct reader *r, void *obj, const struct node *n)
{
	struct retry_policy *p = obj;

	for (const struct node *c = n->first; n->kind == NODE_ARRAY && c; c = c->next) {
		struct retry_rule rule = {.code = -1};

		if (read_rule(r, c, &rule))
			*vec_push(&p->rules) = rule;
		else
			free(rule.signal);
	}
	if (n->kind != NODE_ARRAY)
		reader_error(r, n, NULL, "`rules` must be a list");
}

static json_t *write_rules(const void *obj)
{
	static const char *const verdicts[] = {"restart", "stop", "fail"};
	const struct retry_policy *p = obj;
	json_t *list = p->rules.n ? json_array() : NULL;

	for (size_t i = 0; i < p->rules.n; i++) {
		json_t *o = json_pack("{s:s, s:s?}", "then", verdicts[p->rules.v[i].verdict],
		    "signal", p->rules.v[i].signal);

		if (!p->rules.v[i].signal)
			json_object_del(o, "signal");
		if (p->rules.v[i].code >= 0)
			json_object_set_new(o, "code", json_integer(p->rules.v[i].code));
		json_array_append_new(list, o);
	}
	return list;
}

static const struct field retry_fields[] = {
    {"restart", {0}, F_ENUM, POLICY(restart), .words = restart_words,
	.doc = "always, on_failure or never"},
    {"max_attempts", {0}, F_INT, POLICY(max_attempts), .max = 1000000,
	.doc = "executions; 0: no limit"},
    {"delay_ms", {"delay"}, F_MSEC, POLICY(delay),
	.given_at = offsetof(struct retry_policy, delay_given),
	.doc = "the first pause; a written one holds for the first restart too"},
    {"factor", {0}, F_DOUBLE, POLICY(factor), .doc = "each pause is so many times the one before"},
    {"delay_max_ms", {"delay_max"}, F_MSEC, POLICY(delay_max), .doc = "the longest pause"},
    {"jitter", {0}, F_DOUBLE, POLICY(jitter), .doc = "a random part, 0 to 1 of the pause"},
    {"stability_period_ms", {"stability_period"}, F_MSEC, POLICY(stability_period),
	.doc = "so much healthy uptime resets the counter"},
    {"rules", {0}, F_CUSTOM, .read = read_rules, .write = write_rules,
	.doc = "per exit code or signal: restart, stop or fail"},
};
static const struct schema retry_schema = {"a retry policy", retry_fields, countof(retry_fields)};

#define ACTION(member) .at = offsetof(struct action_def, member)

static void read_retry(struct reader *r, void *obj, const struct node *n)
{
	struct action_def *a = obj;

	if (n->kind != NODE_TABLE) {
		reader_error(r, n, NULL, "`retry_policy` must be a table");
		return;
	}
	schema_read(r, &(struct part){&retry_schema, &a->retry}, 1, n);
	if (!(a->retry.factor >= 1) || a->retry.factor > 1000 || !(a->retry.jitter >= 0) ||
	    a->retry.jitter > 1)
		reader_error(r, n, NULL, "`factor` must be 1 to 1000 and `jitter` 0 to 1");
}

static json_t *write_retry(const void *obj)
{
	json_t *o = json_object();

	schema_json(&retry_schema, &((const struct action_def *)obj)->retry, true, o);
	return o;
}

void action_exec_default(struct action_def *a)
{
	strv_take(&a->argv, text_fmt("${PATH_ROOT}/bin/%s", a->name));
	a->exec_is_default = true;
}

void action_exec_read(struct reader *r, struct action_def *a, const struct node *n)
{
	struct command c = {0};

	if (!read_command(r, n, &c)) {
		command_release(&c);
		return;
	}
	if (c.text) {
		free(a->script);
		a->script = c.text;
	} else {
		strv_release(&a->argv);
		a->argv = c.argv;
	}
}

static void read_exec(struct reader *r, void *obj, const struct node *n)
{
	action_exec_read(r, obj, n);
}

static json_t *write_exec(const void *obj)
{
	const struct action_def *a = obj;
	json_t *list = a->argv.n ? json_array() : NULL;

	for (size_t i = 0; i < a->argv.n; i++)
		json_array_append_new(list, json_string(a->argv.v[i]));
	return list;
}

static void read_depends_on(struct reader *r, void *obj, const struct node *n)
{
	struct action_def *a = obj;

	a->depends_on_given = true;
	dependencies_read(r, n, DEP_REQUIRES, &a->depends_on);
}

static json_t *write_depends_on(const void *obj)
{
	const struct action_def *a = obj;
	json_t *list = a->depends_on.n || a->depends_on_given ? json_array() : NULL;

	for (size_t i = 0; i < a->depends_on.n; i++)
		if (dependency_is_written(&a->depends_on.v[i]))
			json_array_append_new(list, dependency_stored(&a->depends_on.v[i]));
	return list;
}

static bool set_readiness(
    struct reader *r, struct readiness_def *d, const char *word, const struct node *v)
{
	bool on = true;
	int kind;

	for (kind = 0; kind < READINESS_KIND_COUNT; kind++)
		if (strcmp(readiness_kind_words[kind], word) == 0)
			break;
	switch ((enum readiness_kind)kind) {
	case READY_EXECUTED:
	case READY_NOTIFY:
	case READY_SOCKETS:
	case READY_MANUAL:
		if (v && !read_bool(r, v, &on))
			return false;
		break;
	case READY_FD:
		if (!v || !read_int(r, v, 3, LIMIT_READY_FD, &d->fd))
			return false;
		break;
	case READY_LOG:
		if (!v || !read_text(r, v, &d->log) || (!r->stored && !judge_regex(r, &d->log, v)))
			return false;
		break;
	case READY_AFTER:
		if (!v || !read_msec(r, v, &d->after))
			return false;
		break;
	case READY_PROBE:
	case READINESS_KIND_COUNT: return false;
	}
	if (on)
		d->kind = (enum readiness_kind)kind;
	return true;
}

static void read_readiness(struct reader *r, void *obj, const struct node *n)
{
	struct action_def *a = obj;
	size_t before = r->diags->n;
	auto_free char *word = NULL;
	bool ok = n->kind == NODE_STRING
		      ? read_text(r, n, &word) && set_readiness(r, &a->readiness, word, NULL)
		      : n->kind == NODE_TABLE && n->n == 1 &&
			    set_readiness(r, &a->readiness, n->first->key, n->first);

	if (!ok && r->diags->n == before)
		reader_error(r, n,
		    "one of {notify = true}, {fd = 3}, {sockets = true}, {log = \"regex\"}, "
		    "{after_ms = 200}, {manual = true}",
		    "`readiness` is not understood");
}

static json_t *write_readiness(const void *obj)
{
	const struct readiness_def *d = &((const struct action_def *)obj)->readiness;
	const char *word = readiness_kind_str(d->kind);

	if (d->kind == READY_FD)
		return json_pack("{s:I}", word, (json_int_t)d->fd);
	if (d->kind == READY_LOG)
		return json_pack("{s:s}", word, d->log);
	if (d->kind == READY_AFTER)
		return json_pack("{s:I}", word, (json_int_t)d->after);
	return json_pack("{s:b}", word, 1);
}

static void read_fail(struct reader *r, void *obj, const struct node *n)
{
	static const char *const known[] = {"log", NULL};
	struct action_def *a = obj;
	const struct node *log = n->kind == NODE_TABLE ? node_get(n, "log") : NULL;

	if (!log) {
		reader_error(r, n, "write fail = {log = \"address in use\"}",
		    "`fail` needs `log`, an expression over lines of output");
		return;
	}
	read_only_keys(r, n, "`fail`", known);
	if (read_text(r, log, &a->fail_log) && !r->stored && judge_regex(r, &a->fail_log, log) &&
	    regex_matches_everything(a->fail_log))
		reader_error(r, log, "name what the line says", "`fail`: `%s` matches every line",
		    a->fail_log);
}

static json_t *write_fail(const void *obj)
{
	const struct action_def *a = obj;

	return a->fail_log ? json_pack("{s:s}", "log", a->fail_log) : NULL;
}

static bool same_retry(const void *a, const void *b)
{
	return !schema_difference(&retry_schema, &((const struct action_def *)a)->retry,
	    &((const struct action_def *)b)->retry, NULL);
}

static bool same_exec(const void *a, const void *b)
{
	return strv_eq(
	    &((const struct action_def *)a)->argv, &((const struct action_def *)b)->argv);
}

#define SOCKET(member) .at = offsetof(struct socket_def, member)

static const struct field socket_fields[] = {
    {"name", {"socket_name", "socket"}, F_STR, SOCKET(name),
	.doc = "a file name in the socket folder"},
    {"path", {0}, F_STR, SOCKET(path), .doc = "an absolute path instead"},
    {"protocol", {0}, F_STR, SOCKET(protocol), .doc = "what is spoken on it"},
    {"gate_probe", {0}, F_ENUM, SOCKET(probe), .words = gate_probe_words,
	.doc = "how edges test it"},
};
static const struct schema socket_schema = {"a socket", socket_fields, countof(socket_fields)};

void action_sockets_read(struct reader *r, void *obj, const struct node *n)
{
	struct action_def *a = obj;

	if (n->kind != NODE_ARRAY) {
		reader_error(r, n, NULL, "`sockets` must be a list");
		return;
	}
	for (const struct node *c = n->first; c; c = c->next) {
		struct socket_def *s = vec_push(&a->sockets);

		if (c->kind == NODE_STRING)
			read_text(r, c, &s->name);
		else if (c->kind == NODE_TABLE)
			schema_read(r, &(struct part){&socket_schema, s}, 1, c);
		if (s->name && *s->name == '/' &&
		    !s->path) { /* an absolute path is taken as it is */
			s->path = s->name;
			s->name = NULL;
		}
		if (!s->name && s->path)
			text_set(&s->name, text_last_part(s->path));
		if (!s->name || !*s->name || strstr(s->name, "..") ||
		    (s->path && *s->path != '/')) {
			reader_error(r, c, "write {name = \"rpc.sock\"}",
			    "a socket needs a `name`; a `path` is absolute");
			if (!s->name)
				s->name = text_dup("?");
		}
	}
}

static json_t *write_sockets(const void *obj)
{
	const struct action_def *a = obj;
	json_t *list = a->sockets.n ? json_array() : NULL;

	for (size_t i = 0; i < a->sockets.n; i++) {
		json_t *o = json_object();

		schema_json(&socket_schema, &a->sockets.v[i], true, o);
		json_array_append_new(list, o);
	}
	return list;
}

static void read_tcp(struct reader *r, void *obj, const struct node *n)
{
	struct action_def *a = obj;

	for (const struct node *c = n->first; n->kind == NODE_ARRAY && c; c = c->next) {
		const struct node *port = c->kind == NODE_TABLE ? node_get(c, "port") : c;
		const struct node *host = c->kind == NODE_TABLE ? node_get(c, "host") : NULL;
		static const char *const known[] = {"port", "host", NULL};
		struct tcp_def t = {0};
		size_t before = r->diags->n;

		if (c->kind == NODE_TABLE)
			read_only_keys(r, c, "a tcp entry", known);
		if (!port)
			reader_error(r, c, "write {port = 8080}", "a tcp entry needs a `port`");
		else if (!read_int(r, port, 1, 65535, &t.port) || r->diags->n > before)
			continue;
		else if (!host || read_text(r, host, &t.host))
			*vec_push(&a->tcp) = t;
	}
	if (n->kind != NODE_ARRAY)
		reader_error(r, n, NULL, "`tcp` must be a list");
}

static json_t *write_tcp(const void *obj)
{
	const struct action_def *a = obj;
	json_t *list = a->tcp.n ? json_array() : NULL;

	for (size_t i = 0; i < a->tcp.n; i++)
		json_array_append_new(list,
		    a->tcp.v[i].host ? json_pack("{s:I, s:s}", "port", (json_int_t)a->tcp.v[i].port,
					   "host", a->tcp.v[i].host)
				     : json_pack("{s:I}", "port", (json_int_t)a->tcp.v[i].port));
	return list;
}

static void read_kill_other(struct reader *r, void *obj, const struct node *n)
{
	struct action_def *a = obj;
	const struct {
		const char *key;
		bool *at;
	} keys[] = {{"sockets", &a->kill_other_sockets}, {"tcp", &a->kill_other_tcp},
	    {"process", &a->kill_other_process}};

	static const char *const known[] = {"sockets", "tcp", "process", NULL};

	if (n->kind != NODE_TABLE) {
		reader_error(r, n, "write {sockets = true}", "`kill_other` must be a table");
		return;
	}
	read_only_keys(r, n, "`kill_other`", known);
	for (const struct node *c = n->first; c; c = c->next)
		for (size_t i = 0; i < countof(keys); i++)
			if (strcmp(keys[i].key, c->key) == 0)
				read_bool(r, c, keys[i].at);
}

static json_t *write_kill_other(const void *obj)
{
	const struct action_def *a = obj;

	if (!a->kill_other_sockets && !a->kill_other_tcp && !a->kill_other_process)
		return NULL;
	return json_pack("{s:b, s:b, s:b}", "sockets", a->kill_other_sockets, "tcp",
	    a->kill_other_tcp, "process", a->kill_other_process);
}

/* A list of names is a mask; the reader of each row says which. */
static void read_capabilities(struct reader *r, const struct node *n, uint64_t *mask)
{
	*mask = 0;
	if (n->kind != NODE_ARRAY) {
		reader_error(r, n, "write [\"CAP_NET_BIND_SERVICE\"]",
		    "`%s` must be a list of capabilities", n->key);
		return;
	}
	for (const struct node *c = n->first; c; c = c->next) {
		const char *name = c->kind == NODE_STRING ? c->s : "";
		unsigned number;

		if (capability_parse(name, &number)) {
			*mask |= UINT64_C(1) << number;
			continue;
		}
		const char *near = capability_nearest(name);
		auto_free char *hint = near ? text_fmt("did you mean %s?", near) : NULL;
		reader_error(r, c, hint ? hint : "a name as in capabilities(7)",
		    "`%s`: no capability `%s`", n->key, name);
	}
}

static json_t *write_capabilities(uint64_t mask)
{
	json_t *list = json_array();

	for (unsigned i = 0; capability_name(i); i++)
		if (mask >> i & 1)
			json_array_append_new(list, json_string(capability_name(i)));
	return list;
}

static void read_bounding(struct reader *r, void *obj, const struct node *n)
{
	struct action_def *a = obj;

	a->bounding_given = true;
	read_capabilities(r, n, &a->bounding);
}

static json_t *write_bounding(const void *obj)
{
	const struct action_def *a = obj;

	return a->bounding_given ? write_capabilities(a->bounding) : NULL;
}

static void read_ambient(struct reader *r, void *obj, const struct node *n)
{
	read_capabilities(r, n, &((struct action_def *)obj)->ambient);
}

static json_t *write_ambient(const void *obj)
{
	const struct action_def *a = obj;

	return a->ambient ? write_capabilities(a->ambient) : NULL;
}

/* ---- the rows of an action ------------------------------------------------------ */

static const struct field action_fields[] = {
    {"name", {0}, F_STR, ACTION(name), .doc = "unique in its service"},
    {"context", {0}, F_STR, ACTION(context), .doc = "the namespace of actions and secrets"},
    {"description", {"desc", "title"}, F_STR, ACTION(description), .doc = "for people"},
    {"kind", {0}, F_ENUM, ACTION(kind), .words = binary_kind_words,
	.doc = "server, admin, web; job: a one-shot; cli, cmdline: never started"},
    {"supervised", {0}, F_BOOL, ACTION(supervised), .doc = "a sibling starts it"},
    {"is_process", {0}, F_BOOL, ACTION(is_process), .doc = "long-running; false: a one-shot"},
    {"exec", {0}, F_CUSTOM, .read = read_exec, .write = write_exec, .same = same_exec,
	.doc = "a list is executed as it is; a string is run by the interpreter"},
    {"script", {0}, F_STR, ACTION(script), .doc = "run by the interpreter"},
    {"interpreter", {0}, F_STR, ACTION(interpreter),
	.doc = "sh (default), bash, python3, node, nu, exec"},
    {"args", {0}, F_STRV, ACTION(args), .doc = "appended to the command"},
    {"cwd", {"dir", "working_directory"}, F_STR, ACTION(cwd), .doc = "working directory"},
    {"env", {"environment"}, F_ENV, ACTION(env), .doc = "environment variables"},
    {"env_file", {0}, F_STR, ACTION(env_file), .doc = "KEY=VALUE lines, read at each start"},
    {"start_timeout_ms", {"start_timeout"}, F_MSEC, ACTION(start_timeout),
	.doc = "not ready by then ends the attempt; 0: none"},
    {"timeout_ms", {"timeout"}, F_MSEC, ACTION(timeout), .doc = "bounds a one-shot's run; 0: none"},
    {"retry_policy", {"retry"}, F_CUSTOM, .read = read_retry, .write = write_retry,
	.same = same_retry, .doc = "when another attempt follows"},
    {"success_exit_codes", {0}, F_STRV, ACTION(success_exit_codes), .numbers = true,
	.judge = judge_exit_codes, .doc = "numbers or signal names; default 0"},
    {"tty", {0}, F_BOOL, ACTION(tty), .later = true, .doc = "run under a terminal"},
    {"depends_on", {0}, F_CUSTOM, .read = read_depends_on, .write = write_depends_on,
	.doc = "names or full edges"},
    {"readiness", {0}, F_CUSTOM, .read = read_readiness, .write = write_readiness,
	.given_at = offsetof(struct action_def, readiness.given),
	.doc = "how it says that it is ready"},
    {"fail", {0}, F_CUSTOM, .read = read_fail, .write = write_fail,
	.doc = "{log = \"regex\"}: a line of output that ends the attempt before it was ready"},
    {"watchdog_ms", {"watchdog"}, F_MSEC, ACTION(watchdog),
	.doc = "once ready, WATCHDOG=1 on $NOTIFY_SOCKET at least so often; 0: none"},
    {"probes", {0}, F_CUSTOM, .read = probes_read, .write = probes_write,
	.doc = "startup, readiness, liveness"},
    {"sockets", {0}, F_CUSTOM, .read = action_sockets_read, .write = write_sockets,
	.doc = "Unix sockets that it occupies"},
    {"tcp", {0}, F_CUSTOM, .read = read_tcp, .write = write_tcp,
	.doc = "TCP ports that it occupies"},
    {"singleton", {0}, F_BOOL, ACTION(singleton),
	.doc = "end whoever holds its sockets and ports, or executes the same"},
    {"kill_other", {0}, F_CUSTOM, .read = read_kill_other, .write = write_kill_other,
	.doc = "what may be ended for it: {sockets, tcp, process}"},
    {"stop_exec", {0}, F_COMMAND, ACTION(stop_exec),
	.doc = "run to stop it: a list is executed as it is, a string by the shell"},
    {"stop_signal", {0}, F_STR, ACTION(stop_signal), .judge = judge_signal,
	.doc = "default SIGTERM"},
    {"stop_timeout_ms", {"stop_timeout"}, F_MSEC, ACTION(stop_timeout), .doc = "then KILL"},
    {"reload", {0}, F_COMMAND, ACTION(reload), .judge = judge_reload,
	.doc = "a signal such as SIGHUP, or a command"},
    {"user", {0}, F_STR, ACTION(user), .doc = "run as"},
    {"group", {0}, F_STR, ACTION(group), .doc = "run as"},
    {"groups", {"supplementary_groups"}, F_STRV, ACTION(groups),
	.doc = "supplementary groups, beside those of the user"},
    {"capability_bounding_set", {0}, F_CUSTOM, .read = read_bounding, .write = write_bounding,
	.doc = "the capabilities that it and its children can ever have; [] none"},
    {"ambient_capabilities", {0}, F_CUSTOM, .read = read_ambient, .write = write_ambient,
	.doc = "capabilities that it has though its user is not root"},
    {"no_new_privs", {0}, F_BOOL, ACTION(no_new_privs),
	.doc = "setuid programs give it no more rights"},
    {"umask", {0}, F_STR, ACTION(umask), .judge = judge_umask, .doc = "octal"},
    {"limits", {0}, F_ENV, ACTION(limits), .judge = judge_limits,
	.doc = "resource limits, soft or soft:hard"},
    {"nice", {0}, F_INT, ACTION(nice), .given_at = offsetof(struct action_def, nice_given),
	.min = -20, .max = 19, .doc = "priority"},
    {"oom_score_adj", {0}, F_INT, ACTION(oom_score_adj),
	.given_at = offsetof(struct action_def, oom_given), .min = -1000, .max = 1000,
	.doc = "who goes first without memory"},
    {"cgroup", {0}, F_ENV, ACTION(cgroup), .later = true,
	.doc = "memory_max, cpu_weight, cpu_max, pids_max, io_weight"},
    {"log", {0}, F_ENV, ACTION(log), .judge = judge_log,
	.doc = "what is kept of its output: rate, max_bytes, retention, overflow"},
    {"schedule_policy", {"schedule"}, F_CUSTOM, .read = schedule_read, .write = schedule_write,
	.doc = "when it is run by itself; it is not started with its service then"},
    {"input_schema", {0}, F_JSON, ACTION(input_schema), .later = true,
	.doc = "JSON Schema of its inputs"},
    {"inputs", {0}, F_JSON, ACTION(inputs), .later = true, .doc = "values for its placeholders"},
    {"only_if", {0}, F_ENV, ACTION(only_if), .later = true,
	.doc = "conditions of being run at all"},
    {"tags", {0}, F_STRV, ACTION(tags), .doc = "for filters"},
    {"depends_on_given", {0}, F_BOOL, ACTION(depends_on_given), .internal = true},
    {"exec_is_default", {0}, F_BOOL, ACTION(exec_is_default), .internal = true},
    {"source_path", {0}, F_STR, ACTION(source.path), .internal = true},
    {"origin", {0}, F_STR, ACTION(origin), .internal = true},
};
const struct schema action_schema = {"an action", action_fields, countof(action_fields)};

/* ---- an action ----------------------------------------------------------------------- */

/* The kind decides defaults, so it is looked at before the rows are read. */
static void set_defaults(const struct node *n, struct action_def *a)
{
	const struct node *kind = node_get(n, "kind"), *process = node_get(n, "is_process"),
			  *one = node_get(n, "oneshot");

	action_def_init(a);
	if (kind && kind->kind == NODE_STRING && strcmp(kind->s, "job") == 0)
		a->is_process = false;
	if (!kind && (node_get(n, "schedule_policy") || node_get(n, "schedule")))
		a->is_process = false;
	if (process && process->kind == NODE_BOOL)
		a->is_process = process->i;
	if (one && one->kind == NODE_BOOL)
		a->is_process = !one->i;
	retry_policy_default(&a->retry, a->is_process);
}

static void check_sockets(struct reader *r, const struct node *n, const struct socket_list *l)
{
	for (size_t i = 0; i < l->n && !r->stored; i++) {
		if (strchr(l->v[i].name, '/'))
			reader_error(r, n, "a file name; write `path` for an absolute path",
			    "`%s` is no socket name", l->v[i].name);
		for (size_t k = 0; k < i; k++)
			if (text_eq(l->v[i].name, l->v[k].name))
				reader_error(
				    r, n, NULL, "two sockets are named `%s`", l->v[i].name);
	}
}

static void check_action(struct reader *r, const struct node *n, struct action_def *a)
{
	static const char *const interpreters[] = {"exec", "sh", "bash", "python3", "node", "nu"};

	if (!a->name || !name_is_valid(a->name))
		reader_error(r, n, "1 to 255 letters, digits and . _ @ : + - or a backslash",
		    a->name ? "`%s` is not a name" : "an action needs a `name`%s",
		    a->name ? a->name : "");
	if ((a->script && a->argv.n) || (node_get(n, "exec") && node_get(n, "script")))
		reader_error(r, n, NULL, "`exec` and `script` are both given");
	else if (a->script && !*a->script && !r->stored)
		reader_error(
		    r, n, "leave it out for ${PATH_ROOT}/bin/<name>", "the command is empty");
	check_sockets(r, n, &a->sockets);
	if (a->schedule && a->is_process && !r->stored)
		reader_error(r, n, "`kind = \"job\"`, or `is_process = false`",
		    "`%s` has a schedule, but it is long-running", a->name ? a->name : "");
	bool known = !a->interpreter;
	for (size_t i = 0; i < countof(interpreters) && !known; i++)
		known = strcmp(interpreters[i], a->interpreter) == 0;
	if (!known) {
		const char *near =
		    text_nearest(a->interpreter, interpreters, countof(interpreters));
		auto_free char *hint = near ? text_fmt("did you mean `%s`?", near) : NULL;

		reader_error(r, n, hint, "no interpreter `%s`", a->interpreter);
	}
	if (a->readiness.kind == READY_FD && a->readiness.fd == LIMIT_SCRIPT_FD && a->script)
		reader_error(r, n, "3, for instance",
		    "`readiness`: descriptor %d is that of the script", LIMIT_SCRIPT_FD);
	if (a->bounding_given && a->ambient & ~a->bounding)
		reader_error(r, n, "add them to the bounding set",
		    "`ambient_capabilities` are not in `capability_bounding_set`");
	if (a->kill_other_process && a->script)
		reader_error(r, n, "write `exec`, or leave `process` out",
		    "`kill_other.process`: a script has no command line of its own");
	if (a->kill_other_sockets && !a->sockets.n)
		reader_error(r, n, NULL, "`kill_other.sockets`, and no socket is declared");
	if (a->kill_other_tcp && !a->tcp.n)
		reader_error(r, n, NULL, "`kill_other.tcp`, and no port is declared");
	if (a->readiness.kind == READY_SOCKETS && a->readiness.given && !a->sockets.n && !a->tcp.n)
		reader_error(r, n, NULL, "`readiness` waits for sockets, and none is declared");
}

/* Ready as soon as it was executed: no line comes before that. */
static void check_fail(struct reader *r, const struct node *n, const struct action_def *a)
{
	if (a->fail_log && a->is_process && a->readiness.kind == READY_EXECUTED &&
	    !a->probes[PROBE_STARTUP] && !a->probes[PROBE_READINESS])
		reader_warn(r, node_get(n, "fail"),
		    "declare its `readiness`: {log = \"...\"}, {notify = true}, sockets, a probe",
		    "`fail` never acts: without a readiness it is ready when it was executed");
}

bool action_def_read(struct reader *r, const struct node *n, struct part extra, bool needs_command,
    struct action_def *out)
{
	size_t before = r->diags->n;
	struct part parts[] = {{&action_schema, out}, extra};

	set_defaults(n, out);
	if (n->kind != NODE_TABLE) {
		reader_error(r, n, NULL, "an action is a table, not %s", node_kind_str(n->kind));
		return false;
	}
	schema_read(r, parts, extra.schema ? 2 : 1, n);
	check_action(r, n, out);
	if (!r->stored)
		out->source = (struct place){text_dup(r->file), n->line, n->column};
	if (needs_command && out->name && action_is_executed(out) && !out->argv.n && !out->script) {
		action_exec_default(out);
	}
	if (!out->readiness.given && out->is_process && (out->sockets.n || out->tcp.n))
		out->readiness.kind = READY_SOCKETS;
	check_fail(r, n, out);
	for (size_t i = before; i < r->diags->n; i++)
		if (r->diags->v[i].severity == DIAG_ERROR)
			return false;
	return true;
}
