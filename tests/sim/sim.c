/*
 * sim.c - thousands of small fleets in bad luck.
 *
 *   sim [--storm] [FIRST [COUNT]] [-v]   the stories of these seeds
 *   sim @FILE                            the seeds of a file
 *   sim --operations N [FIRST]           storms until N operations were asked for
 *   sim --large [N]                      graphs of N nodes
 *
 * Each seed makes a fleet, an operator who changes his mind, and a world that
 * fails; then the world becomes kind and everything must come to rest where it
 * belongs.  A failure prints the seed; the same seed tells the same story.  The last line has the
 * digest of every decision: two builds of an engine that is meant to do the same print the same.
 */
#include "digest.h"
#include "large.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- the fleet ------------------------------------------------------------------- */

static struct job_policy policy_of(struct world *w, bool one_shot)
{
	return (struct job_policy){
	    .one_shot = one_shot,
	    .readiness = !one_shot && roll(w, 2),
	    .probed = !one_shot && roll(w, 4) == 0,
	    .restart = one_shot ? (roll(w, 4) ? RESTART_NEVER : RESTART_ON_FAILURE)
				: (roll(w, 4) ? RESTART_ALWAYS : RESTART_ON_FAILURE),
	    .max_attempts = roll(w, 3) ? 0 : 1 + roll(w, 4),
	    .delay = 100,
	    .factor = 2,
	    .delay_max = 3000,
	    .delay_given = roll(w, 3) == 0,
	    .jitter = roll(w, 2) ? 0 : 0.3,
	    .stability = 1000,
	    .start_timeout = roll(w, 3) ? 2000 : 0,
	    .timeout = one_shot && roll(w, 2) ? 3000 : 0,
	    .stop_timeout = 300,
	};
}

static void set_edge(struct world *w, struct sim_edge *e, size_t to, size_t from)
{
	static const unsigned kinds[] = {
	    DEP_REQUIRES, DEP_REQUIRES, DEP_REQUIRES, DEP_WANTS, DEP_AFTER, DEP_WANTS | DEP_AFTER};
	const struct sim_unit *t = &w->units[to];

	*e = (struct sim_edge){0};
	snprintf(e->service, sizeof(e->service), "%s", t->name);
	snprintf(e->source, sizeof(e->source), "u%u.toml:%u", (unsigned)from % 100, roll(w, 90));
	e->is.kinds = kinds[roll(w, 6)];
	e->is.condition = roll(w, 4) ? COND_READY : COND_STARTED;
	if (t->n_jobs && t->jobs[0].policy.one_shot && t->n_jobs == 1)
		e->is.condition = roll(w, 2) ? COND_SUCCEEDED : COND_COMPLETED;
	if (t->n_jobs > 1 && roll(w, 3) == 0)
		snprintf(
		    e->action, sizeof(e->action), "%s", t->jobs[roll(w, (uint32_t)t->n_jobs)].name);
	if (t->n_jobs == 1 && !t->jobs[0].policy.one_shot && roll(w, 3) == 0)
		snprintf(e->gate, sizeof(e->gate), "of:%s", t->name);
	e->is.timeout = roll(w, 3) ? 60000 : 500 + roll(w, 3000);
	e->is.optional = roll(w, 8) == 0;
	e->is.on_stop = roll(w, 6) ? ON_STOP_STOP : ON_STOP_KEEP;
	e->is.on_restart = roll(w, 4) ? ON_RESTART_KEEP : ON_RESTART_RESTART;
	e->is.on_failure = roll(w, 3)	? ON_FAILURE_KEEP
			   : roll(w, 2) ? ON_FAILURE_RESTART
					: ON_FAILURE_STOP;
	if (t->n_jobs == 1 && t->jobs[0].policy.probed && roll(w, 2))
		e->is.condition = COND_HEALTHY;
}

static void gate_edge(struct world *w, struct sim_edge *e)
{
	*e = (struct sim_edge){.is = {.kinds = DEP_REQUIRES, .gate_only = true, .timeout = 5000}};
	snprintf(e->service, sizeof(e->service), "outside");
	snprintf(e->gate, sizeof(e->gate), "ext:%u", roll(w, 3));
}

/* So many of all edges are enough. */
static void make_group(struct world *w, struct sim_edge *edges, size_t n)
{
	uint32_t need = 1 + roll(w, (uint32_t)n);

	for (size_t i = 0; i < n; i++) {
		edges[i].is.kinds = DEP_REQUIRES;
		edges[i].is.optional = false;
		edges[i].is.group = 1;
		edges[i].is.need = need;
	}
}

static size_t make_edges(struct world *w, struct sim_edge *edges, size_t self)
{
	size_t n = 0;

	for (size_t t = 0; t < self && n < MAX_EDGES - 2; t++)
		if (roll(w, (uint32_t)self + 1) < 2)
			set_edge(w, &edges[n++], t, self);
	if (n > 1 && roll(w, 4) == 0)
		make_group(w, edges, n);
	if (roll(w, 12) == 0)
		gate_edge(w, &edges[n++]);
	return n;
}

/* Pointers are set when the story hands a unit over: rows are copied about. */
static void point(struct sim_edge *e)
{
	e->is.key = e->service;
	e->is.service = e->is.gate_only ? NULL : e->service;
	e->is.action = *e->action ? e->action : NULL;
	e->is.gate = *e->gate ? e->gate : NULL;
	e->is.source = *e->source ? e->source : NULL;
}

static void make_unit(struct world *w, size_t i)
{
	struct sim_unit *u = &w->units[i];
	uint32_t version = u->version;
	bool registered = u->registered;

	*u = (struct sim_unit){.registered = registered, .version = version + 1};
	snprintf(u->name, sizeof(u->name), "u%u", (unsigned)i % 100);
	u->n_jobs = roll(w, 8) == 0 ? 0 : roll(w, 4) ? 1 : 2 + roll(w, 2);
	for (size_t k = 0; k < u->n_jobs; k++) {
		struct sim_job *j = &u->jobs[k];

		snprintf(j->name, sizeof(j->name), "a%u", (unsigned)k % 10);
		j->policy = policy_of(w, roll(w, 5) == 0);
		j->n_edges = make_edges(w, j->edges, i);
		if (k && roll(w, 2)) { /* a sibling */
			struct sim_edge *e = &j->edges[j->n_edges++];

			*e = (struct sim_edge){.is = {.kinds = DEP_REQUIRES, .timeout = 60000}};
			e->is.on_failure = roll(w, 2)	? ON_FAILURE_KEEP
					   : roll(w, 2) ? ON_FAILURE_RESTART
							: ON_FAILURE_STOP;
			memcpy(e->service, u->name, sizeof(e->service));
			snprintf(e->action, sizeof(e->action), "a%u", (unsigned)(k - 1) % 10);
		}
	}
	if (!u->n_jobs)
		u->n_edges = make_edges(w, u->edges, i);
	if (i && roll(w, 10) == 0) {
		unsigned other = roll(w, (uint32_t)i);

		snprintf(u->conflict, sizeof(u->conflict), "u%u", other);
	}
}

static void define(struct world *w, size_t i, enum wanted wanted)
{
	struct sim_unit *u = &w->units[i];
	struct engine_job_spec jobs[MAX_JOBS];
	struct engine_edge_spec edges[MAX_JOBS][MAX_EDGES], own[MAX_EDGES];
	const char *conflict = u->conflict;
	struct engine_unit_spec spec = {.name = u->name,
	    .revision = u->version,
	    .wanted = wanted,
	    .jobs = jobs,
	    .n_jobs = u->n_jobs,
	    .edges = own,
	    .n_edges = u->n_edges,
	    .conflicts = &conflict,
	    .n_conflicts = *conflict ? 1 : 0};

	for (size_t k = 0; k < u->n_jobs; k++) {
		for (size_t e = 0; e < u->jobs[k].n_edges; e++) {
			point(&u->jobs[k].edges[e]);
			edges[k][e] = u->jobs[k].edges[e].is;
		}
		jobs[k] = (struct engine_job_spec){
		    u->jobs[k].name, u->jobs[k].policy, edges[k], u->jobs[k].n_edges};
	}
	for (size_t e = 0; e < u->n_edges; e++) {
		point(&u->edges[e]);
		own[e] = u->edges[e].is;
	}
	u->registered = true;
	engine_define(w->en, w->now, &spec);
}

/* ---- the operator ------------------------------------------------------------------ */

static bool is_stopping(const struct world *w, size_t i)
{
	struct unit_view v;
	unit_id u = engine_find(w->en, w->units[i].name);

	return u != ID_NONE && engine_unit(w->en, u, &v) && v.state == SERVICE_STOPPING;
}

static bool is_live(const struct world *w, const char *name)
{
	struct unit_view v;
	unit_id u = engine_find(w->en, name);

	return u != ID_NONE && engine_unit(w->en, u, &v) && v.run_live;
}

static uint64_t newest_token(const struct world *w)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < w->procs.n; i++)
		if (w->procs.v[i].token > newest)
			newest = w->procs.v[i].token;
	return newest;
}

/* One name, or a set; from time to time the same request again. */
static size_t some_names(struct world *w, const char **names)
{
	size_t n = roll(w, 3) ? 1 : 2 + roll(w, 2), got = 0;

	for (size_t i = 0; i < n; i++) {
		const char *name = w->units[roll(w, (uint32_t)w->n_units)].name;
		bool twice = false;

		for (size_t k = 0; k < got; k++)
			twice = twice || names[k] == name;
		if (!twice)
			names[got++] = name;
	}
	return got;
}

static void request(struct world *w, enum op_kind kind)
{
	const char *names[3];
	size_t n = some_names(w, names);
	struct engine_request rq = {.kind = kind,
	    .names = names,
	    .n_names = n,
	    .replace = roll(w, 4) == 0,
	    .with_unneeded = roll(w, 6) == 0,
	    .with_deps = roll(w, 8) == 0,
	    .no_deps = roll(w, 12) == 0};
	struct strv chain = {0};
	struct error e;
	bool was_stopping[MAX_UNITS], was_live[3];
	uint64_t newest = newest_token(w);

	for (size_t i = 0; i < n; i++)
		was_live[i] = is_live(w, names[i]);
	for (size_t i = 0; i < w->n_units; i++)
		was_stopping[i] = is_stopping(w, i);
	for (unsigned times = 1 + (roll(w, 5) == 0); times--;) {
		op_id id = 0;

		if (w->trace)
			printf("%8lld %s %s%s\n", (long long)w->now, op_kind_str(kind), names[0],
			    n > 1 ? " and more" : "");
		enum err code = engine_request(w->en, w->now, &rq, &id, &chain, &e);
		if (!code)
			ops_asked(w, id, &rq, newest, was_live);
		if (w->trace)
			printf("%8lld   %s%s operation %llu\n", (long long)w->now,
			    code ? "refused: " : "accepted", code ? e.msg : "",
			    (unsigned long long)id);
		for (size_t i = 0; i < w->n_units; i++)
			if (!was_stopping[i] && is_stopping(w, i))
				w->units[i].restarted = kind == OP_RESTART;
	}
	strv_release(&chain);
}

static void redefine(struct world *w, size_t i)
{
	struct unit_view v;

	if (w->trace)
		printf("%8lld define u%zu\n", (long long)w->now, i);
	/* A job that vanishes from a definition while it runs is judged elsewhere. */
	if (world_alive(w, w->units[i].name, NULL)) {
		struct sim_unit was = w->units[i];

		for (size_t k = 0; k < was.n_jobs; k++)
			was.jobs[k].policy.stop_timeout = 200 + roll(w, 300);
		w->units[i] = was;
	} else {
		make_unit(w, i);
	}
	define(w, i, WANTED_IGNORE);
	engine_unit(w->en, engine_find(w->en, w->units[i].name), &v);
}

static void undefine(struct world *w, size_t i)
{
	struct sim_unit *u = &w->units[i];

	if (engine_remove(w->en, w->now, u->name)) {
		u->registered = false;
		if (w->trace)
			printf("%8lld remove %s\n", (long long)w->now, u->name);
	}
}

static void check_plan(struct world *w, const char *name)
{
	struct engine_request rq = {
	    .kind = roll(w, 2) ? OP_START : OP_STOP, .names = &name, .n_names = 1};
	struct op_plan plan = {0};
	struct strv chain = {0};
	struct error e;

	struct what_if what = {0};

	if (!engine_plan(w->en, w->now, &rq, &plan, &chain, &e)) {
		digest_steps(w, plan.v, plan.n);
		op_plan_release(&plan);
	}
	if (!engine_what_if(w->en, w->now, name, NULL, roll(w, 2), &what, &e)) {
		digest_what_if(w, &what);
		what_if_release(&what);
	}
	strv_release(&chain);
}

static void operate(struct world *w)
{
	size_t i = roll(w, (uint32_t)w->n_units);
	const char *name = w->units[i].name;

	w->operations++;
	switch (roll(w, 15)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4: request(w, OP_START); break;
	case 5:
	case 6:
	case 7: request(w, OP_STOP); break;
	case 8:
	case 9: request(w, OP_RESTART); break;
	case 10: redefine(w, i); break;
	case 11: undefine(w, i); break;
	case 12: check_plan(w, name); break;
	case 13: ops_cancel_one(w); break;
	default: {
		struct error e;

		if (engine_set_wanted(w->en, w->now, name, (enum wanted)roll(w, WANTED_COUNT), &e))
			break;
	}
	}
	world_perform(w);
	world_judge(w);
	digest_states(w);
}

/* ---- the server is killed ----------------------------------------------------------- */

static struct job_core core_after_kill(
    const struct world *w, const struct unit_view *u, const struct job_view *j)
{
	struct job_core c = j->core;

	c.hangs = false; /* the keeper tells again */
	if (c.state == JOB_STARTING && !world_alive(w, u->name, j->name)) {
		c.state = JOB_WAITING_DEPS; /* the request was lost: nothing was executed */
		c.attempts--;
	}
	return c;
}

static void restore_units(struct world *w, const struct engine *old)
{
	struct unit_view u;
	struct job_view j;

	for (unit_id id = 0; id < engine_unit_count(old); id++) {
		if (!engine_unit(old, id, &u) || !u.registered)
			continue;
		engine_restore_unit(
		    w->en, u.name, u.wanted, u.run, u.run_live, u.reason, u.reason_subject);
		for (size_t i = 0; engine_job_at(old, id, i, &j); i++) {
			const struct engine_job_memory m = {.core = core_after_kill(w, &u, &j),
			    .token = j.token,
			    .attempt = j.attempt,
			    .restarts = j.restarts,
			    .since = j.since};

			engine_restore_job(w->en, u.name, j.name, &m);
		}
	}
}

static void kill_server(struct world *w)
{
	struct engine *old = w->en;

	if (w->trace)
		printf("%8lld SIGKILL of the server\n", (long long)w->now);
	w->en = engine_new(w->seed);
	engine_keep_tallies(w->en, w->seed % 2 ? 1 : 16); /* counts, or walks over few */
	w->watched.n = 0;
	engine_restore_begin(w->en);
	for (size_t i = 0; i < w->n_units; i++)
		if (w->units[i].registered)
			define(w, i, WANTED_IGNORE);
	restore_units(w, old);
	ops_restore(w, old);
	engine_set_counters(w->en, 1000000 + w->spawns * 2u,
	    1 + (w->ops.n ? w->ops.v[w->ops.n - 1].id : 0), 1000000);
	engine_restored(w->en, w->now);
	engine_free(old);
	for (size_t i = 0; i < w->procs.n; i++) /* probes begin anew */
		if (w->procs.v[i].spec.policy.probed)
			w->procs.v[i].probe_at = w->now + roll(w, 50);
	world_perform(w);
	for (size_t i = 0; i < w->procs.n; i++)
		if (w->procs.v[i].alive && w->procs.v[i].hangs) {
			engine_hangs(w->en, w->now, w->procs.v[i].token, "exec /x: hangs");
			world_perform(w);
		}
	world_judge(w);
}

/* ---- the end of a story --------------------------------------------------------------- */

/* With a kind world nothing moves any more, and nobody waits without a cause. */
static void judge_rest(struct world *w)
{
	struct unit_view u;
	struct job_view j;

	ops_judge_rest(w);
	for (unit_id id = 0; id < engine_unit_count(w->en); id++) {
		if (!engine_unit(w->en, id, &u))
			continue;
		for (size_t k = 0; engine_job_at(w->en, id, k, &j); k++) {
			enum job_state s = j.core.state;
			struct edge_view e;
			bool cause = engine_conflict_of(w->en, id) != ID_NONE;

			if (s == JOB_RETRYING || s == JOB_STARTING || s == JOB_STOPPING ||
			    s == JOB_PENDING)
				world_break(w, "everything settles", "%s/%s is %s", u.name, j.name,
				    job_state_str(s));
			if (s != JOB_WAITING_DEPS)
				continue;
			for (size_t n = 0; engine_edge_at(w->en, j.id, n, &e); n++)
				cause = cause || e.status == EDGE_BLOCKED;
			if (!cause)
				world_break(
				    w, "who waits has a root cause", "%s/%s", u.name, j.name);
		}
	}
}

static bool ends_by_itself(const struct sim_unit *t)
{
	for (size_t k = 0; k < t->n_jobs; k++)
		if (!t->jobs[k].policy.one_shot)
			return false;
	return t->n_jobs;
}

/* A wanted service whose hard needs are all there and allowed runs in the end. */
static bool may_run(struct world *w, const struct sim_unit *u, unsigned depth)
{
	struct unit_view v;
	unit_id id = engine_find(w->en, u->name);
	bool ok = u->registered && id != ID_NONE && depth < 40 && engine_unit(w->en, id, &v) &&
		  v.wanted != WANTED_STOP && v.state != SERVICE_FAILED &&
		  v.state != SERVICE_DEGRADED && !*u->conflict;

	struct job_view j;
	for (size_t k = 0; ok && engine_job_at(w->en, id, k, &j) && k < u->n_jobs; k++)
		ok = j.core.state != JOB_SUCCEEDED || u->jobs[k].policy.one_shot;
	for (size_t i = 0; ok && i < w->n_units; i++)
		ok = strcmp(w->units[i].conflict, u->name) != 0;
	for (size_t k = 0; ok && k < (u->n_jobs ? u->n_jobs : 1); k++) {
		const struct sim_edge *e = u->n_jobs ? u->jobs[k].edges : u->edges;
		size_t n = u->n_jobs ? u->jobs[k].n_edges : u->n_edges;

		for (size_t i = 0; ok && i < n; i++) {
			struct sim_unit *t = world_unit(w, e[i].service);

			if (!(e[i].is.kinds & DEP_REQUIRES) || t == u || e[i].is.gate_only)
				continue;
			ok = t && may_run(w, t, depth + 1) &&
			     (!*e[i].gate || (t->n_jobs == 1 && !t->jobs[0].policy.one_shot)) &&
			     (!*e[i].action || t->n_jobs > 1) &&
			     (e[i].is.condition <= COND_HEALTHY || ends_by_itself(t));
		}
	}
	return ok;
}

static void judge_wanted(struct world *w)
{
	for (size_t i = 0; i < w->n_units; i++) {
		struct unit_view v;
		unit_id id = engine_find(w->en, w->units[i].name);

		if (id == ID_NONE || !engine_unit(w->en, id, &v) || v.wanted != WANTED_START ||
		    !v.run_live || !may_run(w, &w->units[i], 0))
			continue;
		if (v.state != SERVICE_RUNNING && v.state != SERVICE_EXITED)
			world_break(w, "what is wanted and possible runs", "%s is %s", v.name,
			    service_state_str(v.state));
	}
}

static void run_for(struct world *w, msec span)
{
	msec end = w->now + span;

	for (unsigned n = 0; !w->broken && n < 200000; n++) {
		msec t = world_next(w);

		if (t > end)
			break;
		world_advance(w, t);
		storm_blow(w, kill_server);
	}
	w->now = end > w->now ? end : w->now;
}

/* What all the stories together had. */
struct totals {
	unsigned long seeds, operations, executions, failed, faults[FAULT_COUNT];
	uint64_t digest; /* of all that happened: equal in builds that decide alike */
};

static bool tell(uint64_t seed, bool trace, bool stormy, struct totals *sum)
{
	struct world w = {.seed = seed,
	    .rng = seed * 7919 + 17,
	    .digest = seed,
	    .trace = trace,
	    .storm = {.blows = stormy, .dice = ~seed}};

	w.en = engine_new(seed);
	engine_keep_tallies(w.en, seed % 2 ? 1 : 16); /* counts, or walks over few */
	w.n_units = 2 + roll(&w, MAX_UNITS - 2);
	for (size_t i = 0; i < w.n_units; i++) {
		make_unit(&w, i);
		if (roll(&w, 8))
			define(&w, i, (enum wanted)roll(&w, WANTED_COUNT));
	}
	unsigned turns = 10 + roll(&w, 60);
	for (unsigned n = 0; n < turns && !w.broken; n++) {
		operate(&w);
		if (roll(&w, 15) == 0 && !w.broken)
			kill_server(&w);
		run_for(&w, roll(&w, 3) ? roll(&w, 400) : roll(&w, 6000));
	}
	w.kind = true;
	for (size_t i = 0; i < w.procs.n; i++) /* what hangs comes to an end */
		if (w.procs.v[i].hangs && w.procs.v[i].exec_at > w.now)
			w.procs.v[i].exec_at = w.now;
	for (size_t i = 0; i < w.procs.n; i++)
		if (w.procs.v[i].spec.policy.probed)
			w.procs.v[i].probe_at = w.now + 10;
	run_for(&w, 600000);
	digest_states(&w);
	if (!w.broken) {
		judge_rest(&w);
		judge_wanted(&w);
		world_judge_failures(&w);
	}
	if (!w.broken &&
	    !stormy) /* after a storm back-offs are minutes long, and plans know no clock */
		plans_judge(&w, run_for);
	if (!w.broken) {
		engine_shutdown(w.en, w.now, 5000);
		world_perform(&w);
		run_for(&w, 60000);
		if (w.procs.n && !w.broken)
			world_break(&w, "a shutdown leaves no process", "%s/%s", w.procs.v[0].unit,
			    w.procs.v[0].job);
	}
	if (w.broken)
		printf("seed %llu t=%lld: broke `%s`: %s\n", (unsigned long long)seed,
		    (long long)w.broken_at, w.broken, w.detail);
	engine_free(w.en);
	free(w.procs.v);
	free(w.watched.v);
	free(w.ops.v);
	sum->seeds++;
	sum->digest = sum->digest * 31 + w.digest;
	sum->operations += w.operations;
	sum->executions += w.spawns;
	sum->failed += w.broken != NULL;
	for (size_t i = 0; i < FAULT_COUNT; i++)
		sum->faults[i] += w.storm.faults[i];
	return !w.broken;
}

/* Whitespace-separated seeds; # begins a comment; `storm` before a seed: in a storm. */
static bool tell_file(const char *path, struct totals *sum)
{
	FILE *f = fopen(path, "re");
	char line[512];

	if (!f) {
		perror(path);
		return false;
	}
	while (fgets(line, sizeof(line), f)) {
		char *save = NULL;
		bool stormy = false;

		for (char *w = strtok_r(line, " \n", &save); w && *w != '#';
		     w = strtok_r(NULL, " \n", &save)) {
			if (strcmp(w, "storm") == 0)
				stormy = true;
			else
				tell(strtoull(w, NULL, 0), false, stormy, sum);
		}
	}
	fclose(f);
	return true;
}

static int print_totals(const struct totals *sum, const char *what)
{
	unsigned long faults = 0;

	for (size_t i = 0; i < FAULT_COUNT; i++)
		faults += sum->faults[i];
	printf("%lu seeds%s, %lu operations, %lu executions, %lu failed, digest %016" PRIx64 "\n",
	    sum->seeds, what, sum->operations, sum->executions, sum->failed, sum->digest);
	for (size_t i = 0; faults && i < FAULT_COUNT; i++)
		printf("  %-14s %8lu\n", fault_str((enum fault)i), sum->faults[i]);
	return sum->failed != 0;
}

/* So many operations in storms, from seed `first` on. */
static int tell_storms(uint64_t first, unsigned long operations)
{
	struct totals sum = {0};

	for (uint64_t s = first; sum.operations < operations && sum.failed < 20; s++)
		tell(s, false, true, &sum);
	return print_totals(&sum, " in storms");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	bool trace = argc > 1 && strcmp(argv[argc - 1], "-v") == 0;
	bool stormy = argc > 1 && strcmp(argv[1], "--storm") == 0;
	struct totals sum = {0};

	if (argc > 1 && strcmp(argv[1], "--large") == 0)
		return large_run(argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 10000, 1) != 0;
	if (argc > 1 && strcmp(argv[1], "--operations") == 0)
		return tell_storms(argc > 3 ? strtoull(argv[3], NULL, 0) : 1,
		    argc > 2 ? strtoul(argv[2], NULL, 0) : 1000000);
	if (argc > 1 && argv[1][0] == '@')
		return !tell_file(argv[1] + 1, &sum) || print_totals(&sum, " kept");
	argv += stormy;
	argc -= stormy;
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t count = argc > 2 && argv[2][0] != '-' ? strtoull(argv[2], NULL, 0)
			 : argc > 1		       ? 1
						       : 10000;
	for (uint64_t s = first; s < first + count && sum.failed < 20; s++)
		tell(s, trace, stormy, &sum);
	return print_totals(&sum, stormy ? " in storms" : "");
}
