#include "server/hub.h"

#include "server/operations.h"
#include "server/status.h"

#include <stdio.h>

struct follower {
	struct follower *next;
	struct http_stream *stream;
	op_id operation; /* 0: everything */
};

/* Told once the barrier behind it is over. */
struct item {
	char *kind, *text;
	op_id operation;
};
struct items {
	struct item *v;
	size_t n, cap;
};

struct hub {
	struct daemon *d;
	struct follower *followers;
	struct items waiting, committing;
	bool under_way;
};

struct hub *hub_new(struct daemon *d)
{
	struct hub *h = mem_new(sizeof(*h));

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

void hub_free(struct hub *h)
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

size_t hub_followers(const struct hub *h)
{
	size_t n = 0;

	for (const struct follower *f = h->followers; f; f = f->next)
		n++;
	return n;
}

static void tell(struct hub *h, const struct item *it)
{
	for (struct follower *f = h->followers, *next; f; f = next) {
		next = f->next;
		if (f->operation && f->operation != it->operation)
			continue;
		http_stream_send(f->stream, it->kind, it->text);
		if (f->operation && strcmp(it->kind, "done") == 0)
			http_stream_end(f->stream);
	}
}

static void commit(struct hub *h);

static void committed(bool durable, void *ctx)
{
	struct hub *h = ctx;
	(void)durable;

	for (size_t i = 0; i < h->committing.n; i++)
		tell(h, &h->committing.v[i]);
	items_clear(&h->committing);
	h->under_way = false;
	commit(h);
}

static void commit(struct hub *h)
{
	if (h->under_way || h->waiting.n == 0)
		return;
	h->committing = h->waiting;
	h->waiting = (struct items){0};
	h->under_way = true;
	store_barrier(h->d->store, committed, h);
}

static op_id operation_in(const char *fact)
{
	const char *at = strstr(fact, "\"operation\":");

	return at ? strtoull(at + strlen("\"operation\":"), NULL, 10) : 0;
}

void hub_publish(struct hub *h, int64_t id, usec_wall time, const char *kind, const char *fact)
{
	char when[ISO_TIME_BYTES];

	if (!h->followers)
		return;
	*vec_push(&h->waiting) = (struct item){.kind = text_dup(kind),
	    .text = text_fmt(
		"{\"id\":%lld,\"time\":\"%s\",%s", (long long)id, clock_iso(time, when), fact + 1),
	    .operation = operation_in(fact)};
	commit(h);
}

static void send_json(struct http_stream *s, const char *kind, json_t *take_o)
{
	auto_free char *text = json_dumps(take_o, JSON_COMPACT);

	json_decref(take_o);
	http_stream_send(s, kind, text);
}

static void send_snapshot(struct daemon *d, struct http_stream *s)
{
	json_t *services = json_array();
	struct unit_view u;

	for (unit_id i = 0; i < engine_unit_count(d->engine); i++)
		if (engine_unit(d->engine, i, &u) && u.registered)
			json_array_append_new(services, status_of_unit(d, i));
	send_json(
	    s, "snapshot", json_pack("{s:s, s:o}", "event", "snapshot", "services", services));
}

/* What an operation did so far, for who comes late. */
static void send_operation(struct daemon *d, struct http_stream *s, op_id id)
{
	json_t *o = operation_json(d, id);
	size_t i;
	json_t *step;

	if (!o) {
		send_json(s, "done",
		    json_pack("{s:s, s:I}", "event", "done", "operation", (json_int_t)id));
		http_stream_end(s);
		return;
	}
	json_array_foreach(json_object_get(o, "steps"), i, step)
	{
		json_t *e = json_copy(step);

		json_object_set_new(e, "event", json_string("step"));
		json_object_set_new(e, "operation", json_integer((json_int_t)id));
		send_json(s, "step", e);
	}
	json_decref(o);
}

void hub_subscribe(void *ctx, struct http_stream *s, const char *query)
{
	struct daemon *d = ctx;
	const char *op = strstr(query, "operation=");
	struct follower *f = mem_new(sizeof(*f));

	*f = (struct follower){.next = d->hub->followers, .stream = s};
	f->operation = op ? strtoull(op + strlen("operation="), NULL, 10) : 0;
	d->hub->followers = f;
	if (f->operation)
		send_operation(d, s, f->operation);
	else
		send_snapshot(d, s);
}

void hub_unsubscribe(void *ctx, struct http_stream *s)
{
	struct daemon *d = ctx;

	for (struct follower **at = &d->hub->followers; *at; at = &(*at)->next) {
		struct follower *f = *at;

		if (f->stream != s)
			continue;
		*at = f->next;
		free(f);
		return;
	}
}
