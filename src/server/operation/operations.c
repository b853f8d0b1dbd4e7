#include "server/operation/operations.h"
#include "server/host/clock.h"
#include "server/operation/operations_state.h"

#include "rpc/json_out.h"
#include "server/history/events.h"
#include "server/history/records.h"

#include <event2/event.h>
#include <stdio.h>

struct waiter {
	struct waiter *next;
	struct operations *ops;
	op_id id;
	struct operations_watch until;
	operation_done_fn fn;
	void *ctx;
	struct event *timer;
	json_t *answer; /* the end is known, the commit is not */
	struct error e;
};

struct entry {
	char key[24];
	op_id id;
	char *who, *method, *why;
	struct operation_about about;
	size_t steps_told;
	bool stored;
	int64_t event;			     /* of its begin; 0: not told yet */
	size_t started_stored, notes_stored; /* what its row says of them */
	struct waiter *waiters;
	struct own_operation own; /* kind NULL: the engine's */
};

struct operations *operations_new(const struct operations_config *config)
{
	struct operations *ops = mem_new(sizeof(*ops));

	ops->base = config->base;
	ops->engine = config->engine;
	ops->store = config->store;
	ops->history = config->history;
	return ops;
}

static void waiter_free(struct waiter *w)
{
	if (w->until.after_change >= 0)
		w->ops->n_change_waiters--;
	if (w->timer)
		event_free(w->timer);
	json_decref(w->answer);
	free(w);
}

static void waiters_free(struct waiter *w)
{
	while (w) {
		struct waiter *next = w->next;

		waiter_free(w);
		w = next;
	}
}

static void entry_free(struct entry *en)
{
	waiters_free(en->waiters);
	free(en->who);
	free(en->method);
	free(en->why);
	free(en->own.kind);
	strv_release(&en->own.names);
	json_decref(en->own.detail);
	free(en);
}

void operations_free(struct operations *o)
{
	const char *key;
	void *value;

	if (!o)
		return;
	for (size_t i = 0; map_next(&o->by_id, &i, &key, &value);)
		entry_free(value);
	waiters_free(o->ended);
	waiters_free(o->committing);
	map_release(&o->by_id);
	free(o);
}

static struct entry *find(const struct operations *ops, op_id id)
{
	char key[24];

	snprintf(key, sizeof(key), "%llu", (unsigned long long)id);
	return map_get(&ops->by_id, key);
}

static struct entry *entry_new(
    struct operations *ops, op_id id, const char *who, const char *method, usec_wall began)
{
	struct entry *en = mem_new(sizeof(*en));

	en->id = id;
	snprintf(en->key, sizeof(en->key), "%llu", (unsigned long long)id);
	en->who = text_dup(who);
	en->method = text_dup(method);
	en->about = (struct operation_about){.who = en->who,
	    .method = en->method,
	    .began = began,
	    .began_mono = clock_mono_of(began)};
	map_put(&ops->by_id, en->key, en);
	records_saw(ops->history, COUNTER_OP, id);
	return en;
}

bool operations_begin(struct operations *ops, op_id id, const char *who, const char *method)
{
	if (find(ops, id))
		return false;
	entry_new(ops, id, who, method, clock_wall());
	return true;
}

void operations_adopt(struct operations *ops, op_id id, const char *who, const char *method,
    usec_wall began, size_t n_steps)
{
	struct entry *en = entry_new(ops, id, who, method, began);

	en->stored = true;
	en->event = EVENT_UNREAD;
	en->steps_told = n_steps;
}

const struct operation_about *operations_about(const struct operations *ops, op_id id)
{
	const struct entry *en = find(ops, id);

	return en ? &en->about : NULL;
}

size_t operations_in_flight(const struct operations *ops)
{
	return ops->by_id.n;
}

/* ---- waiting --------------------------------------------------------------- */

static void unlink_waiter(struct waiter **head, struct waiter *w)
{
	while (*head && *head != w)
		head = &(*head)->next;
	if (*head)
		*head = w->next;
}

static void wait_over(evutil_socket_t fd, short what, void *ctx)
{
	struct waiter *w = ctx;
	struct entry *en = find(w->ops, w->id);
	struct error e = {0};
	(void)fd, (void)what;

	error_set(&e, ERR_TIMEOUT, "not within %lld ms, operation %llu goes on",
	    (long long)w->until.timeout, (unsigned long long)w->id);
	if (en)
		unlink_waiter(&en->waiters, w);
	w->fn(w->ctx, &e, operation_json(w->ops, w->id));
	waiter_free(w);
}

/* The waiters of one that goes on that are to be answered now. */
static void answer_if(struct operations *ops, struct entry *en,
    bool (*is_due)(const struct waiter *w, int64_t at), int64_t at)
{
	const struct error none = {0};

	for (struct waiter **link = &en->waiters; *link;) {
		struct waiter *w = *link;

		if (!is_due(w, at)) {
			link = &w->next;
			continue;
		}
		*link = w->next;
		w->fn(w->ctx, &none, operation_json(ops, en->id));
		waiter_free(w);
	}
}

static bool is_beyond_change(const struct waiter *w, int64_t change)
{
	return w->until.after_change >= 0 && change > w->until.after_change;
}

void operations_tell_changes(
    struct operations *ops, int64_t (*change_of)(void *ctx, op_id id), void *ctx)
{
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&ops->by_id, &i, &key, &value);) {
		struct entry *en = value;
		bool asked = false;

		for (const struct waiter *w = en->waiters; w; w = w->next)
			asked = asked || w->until.after_change >= 0;
		if (asked)
			answer_if(ops, en, is_beyond_change, change_of(ctx, en->id));
	}
}

bool operations_wait_for_changes(const struct operations *ops)
{
	return ops && ops->n_change_waiters > 0;
}

void operations_set_above(struct operations *ops, const struct operations_above *above)
{
	ops->above = *above;
}

void operations_watch(struct operations *ops, op_id id, const struct operations_watch *until,
    operation_done_fn fn, void *ctx)
{
	struct entry *en = find(ops, id);
	struct waiter *w = mem_new(sizeof(*w));
	msec timeout = until->timeout;

	*w = (struct waiter){.ops = ops, .id = id, .until = *until, .fn = fn, .ctx = ctx};
	if (timeout > 0) {
		w->timer = evtimer_new(ops->base, wait_over, w);
		event_add(w->timer,
		    &(struct timeval){.tv_sec = timeout / 1000, .tv_usec = timeout % 1000 * 1000});
	}
	ops->n_change_waiters += until->after_change >= 0;
	w->next = en->waiters;
	en->waiters = w;
}

void operations_wait(
    struct operations *ops, op_id id, msec timeout, operation_done_fn fn, void *ctx)
{
	const struct operations_watch until = {
	    .after_step = SIZE_MAX, .after_change = -1, .timeout = timeout};

	operations_watch(ops, id, &until, fn, ctx);
}

static bool is_beyond_step(const struct waiter *w, int64_t steps)
{
	return w->until.after_step < (size_t)steps;
}

static bool forget_in(struct waiter **head, void *ctx)
{
	for (; *head; head = &(*head)->next) {
		struct waiter *w = *head;

		if (w->ctx != ctx)
			continue;
		*head = w->next;
		waiter_free(w);
		return true;
	}
	return false;
}

void operations_unwait(struct operations *ops, void *ctx)
{
	const char *key;
	void *value;

	if (forget_in(&ops->ended, ctx) || forget_in(&ops->committing, ctx))
		return;
	for (size_t i = 0; map_next(&ops->by_id, &i, &key, &value);)
		if (forget_in(&((struct entry *)value)->waiters, ctx))
			return;
}

/* ---- the course of an operation ---------------------------------------------- */

static void put_row(struct operations *ops, struct entry *en, const struct op_view *v)
{
	json_t *names = strv_json(v->names), *error = operation_error_json(v, &en->about);
	auto_str steps = {0};
	auto_free char *names_text = json_dumps(names, JSON_COMPACT);
	auto_free char *error_text = json_is_object(error) ? json_dumps(error, JSON_COMPACT) : NULL;
	auto_free char *detail = operation_detail(v, en->method);

	steps_out(&steps, NULL, v->steps, v->n_steps, &en->about);
	store_put_operation(ops->store, &(struct store_operation){.id = (int64_t)v->id,
					    .kind = op_kind_str(v->kind),
					    .names = names_text,
					    .state = op_state_str(v->state),
					    .error = error_text,
					    .steps = str_text(&steps),
					    .who = en->who,
					    .started = en->about.began,
					    .ended = en->about.ended,
					    .detail = detail});
	en->stored = true;
	en->started_stored = v->started->n;
	en->notes_stored = v->notes->n;
	json_decref(names);
	json_decref(error);
}

/* Steps count in whole milliseconds: none is later than the end. */
static void set_end(struct entry *en, const struct op_view *v)
{
	usec_wall last =
	    v->n_steps ? operation_step_time(&v->steps[v->n_steps - 1], &en->about) : 0;

	en->about.ended = clock_wall();
	if (en->about.ended < last)
		en->about.ended = last;
}

/* Its row is not for each step: those are events, and all of them stand in it at its end. */
static bool row_is_old(const struct entry *en, const struct op_view *v)
{
	return !en->stored || v->state != OP_ACTIVE || en->started_stored != v->started->n ||
	       en->notes_stored != v->notes->n;
}

static int64_t tell_begin(struct operations *ops, op_id id, const char *kind,
    const struct strv *names, const char *who, const char *method)
{
	json_t *o = json_pack("{s:s, s:I, s:s, s:s?, s:o, s:s?}", "event", "operation", "operation",
	    (json_int_t)id, "kind", kind, "method", method, "names", strv_json(names), "who", who);
	auto_free char *fact = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return events_emit(ops->history, "operation", names->n ? names->v[0] : NULL, 0, fact);
}

int64_t operations_event(struct operations *ops, op_id id)
{
	struct op_view v;
	struct entry *en;

	if (!id || !engine_op(ops->engine, id, &v))
		return 0;
	operations_begin(ops, id, "supervisor", NULL);
	en = find(ops, id);
	if (!en->event)
		en->event =
		    tell_begin(ops, v.id, op_kind_str(v.kind), v.names, en->who, en->method);
	else if (en->event == EVENT_UNREAD)
		en->event =
		    events_of_operation(ops->history, id, v.names->n ? v.names->v[0] : NULL);
	return en->event;
}

static void tell_steps(struct operations *ops, struct entry *en, const struct op_view *v)
{
	while (en->steps_told < v->n_steps) {
		const struct op_step *s = &v->steps[en->steps_told++];
		auto_str fact = {0};

		json_out_open(&fact, NULL, '{');
		json_out_text(&fact, "event", "step");
		json_out_int(&fact, "operation", (int64_t)v->id);
		json_out_int(&fact, "n", (int64_t)en->steps_told);
		step_members(&fact, s, NULL);
		json_out_close(&fact, '}');
		events_emit(ops->history, "step", s->service, en->event, str_text(&fact));
	}
}

/* Caused by what settled last. */
static void tell_end(
    struct operations *ops, const struct op_view *v, const char *kind, int64_t begin)
{
	int64_t cause = v->names->n ? events_last_of(ops->history, v->names) : 0;

	auto_str fact = {0};

	str_fmt(&fact,
	    "{\"event\":\"done\",\"kind\":\"%s\",\"operation\":%llu,\"state\":\"%s\",\"changed\":%"
	    "s",
	    kind, (unsigned long long)v->id, op_state_str(v->state), v->changed ? "true" : "false");
	if (v->code != ERR_OK) {
		str_fmt(&fact, ",\"name\":\"%s\",\"message\":", err_str(v->code));
		json_out_text(&fact, NULL, v->message);
	}
	str_add_char(&fact, '}');
	events_emit(ops->history, "done", v->names->n ? v->names->v[0] : NULL,
	    cause > begin ? cause : begin, str_text(&fact));
}

op_id operations_note(struct operations *ops, const char *kind, const struct strv *names,
    const char *who, const char *method)
{
	op_id id = engine_op_number(ops->engine);
	const struct op_view v = {.id = id, .state = OP_DONE, .changed = true, .names = names};
	json_t *list = strv_json(names);
	auto_free char *names_text = json_dumps(list, JSON_COMPACT);
	auto_free char *detail = operation_detail(&v, method);
	usec_wall now = clock_wall();

	records_saw(ops->history, COUNTER_OP, id);
	store_put_operation(ops->store, &(struct store_operation){.id = (int64_t)id,
					    .kind = kind,
					    .names = names_text,
					    .state = op_state_str(OP_DONE),
					    .steps = "[]",
					    .who = who,
					    .started = now,
					    .ended = now,
					    .detail = detail});
	tell_end(ops, &v, kind, tell_begin(ops, id, kind, names, who, method));
	json_decref(list);
	return id;
}

static void answer(bool durable, void *ctx)
{
	struct operations *ops = ctx;
	(void)durable; /* a refusing disk stops no answer; system.health tells of it */

	while (ops->committing) {
		struct waiter *w = ops->committing;

		ops->committing = w->next;
		w->fn(w->ctx, &w->e, take(w->answer));
		waiter_free(w);
	}
	operations_commit(ops);
}

void operations_commit(struct operations *ops)
{
	if (ops->committing || !ops->ended)
		return;
	ops->committing = take(ops->ended);
	store_barrier(ops->store, answer, ops);
}

static void end_waiter(struct waiter *w, const struct op_view *v, json_t *take_op)
{
	if (v->code != ERR_OK)
		error_set(&w->e, v->code, "%s", v->message ? v->message : err_meaning(v->code));
	if (v->code != ERR_OK && v->chain->n)
		json_object_set_new(take_op, "chain", strv_json(v->chain));
	w->answer = take_op;
	if (w->timer)
		event_del(w->timer);
}

static void end(struct operations *ops, struct entry *en, const struct op_view *v)
{
	while (en->waiters) {
		struct waiter *w = en->waiters;

		json_t *o = operation_json(ops, v->id);

		en->waiters = w->next;
		if (w->until.progress && ops->above.add_progress)
			ops->above.add_progress(ops->above.ctx, v->id, w->until.progress, o);
		end_waiter(w, v, o);
		w->next = ops->ended;
		ops->ended = w;
	}
	map_remove(&ops->by_id, en->key);
	entry_free(en);
	engine_op_forget(ops->engine, v->id);
}

void operations_changed(struct operations *ops, const struct effect *fx)
{
	struct op_view v;

	if (!engine_op(ops->engine, fx->op, &v))
		return;
	operations_begin(ops, fx->op, "supervisor", NULL);
	struct entry *en = find(ops, fx->op);
	operations_event(ops, fx->op);
	if (v.state != OP_ACTIVE)
		set_end(en, &v);
	if (v.state == OP_FAILED && ops->above.why)
		en->about.why = en->why = ops->above.why(ops->above.ctx, v.names);
	if (row_is_old(en, &v))
		put_row(ops, en, &v);
	tell_steps(ops, en, &v);
	if (v.state == OP_ACTIVE) {
		answer_if(ops, en, is_beyond_step, (int64_t)en->steps_told);
		return;
	}
	tell_end(ops, &v, op_kind_str(v.kind), en->event);
	end(ops, en, &v);
}

/* ---- operations of the server's own ------------------------------------------- */

static void put_own_row(struct operations *ops, struct entry *en)
{
	const struct own_operation *own = &en->own;
	const struct op_view v = {.state = own->state,
	    .code = own->e.code,
	    .message = own->e.msg,
	    .chain = &(struct strv){0}};
	json_t *names = strv_json(&own->names), *error = operation_error_json(&v, &en->about);
	auto_free char *names_text = json_dumps(names, JSON_COMPACT);
	auto_free char *error_text = json_is_object(error) ? json_dumps(error, JSON_COMPACT) : NULL;
	auto_free char *detail = json_dumps(own->detail, JSON_COMPACT);

	store_put_operation(ops->store, &(struct store_operation){.id = (int64_t)en->id,
					    .kind = own->kind,
					    .names = names_text,
					    .state = op_state_str(own->state),
					    .error = error_text,
					    .steps = "[]",
					    .who = en->who,
					    .started = en->about.began,
					    .ended = en->about.ended,
					    .detail = detail});
	json_decref(names);
	json_decref(error);
}

static struct entry *own_entry(struct operations *ops, op_id id, const char *kind, const char *who,
    const char *method, usec_wall began, json_t *take_detail)
{
	struct entry *en = entry_new(ops, id, who, method, began);

	en->own = (struct own_operation){.kind = text_dup(kind), .detail = take_detail};
	en->about.own = &en->own;
	if (method)
		json_object_set_new(take_detail, "method", json_string(method));
	return en;
}

op_id operations_open(struct operations *ops, const char *kind, const struct strv *names,
    const char *who, const char *method, json_t *take_detail)
{
	op_id id = engine_op_number(ops->engine);
	struct entry *en = own_entry(ops, id, kind, who, method, clock_wall(), take_detail);

	strv_copy(&en->own.names, names);
	en->event = tell_begin(ops, id, kind, names, who, method);
	put_own_row(ops, en);
	return id;
}

void operations_adopt_own(struct operations *ops, const struct store_operation *row)
{
	json_t *detail = json_loads(row->detail ? row->detail : "{}", 0, NULL);
	json_t *names = json_loads(row->names ? row->names : "[]", 0, NULL), *v;
	struct entry *en = own_entry(ops, (op_id)row->id, row->kind, row->who,
	    json_string_value(json_object_get(detail, "method")), row->started,
	    detail ? detail : json_object());
	size_t i;

	json_array_foreach (names, i, v)
		if (json_is_string(v))
			strv_add(&en->own.names, json_string_value(v));
	en->event = EVENT_UNREAD;
	json_decref(names);
}

void operations_detail(struct operations *ops, op_id id, json_t *take_detail)
{
	struct entry *en = find(ops, id);

	if (en->method)
		json_object_set_new(take_detail, "method", json_string(en->method));
	json_decref(en->own.detail);
	en->own.detail = take_detail;
	put_own_row(ops, en);
}

void operations_close(struct operations *ops, op_id id, const struct error *e)
{
	struct entry *en = find(ops, id);
	const struct strv none = {0};

	en->own.state = e->code == ERR_OK ? OP_DONE : OP_FAILED;
	en->own.e = *e;
	en->about.ended = clock_wall();
	put_own_row(ops, en);
	const struct op_view v = {.id = id,
	    .state = en->own.state,
	    .changed = true,
	    .code = e->code,
	    .message = en->own.e.msg,
	    .chain = &none,
	    .names = &en->own.names};
	tell_end(ops, &v, en->own.kind, en->event == EVENT_UNREAD ? 0 : en->event);
	end(ops, en, &v);
}

void operations_store(struct operations *ops)
{
	const char *key;
	void *value;
	struct op_view v;

	for (size_t i = 0; map_next(&ops->by_id, &i, &key, &value);) {
		struct entry *en = value;

		if (en->own.kind)
			put_own_row(ops, en);
		else if (engine_op(ops->engine, en->id, &v))
			put_row(ops, en, &v);
	}
}
