/* run.c - ad-hoc runs, and the history of runs and jobs. */
#include "server/history/definitions.h"
#include "server/host/json_time.h"
#include "server/methods/methods.h"

#include "manifest/definition_read.h"
#include "server/change/submission.h"
#include "server/explain/status.h"
#include "server/history/records.h"
#include "server/operation/operations.h"
#include "server/supervise/launch.h"
#include "server/supervise/perform.h"

static const struct rpc_param submit_params[] = {{"name", RPC_STRING, false, "how people call it"},
    {"context", RPC_STRING, false, "of its actions"},
    {"actions", RPC_ARRAY, true,
	"ActionSpecs, or {action, inputs?, depends_on?} of registered ones"},
    {"depends_on", RPC_ARRAY, false, "services that every action needs"},
    {"abort_on_failure", RPC_BOOL, false, "end the other branches, too"},
    {"wait", RPC_BOOL, false, "answer at its end (default)"},
    {"timeout_ms", RPC_INT, false, "bounds the wait only"},
    {"dry_run", RPC_BOOL, false, "the steps, nothing begins"}};
static const struct rpc_param run_params[] = {
    {"run", RPC_STRING_OR_INT, false, "a run's name or number"},
    {"name", RPC_STRING_OR_INT, false, "the same"}};
static const struct rpc_param cancel_params[] = {
    {"run", RPC_STRING_OR_INT, false, "a run's name or number"},
    {"name", RPC_STRING_OR_INT, false, "the same"},
    {"wait", RPC_BOOL, false, "answer at its end (default)"},
    {"timeout_ms", RPC_INT, false, "bounds the wait only"},
    {"dry_run", RPC_BOOL, false, "the steps, nothing changes"}};
static const struct rpc_param list_params[] = {
    {"service", RPC_STRING, false, "of that one; absent: all"},
    {"limit", RPC_INT, false, "at most so many (100)"},
    {"count", RPC_BOOL, false, "say how many more there are (`more`)"},
    {"cursor", RPC_INT, false, "`next` of the last answer"}};
static const struct rpc_param jobs_params[] = {
    {"run", RPC_STRING_OR_INT, false, "a run's name or number"},
    {"service", RPC_STRING, false, "its present or last run"}};
static const struct rpc_param job_params[] = {{"id", RPC_INT, true, "a job"}};

/* ---- rows as JSON ------------------------------------------------------------------- */

static json_t *job_row(const struct store_job *r)
{
	char name[16];

	return json_pack(
	    "{s:I, s:I, s:s?, s:s, s:s, s:o, s:I, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o}", "id",
	    (json_int_t)r->id, "run", (json_int_t)r->run, "service", r->service, "action",
	    r->action, "state", job_state_str(r->state), "reason",
	    r->reason == REASON_NONE ? json_null() : json_string(reason_str(r->reason)), "attempt",
	    (json_int_t)r->attempt, "exit_code",
	    r->exit_code >= 0 ? json_integer(r->exit_code) : json_null(), "signal",
	    r->signal ? json_string(signal_name((int)r->signal, name, sizeof(name))) : json_null(),
	    "pid", r->pid ? json_integer(r->pid) : json_null(), "restarts", (json_int_t)r->restarts,
	    "created", json_time(r->created), "started", json_time(r->started), "ready_at",
	    json_time(r->ready_at), "ended", json_time(r->ended));
}

static json_t *run_row(const struct store_run *r)
{
	return json_pack("{s:I, s:s, s:s, s:s?, s:s, s:o, s:s?, s:o, s:o}", "id", (json_int_t)r->id,
	    "name", r->name, "run", r->name, "service", r->service, "state",
	    run_state_str(r->state), "reason",
	    r->reason == REASON_NONE ? json_null() : json_string(reason_str(r->reason)), "who",
	    r->who, "started", json_time(r->started), "ended", json_time(r->ended));
}

static bool add_job(const struct store_job *r, void *ctx)
{
	json_array_append_new(ctx, job_row(r));
	return true;
}

static bool add_run(const struct store_run *r, void *ctx)
{
	json_array_append_new(ctx, run_row(r));
	return true;
}

/* ---- submit --------------------------------------------------------------------------- */

struct submitted {
	struct rpc_call *call;
	char *name;
	uint64_t run;
};

static json_t *live_jobs(struct daemon *d, unit_id id)
{
	json_t *a = json_array();
	struct job_view j;

	for (size_t i = 0; engine_job_at(d->engine, id, i, &j); i++)
		json_array_append_new(
		    a, json_pack("{s:I, s:s, s:s, s:o}", "id",
			   (json_int_t)records_job(d->history, j.id)->row, "action", j.name,
			   "state", job_state_str(j.core.state), "exit_code",
			   j.core.was_executed && job_state_is_end(j.core.state) &&
				   j.core.last.code >= 0
			       ? json_integer(j.core.last.code)
			       : json_null()));
	return a;
}

static json_t *stored_jobs(struct daemon *d, uint64_t run)
{
	json_t *a = json_array();
	struct error e = {0};

	store_list_jobs(d->store, (int64_t)run, add_job, a, &e);
	return a;
}

/* Live while the engine has it, else as it was committed: an answer comes after that. */
static json_t *submitted_json(struct daemon *d, const struct submitted *s, json_t *into)
{
	unit_id id = engine_find(d->engine, s->name);
	struct unit_view u;
	json_t *rows = json_array();
	struct error e = {0};

	json_object_set_new(into, "run", json_string(s->name));
	json_object_set_new(into, "id", json_integer((json_int_t)s->run));
	if (id != ID_NONE && engine_unit(d->engine, id, &u)) {
		json_object_set_new(into, "state", json_string(run_state_str(u.run_state)));
		json_object_set_new(into, "jobs", live_jobs(d, id));
	} else {
		store_find_run(d->store, s->name, add_run, rows, &e);
		json_object_set(into, "state", json_object_get(json_array_get(rows, 0), "state"));
		json_object_set_new(into, "jobs", stored_jobs(d, s->run));
	}
	json_decref(rows);
	return into;
}

static void submitted_ended(void *ctx, const struct error *e, json_t *take_answer)
{
	struct submitted *s = ctx;
	json_t *o =
	    submitted_json(ops_daemon(s->call), s, take_answer ? take_answer : json_object());

	struct strv names = {0};

	strv_add(&names, s->name);
	if (e->code == ERR_OK)
		rpc_answer(s->call, o);
	else
		ops_explain(s->call, e, &names, o);
	strv_release(&names);
	free(s->name);
	free(s);
}

static void follow(struct rpc_call *call, const json_t *params, op_id op, const char *name)
{
	struct daemon *d = ops_daemon(call);
	struct submitted *s = mem_new(sizeof(*s));
	struct unit_view u = {0};

	engine_unit(d->engine, engine_find(d->engine, name), &u);
	*s = (struct submitted){.call = call, .name = text_dup(name), .run = u.run};
	if (param_bool(params, "wait", true)) {
		operations_wait(
		    d->operations, op, param_int(params, "timeout_ms", 0), submitted_ended, s);
		perform_effects(d->supervision);
		return;
	}
	json_t *o = operation_json(d->operations, op);
	o = submitted_json(d, s, o ? o : json_object());
	perform_effects(d->supervision);
	ops_answer_committed(call, o);
	free(s->name);
	free(s);
}

static void plan(struct rpc_call *call, struct service_def *def, struct diags *diags)
{
	struct daemon *d = ops_daemon(call); /* a call is gone once it was answered */
	struct op_plan plan = {0};
	struct strv chain = {0};
	struct error e = {0};

	if (submission_plan(d->change, def, &plan, diags, &chain, &e))
		ops_fail_diags(call, &e, diags, &chain);
	else
		rpc_answer(call, json_pack("{s:b, s:b, s:s, s:o, s:[]}", "dry_run", 1, "changed",
				     plan.n > 0, "kind", op_kind_str(OP_RUN), "steps",
				     steps_json(plan.v, plan.n, NULL), "started"));
	perform_effects(d->supervision);
	service_def_release(def);
	op_plan_release(&plan);
	strv_release(&chain);
}

static void submit(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	auto_free char *uid = ops_who(call);
	auto_free char *who = text_fmt("rpc run.submit (%s)", uid);
	struct service_def def = {0};
	struct diags diags = {0};
	struct strv chain = {0};
	struct error e = {0};
	const char *name;
	op_id op;

	if (d->shutting_down) {
		ops_fail(call, ERR_INVALID_STATE, "the supervisor is shutting down");
		return;
	}
	if (!run_def_read_json(params, who, &diags, &def)) {
		error_set(&e, ERR_INVALID, "%s", diags.n ? diags.v[0].message : "actions");
		ops_fail_diags(call, &e, &diags, NULL);
		service_def_release(&def);
	} else if (param_bool(params, "dry_run", false)) {
		plan(call, &def, &diags);
	} else if (submission_begin(d->change, &def, uid, &op, &name, &diags, &chain, &e)) {
		ops_fail_diags(call, &e, &diags, &chain);
		perform_effects(d->supervision);
	} else {
		follow(call, params, op, name);
	}
	diags_release(&diags);
	strv_release(&chain);
}

/* ---- runs ------------------------------------------------------------------------------- */

/* The row of a run by name or number, after a commit of what is queued. */
struct question {
	struct rpc_call *call;
	json_t *params;
	void (*answer)(struct question *q, struct daemon *d);
};

static void asked(bool durable, void *ctx)
{
	struct question *q = ctx;
	struct daemon *d = ops_daemon(q->call); /* a call is gone once it was answered */
	(void)durable;

	q->answer(q, d);
	store_relax(d->store);
	json_decref(q->params);
	free(q);
}

static void ask(
    struct rpc_call *call, json_t *params, void (*answer)(struct question *, struct daemon *))
{
	struct question *q = mem_new(sizeof(*q));

	*q = (struct question){call, json_incref(params), answer};
	store_barrier(ops_daemon(call)->store, asked, q);
}

static const json_t *which_run(const json_t *params)
{
	const json_t *run = json_object_get(params, "run");

	return run ? run : json_object_get(params, "name");
}

static json_t *find_run(struct daemon *d, const json_t *which)
{
	json_t *rows = json_array();
	struct error e = {0};

	if (json_is_integer(which))
		store_list_runs(d->store, "*", json_integer_value(which) + 1, 1, add_run, rows, &e);
	else if (json_is_string(which))
		store_find_run(d->store, json_string_value(which), add_run, rows, &e);
	json_t *row = json_incref(json_array_get(rows, 0));
	json_decref(rows);
	if (row && json_is_integer(which) &&
	    json_integer_value(json_object_get(row, "id")) != json_integer_value(which)) {
		json_decref(row);
		row = NULL;
	}
	return row;
}

static void fail_no_run(struct rpc_call *call, const json_t *which)
{
	auto_free char *text = json_dumps(which, JSON_ENCODE_ANY);

	ops_fail(call, ERR_NOT_FOUND, "no run %s", text ? text : "?");
}

/* ---- the edges that its jobs have, live or as they were submitted */

struct definition {
	struct service_def stored;
	const struct service_def *is; /* NULL: gone */
};

static bool take_definition(const struct store_run *r, void *ctx)
{
	struct definition *def = ctx;
	struct diags diags = {0};
	json_t *o = r->definition ? json_loads(r->definition, 0, NULL) : NULL;

	if (o && service_def_read_json(o, "store", true, &diags, &def->stored))
		def->is = &def->stored;
	json_decref(o);
	diags_release(&diags);
	return true;
}

static void definition_of(struct daemon *d, const json_t *row, struct definition *out)
{
	const char *service = param_text(row, "service"), *name = param_text(row, "name");
	struct error e = {0};

	*out = (struct definition){.is = definition_find(d->history, service ? service : name)};
	if (!out->is)
		store_find_run(d->store, name, take_definition, out, &e);
}

static void add_edges(const struct service_def *s, json_t *jobs)
{
	size_t i;
	json_t *job;

	json_array_foreach (jobs, i, job) {
		const struct action_def *a =
		    s ? service_find_action(s, param_text(job, "action")) : NULL;
		json_t *shown = a ? action_def_shown(a) : NULL;
		json_t *edges = json_object_get(shown, "depends_on");

		json_object_set_new(job, "depends_on", edges ? json_incref(edges) : json_array());
		json_decref(shown);
	}
}

static void answer_run(struct question *q, struct daemon *d)
{
	const json_t *which = which_run(q->params);
	json_t *row = find_run(d, which);
	struct definition def;

	if (!row) {
		fail_no_run(q->call, which);
		return;
	}
	unit_id id = engine_find(d->engine, param_text(row, "name"));
	json_t *jobs = stored_jobs(d, (uint64_t)param_int(row, "id", 0));
	definition_of(d, row, &def);
	add_edges(def.is, jobs);
	service_def_release(&def.stored);
	json_object_set_new(row, "jobs", jobs);
	if (id != ID_NONE)
		json_object_set_new(row, "waiting_on", status_waiting_on(d->explain, id));
	rpc_answer(q->call, row);
}

static void get(struct rpc_call *call, json_t *params)
{
	ask(call, params, answer_run);
}

/* What is older than the last one of the answer. */
static void add_more(struct daemon *d, const char *service, const json_t *last, json_t *answer)
{
	int64_t more = 0;
	struct error e = {0};

	if (last)
		store_count_runs(d->store, service, param_int(last, "id", 0), &more, &e);
	json_object_set_new(answer, "more", json_integer(more));
}

static void answer_runs(struct question *q, struct daemon *d)
{
	const char *service = param_text(q->params, "service");
	int64_t limit = param_int(q->params, "limit", 100);
	json_t *runs = json_array();
	struct error e = {0};

	limit = limit < 1 ? 1 : limit > 1000 ? 1000 : limit;
	if (store_list_runs(d->store, service ? service : "*", param_int(q->params, "cursor", 0),
		limit, add_run, runs, &e)) {
		json_decref(runs);
		rpc_fail(q->call, &e, NULL);
		return;
	}
	size_t n = json_array_size(runs);
	json_t *next =
	    (int64_t)n == limit ? json_object_get(json_array_get(runs, n - 1), "id") : NULL;
	json_t *o = json_pack("{s:o, s:O?}", "runs", runs, "next", next);
	if (param_bool(q->params, "count", false))
		add_more(d, service ? service : "*", json_array_get(runs, n ? n - 1 : 0), o);
	rpc_answer(q->call, o);
}

static void list(struct rpc_call *call, json_t *params)
{
	ask(call, params, answer_runs);
}

static void cancel(struct rpc_call *call, json_t *params)
{
	struct daemon *d = ops_daemon(call);
	const json_t *which = which_run(params);
	json_t *row = json_is_integer(which) ? find_run(d, which) : NULL;
	const char *name =
	    row ? json_string_value(json_object_get(row, "name")) : json_string_value(which);
	struct strv names = {0};

	if (!name || !run_definition_find(d->history, name)) {
		ops_fail(call, ERR_INVALID_STATE, "no ad-hoc run `%s` is open", name ? name : "?");
	} else {
		strv_add(&names, name);
		ops_request(call, params, OP_STOP, &names, NULL);
	}
	strv_release(&names);
	json_decref(row);
}

/* ---- jobs ------------------------------------------------------------------------------- */

static void answer_job(struct question *q, struct daemon *d)
{
	json_t *rows = json_array();
	struct error e = {0};
	int64_t id = param_int(q->params, "id", 0);

	if (store_find_job(d->store, id, add_job, rows, &e) || json_array_size(rows) == 0)
		ops_fail(q->call, ERR_NOT_FOUND, "no job %lld", (long long)id);
	else
		rpc_answer(q->call, json_incref(json_array_get(rows, 0)));
	json_decref(rows);
}

static void get_job(struct rpc_call *call, json_t *params)
{
	ask(call, params, answer_job);
}

static void answer_jobs(struct question *q, struct daemon *d)
{
	const char *service = param_text(q->params, "service");
	struct unit_view u = {0};
	uint64_t run = 0;

	if (service && engine_unit(d->engine, engine_find(d->engine, service), &u))
		run = u.run;
	json_t *row = find_run(d, json_object_get(q->params, "run"));
	if (row)
		run = (uint64_t)json_integer_value(json_object_get(row, "id"));
	json_decref(row);
	if (!run && (service || json_object_get(q->params, "run")))
		ops_fail(q->call, ERR_NOT_FOUND, "no such run");
	else
		rpc_answer(q->call, json_pack("{s:o}", "jobs", stored_jobs(d, run)));
}

static void list_jobs(struct rpc_call *call, json_t *params)
{
	ask(call, params, answer_jobs);
}

static const struct rpc_method methods[] = {
    OPS_METHOD("run.submit", "Run actions once, with what they need", submit_params, submit, true),
    OPS_METHOD("run.get", "A run and its jobs", run_params, get, false),
    OPS_METHOD("run.list", "Runs, the newest first", list_params, list, false),
    OPS_METHOD("run.cancel", "End an ad-hoc run", cancel_params, cancel, true),
    OPS_METHOD("job.get", "One action inside a run", job_params, get_job, false),
    OPS_METHOD("job.list", "The jobs of a run", jobs_params, list_jobs, false),
};
const struct rpc_group ops_run = OPS_GROUP(methods);
