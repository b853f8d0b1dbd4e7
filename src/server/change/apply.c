#include "server/change/apply.h"
#include "server/change/change_state.h"

#include "server/change/registration.h"
#include "server/change/snapshot.h"
#include "server/history/events.h"
#include "server/operation/operations.h"
#include "server/supervise/perform.h"

#include <event2/event.h>

#define HOLD_MS 1000 /* ready for so long without a break: confirmed */

/* clang-format off */
#define APPLY_PHASE_LIST(X)                                                     \
	X(APPLY_STOPPING, "stopping", "what was removed stops")                 \
	X(APPLY_STARTING, "starting", "what changed or was added starts")       \
	X(APPLY_WATCHING, "watching", "it may still be taken back")             \
	X(APPLY_OVER,     "over",     "nothing more follows")
ENUM_DECLARE(apply_phase, APPLY_PHASE_LIST, APPLY_PHASE_COUNT);
/* clang-format on */
ENUM_DEFINE(apply_phase, APPLY_PHASE_LIST, APPLY_PHASE_COUNT)

struct apply {
	struct apply *next;
	struct change *d;
	op_id op;	      /* its own */
	op_id stop_op, go_op; /* the engine's, 0: none */
	enum apply_phase phase;
	char *who;
	struct strv stop, go;
	bool restarts, rolling_back, replace, no_deps, changed;
	json_t *notes, *began; /* of the operation that started it: `notes`, `started`; or NULL */
	msec rollback_after, deadline; /* deadline: monotonic, 0: not yet */
	msec good_since;	       /* everything is ready; 0: not now */
	json_t *before;		       /* name -> {contributions, live, wanted}, or NULL */
	struct error failed;	       /* why it is taken back, or did not do */
	struct event *timer;
};

bool apply_is_up(const struct unit_view *u)
{
	return u->run_live && (u->state == SERVICE_STARTING || u->state == SERVICE_RUNNING ||
				  u->state == SERVICE_DEGRADED || u->state == SERVICE_STOPPING);
}

static bool find_unit(const struct change *d, const char *name, struct unit_view *out)
{
	unit_id id = engine_find(d->engine, name);

	return id != ID_NONE && engine_unit(d->engine, id, out);
}

/* ---- its row ----------------------------------------------------------------------- */

static json_t *detail_of(const struct apply *a)
{
	json_t *o = json_pack("{s:s, s:o, s:o, s:b, s:b, s:I, s:I, s:I, s:I}", "phase",
	    apply_phase_str(a->phase), "stop", strv_json(&a->stop), "go", strv_json(&a->go),
	    "restarts", a->restarts, "rolled_back", a->rolling_back, "stop_operation",
	    (json_int_t)a->stop_op, "go_operation", (json_int_t)a->go_op, "rollback_after_ms",
	    (json_int_t)a->rollback_after, "deadline", (json_int_t)a->deadline);
	json_t *operations = json_array();

	if (a->stop_op)
		json_array_append_new(operations, json_integer((json_int_t)a->stop_op));
	if (a->go_op)
		json_array_append_new(operations, json_integer((json_int_t)a->go_op));
	json_object_set_new(o, "operations", operations);
	json_object_set_new(o, "changed", json_boolean(a->changed));
	json_object_set_new(o, "replace", json_boolean(a->replace));
	json_object_set_new(o, "no_deps", json_boolean(a->no_deps));
	if (a->notes)
		json_object_set(o, "notes", a->notes);
	if (a->began)
		json_object_set(o, "started", a->began);
	if (a->failed.code != ERR_OK)
		json_object_set_new(o, "failed",
		    json_pack("{s:i, s:s}", "code", err_rpc_code(a->failed.code), "message",
			a->failed.msg));
	if (a->before && a->phase != APPLY_OVER)
		json_object_set(o, "before", a->before);
	return o;
}

static void save(struct apply *a)
{
	operations_detail(a->d->operations, a->op, detail_of(a));
}

/* ---- its life ---------------------------------------------------------------------- */

static void on_timer(evutil_socket_t fd, short what, void *ctx);

static struct apply *apply_new(struct change *d)
{
	struct apply *a = mem_new(sizeof(*a));

	a->d = d;
	a->timer = evtimer_new(d->base, on_timer, a);
	a->next = d->applies;
	d->applies = a;
	return a;
}

static void apply_free(struct apply *a)
{
	struct apply **at = &a->d->applies;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	event_free(a->timer);
	free(a->who);
	strv_release(&a->stop);
	strv_release(&a->go);
	json_decref(a->before);
	json_decref(a->notes);
	json_decref(a->began);
	free(a);
}

void applies_free(struct change *d)
{
	while (d->applies)
		apply_free(d->applies);
}

static void over(struct apply *a)
{
	a->phase = APPLY_OVER;
	save(a);
	operations_close(a->d->operations, a->op, &a->failed);
	apply_free(a);
}

static void arm(struct apply *a, msec at)
{
	msec now = clock_mono(), left = at > now ? at - now : 0;

	event_add(
	    a->timer, &(struct timeval){.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000});
}

/* ---- stop, then start ---------------------------------------------------------------- */

/* Those that are there now; a killed server may have left names of nothing. */
static void only_known(const struct change *d, struct strv *names)
{
	uint32_t kept = 0;

	for (size_t i = 0; i < names->n; i++) {
		if (engine_find(d->engine, names->v[i]) == ID_NONE)
			free(names->v[i]);
		else
			names->v[kept++] = names->v[i];
	}
	names->n = kept;
}

static void words_of(const struct change *d, const struct strv *names, enum wanted *out)
{
	struct unit_view u;

	for (size_t i = 0; i < names->n; i++)
		out[i] = find_unit(d, names->v[i], &u) ? u.wanted : WANTED_IGNORE;
}

/* It was not the operator who asked for these by name. */
static void words_back(struct change *d, const struct strv *names, const enum wanted *were)
{
	struct error e;
	struct unit_view u;

	for (size_t i = 0; i < names->n; i++)
		if (find_unit(d, names->v[i], &u) && u.wanted != were[i] &&
		    engine_set_wanted(d->engine, clock_mono(), names->v[i], were[i], &e))
			report(REPORT_WARN, "apply: %s", e.msg);
}

static enum err ask(
    struct apply *a, enum op_kind kind, const struct strv *names, op_id *out, struct error *e)
{
	struct change *d = a->d;
	struct strv chain = {0};
	auto_free enum wanted *were = mem_new((names->n + 1) * sizeof(*were));
	const struct engine_request rq = {.kind = kind,
	    .names = (const char *const *)names->v,
	    .n_names = names->n,
	    .keep_wanted = kind == OP_STOP,
	    .replace = kind != OP_STOP && a->replace && !a->rolling_back,
	    .no_deps = kind != OP_STOP && a->no_deps && !a->rolling_back,
	    .who = a->who};

	words_of(d, names, were);
	enum err code = engine_request(d->engine, clock_mono(), &rq, out, &chain, e);
	if (code == ERR_OK) {
		words_back(d, names, were);
		operations_begin(d->operations, *out, a->who, "config.apply");
	} else {
		*out = 0;
	}
	strv_release(&chain);
	return code;
}

static void go(struct apply *a);
static void evaluate(struct apply *a);

static void stopped(void *ctx, const struct error *e, json_t *take_answer)
{
	struct apply *a = ctx;
	struct change *d = a->d;
	(void)e; /* whatever became of it: what is left is stopped by the registry */

	json_decref(take_answer);
	go(a);
	perform_effects(d->supervision);
}

static void gone_through(struct apply *a, const struct error *e)
{
	if (a->before && !a->rolling_back) {
		a->phase = APPLY_WATCHING;
		if (e->code != ERR_OK)
			a->failed = *e; /* the last word on it, unless it comes up in time */
		save(a);
		evaluate(a);
		return;
	}
	if (e->code != ERR_OK && a->failed.code == ERR_OK)
		a->failed = *e;
	over(a);
}

static void started(void *ctx, const struct error *e, json_t *take_answer)
{
	struct apply *a = ctx;
	struct change *d = a->d;

	a->changed = a->changed || json_is_true(json_object_get(take_answer, "changed"));
	json_decref(a->notes);
	json_decref(a->began);
	a->notes = json_incref(json_object_get(take_answer, "notes"));
	a->began = json_incref(json_object_get(take_answer, "started"));
	json_decref(take_answer);
	gone_through(a, e);
	perform_effects(d->supervision);
}

static void go(struct apply *a)
{
	struct error e = {0};

	a->phase = APPLY_STARTING;
	if (a->before && !a->rolling_back) {
		a->deadline = clock_mono() + a->rollback_after;
		arm(a, a->deadline);
	}
	only_known(a->d, &a->go);
	if (a->go.n == 0 || ask(a, a->restarts ? OP_RESTART : OP_START, &a->go, &a->go_op, &e)) {
		save(a);
		gone_through(a, &e);
		return;
	}
	save(a);
	operations_wait(a->d->operations, a->go_op, 0, started, a);
}

static void stop_first(struct apply *a)
{
	struct error e = {0};

	a->phase = APPLY_STOPPING;
	only_known(a->d, &a->stop);
	a->changed = a->changed || a->stop.n;
	if (a->stop.n && ask(a, OP_STOP, &a->stop, &a->stop_op, &e))
		report(REPORT_WARN, "apply: stop of what was removed: %s", e.msg);
}

struct apply *apply_open(struct change *d, const struct apply_order *order, op_id *out)
{
	struct apply *a = apply_new(d);

	a->who = text_dup(order->who);
	strv_copy(&a->stop, &order->stop);
	strv_copy(&a->go, &order->go);
	a->restarts = order->restarts;
	a->replace = order->replace;
	a->no_deps = order->no_deps;
	a->rollback_after = order->rollback_after;
	if (a->rollback_after > 0)
		a->before = snapshot_take(d, order->before);
	a->op = *out = operations_open(
	    d->operations, "apply", &order->names, order->who, order->method, detail_of(a));
	stop_first(a);
	save(a);
	return a;
}

void apply_run(struct apply *a)
{
	if (a->stop_op && operations_about(a->d->operations, a->stop_op))
		operations_wait(a->d->operations, a->stop_op, 0, stopped, a);
	else
		go(a);
}

/* ---- is it healthy? -------------------------------------------------------------------- */

enum verdict { GOOD, NOT_YET, GAVE_UP };

static enum verdict judge(const struct unit_view *u)
{
	if (u->wanted == WANTED_STOP)
		return GOOD; /* the operator's word since */
	if (u->state == SERVICE_FAILED)
		return GAVE_UP;
	return u->state == SERVICE_RUNNING || u->state == SERVICE_EXITED ? GOOD : NOT_YET;
}

/* "web is failed: exit code 1" */
static void describe(const struct change *d, const struct unit_view *u, struct str *out)
{
	struct job_view j;

	str_fmt(out, "%s%s is %s", out->n ? "; " : "", u->name, service_state_str(u->state));
	for (size_t i = 0; engine_job_at(d->engine, u->id, i, &j); i++)
		if (j.why && *j.why) {
			str_fmt(out, ": %s", j.why);
			return;
		}
	for (size_t i = 0; engine_job_at(d->engine, u->id, i, &j); i++)
		if (j.core.last.signal || j.core.last.code > 0) {
			if (j.core.last.signal)
				str_fmt(out, ": signal %d", j.core.last.signal);
			else
				str_fmt(out, ": exit code %d", j.core.last.code);
			return;
		}
}

/* The worst of all, and in words what is not good. */
static enum verdict judge_all(const struct apply *a, struct str *text)
{
	enum verdict worst = GOOD;
	struct unit_view u;

	for (size_t i = 0; i < a->go.n; i++) {
		if (!find_unit(a->d, a->go.v[i], &u))
			continue;
		enum verdict v = judge(&u);
		if (v != GOOD)
			describe(a->d, &u, text);
		if (v > worst)
			worst = v;
	}
	return worst;
}

static void roll_back(struct apply *a, const char *why);

static void evaluate(struct apply *a)
{
	auto_str text = {0};
	msec now = clock_mono();
	enum verdict v = judge_all(a, &text);

	if (v == GAVE_UP || (v == NOT_YET && now >= a->deadline)) {
		roll_back(a, str_text(&text));
		return;
	}
	if (a->phase != APPLY_WATCHING) { /* not before all of it was asked for */
		if (now >= a->deadline)
			roll_back(a, "the operation did not end");
		else
			arm(a, a->deadline); /* to be woken before takes the timer away */
		return;
	}
	if (v == NOT_YET) {
		a->good_since = 0;
		arm(a, a->deadline);
		return;
	}
	if (!a->good_since)
		a->good_since = now;
	if (a->go.n == 0 || now - a->good_since >= HOLD_MS || now >= a->deadline) {
		a->failed = (struct error){0};
		over(a);
		return;
	}
	arm(a, a->good_since + HOLD_MS < a->deadline ? a->good_since + HOLD_MS : a->deadline);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct apply *a = ctx;
	struct change *d = a->d;
	(void)fd, (void)what;

	evaluate(a);
	perform_effects(d->supervision);
}

/* Decided on the loop: the engine is in the middle of its news here. */
void apply_unit_changed(struct change *d, unit_id unit)
{
	struct unit_view u;

	if (!d->applies || !engine_unit(d->engine, unit, &u))
		return;
	for (struct apply *a = d->applies; a; a = a->next) {
		if (!a->before || a->rolling_back || a->phase == APPLY_STOPPING ||
		    !strv_has(&a->go, u.name))
			continue;
		if (judge(&u) != GOOD)
			a->good_since = 0;
		event_active(a->timer, EV_TIMEOUT, 0);
	}
}

op_id apply_pending(const struct change *d)
{
	for (const struct apply *a = d->applies; a; a = a->next)
		if (a->before)
			return a->op;
	return 0;
}

void apply_redefined(struct change *d, const char *name)
{
	for (struct apply *a = d->applies; a; a = a->next)
		if (a->before)
			json_object_del(a->before, name);
}

/* ---- back to what was ------------------------------------------------------------------ */

/* What the new set brought and the old one does not have. */
static void names_to_stop(struct apply *a, const struct snapshot *f)
{
	struct unit_view u;

	strv_release(&a->stop);
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].n == 0 && find_unit(a->d, f->v[i].name, &u) && u.run_live)
			strv_add(&a->stop, f->v[i].name);
}

/* What ran before and does not, or runs something else. */
static void names_to_start(struct apply *a, const struct registry_outcome *out)
{
	const char *name;
	json_t *o;
	struct unit_view u;

	strv_release(&a->go);
	a->restarts = false;
	json_object_foreach (a->before, name, o) {
		const struct registry_change *c = registry_outcome_find(out, name);

		if (!json_is_true(json_object_get(o, "live")) || !find_unit(a->d, name, &u))
			continue;
		bool up = apply_is_up(&u);
		if (up && c && !c->restarts && c->kind != CHANGE_CREATED)
			continue;
		strv_add(&a->go, name);
		a->restarts = a->restarts || up;
	}
}

static void put_words_back(struct apply *a)
{
	struct error e;
	const char *name;
	json_t *o;
	enum wanted wanted;

	json_object_foreach (a->before, name, o) {
		const char *word = json_string_value(json_object_get(o, "wanted"));

		if (word && wanted_parse(word, &wanted) &&
		    engine_set_wanted(a->d->engine, clock_mono(), name, wanted, &e))
			report(REPORT_WARN, "apply: %s", e.msg);
	}
}

/* The definitions of before, in the registry, the store and the engine. */
static enum err restore(struct apply *a, const struct snapshot *f, struct error *e)
{
	struct registry_outcome out = {0};
	struct diags diags = {0};

	a->d->applying = true;
	enum err code = registration_restore(a->d, f->v, f->n, &out, &diags, e);
	a->d->applying = false;
	if (code == ERR_OK) {
		put_words_back(a);
		names_to_start(a, &out);
	}
	registry_outcome_release(&out);
	diags_release(&diags);
	return code;
}

static void roll_back(struct apply *a, const char *why)
{
	struct snapshot f = {0};
	struct error e = {0};

	operations_unwait(a->d->operations, a);
	event_del(a->timer);
	a->rolling_back = true;
	if (why) /* else it was said before the supervisor was killed */
		error_set(&a->failed, ERR_START_FAILED,
		    "rolled back to the previous definitions: %s", why);
	report(REPORT_WARN, "apply: operation %llu: %s", (unsigned long long)a->op, a->failed.msg);
	a->stop_op = a->go_op = 0;
	snapshot_read(&f, a->before);
	names_to_stop(a, &f);
	strv_release(&a->go);
	save(a); /* before the definitions: a killed server does all of it again */
	stop_first(a);
	if (restore(a, &f, &e)) {
		error_set(
		    &a->failed, e.code, "the previous definitions can not be put back: %s", e.msg);
		a->go.n = 0;
	}
	snapshot_release(&f);
	save(a);
	apply_run(a);
}

/* ---- after a kill of the server ----------------------------------------------------------- */

static void read_names(const json_t *list, struct strv *out)
{
	size_t i;
	json_t *v;

	json_array_foreach (list, i, v)
		if (json_is_string(v))
			strv_add(out, json_string_value(v));
}

void apply_adopt(struct change *d, const struct store_operation *row)
{
	json_t *o = json_loads(row->detail ? row->detail : "{}", 0, NULL);
	const char *phase = json_string_value(json_object_get(o, "phase"));
	const json_t *failed = json_object_get(o, "failed");
	struct apply *a = apply_new(d);

	a->op = (op_id)row->id;
	a->who = text_dup(row->who);
	if (!phase || !apply_phase_parse(phase, &a->phase))
		a->phase = APPLY_OVER;
	read_names(json_object_get(o, "stop"), &a->stop);
	read_names(json_object_get(o, "go"), &a->go);
	a->restarts = json_is_true(json_object_get(o, "restarts"));
	a->rolling_back = json_is_true(json_object_get(o, "rolled_back"));
	a->changed = json_is_true(json_object_get(o, "changed"));
	a->replace = json_is_true(json_object_get(o, "replace"));
	a->no_deps = json_is_true(json_object_get(o, "no_deps"));
	a->stop_op = (op_id)json_integer_value(json_object_get(o, "stop_operation"));
	a->go_op = (op_id)json_integer_value(json_object_get(o, "go_operation"));
	a->rollback_after = json_integer_value(json_object_get(o, "rollback_after_ms"));
	a->deadline = json_integer_value(json_object_get(o, "deadline"));
	a->before = json_incref(json_object_get(o, "before"));
	if (failed)
		error_set(&a->failed,
		    err_from_rpc_code((int)json_integer_value(json_object_get(failed, "code"))),
		    "%s", json_string_value(json_object_get(failed, "message")));
	operations_adopt_own(d->operations, row);
	json_decref(o);
}

static void resume_one(struct apply *a)
{
	const struct error none = {0};

	if (a->d->is_boot && a->before && a->phase != APPLY_OVER) {
		roll_back(a, "the machine was started anew before it was confirmed");
	} else if (a->d->is_boot || a->phase == APPLY_OVER) {
		over(a); /* what is wanted is started by the boot */
	} else if (a->rolling_back && !a->go.n && !a->go_op && a->before) {
		roll_back(a, NULL);
	} else if (a->phase == APPLY_STOPPING) {
		apply_run(a);
	} else if (a->phase == APPLY_STARTING && a->go_op &&
		   operations_about(a->d->operations, a->go_op)) {
		if (a->before && !a->rolling_back)
			arm(a, a->deadline);
		operations_wait(a->d->operations, a->go_op, 0, started, a);
	} else {
		gone_through(a, &none);
	}
}

void apply_resume(struct change *d, bool is_boot)
{
	d->is_boot = is_boot;
	for (struct apply *a = d->applies, *next; a; a = next) {
		next = a->next;
		resume_one(a);
	}
	perform_effects(d->supervision);
}
