#include "digest.h"

#include <stdarg.h>
#include <stdio.h>

uint32_t roll(struct world *w, uint32_t below) /* splitmix64 */
{
	uint64_t z = w->rng += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) % below);
}

static void print_edges(const struct world *w)
{
	for (size_t i = 0; i < w->procs.n; i++) {
		const struct proc *p = &w->procs.v[i];

		printf("  proc %s/%s token %llu%s%s%s%s\n", p->unit, p->job,
		    (unsigned long long)p->token, p->alive ? " alive" : "",
		    p->executed ? " executed" : "", p->ready ? " ready" : "",
		    p->leader_gone ? " gone" : "");
	}
	struct unit_view u;
	struct job_view j;
	struct edge_view e;

	for (unit_id id = 0; id < engine_unit_count(w->en); id++) {
		if (!engine_unit(w->en, id, &u))
			continue;
		printf("  %s %s wanted %s%s%s\n", u.name, service_state_str(u.state),
		    wanted_str(u.wanted), u.registered ? "" : " unregistered",
		    u.run_live ? " live" : "");
		for (size_t i = 0; engine_job_at(w->en, id, i, &j); i++) {
			printf("    %s %s%s\n", j.name, job_state_str(j.core.state),
			    j.core.stop ? " stop" : "");
			for (size_t k = 0; engine_edge_at(w->en, j.id, k, &e); k++)
				printf("      -> %s%s%s kinds %u %s: %s%s: %s\n", e.target,
				    e.target_action ? "/" : "",
				    e.target_action ? e.target_action : "", e.kinds,
				    condition_str(e.condition), edge_status_str(e.status),
				    e.gate_waits ? " (gate)" : "", e.text);
		}
	}
}

void world_break(struct world *w, const char *rule, const char *fmt, ...)
{
	va_list ap;

	if (w->broken)
		return;
	if (w->trace)
		print_edges(w);
	w->broken = rule;
	w->broken_at = w->now;
	va_start(ap, fmt);
	vsnprintf(w->detail, sizeof(w->detail), fmt, ap);
	va_end(ap);
}

struct sim_unit *world_unit(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->n_units; i++)
		if (strcmp(w->units[i].name, name) == 0)
			return &w->units[i];
	return NULL;
}

static struct proc *by_token(struct world *w, uint64_t token)
{
	for (size_t i = 0; i < w->procs.n; i++)
		if (w->procs.v[i].token == token && w->procs.v[i].alive)
			return &w->procs.v[i];
	return NULL;
}

const struct proc *world_proc_of(const struct world *w, const char *unit, const char *job)
{
	for (size_t i = 0; i < w->procs.n; i++) {
		const struct proc *p = &w->procs.v[i];

		if (p->alive && strcmp(p->unit, unit) == 0 && (!job || strcmp(p->job, job) == 0))
			return p;
	}
	return NULL;
}

bool world_alive(const struct world *w, const char *unit, const char *job)
{
	return world_proc_of(w, unit, job);
}

/* ---- carrying effects out ------------------------------------------------------ */

static const struct sim_job *spec_of(struct world *w, const char *unit, const char *job)
{
	struct sim_unit *u = world_unit(w, unit);

	for (size_t i = 0; u && i < u->n_jobs; i++)
		if (strcmp(u->jobs[i].name, job) == 0)
			return &u->jobs[i];
	return NULL;
}

static void fate_of(struct world *w, struct proc *p)
{
	bool bad = !w->kind && roll(w, 5) == 0;

	p->exec_at = w->now + (roll(w, 10) ? 0 : roll(w, 40));
	p->ready_at = bad && roll(w, 3) == 0 ? MSEC_NEVER : p->exec_at + roll(w, 300);
	p->opens_at = p->exec_at + roll(w, 200);
	p->exit_at = p->spec.policy.one_shot		    ? p->exec_at + roll(w, 400)
		     : bad || (!w->kind && roll(w, 6) == 0) ? p->exec_at + roll(w, 2500)
							    : MSEC_NEVER;
	bool ok = w->kind || !bad;
	p->exit = (struct job_exit){.code = ok ? 0 : (int)(1 + roll(w, 3)), .success = ok};
	p->stubborn = !w->kind && roll(w, 6) == 0;
	p->probe_at = p->spec.policy.probed ? p->exec_at + roll(w, 300) : MSEC_NEVER;
}

static void do_spawn(struct world *w, const struct effect *fx)
{
	struct job_view v;
	struct unit_view u;
	unit_id id;

	engine_job(w->en, fx->job, &v, &id);
	engine_unit(w->en, id, &u);
	w->spawns++;
	if (world_alive(w, u.name, v.name))
		world_break(w, "no two processes of one job", "%s/%s", u.name, v.name);
	const struct sim_job *spec = spec_of(w, u.name, v.name);
	if (!spec) {
		world_break(w, "nothing unregistered is executed", "%s/%s", u.name, v.name);
		return;
	}
	judge_spawn(w, u.name, spec);
	judge_conflict(w, u.name);
	struct proc *p = vec_push(&w->procs);
	*p =
	    (struct proc){.token = fx->token, .alive = true, .spec = *spec, .empty_at = MSEC_NEVER};
	p->born = ++w->moment;
	snprintf(p->unit, sizeof(p->unit), "%s", u.name);
	snprintf(p->job, sizeof(p->job), "%s", v.name);
	fate_of(w, p);
	if (w->trace)
		printf("%8lld spawn %s/%s token %llu\n", (long long)w->now, p->unit, p->job,
		    (unsigned long long)p->token);
}

/* A process that is told to stop: all that required it when it was executed, and
 * stops along, is gone.  Only judged when the operator said stop. */
static void judge_stop(struct world *w, const struct proc *p)
{
	struct unit_view u;
	unit_id id = engine_find(w->en, p->unit);

	if (id == ID_NONE || !engine_unit(w->en, id, &u) || u.wanted != WANTED_STOP ||
	    u.state != SERVICE_STOPPING || world_unit(w, p->unit)->restarted)
		return;
	for (size_t i = 0; i < w->procs.n; i++) {
		const struct proc *d = &w->procs.v[i];

		if (!d->alive || !d->executed || d == p)
			continue;
		for (size_t k = 0; k < d->spec.n_edges; k++) {
			const struct sim_edge *e = &d->spec.edges[k];

			if ((e->is.kinds & DEP_REQUIRES) && !e->is.optional && !e->is.group &&
			    e->is.on_stop == ON_STOP_STOP && strcmp(e->service, p->unit) == 0 &&
			    (!e->is.action || strcmp(e->action, p->job) == 0))
				world_break(w, "nothing stops before what requires it",
				    "%s before %s", p->unit, d->unit);
		}
	}
}

static void do_signal(struct world *w, const struct effect *fx)
{
	struct proc *p = by_token(w, fx->token);

	if (!p) {
		world_break(
		    w, "no signal without a process", "token %llu", (unsigned long long)fx->token);
		return;
	}
	if (fx->kind == EFFECT_KILL && p->hangs) {
		w->kills++;
		p->unborn = true;
		p->exec_at = w->now + roll(w, 3);
		return;
	}
	if (fx->kind == EFFECT_KILL) {
		w->kills++;
		if (!p->leader_gone && p->exit_at > w->now) {
			p->exit = (struct job_exit){.code = -1, .signal = 9};
			p->exit_at = w->now + roll(w, 3);
		}
		p->empty_at = w->now + 3;
		return;
	}
	if (fx->kind == EFFECT_TERM && !p->target_of_stop)
		judge_stop(w, p);
	p->target_of_stop = true;
	if (fx->kind == EFFECT_SWEEP) {
		p->empty_at = p->stubborn ? MSEC_NEVER : w->now + roll(w, 50);
	} else if (!p->stubborn && p->exit_at > w->now) {
		p->exit =
		    (struct job_exit){.code = roll(w, 2) ? 0 : -1, .signal = 0, .success = true};
		if (p->exit.code < 0)
			p->exit = (struct job_exit){.code = -1, .signal = 15};
		p->exit_at = w->now + roll(w, 100);
	}
}

static void unwatch(struct world *w, gate_id g)
{
	for (size_t i = 0; i < w->watched.n; i++)
		if (w->watched.v[i] == g) {
			w->watched.v[i] = w->watched.v[--w->watched.n];
			return;
		}
}

void world_perform(struct world *w)
{
	size_t n;

	for (size_t i = 0; engine_effects(w->en, &n), i < n; i++) {
		struct effect fx = engine_effects(w->en, &n)[i];

		digest_effect(w, &fx);
		switch (fx.kind) {
		case EFFECT_SPAWN: do_spawn(w, &fx); break;
		case EFFECT_TERM:
		case EFFECT_KILL:
		case EFFECT_SWEEP: do_signal(w, &fx); break;
		case EFFECT_GATE_WATCH: *vec_push(&w->watched) = fx.gate; break;
		case EFFECT_GATE_DROP: unwatch(w, fx.gate); break;
		case EFFECT_OP: ops_changed(w, fx.op); break;
		case EFFECT_JOB:
			if (w->trace) {
				struct job_view v;
				struct unit_view u;
				unit_id id;

				if (engine_job(w->en, fx.job, &v, &id) &&
				    engine_unit(w->en, id, &u))
					printf("%8lld %s/%s %s -> %s (%s)\n", (long long)w->now,
					    u.name, v.name, job_state_str((enum job_state)fx.from),
					    job_state_str((enum job_state)fx.to),
					    reason_str(fx.reason));
			}
			break;
		case EFFECT_JOB_TURN:
		case EFFECT_UNIT:
		case EFFECT_EDGE:
		case EFFECT_WANTED:
		case EFFECT_RUN_ENDED:
		case EFFECT_COUNT: break;
		}
	}
	engine_effects_clear(w->en);
	ops_forget_old(w);
}

bool world_ready(struct world *w, const char *unit)
{
	const struct sim_unit *t = world_unit(w, unit);

	return t && t->registered &&
	       (judge_unit_holds(w, t, COND_READY) || judge_degraded_counts(w, t));
}

uint64_t world_oldest(const struct world *w, const char *unit)
{
	uint64_t oldest = 0;

	for (size_t i = 0; i < w->procs.n; i++) {
		const struct proc *p = &w->procs.v[i];

		if (p->alive && strcmp(p->unit, unit) == 0 && (!oldest || p->token < oldest))
			oldest = p->token;
	}
	return oldest;
}

/* ---- time ---------------------------------------------------------------------- */

static msec least(msec a, msec b)
{
	return a < b ? a : b;
}

static msec proc_next(const struct proc *p)
{
	if (!p->alive)
		return MSEC_NEVER;
	if (!p->executed)
		return p->exec_at;
	if (p->leader_gone)
		return p->empty_at;
	return least(least(p->exit_at, p->probe_at), p->ready ? MSEC_NEVER : p->ready_at);
}

msec world_next(const struct world *w)
{
	msec t = engine_deadline(w->en);

	for (size_t i = 0; i < w->procs.n; i++)
		t = least(t, proc_next(&w->procs.v[i]));
	if (w->watched.n)
		t = least(t, w->now + 50);
	return t < w->now ? w->now : t;
}

/* Its job is to be told to end, or was: then its end is no failure. */
static bool is_let_go(const struct world *w, const struct proc *p)
{
	struct job_view v;

	return !judge_job_view(w, p->unit, p->job, &v) || v.core.stop || v.core.dep_failed;
}

static uint64_t *failed_at(struct world *w, const char *unit, const char *job)
{
	struct sim_unit *u = world_unit(w, unit);

	return &w->failed[u - w->units][job[1] - '0'];
}

/* The probe passes and fails by turns; in a kind world it passes for good. */
static void deliver_probe(struct world *w, struct proc *p)
{
	bool good = w->kind || roll(w, 3);

	p->probe_at = w->kind && p->ready ? MSEC_NEVER : w->now + 200 + roll(w, 1500);
	if (!good && p->healthy && (p->ready || !p->spec.policy.readiness) && !is_let_go(w, p))
		*failed_at(w, p->unit, p->job) = ++w->moment;
	p->healthy = good;
	engine_health(w->en, w->now, p->token, good, "GET /health: 500");
}

/* Its path is on a file system that does not answer, for some time.  Not rolled: most stories of
 * the seeds stay what they are. */
static bool begins_to_hang(struct world *w, struct proc *p)
{
	uint64_t dice = (w->seed * 1000003 + p->token) * 0x9e3779b97f4a7c15u >> 40;

	if (w->kind || p->hangs || dice % 40)
		return false;
	p->hangs = true;
	p->exec_at = w->now + 1 + (msec)(dice / 40 % (dice % 80 ? 60000 : 3000));
	engine_hangs(w->en, w->now, p->token, "exec /x: hangs");
	return true;
}

static void deliver_exec(struct world *w, size_t i)
{
	uint64_t token = w->procs.v[i].token;
	bool transient = false, unborn = w->procs.v[i].unborn;
	const char *why = unborn ? NULL : storm_refuses_exec(w, &transient);

	if (!unborn && !why && begins_to_hang(w, &w->procs.v[i]))
		return;
	w->procs.v[i].hangs = false;
	if (unborn) {
		w->procs.v[i].alive = false;
		engine_not_executed(w->en, w->now, token, true, "exec /x: Interrupted system call");
	} else if (why) {
		w->procs.v[i].alive = false;
		engine_not_executed(w->en, w->now, token, transient, why);
	} else if (!w->kind && roll(w, 25) == 0) {
		transient = roll(w, 2);

		w->procs.v[i].alive = false;
		engine_not_executed(
		    w->en, w->now, token, transient, "exec /x: No such file or directory");
	} else {
		w->procs.v[i].executed = true;
		engine_executed(w->en, w->now, token);
	}
}

static void deliver_exit(struct world *w, size_t i)
{
	struct proc *p = &w->procs.v[i];
	bool left = !w->kind && roll(w, 5) == 0;

	w->crashes++;
	p->leader_gone = true;
	p->exit.empty = !left;
	if (!(p->spec.policy.one_shot && p->exit.success) && !is_let_go(w, p))
		*failed_at(w, p->unit, p->job) = ++w->moment;
	p->alive = left;
	p->empty_at =
	    left && p->target_of_stop && !p->stubborn ? w->now + roll(w, 30) : p->empty_at;
	engine_exited(w->en, w->now, p->token, &p->exit);
}

static void deliver(struct world *w, size_t i)
{
	struct proc *p = &w->procs.v[i];
	uint64_t token = p->token;

	if (!p->executed) {
		deliver_exec(w, i);
	} else if (p->leader_gone) {
		p->alive = false;
		engine_set_empty(w->en, w->now, token);
	} else if (p->exit_at <= w->now) {
		deliver_exit(w, i);
	} else if (p->probe_at <= w->now && (p->ready || p->ready_at > w->now)) {
		deliver_probe(w, p);
	} else {
		p->ready = true;
		if (p->spec.policy.readiness)
			engine_ready(w->en, w->now, token);
	}
	world_perform(w);
}

static void open_gates(struct world *w)
{
	for (size_t i = 0; i < w->watched.n;) {
		gate_id g = w->watched.v[i];

		if (!world_gate_answers(w, engine_gate_text(w->en, g))) {
			i++;
			continue;
		}
		w->watched.v[i] = w->watched.v[--w->watched.n];
		w->gates++;
		engine_gate_open(w->en, w->now, g);
		world_perform(w);
		i = 0;
	}
}

static void forget_dead(struct world *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->procs.n; i++)
		if (w->procs.v[i].alive)
			w->procs.v[kept++] = w->procs.v[i];
	w->procs.n = kept;
}

void world_advance(struct world *w, msec to)
{
	w->now = to;
	if (engine_deadline(w->en) <= to) {
		engine_tick(w->en, to);
		world_perform(w);
	}
	for (size_t i = 0; i < w->procs.n && !w->broken; i++)
		if (proc_next(&w->procs.v[i]) <= to) {
			deliver(w, i);
			world_judge(w);
		}
	open_gates(w);
	forget_dead(w);
	world_judge(w);
}

/* ---- rules at rest --------------------------------------------------------------- */

static void judge_edge_kept(struct world *w, const struct proc *p, const struct sim_edge *e)
{
	const struct sim_unit *t = world_unit(w, e->service);

	if (!(e->is.kinds & DEP_REQUIRES) || e->is.group || e->is.gate_only || !t ||
	    !t->registered || e->is.on_failure == ON_FAILURE_KEEP ||
	    e->is.condition == COND_COMPLETED)
		return;
	for (size_t k = 0; k < t->n_jobs; k++)
		if ((!*e->action || strcmp(e->action, t->jobs[k].name) == 0) &&
		    w->failed[t - w->units][k] > p->born)
			world_break(w, "on_failure acts on every dependent",
			    "%s/%s outlived a failure of %s/%s", p->unit, p->job, t->name,
			    t->jobs[k].name);
}

void world_judge_failures(struct world *w)
{
	for (size_t i = 0; i < w->procs.n; i++)
		for (size_t k = 0; k < w->procs.v[i].spec.n_edges; k++)
			if (w->procs.v[i].alive)
				judge_edge_kept(w, &w->procs.v[i], &w->procs.v[i].spec.edges[k]);
}

/* ---- rules between events --------------------------------------------------------- */

static void judge_demand(struct world *w)
{
	auto_free bool *all = mem_new(engine_unit_count(w->en) + 1);

	engine_demanded_all(w->en, all);
	for (unit_id u = 0; u < engine_unit_count(w->en); u++) {
		struct unit_view uv;

		if (engine_unit(w->en, u, &uv) && all[u] != engine_demanded(w->en, u))
			world_break(w, "who is demanded is the same from above and from below",
			    "%s", uv.name);
	}
}

void world_judge(struct world *w)
{
	struct error e;

	if (w->broken)
		return;
	if (engine_check(w->en, &e))
		world_break(w, "belief equals a recount from facts", "%s", e.msg);
	judge_demand(w);
	for (unit_id u = 0; u < engine_unit_count(w->en); u++) {
		struct unit_view uv;
		struct job_view jv;

		if (!engine_unit(w->en, u, &uv))
			continue;
		for (size_t i = 0; engine_job_at(w->en, u, i, &jv); i++) {
			bool has = !jv.virtual && job_state_has_process(jv.core.state);

			if (has != world_alive(w, uv.name, jv.name) && !jv.virtual)
				world_break(w, "belief equals the world", "%s/%s is %s", uv.name,
				    jv.name, job_state_str(jv.core.state));
		}
	}
}
