#include "server/explain/event_stream.h"
#include "server/explain/explain_state.h"

#include "server/explain/status.h"
#include "server/operation/operations.h"

#include <stdio.h>

struct follower {
	struct follower *next;
	struct http_stream *stream;
	op_id operation; /* 0: everything */
	uint64_t steps;	 /* of it, that were sent */
	bool asked;	 /* the store is asked what became of it */
	uint64_t number; /* streams come and go under one address */
};

/* Told once the barrier behind it is over. */
struct item {
	char *kind, *text;
	op_id operation;
	uint64_t step; /* its number, 0: no step */
};
struct items {
	struct item *v;
	size_t n, cap;
};

struct event_stream {
	struct explain *d;
	struct follower *followers;
	uint64_t followers_ever;
	struct items waiting, committing;
	bool under_way;
	event_stream_fn listener;
	void *listener_ctx;
};

struct event_stream *event_stream_new(struct explain *d)
{
	struct event_stream *h = mem_new(sizeof(*h));

	h->d = d;
	return h;
}

static void items_clear(struct items *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].kind);
		free(l->v[i].text);
	}
	free(l->v);
	*l = (struct items){0};
}

void event_stream_free(struct event_stream *h)
{
	if (!h)
		return;
	items_clear(&h->waiting);
	items_clear(&h->committing);
	while (h->followers) {
		struct follower *f = h->followers;

		h->followers = f->next;
		free(f);
	}
	free(h);
}

size_t event_stream_followers(const struct explain *d)
{
	size_t n = 0;

	for (const struct follower *f = d->hub->followers; f; f = f->next)
		n++;
	return n;
}

static void tell(struct event_stream *h, const struct item *it)
{
	for (struct follower *f = h->followers, *next; f; f = next) {
		next = f->next;
		if (f->operation && (f->operation != it->operation || f->asked))
			continue;
		if (f->operation && it->step && it->step <= f->steps)
			continue; /* it came late and knows that one */
		http_stream_send(f->stream, it->kind, it->text);
		if (f->operation && strcmp(it->kind, "done") == 0)
			http_stream_end(f->stream);
	}
}

static void commit(struct event_stream *h);

static void committed(bool durable, void *ctx)
{
	struct event_stream *h = ctx;
	(void)durable;

	for (size_t i = 0; i < h->committing.n; i++)
		tell(h, &h->committing.v[i]);
	items_clear(&h->committing);
	h->under_way = false;
	commit(h);
}

static void commit(struct event_stream *h)
{
	if (h->under_way || h->waiting.n == 0)
		return;
	h->committing = h->waiting;
	h->waiting = (struct items){0};
	h->under_way = true;
	store_barrier(h->d->store, committed, h);
}

static uint64_t number_in(const char *fact, const char *key)
{
	const char *at = strstr(fact, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

void event_stream_listen(struct event_stream *h, event_stream_fn fn, void *ctx)
{
	h->listener = fn;
	h->listener_ctx = ctx;
}

void event_stream_publish(struct explain *d, int64_t id, int64_t cause, usec_wall time,
    const char *kind, const char *fact)
{
	struct event_stream *h = d->hub;
	char when[ISO_TIME_BYTES];

	if (h->listener)
		h->listener(h->listener_ctx);
	if (!h->followers)
		return;
	*vec_push(&h->waiting) = (struct item){.kind = text_dup(kind),
	    .text = text_fmt("{\"id\":%lld,\"time\":\"%s\",\"cause\":%lld,%s", (long long)id,
		clock_iso(time, when), (long long)cause, fact + 1),
	    .operation = number_in(fact, "\"operation\":"),
	    .step = strcmp(kind, "step") == 0 ? number_in(fact, "\"n\":") : 0};
	commit(h);
}

static void send_json(struct http_stream *s, const char *kind, json_t *take_o)
{
	auto_free char *text = json_dumps(take_o, JSON_COMPACT);

	json_decref(take_o);
	http_stream_send(s, kind, text);
}

static void send_snapshot(struct explain *d, struct http_stream *s)
{
	auto_str out = {0};
	auto_free bool *demanded = mem_new(engine_unit_count(d->engine) + 1);
	struct unit_view u;

	engine_demanded_all(d->engine, demanded);
	json_out_open(&out, NULL, '{');
	json_out_text(&out, "event", "snapshot");
	json_out_open(&out, "services", '[');
	for (unit_id i = 0; i < engine_unit_count(d->engine); i++)
		if (engine_unit(d->engine, i, &u) && u.registered)
			status_out(&out, d, i, demanded);
	json_out_close(&out, ']');
	json_out_close(&out, '}');
	http_stream_send(s, "snapshot", str_text(&out));
}

/* What an operation did so far, for who comes late; its end, when it is over. */
static void send_operation(struct follower *f, const json_t *o)
{
	json_int_t id = (json_int_t)f->operation;
	json_t *step, *steps = json_object_get(o, "steps");
	const char *state = json_string_value(json_object_get(o, "operation_state"));
	size_t i;

	json_array_foreach (steps, i, step) {
		json_t *e = json_copy(step);

		json_object_set_new(e, "event", json_string("step"));
		json_object_set_new(e, "operation", json_integer(id));
		json_object_set_new(e, "n", json_integer((json_int_t)i + 1));
		send_json(f->stream, "step", e);
	}
	f->steps = json_array_size(steps);
	if (o && text_eq(state, op_state_str(OP_ACTIVE)))
		return;
	json_t *done = json_pack(
	    "{s:s, s:I, s:s}", "event", "done", "operation", id, "state", o ? state : "unknown");
	json_object_update(done, json_object_get(o, "error"));
	if (o)
		json_object_set(done, "changed", json_object_get(o, "changed"));
	send_json(f->stream, "done", done);
	http_stream_end(f->stream);
}

struct question {
	struct explain *d;
	uint64_t follower;
};

static bool take_row(const struct store_operation *r, void *ctx)
{
	*(json_t **)ctx = operation_row_json(r);
	return true;
}

/* Its end is committed now, if it ever was one of ours. */
static void answer_from_store(bool durable, void *ctx)
{
	struct question *q = ctx;
	struct follower *f = q->d->hub->followers;
	json_t *o = NULL;
	struct error e = {0};
	(void)durable;

	while (f && f->number != q->follower)
		f = f->next;
	if (f) {
		store_find_operation(q->d->store, (int64_t)f->operation, take_row, &o, &e);
		store_relax(q->d->store);
		send_operation(f, o);
		json_decref(o);
	}
	free(q);
}

static void begin_operation(struct explain *d, struct follower *f)
{
	json_t *o = operation_json(d->operations, f->operation);

	if (o) {
		send_operation(f, o);
		json_decref(o);
		return;
	}
	struct question *q = mem_new(sizeof(*q));

	*q = (struct question){d, f->number};
	f->asked = true;
	store_barrier(d->store, answer_from_store, q);
}

void event_stream_subscribe(struct explain *d, struct http_stream *s, const char *query)
{
	const char *op = strstr(query, "operation=");
	struct follower *f = mem_new(sizeof(*f));

	*f = (struct follower){
	    .next = d->hub->followers, .stream = s, .number = ++d->hub->followers_ever};
	f->operation = op ? strtoull(op + strlen("operation="), NULL, 10) : 0;
	d->hub->followers = f;
	if (f->operation)
		begin_operation(d, f);
	else if (!strstr(query, "snapshot=0"))
		send_snapshot(d, s);
}

void event_stream_unsubscribe(struct explain *d, struct http_stream *s)
{

	for (struct follower **at = &d->hub->followers; *at; at = &(*at)->next) {
		struct follower *f = *at;

		if (f->stream != s)
			continue;
		*at = f->next;
		free(f);
		return;
	}
}
