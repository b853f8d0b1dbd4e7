#include "server/supervise/probes.h"
#include "server/host/json_time.h"
#include "server/supervise/claim.h"
#include "server/supervise/supervision_state.h"

#include "probe/probe.h"
#include "server/history/events.h"
#include "server/supervise/perform.h"
#include "server/supervise/side_command.h"

struct slot {
	struct probes *of;
	enum probe_role role;
	struct probe *probe;	    /* NULL: waits, or is not given */
	struct side_command *aside; /* the command that is under way */
	struct command command;	    /* of exec */
	bool heard;		    /* before it began */
};

struct probes {
	struct attempt *at;
	struct slot slots[PROBE_ROLE_COUNT];
	bool started;	 /* the startup probe passed, or there is none */
	bool ready_held; /* ready, but not started */
};

static struct probes *probes_of(struct attempt *at)
{
	if (at->probes)
		return at->probes;
	at->probes = mem_new(sizeof(*at->probes));
	*at->probes = (struct probes){.at = at};
	for (int i = 0; i < PROBE_ROLE_COUNT; i++)
		at->probes->slots[i] = (struct slot){.of = at->probes, .role = (enum probe_role)i};
	return at->probes;
}

static const struct action_def *action_of(
    const struct attempt *at, struct job_view *j, const struct service_def **s)
{
	unit_id unit;

	if (!engine_job(at->d->engine, at->job, j, &unit))
		return NULL;
	return supervision_action(at->d, unit, j->name, s);
}

static void slot_release(struct slot *s)
{
	probe_free(take(s->probe));
	command_release(&s->command);
}

/* ---- what it means -------------------------------------------------------------- */

static void begin_others(struct attempt *at, bool resumed);

static char *sentence(const struct slot *s)
{
	return text_fmt("%s probe: %s", probe_role_str(s->role), probe_last(s->probe));
}

static void record(struct slot *s, enum probe_state state)
{
	events_probe(s->of->at->d->history, s->of->at->job, probe_role_str(s->role),
	    probe_state_str(state), probe_last(s->probe));
}

/* The last call about an attempt: what follows may end it. */
static void tell_ready(struct attempt *at)
{
	struct supervision *d = at->d;

	engine_ready(d->engine, clock_mono(), at->token);
	perform_effects(d);
}

static void tell_health(struct attempt *at, bool healthy, const char *why)
{
	engine_health(at->d->engine, clock_mono(), at->token, healthy, why);
}

static void tell_failed(struct attempt *at, const char *why)
{
	struct supervision *d = at->d;

	engine_probe_failed(d->engine, clock_mono(), at->token, why);
	perform_effects(d);
}

static void startup_told(struct slot *s, bool passing)
{
	struct probes *p = s->of;
	struct attempt *at = p->at;
	auto_free char *why = sentence(s);
	struct job_view j;

	if (!passing) {
		tell_failed(at, why);
		return;
	}
	const struct action_def *a = action_of(at, &j, NULL);
	bool ready = a && (p->ready_held || action_readiness(a) == READY_EXECUTED);
	struct supervision *d = at->d;
	uint64_t token = at->token;
	p->started = true;
	slot_release(s);
	begin_others(at, false);
	if (ready && attempt_find(d, token) == at)
		tell_ready(at);
}

static void readiness_told(struct slot *s, bool passing)
{
	struct attempt *at = s->of->at;
	struct supervision *d = at->d;
	auto_free char *why = sentence(s);
	struct job_view j;
	const struct action_def *a = action_of(at, &j, NULL);
	const struct probe_def *p = a ? a->probes[PROBE_READINESS] : NULL;

	if (!a || (!passing && j.core.state == JOB_RUNNING && !(p && p->threshold_given)))
		return; /* start_timeout_ms bounds it */
	tell_health(at, passing, why);
	if (passing && j.core.state == JOB_RUNNING && action_readiness(a) == READY_PROBE)
		tell_ready(at);
	else
		perform_effects(d);
}

static void liveness_told(struct slot *s, bool passing)
{
	struct attempt *at = s->of->at;
	struct supervision *d = at->d;
	auto_free char *why = sentence(s);
	struct job_view j;
	unit_id unit = ID_NONE;
	const struct action_def *a = action_of(at, &j, NULL);

	engine_job(d->engine, at->job, &j, &unit);
	if (!a)
		return;
	/* NULL: the definition was replaced, and the attempt still has the probe. */
	const struct probe_def *p = a->probes[PROBE_LIVENESS];
	bool restarts = !p || p->action == PROBE_RESTARTS;

	if (!passing && restarts && engine_demanded(d->engine, unit)) {
		tell_failed(at, why);
	} else if (!a->probes[PROBE_READINESS]) {
		tell_health(at, passing, why);
		perform_effects(d);
	}
}

static void on_told(void *ctx, enum probe_state state)
{
	struct slot *s = ctx;
	bool passing = state == PROBE_PASSING;

	record(s, state);
	switch (s->role) {
	case PROBE_STARTUP: startup_told(s, passing); break;
	case PROBE_READINESS: readiness_told(s, passing); break;
	case PROBE_LIVENESS: liveness_told(s, passing); break;
	case PROBE_ROLE_COUNT: break;
	}
}

/* ---- exec ------------------------------------------------------------------------- */

static void on_command_over(void *ctx, bool good, const char *text)
{
	struct slot *s = ctx;

	s->aside = NULL;
	probe_answer(s->probe, good, text);
}

static void on_ask(void *ctx)
{
	struct slot *s = ctx;
	struct attempt *at = s->of->at;
	struct job_view j;
	struct error e = {0};
	const struct action_def *a = action_of(at, &j, NULL);

	if (!a)
		error_set(&e, ERR_NOT_FOUND, "its definition is gone");
	else if (side_command_start(at->d, a, &s->command, attempt_pid(at), on_command_over, s,
		     &s->aside, &e) == ERR_OK)
		return;
	probe_answer(s->probe, false, e.msg);
}

static void on_drop(void *ctx)
{
	struct slot *s = ctx;

	side_command_kill(take(s->aside));
}

static void on_missed(void *ctx)
{
	const struct slot *s = ctx;
	auto_free char *what = sentence(s);

	if (s->role != PROBE_LIVENESS)
		engine_waits(s->of->at->d->engine, s->of->at->token, what);
}

static const struct probe_calls calls = {
    .ask = on_ask, .drop = on_drop, .told = on_told, .missed = on_missed};

/* ---- log --------------------------------------------------------------------------- */

static void heard(uint64_t token, struct supervision *d, enum probe_role role, log_match_fn fn)
{
	struct attempt *at = attempt_find(d, token);

	if (!at || at->exited) {
		logs_unwatch(d->logs, token, fn);
		return;
	}
	struct slot *s = &probes_of(at)->slots[role];
	if (role == PROBE_LIVENESS)
		logs_watch_again(d->logs, token, fn);
	else
		logs_unwatch(d->logs, token, fn); /* one line is the answer for good */
	if (s->probe)
		probe_heard(s->probe);
	else
		s->heard = true; /* the others wait for the startup probe, lines do not */
}

static void on_startup_line(uint64_t token, const char *line, size_t n, void *ctx)
{
	(void)line, (void)n;
	heard(token, ctx, PROBE_STARTUP, on_startup_line);
}

static void on_readiness_line(uint64_t token, const char *line, size_t n, void *ctx)
{
	(void)line, (void)n;
	heard(token, ctx, PROBE_READINESS, on_readiness_line);
}

static void on_liveness_line(uint64_t token, const char *line, size_t n, void *ctx)
{
	(void)line, (void)n;
	heard(token, ctx, PROBE_LIVENESS, on_liveness_line);
}

static const log_match_fn line_fns[PROBE_ROLE_COUNT] = {
    [PROBE_STARTUP] = on_startup_line,
    [PROBE_READINESS] = on_readiness_line,
    [PROBE_LIVENESS] = on_liveness_line,
};

enum err probes_prepare(
    struct supervision *d, const struct action_def *a, uint64_t token, struct error *e)
{
	for (int i = 0; i < PROBE_ROLE_COUNT; i++) {
		const struct probe_def *p = a->probes[i];

		if (p && p->kind == PROBE_LOG &&
		    logs_watch(d->logs, token, p->target, line_fns[i], d, e))
			return e->code;
	}
	return ERR_OK;
}

/* ---- beginning ------------------------------------------------------------------------ */

/* A name is a declared socket, or a file in the socket folder. */
static char *socket_of(struct supervision *d, const struct service_def *s,
    const struct action_def *a, const char *name)
{
	const struct socket_def *declared = NULL;

	for (size_t i = 0; i < a->sockets.n; i++)
		if (text_eq(a->sockets.v[i].name, name))
			declared = &a->sockets.v[i];
	if (declared)
		return claim_socket_path(d->paths, s, declared);
	auto_free char *expanded = path_expand(d->paths, name);
	return claim_socket_path(d->paths, s, &(struct socket_def){.name = expanded});
}

static enum err address_of(struct attempt *at, const struct service_def *s,
    const struct action_def *a, const struct probe_def *p, struct address *out, struct error *e)
{
	const char *name = p->kind == PROBE_UNIX ? p->target : p->socket;
	auto_free char *path = name ? socket_of(at->d, s, a, name) : NULL;
	auto_free char *text = NULL;

	if (p->kind == PROBE_UNIX)
		text = text_fmt("unix:%s", path);
	else if (p->kind == PROBE_TCP)
		text = text_fmt("tcp:%s", p->target);
	else if (path)
		text = text_fmt("http+unix:%s:%s", path, p->path ? p->path : "/health");
	else
		text = text_dup(p->target);
	return address_parse(out, text, e);
}

static void begin(struct attempt *at, enum probe_role role, bool passing)
{
	struct slot *slot = &probes_of(at)->slots[role];
	struct job_view j;
	struct address to = {0};
	struct error e = {0};
	const struct service_def *s = NULL;
	const struct action_def *a = action_of(at, &j, &s);
	const struct probe_def *p = a ? a->probes[role] : NULL;
	bool asks = p && p->kind != PROBE_EXEC && p->kind != PROBE_LOG;

	if (!p || slot->probe)
		return;
	if (asks && address_of(at, s, a, p, &to, &e)) {
		report(REPORT_ERROR, "%s: %s probe: %s", a->name, probe_role_str(role), e.msg);
		return;
	}
	command_copy(&slot->command, &p->command);
	const struct probe_spec spec = {.kind = p->kind,
	    .interval = p->interval,
	    .timeout = p->timeout,
	    .failure_threshold = (unsigned)p->failure_threshold,
	    .success_threshold = (unsigned)p->success_threshold,
	    .eager = p->kind != PROBE_LOG,
	    .once = role != PROBE_LIVENESS,
	    .passing = passing};
	slot->probe = probe_new(at->d->base, &spec, asks ? &to : NULL, &calls, slot);
	if (p->kind == PROBE_LOG && !passing && slot->heard)
		probe_heard(slot->probe);
}

/* The last thing a caller does with the attempt: a line that was heard may end it. */
static void begin_others(struct attempt *at, bool resumed)
{
	struct job_view j;
	struct supervision *d = at->d;
	uint64_t token = at->token;
	const struct action_def *a = action_of(at, &j, NULL);
	bool passing = resumed && j.core.state == JOB_READY;

	if (!a)
		return;
	if (a->probes[PROBE_LIVENESS])
		begin(at, PROBE_LIVENESS, passing);
	if (passing && (a->probes[PROBE_READINESS] || a->probes[PROBE_LIVENESS])) {
		tell_health(at, true, NULL);
		perform_effects(d);
	}
	if (a->is_process && a->probes[PROBE_READINESS] && attempt_find(d, token) == at)
		begin(at, PROBE_READINESS, passing);
}

void probes_begin(struct attempt *at, bool resumed)
{
	struct job_view j;
	const struct action_def *a = action_of(at, &j, NULL);

	if (!a || (j.core.state != JOB_RUNNING && j.core.state != JOB_READY) ||
	    !(a->probes[PROBE_STARTUP] || a->probes[PROBE_READINESS] || a->probes[PROBE_LIVENESS]))
		return;
	struct probes *p = probes_of(at);
	p->started = !a->probes[PROBE_STARTUP] || (resumed && j.core.state == JOB_READY);
	if (p->started)
		begin_others(at, resumed);
	else
		begin(at, PROBE_STARTUP, false);
}

void probes_forget(struct supervision *d, uint64_t token)
{
	for (int i = 0; i < PROBE_ROLE_COUNT; i++)
		logs_unwatch(d->logs, token, line_fns[i]);
}

void probes_end(struct attempt *at)
{
	struct probes *p = take(at->probes);

	probes_forget(at->d, at->token);
	if (!p)
		return;
	for (int i = 0; i < PROBE_ROLE_COUNT; i++) {
		slot_release(&p->slots[i]);
		side_command_kill(take(p->slots[i].aside));
	}
	free(p);
}

bool probes_hold_ready(struct attempt *at)
{
	struct job_view j;
	const struct action_def *a = action_of(at, &j, NULL);

	if (!a || !a->probes[PROBE_STARTUP] || j.core.state != JOB_RUNNING)
		return false;
	struct probes *p = probes_of(at);
	p->ready_held = !p->started;
	return p->ready_held;
}

/* ---- questions ---------------------------------------------------------------------------- */

json_t *probes_status(const struct attempt *at, const struct action_def *a)
{
	json_t *list = json_array();

	for (int i = 0; a && i < PROBE_ROLE_COUNT; i++) {
		const struct probe_def *def = a->probes[i];
		const struct probes *p = at ? at->probes : NULL;
		const struct probe *probe = p ? p->slots[i].probe : NULL;
		const char *state = probe ? probe_state_str(probe_state(probe))
				    : p && p->started && i == PROBE_STARTUP ? "passing"
									    : "waiting";

		if (def)
			json_array_append_new(list,
			    json_pack("{s:s, s:s, s:s, s:o, s:s%}", "probe", probe_role_words[i],
				"kind", probe_kind_str(def->kind), "state", state, "since",
				json_time(probe ? probe_since(probe) : 0), "last",
				probe ? probe_last(probe) : "",
				probe ? strlen(probe_last(probe)) : (size_t)0));
	}
	if (json_array_size(list))
		return list;
	json_decref(list);
	return NULL;
}

bool probes_trouble(const struct attempt *at, struct str *out)
{
	const struct probes *p = at ? at->probes : NULL;

	for (int i = 0; p && i < PROBE_ROLE_COUNT; i++) {
		const struct slot *s = &p->slots[i];

		if (!s->probe || probe_state(s->probe) == PROBE_PASSING || !*probe_last(s->probe))
			continue;
		auto_free char *text = sentence(s);
		str_add(out, text);
		return true;
	}
	return false;
}
