/* what_if.c - a copy is run forward after a stop or a failure, and compared with what is. */
#include "engine/world.h"

#define TURNS_MAX 100 /* of timers, until it comes back */

struct trial {
	struct engine *en;
	msec now;
	unit_id subject; /* its processes are not executed while `hold` */
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

static void play_on(struct trial *t)
{
	struct engine *en = t->en;

	for (size_t i = 0; i < en->effects.n; i++) {
		struct effect fx = en->effects.v[i];

		if (fx.kind == EFFECT_SPAWN && t->hold && fx.unit == t->subject) {
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

		if (!job_state_has_process(jb->core.state) || jb->is->policy.virtual)
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

static bool has_step(const struct what_if *w, const char *step, const char *service)
{
	for (size_t i = 0; i < w->steps.n; i++)
		if (strcmp(w->steps.v[i].step, step) == 0 &&
		    strcmp(w->steps.v[i].service, service) == 0)
			return true;
	return false;
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
		for_out (en, j, e) {
			enum edge_status s = edge_effect(en, e);

			if (!text_eq(str_text(&text), "") ||
			    !(en->edges.v[e].broken || (job_tracks_edges(&en->jobs.v[j]) &&
							   (s == EDGE_WAITS || s == EDGE_BLOCKED))))
				continue;
			edge_describe(en, e, &text);
		}
	if (!text.n && un->facts.failed)
		describe_failure(en, u, &text);
	return text.n ? text_dup(str_text(&text)) : NULL;
}

static void snapshot(struct trial *t, const struct engine *was)
{
	for (unit_id u = 0; u < t->en->units.n; u++)
		if (t->en->units.v[u].used && t->en->units.v[u].registered)
			*vec_push(t->out) = (struct what_if_row){
			    .service = text_dup(t->en->units.v[u].name),
			    .before = was->units.v[u].state,
			    .during = t->en->units.v[u].state,
			    .why = why_of(t->en, u),
			};
}

static void row_release(struct what_if_row *r)
{
	free(r->service);
	free(r->why);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct what_if_row *)a)->service, ((const struct what_if_row *)b)->service);
}

/* Rows of what does not change are dropped. */
static void finish(struct trial *t)
{
	struct what_if *w = t->out;
	size_t kept = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct what_if_row r = w->v[i];

		r.after = t->en->units.v[engine_find(t->en, r.service)].state;
		r.stopped = has_step(w, "stop", r.service);
		r.started = has_step(w, "start", r.service);
		if (r.before == r.during && r.before == r.after && !r.stopped && !r.started)
			row_release(&r);
		else
			w->v[kept++] = r;
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

enum err engine_what_if(const struct engine *original, msec now, const char *name, bool fail,
    struct what_if *out, struct error *e)
{
	struct trial t = {.en = engine_copy(original), .now = now, .hold = fail, .out = out};

	*out = (struct what_if){0};
	t.subject = engine_find(t.en, name);
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
