#include "stage.h"

#include "server/change/unit_spec.h"

#include <signal.h>
#include <stdio.h>

void stage_open(struct stage *s, const struct script *script, const char *folder)
{
	const struct registry_config cfg = {.hero_socket_dir = folder};

	*s = (struct stage){.script = script, .folder = folder, .now = 1000};
	s->registry = registry_new(&cfg);
	s->engine = engine_new(1);
	engine_keep_tallies(s->engine, 1);
}

static void proc_free(struct proc *p)
{
	action_def_release(&p->def);
	free(p->service);
	free(p->action);
	free(p);
}

void stage_close(struct stage *s)
{
	for (size_t i = 0; i < s->procs.n; i++)
		proc_free(s->procs.v[i]);
	free(s->procs.v);
	for (size_t i = 0; i < s->runs.n; i++)
		service_def_release(&s->runs.v[i]);
	free(s->runs.v);
	free(s->marks.v);
	free(s->watched.v);
	free(s->registered.v);
	strv_release(&s->open);
	strv_release(&s->leaving);
	strv_release(&s->texts);
	str_release(&s->said);
	engine_free(s->engine);
	registry_free(s->registry);
}

/* ---- processes ----------------------------------------------------------------------- */

static const char *kept(struct stage *s, char *take_text)
{
	strv_take(&s->texts, take_text);
	return take_text;
}

static void mark(struct stage *s, const struct proc *p, enum moment m)
{
	*vec_push(&s->marks) = (struct mark){kept(s, text_dup(p->service)), m, s->now};
	*vec_push(&s->marks) =
	    (struct mark){kept(s, text_fmt("%s/%s", p->service, p->action)), m, s->now};
}

const struct mark *stage_mark(
    const struct stage *s, const char *subject, enum moment moment, int64_t nth)
{
	for (size_t i = 0; i < s->marks.n; i++)
		if (s->marks.v[i].moment == moment && strcmp(s->marks.v[i].subject, subject) == 0 &&
		    --nth == 0)
			return &s->marks.v[i];
	return NULL;
}

struct proc *stage_proc(const struct stage *s, const char *service, const char *action)
{
	for (size_t i = s->procs.n; i-- > 0;) {
		struct proc *p = s->procs.v[i];

		if (p->alive && strcmp(p->service, service) == 0 &&
		    (!action || strcmp(p->action, action) == 0))
			return p;
	}
	return NULL;
}

static struct proc *by_token(const struct stage *s, uint64_t token)
{
	for (size_t i = s->procs.n; i-- > 0;)
		if (s->procs.v[i]->token == token && s->procs.v[i]->alive)
			return s->procs.v[i];
	return NULL;
}

static msec when(msec now, msec in)
{
	return in < 0 ? MSEC_NEVER : now + in;
}

static void do_spawn(struct stage *s, const struct effect *fx)
{
	struct job_view j;
	struct unit_view u;
	unit_id id;

	engine_job(s->engine, fx->job, &j, &id);
	engine_unit(s->engine, id, &u);
	const struct service_def *def = stage_definition(s, u.name);
	const struct life *life = stage_life(s, u.name, j.name);
	if (stage_proc(s, u.name, j.name))
		snprintf(s->broken, sizeof(s->broken), "%s/%s has two processes", u.name, j.name);
	struct proc *p = mem_new(sizeof(*p));
	*vec_push(&s->procs) = p;
	*p = (struct proc){.token = fx->token,
	    .service = text_dup(u.name),
	    .action = text_dup(j.name),
	    .alive = true,
	    .ready_at = MSEC_NEVER,
	    .open_at = MSEC_NEVER,
	    .exit_at = MSEC_NEVER,
	    .empty_at = MSEC_NEVER};
	if (life)
		p->life = *life;
	if (def && service_find_action(def, j.name))
		action_def_copy(&p->def, service_find_action(def, j.name));
	p->hangs = p->life.ignores;
}

static bool is_listed(const struct strv *codes, int code, int signo)
{
	for (size_t i = 0; i < codes->n; i++) {
		const char *w = codes->v[i];

		if (signo ? strncmp(w, "SIG", 3) == 0 && signal_number(w + 3) == signo
			  : atoi(w) == code && *w != 'S')
			return true;
	}
	return false;
}

static enum exit_rule verdict(const struct action_def *a, int code, int signo)
{
	static const enum exit_rule verdicts[] = {
	    EXIT_RULE_RESTART, EXIT_RULE_STOP, EXIT_RULE_FAIL};

	for (size_t i = 0; i < a->retry.rules.n; i++) {
		const struct retry_rule *r = &a->retry.rules.v[i];

		if (r->signal ? signo && signal_number(r->signal + 3) == signo
			      : !signo && r->code == code)
			return verdicts[r->verdict];
	}
	return EXIT_RULE_NONE;
}

void stage_end(struct stage *s, struct proc *p, int code, int signo)
{
	const struct strv *codes = &p->def.success_exit_codes;

	p->exit = (struct job_exit){.code = signo ? -1 : code,
	    .signal = signo,
	    .success = codes->n ? is_listed(codes, code, signo) : !signo && code == 0,
	    .rule = verdict(&p->def, code, signo)};
	if (p->exit_at > s->now)
		p->exit_at = s->now;
}

/* What the process itself does about a signal. */
void stage_signal(struct stage *s, struct proc *p, int signo)
{
	if (signo == SIGKILL) {
		if (!p->leader_gone)
			stage_end(s, p, -1, SIGKILL);
		p->life.child = false;
		p->empty_at = s->now;
		return;
	}
	if (signo == SIGUSR1 || signo == SIGUSR2 || p->leader_gone)
		return;
	if (signo != SIGTERM) {
		stage_end(s, p, -1, signo);
		return;
	}
	mark(s, p, MOMENT_STOP);
	if (p->hangs)
		return;
	stage_end(s, p, 0, 0);
	p->exit_at = s->now + p->life.stops_in;
}

void stage_say_ready(struct stage *s, struct proc *p)
{
	if (p->ready_at > s->now)
		p->ready_at = s->now;
}

void stage_say_failed(struct stage *s, struct proc *p)
{
	if (p->def.fail_log && !p->ready)
		engine_probe_failed(s->engine, s->now, p->token, "it said: failed as told");
}

/* ---- effects -------------------------------------------------------------------------- */

static void do_signal(struct stage *s, const struct effect *fx)
{
	struct proc *p = by_token(s, fx->token);

	if (!p) {
		snprintf(s->broken, sizeof(s->broken), "a signal without a process");
		return;
	}
	/* a stop reaches the whole set, not the leader alone */
	if (fx->kind != EFFECT_KILL && p->life.child && !p->life.stubborn) {
		p->life.child = false;
		p->empty_at = s->now;
	}
	stage_signal(s, p, fx->kind == EFFECT_KILL ? SIGKILL : SIGTERM);
}

static void unwatch(struct stage *s, gate_id g)
{
	for (size_t i = 0; i < s->watched.n; i++)
		if (s->watched.v[i] == g) {
			s->watched.v[i] = s->watched.v[--s->watched.n];
			return;
		}
}

static void perform(struct stage *s)
{
	size_t n;

	for (size_t i = 0; engine_effects(s->engine, &n), i < n; i++) {
		struct effect fx = engine_effects(s->engine, &n)[i];

		switch (fx.kind) {
		case EFFECT_SPAWN: do_spawn(s, &fx); break;
		case EFFECT_TERM:
		case EFFECT_KILL:
		case EFFECT_SWEEP: do_signal(s, &fx); break;
		case EFFECT_GATE_WATCH: *vec_push(&s->watched) = fx.gate; break;
		case EFFECT_GATE_DROP: unwatch(s, fx.gate); break;
		case EFFECT_JOB:
		case EFFECT_JOB_TURN:
		case EFFECT_UNIT:
		case EFFECT_EDGE:
		case EFFECT_WANTED:
		case EFFECT_OP:
		case EFFECT_RUN_ENDED:
		case EFFECT_COUNT: break;
		}
	}
	engine_effects_clear(s->engine);
	stage_forget_left(s);
}

/* ---- what is due ---------------------------------------------------------------------- */

static void execute(struct stage *s, struct proc *p)
{
	const struct life *l = &p->life;
	int64_t nth = 1;

	if (l->impossible) {
		p->alive = false;
		engine_not_executed(s->engine, s->now, p->token, false, l->impossible);
		return;
	}
	for (size_t i = 0; i < s->procs.n; i++)
		nth += s->procs.v[i] != p && s->procs.v[i]->executed &&
		       strcmp(s->procs.v[i]->service, p->service) == 0 &&
		       strcmp(s->procs.v[i]->action, p->action) == 0;
	p->executed = true;
	mark(s, p, MOMENT_EXECUTED);
	bool declared = action_readiness(&p->def) != READY_EXECUTED;
	p->ready_at = declared ? when(s->now, l->ready_in) : s->now;
	p->open_at = l->opens_in == -1 ? p->ready_at : when(s->now, l->opens_in);
	bool as_said = !l->times || nth <= l->times;
	if (l->ends && (as_said || l->one_shot)) {
		stage_end(s, p, as_said ? l->code : 0, as_said ? l->signal : 0);
		p->exit_at = s->now + l->ends_in;
	}
	engine_executed(s->engine, s->now, p->token);
}

static void leader_ends(struct stage *s, struct proc *p)
{
	p->leader_gone = true;
	p->open = false;
	p->exit.empty = !p->life.child;
	p->alive = !p->exit.empty;
	mark(s, p, MOMENT_END);
	engine_exited(s->engine, s->now, p->token, &p->exit);
}

static void becomes_ready(struct stage *s, struct proc *p)
{
	p->ready = true;
	p->ready_at = MSEC_NEVER;
	if (p->life.opens_in == -1)
		p->open_at = s->now;
	if (action_readiness(&p->def) == READY_SOCKETS)
		return; /* by its sockets */
	mark(s, p, MOMENT_READY);
	if (action_readiness(&p->def) != READY_EXECUTED)
		engine_ready(s->engine, s->now, p->token);
}

static void opens(struct stage *s, struct proc *p)
{
	p->open = true;
	p->open_at = MSEC_NEVER;
	if (action_readiness(&p->def) != READY_SOCKETS)
		return;
	mark(s, p, MOMENT_READY);
	engine_ready(s->engine, s->now, p->token);
}

static msec next_of(const struct proc *p)
{
	msec t = p->exit_at;

	if (!p->alive)
		return MSEC_NEVER;
	if (!p->executed)
		return 0;
	if (p->leader_gone)
		return p->empty_at;
	t = p->ready_at < t ? p->ready_at : t;
	return p->open_at < t ? p->open_at : t;
}

static void happen(struct stage *s, struct proc *p)
{
	if (!p->executed) {
		execute(s, p);
	} else if (p->leader_gone) {
		p->alive = false;
		engine_set_empty(s->engine, s->now, p->token);
	} else if (p->ready_at <= s->now) {
		becomes_ready(s, p);
	} else if (p->open_at <= s->now) {
		opens(s, p);
	} else {
		leader_ends(s, p);
	}
}

/* ---- gates ------------------------------------------------------------------------------ */

static bool listens(const struct proc *p, const struct stage *s, const char *path)
{
	for (size_t i = 0; i < p->def.sockets.n; i++) {
		auto_free char *own =
		    text_fmt("%s/%s/%s", s->folder, p->service, p->def.sockets.v[i].name);

		if (strcmp(own, path) == 0)
			return p->open;
	}
	return false;
}

static bool answers(const struct stage *s, const char *gate)
{
	size_t n = strcspn(gate, " ");
	auto_free char *what = text_dup_n(gate, n);

	if (strncmp(what, "!file:", 6) == 0)
		return !strv_has(&s->open, what + 1);
	if (strv_has(&s->open, what))
		return true;
	for (size_t i = 0; i < s->procs.n && strncmp(what, "unix:", 5) == 0; i++)
		if (s->procs.v[i]->alive && listens(s->procs.v[i], s, what + 5))
			return true;
	return false;
}

static bool open_a_gate(struct stage *s)
{
	for (size_t i = 0; i < s->watched.n; i++) {
		gate_id g = s->watched.v[i];

		if (!answers(s, engine_gate_text(s->engine, g)))
			continue;
		s->watched.v[i] = s->watched.v[--s->watched.n];
		engine_gate_open(s->engine, s->now, g);
		return true;
	}
	return false;
}

/* ---- time ------------------------------------------------------------------------------- */

static bool one_thing(struct stage *s)
{
	for (size_t i = 0; i < s->procs.n; i++)
		if (next_of(s->procs.v[i]) <= s->now) {
			happen(s, s->procs.v[i]);
			return true;
		}
	if (open_a_gate(s))
		return true;
	if (engine_deadline(s->engine) > s->now)
		return false;
	engine_tick(s->engine, s->now);
	return true;
}

void stage_settle(struct stage *s)
{
	struct error e = {0};

	perform(s);
	for (unsigned n = 0; !*s->broken && one_thing(s); n++) {
		perform(s);
		if (n > 100000)
			snprintf(s->broken, sizeof(s->broken), "time stands still at %lld ms",
			    (long long)s->now);
		else if (engine_check(s->engine, &e))
			snprintf(s->broken, sizeof(s->broken), "%s", e.msg);
	}
}

bool stage_step(struct stage *s, msec until)
{
	msec t = engine_deadline(s->engine);

	for (size_t i = 0; i < s->procs.n; i++)
		t = next_of(s->procs.v[i]) < t ? next_of(s->procs.v[i]) : t;
	bool any = t <= until;
	s->now = any ? (t > s->now ? t : s->now) : until == MSEC_NEVER ? s->now : until;
	stage_settle(s);
	return any;
}
