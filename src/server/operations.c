#include "server/operations.h"

#include "server/records.h"

#include <event2/event.h>
#include <stdio.h>

struct waiter {
	struct waiter *next;
	struct daemon *d;
	op_id id;
	operation_done_fn fn;
	void *ctx;
	struct event *timer;
	json_t *answer; /* the end is known, the commit is not */
	struct error e;
};

struct entry {
	char key[24];
	op_id id;
	char *who;
	usec_wall started;
	size_t steps_told;
	bool stored;
	struct waiter *waiters;
};

struct operations {
	struct map by_id;
	struct waiter *ended;	   /* their end is not committed */
	struct waiter *committing; /* a barrier behind their end is under way */
};

struct operations *operations_new(struct daemon *d)
{
	(void)d;
	return mem_new(sizeof(struct operations));
}

static void waiter_free(struct waiter *w)
{
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

static struct entry *find(const struct daemon *d, op_id id)
{
	char key[24];

	snprintf(key, sizeof(key), "%llu", (unsigned long long)id);
	return map_get(&d->operations->by_id, key);
}

void operations_begin(struct daemon *d, op_id id, const char *who)
{
	if (find(d, id))
		return;
	struct entry *en = mem_new(sizeof(*en));

	en->id = id;
	snprintf(en->key, sizeof(en->key), "%llu", (unsigned long long)id);
	en->who = text_dup(who);
	en->started = clock_wall();
	map_put(&d->operations->by_id, en->key, en);
	records_saw(d->records, COUNTER_OP, id);
}

const char *operations_who(const struct daemon *d, op_id id)
{
	const struct entry *en = find(d, id);

	return en ? en->who : NULL;
}

size_t operations_in_flight(const struct daemon *d)
{
	return d->operations->by_id.n;
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
	struct entry *en = find(w->d, w->id);
	struct error e = {0};
	(void)fd, (void)what;

	error_set(&e, ERR_TIMEOUT, "operation %llu goes on; the wait for it is over",
	    (unsigned long long)w->id);
	if (en)
		unlink_waiter(&en->waiters, w);
	w->fn(w->ctx, &e, operation_json(w->d, w->id));
	waiter_free(w);
}

void operations_wait(struct daemon *d, op_id id, msec timeout, operation_done_fn fn, void *ctx)
{
	struct entry *en = find(d, id);
	struct waiter *w = mem_new(sizeof(*w));

	*w = (struct waiter){.d = d, .id = id, .fn = fn, .ctx = ctx};
	if (timeout > 0) {
		w->timer = evtimer_new(d->base, wait_over, w);
		event_add(w->timer,
		    &(struct timeval){.tv_sec = timeout / 1000, .tv_usec = timeout % 1000 * 1000});
	}
	w->next = en->waiters;
	en->waiters = w;
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

void operations_unwait(struct daemon *d, void *ctx)
{
	const char *key;
	void *value;

	if (forget_in(&d->operations->ended, ctx) || forget_in(&d->operations->committing, ctx))
		return;
	for (size_t i = 0; map_next(&d->operations->by_id, &i, &key, &value);)
		if (forget_in(&((struct entry *)value)->waiters, ctx))
			return;
}

/* ---- as JSON --------------------------------------------------------------- */

json_t *strv_json(const struct strv *l)
{
	json_t *a = json_array();

	for (size_t i = 0; l && i < l->n; i++)
		json_array_append_new(a, json_string_nocheck(l->v[i]));
	return a;
}

json_t *steps_json(const struct op_step *steps, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
		    a, json_pack("{s:s, s:s, s:s?, s:s?}", "step", steps[i].step, "service",
			   steps[i].service, "action", steps[i].action, "reason", steps[i].reason));
	return a;
}

json_t *operation_json(const struct daemon *d, op_id id)
{
	struct op_view v;

	if (!engine_op(d->engine, id, &v))
		return NULL;
	json_t *o = json_pack("{s:I, s:s, s:o, s:s, s:b, s:o, s:o}", "operation", (json_int_t)id,
	    "kind", op_kind_str(v.kind), "names", strv_json(v.names), "operation_state",
	    op_state_str(v.state), "changed", v.changed, "started", strv_json(v.started), "steps",
	    steps_json(v.steps, v.n_steps));
	if (v.notes && v.notes->n)
		json_object_set_new(o, "notes", strv_json(v.notes));
	if (v.superseded_by)
		json_object_set_new(o, "superseded_by", json_integer((json_int_t)v.superseded_by));
	return o;
}

/* ---- the course of an operation ---------------------------------------------- */

static void put_row(struct daemon *d, const struct entry *en, const struct op_view *v)
{
	json_t *names = strv_json(v->names), *steps = steps_json(v->steps, v->n_steps);
	auto_free char *names_text = json_dumps(names, JSON_COMPACT);
	auto_free char *steps_text = json_dumps(steps, JSON_COMPACT);
	char *error_text = NULL;

	if (v->state != OP_ACTIVE && v->code != ERR_OK) {
		json_t *e = json_pack("{s:i, s:s, s:s?, s:o}", "code", err_rpc_code(v->code),
		    "name", err_str(v->code), "message", v->message, "chain", strv_json(v->chain));

		error_text = json_dumps(e, JSON_COMPACT);
		json_decref(e);
	}
	store_put_operation(d->store, &(struct store_operation){.id = (int64_t)v->id,
					  .kind = op_kind_str(v->kind),
					  .names = names_text,
					  .state = op_state_str(v->state),
					  .error = error_text,
					  .steps = steps_text,
					  .who = en->who,
					  .started = en->started,
					  .ended = v->state == OP_ACTIVE ? 0 : clock_wall()});
	json_decref(names);
	json_decref(steps);
	free(error_text);
}

static void tell_steps(struct daemon *d, struct entry *en, const struct op_view *v)
{
	for (; en->steps_told < v->n_steps; en->steps_told++) {
		const struct op_step *s = &v->steps[en->steps_told];
		auto_str fact = {0};

		str_fmt(&fact,
		    "{\"event\":\"step\",\"operation\":%llu,\"step\":", (unsigned long long)v->id);
		json_add_text(&fact, s->step);
		str_add(&fact, ",\"service\":");
		json_add_text(&fact, s->service);
		str_add(&fact, ",\"action\":");
		json_add_text(&fact, s->action);
		str_add(&fact, ",\"reason\":");
		json_add_text(&fact, s->reason);
		str_add_char(&fact, '}');
		records_event(d, "step", s->service, str_text(&fact));
	}
}

static void tell_end(struct daemon *d, const struct op_view *v)
{
	auto_str fact = {0};

	str_fmt(&fact, "{\"event\":\"done\",\"operation\":%llu,\"state\":\"%s\",\"changed\":%s",
	    (unsigned long long)v->id, op_state_str(v->state), v->changed ? "true" : "false");
	if (v->code != ERR_OK) {
		str_fmt(&fact, ",\"name\":\"%s\",\"message\":", err_str(v->code));
		json_add_text(&fact, v->message);
	}
	str_add_char(&fact, '}');
	records_event(d, "done", v->names->n ? v->names->v[0] : NULL, str_text(&fact));
}

static void commit_ended(struct daemon *d);

static void answer(bool durable, void *ctx)
{
	struct daemon *d = ctx;
	(void)durable; /* a refusing disk stops no answer; system.health tells of it */

	while (d->operations->committing) {
		struct waiter *w = d->operations->committing;

		d->operations->committing = w->next;
		w->fn(w->ctx, &w->e, take(w->answer));
		waiter_free(w);
	}
	commit_ended(d);
}

static void commit_ended(struct daemon *d)
{
	struct operations *o = d->operations;

	if (o->committing || !o->ended)
		return;
	o->committing = take(o->ended);
	store_barrier(d->store, answer, d);
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

static void end(struct daemon *d, struct entry *en, const struct op_view *v)
{
	while (en->waiters) {
		struct waiter *w = en->waiters;

		en->waiters = w->next;
		end_waiter(w, v, operation_json(d, v->id));
		w->next = d->operations->ended;
		d->operations->ended = w;
	}
	map_remove(&d->operations->by_id, en->key);
	entry_free(en);
	commit_ended(d);
	engine_op_forget(d->engine, v->id);
}

void operations_changed(struct daemon *d, const struct effect *fx)
{
	struct op_view v;

	if (!engine_op(d->engine, fx->op, &v))
		return;
	operations_begin(d, fx->op, "supervisor");
	struct entry *en = find(d, fx->op);
	if (!en->stored || v.state != OP_ACTIVE)
		put_row(d, en, &v); /* not for each step: all of them stand in it */
	en->stored = true;
	tell_steps(d, en, &v);
	if (v.state == OP_ACTIVE)
		return;
	tell_end(d, &v);
	end(d, en, &v);
}
