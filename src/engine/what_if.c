/* what_if.c - a copy is run forward after a stop or a failure, and compared with what is. */
#include "engine/world.h"

#define TURNS_MAX 100 /* of timers, until it comes back */

struct trial {
	struct engine *en;
	msec now;
	unit_id subject; /* its processes are not executed while `hold` */
	job_id only;	 /* that one of them; ID_NONE: all */
	bool hold;
	struct {
		struct effect *v;
		size_t n, cap;
	} held;
	struct what_if *out;
};

static void note_step(struct trial *t, const char *step, const struct effect *fx)
{
	const struct job *jb = &t->en->jobs.v[fx->job];

	*vec_push(&t->out->steps) = (struct op_step){.step = step,
	    .service = text_dup(t->en->units.v[fx->unit].name),
	    .action = text_dup(jb->is->name),
	    .at = t->now};
}

static bool is_meant(const struct trial *t, unit_id u, job_id j)
{
	return u == t->subject && (t->only == ID_NONE || t->only == j);
}

static void play_on(struct trial *t)
{
	struct engine *en = t->en;

	for (size_t i = 0; i < en->effects.n; i++) {
		struct effect fx = en->effects.v[i];

		if (fx.kind == EFFECT_SPAWN && t->hold && is_meant(t, fx.unit, fx.job)) {
			*vec_push(&t->held) = fx;
			continue;
		}
		if (fx.kind == EFFECT_SPAWN || fx.kind == EFFECT_TERM)
			note_step(t, fx.kind == EFFECT_SPAWN ? "start" : "stop", &fx);
		plan_play(en, t->now, fx);
	}
	en->effects.n = 0;
}

static bool end_processes(struct trial *t)
{
	const struct job_exit bad = {.code = 1, .empty = true};
	bool any = false;

	for_jobs (t->en, t->subject, j) {
		const struct job *jb = &t->en->jobs.v[j];

		if (!job_state_has_process(jb->core.state) || jb->is->policy.virtual ||
		    !is_meant(t, t->subject, j))
			continue;
		engine_exited(t->en, t->now, jb->token, &bad);
		any = true;
	}
	return any;
}

/* Its back-off runs out, if another attempt follows. */
static void come_back(struct trial *t)
{
	for (size_t turn = 0; turn < TURNS_MAX && !t->held.n; turn++) {
		bool waits = false;

		for_jobs (t->en, t->subject, j)
			waits = waits || t->en->jobs.v[j].core.state == JOB_RETRYING ||
				t->en->jobs.v[j].core.state == JOB_PENDING;
		if (!waits || engine_deadline(t->en) == MSEC_NEVER)
			return;
		t->now = engine_deadline(t->en);
		engine_tick(t->en, t->now);
		play_on(t);
	}
	t->hold = false;
	t->out->comes_back = true;
	for (size_t i = 0; i < t->held.n; i++) {
		note_step(t, "start", &t->held.v[i]);
		plan_play(t->en, t->now, t->held.v[i]);
	}
	play_on(t);
}

/* ---- the comparison ---------------------------------------------------------------- */

static bool has_step(const struct what_if *w, const char *step, const struct what_if_row *r)
{
	for (size_t i = 0; i < w->steps.n; i++)
		if (strcmp(w->steps.v[i].step, step) == 0 &&
		    strcmp(w->steps.v[i].service, r->service) == 0 &&
		    (!r->action || strcmp(w->steps.v[i].action, r->action) == 0))
			return true;
	return false;
}

static bool says_why(const struct engine *en, job_id j, edge_id e)
{
	enum edge_status s = edge_effect(en, e);

	return en->edges.v[e].broken ||
	       (job_tracks_edges(&en->jobs.v[j]) && (s == EDGE_WAITS || s == EDGE_BLOCKED));
}

static void add_why_of_job(const struct engine *en, job_id j, struct str *out)
{
	for_out (en, j, e)
		if (!out->n && says_why(en, j, e))
			edge_describe(en, e, out);
}

static char *why_of(const struct engine *en, unit_id u)
{
	const struct unit *un = &en->units.v[u];
	auto_str text = {0};

	if (!un->live || un->stopping)
		return un->reason_unit == ID_NONE
			   ? NULL
			   : text_fmt("it requires %s", unit_title(en, un->reason_unit));
	for_jobs (en, u, j)
		add_why_of_job(en, j, &text);
	if (!text.n && un->facts.failed)
		describe_failure(en, u, &text);
	return text.n ? text_dup(str_text(&text)) : NULL;
}

static bool is_composite(const struct engine *en, unit_id u)
{
	job_id first = en->units.v[u].first_job;

	return first != ID_NONE && en->jobs.v[first].next != ID_NONE;
}

/* The topology of a copy is that of the original: ids are the same. */
static void snapshot_actions(struct trial *t, const struct engine *was, unit_id u)
{
	for_jobs (t->en, u, j) {
		auto_str why = {0};

		if (is_composite(t->en, u))
			add_why_of_job(t->en, j, &why);
		if (is_composite(t->en, u))
			*vec_push(t->out) = (struct what_if_row){
			    .service = text_dup(t->en->units.v[u].name),
			    .action = text_dup(t->en->jobs.v[j].is->name),
			    .before.action = was->jobs.v[j].core.state,
			    .during.action = t->en->jobs.v[j].core.state,
			    .why = why.n ? text_dup(str_text(&why)) : NULL,
			};
	}
}

static void snapshot(struct trial *t, const struct engine *was)
{
	for (unit_id u = 0; u < t->en->units.n; u++) {
		if (!t->en->units.v[u].used || !t->en->units.v[u].registered)
			continue;
		*vec_push(t->out) = (struct what_if_row){
		    .service = text_dup(t->en->units.v[u].name),
		    .before.service = was->units.v[u].state,
		    .during.service = t->en->units.v[u].state,
		    .why = why_of(t->en, u),
		};
		snapshot_actions(t, was, u);
	}
}

static void row_release(struct what_if_row *r)
{
	free(r->service);
	free(r->action);
	free(r->why);
}

static int by_name(const void *a, const void *b)
{
	const struct what_if_row *x = a, *y = b;
	int names = strcmp(x->service, y->service);

	return names ? names : strcmp(x->action ? x->action : "", y->action ? y->action : "");
}

static bool look_after(const struct trial *t, struct what_if_row *r)
{
	unit_id u = engine_find(t->en, r->service);

	if (!r->action) {
		r->after.service = t->en->units.v[u].state;
		return r->before.service != r->during.service ||
		       r->before.service != r->after.service;
	}
	r->after.action = t->en->jobs.v[unit_job_named(t->en, u, r->action)].core.state;
	return r->before.action != r->during.action || r->before.action != r->after.action;
}

/* Rows of what does not change are dropped. */
static void finish(struct trial *t)
{
	struct what_if *w = t->out;
	size_t kept = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct what_if_row r = w->v[i];
		bool changes = look_after(t, &r);

		r.stopped = has_step(w, "stop", &r);
		r.started = has_step(w, "start", &r);
		if (changes || r.stopped || r.started)
			w->v[kept++] = r;
		else
			row_release(&r);
	}
	w->n = kept;
	if (kept)
		qsort(w->v, kept, sizeof(*w->v), by_name);
}

static enum err begin(struct trial *t, const char *name, bool fail, struct error *e)
{
	const struct engine_request rq = {.kind = OP_STOP, .names = &name, .n_names = 1};
	struct strv chain = {0};
	op_id id;
	enum err code = ERR_OK;

	if (t->subject == ID_NONE)
		return error_set(e, ERR_NOT_FOUND, "no service `%s`", name);
	if (!fail)
		code = engine_request(t->en, t->now, &rq, &id, &chain, e);
	else if (!end_processes(t))
		code = error_set(e, ERR_INVALID_STATE, "%s has no process that could fail", name);
	strv_release(&chain);
	return code;
}

enum err engine_what_if(const struct engine *original, msec now, const char *name,
    const char *action, bool fail, struct what_if *out, struct error *e)
{
	struct trial t = {
	    .en = engine_copy(original), .now = now, .only = ID_NONE, .hold = fail, .out = out};

	*out = (struct what_if){0};
	t.subject = engine_find(t.en, name);
	if (action && t.subject != ID_NONE)
		t.only = unit_job_named(t.en, t.subject, action);
	enum err code = begin(&t, name, fail, e);
	if (!code) {
		play_on(&t);
		snapshot(&t, original);
		if (fail)
			come_back(&t);
		finish(&t);
	}
	free(t.held.v);
	engine_free(t.en);
	return code;
}

void what_if_release(struct what_if *w)
{
	for (size_t i = 0; i < w->n; i++)
		row_release(&w->v[i]);
	free(w->v);
	op_plan_release(&w->steps);
	*w = (struct what_if){0};
}
