/* service.c - questions about services, and words to one of them. */
#include "server/methods/methods.h"

#include "manifest/definition_read.h"
#include "server/change/unit_spec.h"
#include "server/explain/status.h"
#include "server/explain/why.h"
#include "server/history/background.h"
#include "server/history/records.h"
#include "server/operation/operations.h"
#include "server/supervise/attempt.h"
#include "server/supervise/launch.h"
#include "server/supervise/perform.h"
#include "server/supervise/probes.h"
#include "server/supervise/reload.h"

#include "logs/query.h"

#define LIST_MAX 1000

static const struct rpc_param name_params[] = {{"name", RPC_STRING, true, "a service"}};
static const struct rpc_param list_params[] = {{"limit", RPC_INT, false, "at most so many (1000)"},
    {"cursor", RPC_STRING, false, "`next` of the last answer"},
    {"state", RPC_STRING, false, "only in that state"},
    {"wanted", RPC_STRING, false, "start, stop or ignore"},
    {"class", RPC_STRING, false, "user or system"}, {"tag", RPC_STRING, false, "with that tag"}};
static const struct rpc_param why_params[] = {{"name", RPC_STRING, true, "a service or a run"},
    {"at", RPC_STRING_OR_INT, false, "then: ISO 8601, \"-5m\", or an event (\"#123\")"},
    {"full", RPC_BOOL, false, "the text tells everything"}};
static const struct rpc_param ready_params[] = {{"name", RPC_STRING, true, "a service"},
    {"action", RPC_STRING, false, "one of its actions"},
    {"dry_run", RPC_BOOL, false, "what it would be, nothing changes"}};
static const struct rpc_param reload_params[] = {{"name", RPC_STRING, true, "a service"},
    {"action", RPC_STRING, false, "one of its actions"},
    {"wait", RPC_BOOL, false, "until the command ended, or READY=1 followed (default)"},
    {"timeout_ms", RPC_INT, false, "bounds that (start_timeout_ms of the action)"},
    {"dry_run", RPC_BOOL, false, "whom it would reach, nothing is sent"}};
static const struct rpc_param kill_params[] = {{"name", RPC_STRING, true, "a service"},
    {"action", RPC_STRING, false, "one of its actions"},
    {"signal", RPC_STRING_OR_INT, false, "a name or a number (TERM)"},
    {"dry_run", RPC_BOOL, false, "whom it would reach, nothing is sent"}};
static const struct rpc_param tree_params[] = {
    {"name", RPC_STRING, false, "a service; absent: all"},
    {"reverse", RPC_BOOL, false, "what needs it instead of what it needs"}};

static void get(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const struct service_def *s = registry_find(d->registry, param_text(params, "name"));

	if (!s) {
		ops_fail_unknown(call, param_text(params, "name"));
		return;
	}
	json_t *o = service_def_shown(s);
	struct unit_view u;
	if (engine_unit(d->engine, engine_find(d->engine, s->name), &u)) {
		json_object_set_new(o, "wanted", json_string(wanted_str(u.wanted)));
		json_object_set_new(o, "state", json_string(service_state_str(u.state)));
	}
	json_object_set_new(o, "sources", strv_json(&s->sources));
	rpc_answer(call, o);
}

static void status(struct rpc_call *call, json_t *params)
{
	unit_id id = ops_find_unit(call, param_text(params, "name"), true);

	struct str out = {0};

	if (id != ID_NONE && status_out(&out, ops_daemon(call), id, NULL))
		rpc_answer_text(call, &out);
}

static bool passes(struct daemon *d, const struct service_def *s, unit_id id, const json_t *params)
{
	const char *state = param_text(params, "state"), *class = param_text(params, "class"),
		   *tag = param_text(params, "tag"), *wanted = param_text(params, "wanted");
	struct unit_view u;

	return engine_unit(d->engine, id, &u) &&
	       (!state || strcmp(state, service_state_str(u.state)) == 0) &&
	       (!wanted || strcmp(wanted, wanted_str(u.wanted)) == 0) &&
	       (!class || strcmp(class, service_class_str(s->class)) == 0) &&
	       (!tag || strv_has(&s->tags, tag));
}

static void list(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	int64_t limit = param_int(params, "limit", LIST_MAX);
	struct str out = {0};
	int64_t n = 0;
	auto_free bool *demanded = mem_new(engine_unit_count(d->engine) + 1);
	const struct service_def *s = registry_next(d->registry, param_text(params, "cursor"));
	const char *last = NULL;

	engine_demanded_all(d->engine, demanded);
	limit = limit < 1 ? 1 : limit > LIST_MAX ? LIST_MAX : limit;
	json_out_open(&out, NULL, '{');
	json_out_open(&out, "services", '[');
	for (; s && n < limit; s = registry_next(d->registry, last)) {
		unit_id id = engine_find(d->engine, s->name);

		last = s->name;
		if (passes(d, s, id, params))
			n += status_out(&out, d, id, demanded);
	}
	json_out_close(&out, ']');
	json_out_int(&out, "total", (int64_t)registry_count(d->registry));
	json_out_text(&out, "next", s ? last : NULL);
	json_out_close(&out, '}');
	rpc_answer_text(call, &out);
}

/* ---- why ------------------------------------------------------------------------- */

#define WORDS_MAX 2

/* The last lines of what failed at the root; read beside the loop. */
struct last_words {
	struct rpc_call *call;
	json_t *answer;
	bool full;
	usec_wall until;
	uint32_t attempt;
	char *dir, *service, *action;
	struct strv lines;
};

static bool take_line(const struct log_line *line, void *ctx)
{
	struct last_words *w = ctx;

	strv_take(&w->lines, text_dup_n(line->bytes, line->n < 160 ? line->n : 160));
	return true;
}

static void read_last(void *ctx)
{
	struct last_words *w = ctx;
	const char *services[] = {w->service};
	bool is_run = strchr(w->service, '#') != NULL; /* no service has such a name */
	struct log_filter f = {.services = is_run ? NULL : services,
	    .n_services = is_run ? 0 : 1,
	    .run = is_run ? w->service : NULL,
	    .action = w->action,
	    .until = w->until,
	    .attempt = w->attempt,
	    .stream = LOG_STDERR,
	    .tail = WORDS_MAX};
	struct error e = {0};

	logs_query(w->dir, &f, take_line, w, NULL, &e);
	f.stream = LOG_STDOUT;
	if (w->lines.n == 0)
		logs_query(w->dir, &f, take_line, w, NULL, &e);
}

static void answer_why(void *ctx)
{
	struct last_words *w = ctx;
	auto_str output = {0}, quoted = {0};

	for (size_t i = 0; i < w->lines.n; i++)
		str_fmt(&output, "%s%s", i ? "\n" : "", w->lines.v[i]);
	auto_free char *text = why_text(
	    json_object_get(w->answer, "chain"), output.n ? str_text(&output) : NULL, w->full);
	json_out_text(&quoted, NULL, text); /* what a process said may be no UTF-8 */
	json_object_set_new(
	    w->answer, "text", json_loads(str_text(&quoted), JSON_DECODE_ANY, NULL));
	rpc_answer(w->call, w->answer);
	free(w->dir);
	free(w->service);
	free(w->action);
	strv_release(&w->lines);
	free(w);
}

/* `take_chain` becomes the answer, with the last words of its root. */
static void explain(struct rpc_call *call, const json_t *params, json_t *take_chain,
    json_t *take_answer, const struct instant *at)
{
	struct daemon *d = ops_daemon(call);
	const json_t *root = why_root(take_chain);
	const char *action = root ? param_text(root, "action") : NULL;
	struct last_words *w = mem_new(sizeof(*w));

	json_object_set_new(take_answer, "chain", take_chain);
	*w = (struct last_words){.call = call,
	    .answer = take_answer,
	    .full = param_bool(params, "full", false),
	    .until = at->time,
	    .attempt = (uint32_t)(root ? param_int(root, "attempt", 0) : 0),
	    .dir = text_dup(d->paths.logs),
	    .service = text_dup(root ? param_text(root, "subject") : NULL),
	    .action = text_dup(action)};
	if (action)
		background_run(d->background, read_last, answer_why, w);
	else
		answer_why(w);
}

/* ---- why, then: events that are queued count, too ---------------------------------- */

struct why_then {
	struct rpc_call *call;
	json_t *params;
	struct instant at;
};

static void answer_then(bool durable, void *ctx)
{
	struct why_then *t = ctx;
	struct daemon *d = ops_daemon(t->call);
	const char *name = param_text(t->params, "name");
	json_t *chain = why_chain(d, name, &t->at), *picture = picture_of(d, name, &t->at);
	(void)durable;

	if (chain)
		explain(t->call, t->params, chain,
		    json_pack("{s:s, s:O, s:O}", "name", name, "state",
			json_object_get(picture, "state"), "at",
			json_object_get(t->params, "at") ? json_object_get(t->params, "at")
							 : json_null()),
		    &t->at);
	else if (param_text(t->params, "at") || param_int(t->params, "at", 0))
		ops_fail(t->call, ERR_NOT_FOUND, "nothing is recorded of `%s` at that time", name);
	else
		ops_fail_unknown(t->call, name);
	store_relax(d->store);
	json_decref(picture);
	json_decref(t->params);
	free(t);
}

/* "#123" and small numbers are events, the rest is a time. */
static bool parse_instant(const json_t *v, struct instant *out)
{
	const char *text = json_string_value(v);
	char *end;

	if (json_is_integer(v)) {
		int64_t n = json_integer_value(v);

		*(n < 1000000000000 ? &out->event : &out->time) = n;
		return n > 0;
	}
	if (!text)
		return false;
	if (*text != '#')
		return clock_parse(text, &out->time) && out->time > 0;
	out->event = strtoll(text + 1, &end, 10);
	return !*end && out->event > 0;
}

static void why(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const json_t *at = json_object_get(params, "at");
	struct instant when = {0};
	struct unit_view u;

	if (at && !json_is_null(at) && !parse_instant(at, &when)) {
		ops_fail(call, ERR_INVALID, "at: ISO 8601, \"-5m\", or an event (#123)");
		return;
	}
	unit_id id = engine_find(d->engine, param_text(params, "name"));
	if (!when.time && !when.event && !engine_unit(d->engine, id, &u))
		when.time = clock_wall(); /* a run that is over, a service that was removed */
	if (when.time || when.event) {
		struct why_then *t = mem_new(sizeof(*t));
		*t = (struct why_then){call, json_incref(params), when};
		store_barrier(d->store, answer_then, t);
		return;
	}
	explain(call, params, why_chain(d, u.name, &when),
	    json_pack("{s:s, s:s, s:o}", "name", u.name, "state", service_state_str(u.state),
		"waiting_on", status_waiting_on(d, id)),
	    &when);
}

/* ---- words to a process ------------------------------------------------------------- */

static bool is_meant(const struct job_view *j, const char *action)
{
	return !j->virtual && (!action || strcmp(action, j->name) == 0);
}

/* Said, with its number; or only what would be said. */
static void answer_word(
    struct rpc_call *call, bool dry, const char *kind, const char *name, json_t *take_answer)
{
	if (dry) {
		json_object_set_new(take_answer, "dry_run", json_true());
		rpc_answer(call, take_answer);
	} else {
		ops_note_one(call, kind, name, take_answer);
		ops_answer_committed(call, take_answer);
	}
}

static void ready(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *name = param_text(params, "name"), *action = param_text(params, "action");
	bool dry = param_bool(params, "dry_run", false);
	unit_id id = ops_find_unit(call, name, false);
	json_t *done = json_array();
	struct job_view j;

	if (id != ID_NONE && action && !ops_has_action(call, id, action))
		id = ID_NONE;
	for (size_t i = 0; id != ID_NONE && engine_job_at(d->engine, id, i, &j); i++) {
		const struct action_def *a = daemon_action(d, id, j.name, NULL);

		if (!is_meant(&j, action) || j.core.state != JOB_RUNNING || !a ||
		    readiness_of(a) != READY_MANUAL)
			continue;
		struct attempt *at = attempt_find(d, j.token);
		if (!dry && !(at && probes_hold_ready(at)))
			engine_ready(d->engine, clock_mono(), j.token);
		json_array_append_new(done, json_string(j.name));
	}
	perform_effects(d);
	if (id == ID_NONE) {
		json_decref(done);
	} else if (json_array_size(done) == 0) {
		json_decref(done);
		ops_fail(call, ERR_INVALID_STATE,
		    "%s: no attempt that is declared ready by hand is starting", name);
	} else {
		answer_word(call, dry, "ready", name, json_pack("{s:o}", "ready", done));
	}
}

struct reload_call {
	struct rpc_call *call;
	bool dry;
	char *name;
};

static void reload_answer(void *ctx, const struct error *e, json_t *take_answer)
{
	struct reload_call *c = ctx;

	if (e->code)
		rpc_fail(c->call, e, NULL);
	else
		answer_word(c->call, c->dry, "reload", c->name, take_answer);
	free(c->name);
	free(c);
}

static void reload(struct rpc_call *call, json_t *params)
{
	const char *name = param_text(params, "name");
	const struct reload_request rq = {.action = param_text(params, "action"),
	    .wait = param_bool(params, "wait", true),
	    .dry_run = param_bool(params, "dry_run", false),
	    .within = param_int(params, "timeout_ms", 0)};
	unit_id id = ops_find_unit(call, name, true);
	struct error e = {0};

	if (id == ID_NONE || (rq.action && !ops_has_action(call, id, rq.action)))
		return;
	struct reload_call *c = mem_new(sizeof(*c));
	*c = (struct reload_call){call, rq.dry_run, text_dup(name)};
	if (reload_begin(ops_daemon(call), id, &rq, reload_answer, c, &e)) {
		rpc_fail(call, &e, NULL);
		free(c->name);
		free(c);
	}
}

static int signal_of(const json_t *params)
{
	const json_t *v = json_object_get(params, "signal");

	if (json_is_integer(v))
		return json_integer_value(v) > 0 && json_integer_value(v) < 65
			   ? (int)json_integer_value(v)
			   : 0;
	return json_is_string(v) ? signal_parse(json_string_value(v)) : 15;
}

static void kill_it(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *name = param_text(params, "name"), *action = param_text(params, "action");
	bool dry = param_bool(params, "dry_run", false);
	int signo = signal_of(params);
	json_t *pids = json_array();
	struct job_view j;

	if (!signo) {
		json_decref(pids);
		ops_fail(call, ERR_INVALID, "signal: no such signal");
		return;
	}
	unit_id id = ops_find_unit(call, name, true);
	if (id != ID_NONE && action && !ops_has_action(call, id, action))
		id = ID_NONE;
	for (size_t i = 0; id != ID_NONE && engine_job_at(d->engine, id, i, &j); i++) {
		pid_t pid = is_meant(&j, action) && j.id < d->slots.n ? d->slots.v[j.id].pid : 0;

		if (!pid)
			continue;
		if (!dry)
			spawner_signal(d->spawner, j.token, signo, KEEPER_SCOPE_LEADER);
		json_array_append_new(pids, json_integer(pid));
	}
	if (id == ID_NONE) {
		json_decref(pids);
	} else if (json_array_size(pids) == 0) {
		json_decref(pids);
		ops_fail(call, ERR_INVALID_STATE, "%s has no process", name);
	} else {
		answer_word(call, dry, "kill", name,
		    json_pack("{s:o, s:i}", "signalled", pids, "signal", signo));
	}
}

/* ---- tree --------------------------------------------------------------------------- */

#define TREE_DEPTH 64

static json_t *tree_of(struct daemon *d, unit_id id, bool reverse, json_t *seen, int depth);

static void add_needs(struct daemon *d, unit_id id, json_t *seen, int depth, json_t *into)
{
	struct job_view j;
	struct edge_view e;

	for (size_t i = 0; engine_job_at(d->engine, id, i, &j); i++)
		for (size_t k = 0; engine_edge_at(d->engine, j.id, k, &e); k++) {
			json_t *o = e.to_unit != ID_NONE && e.to_unit != id
					? tree_of(d, e.to_unit, false, seen, depth + 1)
					: json_pack("{s:s}", "name", e.target);

			json_object_set_new(o, "kind", status_kinds(e.kinds));
			json_object_set_new(
			    o, "condition", json_string(condition_str(e.condition)));
			json_object_set_new(
			    o, "gate", e.gate_text ? json_string(e.gate_text) : json_null());
			json_object_set_new(o, "status", json_string(edge_status_str(e.status)));
			json_array_append_new(into, o);
		}
}

static void add_needed_by(struct daemon *d, unit_id id, json_t *seen, int depth, json_t *into)
{
	struct strv names = {0};

	engine_dependents(d->engine, id, false, &names);
	for (size_t i = 0; i < names.n; i++) {
		unit_id from = engine_find(d->engine, names.v[i]);

		if (from != ID_NONE && from != id)
			json_array_append_new(into, tree_of(d, from, true, seen, depth + 1));
	}
	strv_release(&names);
}

static json_t *tree_of(struct daemon *d, unit_id id, bool reverse, json_t *seen, int depth)
{
	struct unit_view u;

	if (!engine_unit(d->engine, id, &u))
		return json_object();
	json_t *below = json_array();
	json_t *o = json_pack("{s:s, s:s}", "name", u.name, "state",
	    u.registered || u.is_run ? service_state_str(u.state) : "missing");

	if (json_object_get(seen, u.name)) {
		json_object_set_new(o, "repeated", json_true()); /* its branch is shown elsewhere */
	} else if (depth == TREE_DEPTH) {
		json_object_set_new(o, "more", json_true()); /* ask for this one */
	} else {
		json_object_set_new_nocheck(seen, u.name, json_true());
		if (reverse)
			add_needed_by(d, id, seen, depth, below);
		else
			add_needs(d, id, seen, depth, below);
	}
	json_object_set_new(o, reverse ? "needed_by" : "needs", below);
	return o;
}

/* Marks what somebody else needs. */
static bool *needed_units(struct daemon *d)
{
	bool *needed = mem_new(engine_unit_count(d->engine) + 1);
	struct job_view j;
	struct edge_view e;

	for (unit_id u = 0; u < engine_unit_count(d->engine); u++)
		for (size_t i = 0; engine_job_at(d->engine, u, i, &j); i++)
			for (size_t k = 0; engine_edge_at(d->engine, j.id, k, &e); k++)
				if (e.to_unit != ID_NONE && e.to_unit != u)
					needed[e.to_unit] = true;
	return needed;
}

/* First what nothing needs; then what is only in circles of `wants`. */
static json_t *all_trees(struct daemon *d, bool reverse, json_t *seen)
{
	bool *needed = needed_units(d);
	json_t *trees = json_array();
	struct unit_view u;

	for (int round = 0; round < 2; round++)
		for (unit_id i = 0; i < engine_unit_count(d->engine); i++)
			if (engine_unit(d->engine, i, &u) && (u.registered || u.is_run) &&
			    (round || !needed[i]) && !json_object_get(seen, u.name))
				json_array_append_new(trees, tree_of(d, i, reverse, seen, 0));
	free(needed);
	return trees;
}

static void tree(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const char *name = param_text(params, "name");
	bool reverse = param_bool(params, "reverse", false);
	unit_id id = name ? ops_find_unit(call, name, false) : ID_NONE;
	json_t *seen = json_object();

	if (!name)
		rpc_answer(call, json_pack("{s:o}", "trees", all_trees(d, reverse, seen)));
	else if (id != ID_NONE)
		rpc_answer(call, tree_of(d, id, reverse, seen, 0));
	json_decref(seen);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("service.get", "Its definition, every edge resolved", name_params, get, false),
    OPS_METHOD("service.list", "The status of services, by name", list_params, list, false),
    OPS_METHOD("service.status", "What it does and what it waits for", name_params, status, false),
    OPS_METHOD("service.why", "Why it is where it is, down to the root", why_params, why, false),
    OPS_METHOD("service.ready", "Declare it ready by hand", ready_params, ready, true),
    OPS_METHOD(
	"service.reload", "Have it read its configuration again", reload_params, reload, true),
    OPS_METHOD("service.kill", "Send a signal, change nothing else", kill_params, kill_it, true),
    OPS_METHOD("service.tree", "What it needs, or what needs it", tree_params, tree, false),
};
const struct rpc_group ops_service = OPS_GROUP(methods);
