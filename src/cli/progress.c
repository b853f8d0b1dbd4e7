#include "cli/progress.h"

#include "cli/out.h"
#include "cli/times.h"

#define NEEDS_MOST 200 /* more than a screen shows */
#define TEXT_BYTES 300 /* of what is waited for */

void progress_init(struct progress *p)
{
	*p = (struct progress){0};
}

void progress_release(struct progress *p)
{
	map_release(&p->by_key);
	map_release(&p->known);
	for (size_t i = 0; i < p->n; i++)
		part_free(p->v[i]);
	free(p->v);
	free(p->operations.v);
	for (size_t i = 0; i < p->needs.n; i++) {
		free(p->needs.v[i].service);
		free(p->needs.v[i].target);
	}
	free(p->needs.v);
}

static bool is_ours(const struct progress *p, int64_t operation)
{
	for (size_t i = 0; i < p->operations.n; i++)
		if (p->operations.v[i] == operation)
			return true;
	return false;
}

void progress_add_id(struct progress *p, int64_t operation)
{
	if (!is_ours(p, operation))
		*vec_push(&p->operations) = operation;
}

static struct part *part_of(struct progress *p, const char *service, const char *action, bool *new)
{
	struct part *fresh = part_new(service, action), *found = map_get(&p->by_key, fresh->key);

	*new = !found;
	if (found) {
		part_free(fresh);
		return found;
	}
	map_put(&p->by_key, fresh->key, fresh);
	if (!map_get(&p->known, service))
		map_put(&p->known, fresh->service, fresh);
	return *vec_push(p) = fresh;
}

/* ---- events --------------------------------------------------------------------------- */

static struct part *part_of_event(struct progress *p, const json_t *e, bool ours)
{
	const char *kind = text_of(e, "event"), *service = text_of(e, "service");
	bool new;

	if (!*service || (!ours && !map_get(&p->known, service)))
		return NULL;
	if (strcmp(kind, "job") == 0)
		return part_of(p, service, text_of(e, "action"), &new);
	/* Only of a service that executes nothing: else its jobs say it. */
	return strcmp(kind, "unit") == 0 ? map_get(&p->by_key, service) : NULL;
}

struct part *progress_add_event(struct progress *p, const json_t *e)
{
	int64_t operation = number_of(e, "operation");
	bool ours = is_ours(p, operation), done = strcmp(text_of(e, "event"), "done") == 0;
	struct part *part = part_of_event(p, e, ours);

	p->over |= done && ours;
	p->done |= done && operation == p->operations.v[0];
	if (part) {
		part->touched |= ours;
		part_set_state(part, text_of(e, "to"), times_us(text_of(e, "time")), e);
		part->again_ms = number_in(e, "next_ms", -1);
	}
	return part;
}

/* ---- what is told --------------------------------------------------------------------- */

static void note_need(struct progress *p, const char *service, const char *target)
{
	for (size_t i = 0; i < p->needs.n; i++)
		if (strcmp(p->needs.v[i].service, service) == 0 &&
		    strcmp(p->needs.v[i].target, target) == 0)
			return;
	if (p->needs.n < NEEDS_MOST && strcmp(service, target) != 0)
		*vec_push(&p->needs) = (struct need){text_dup(service), text_dup(target)};
}

static char *one_line(const char *text)
{
	struct str line = {0};

	add_one_line(&line, text, TEXT_BYTES);
	return str_take(&line);
}

/* What it waits for: the first, and how many more. */
static char *waits_of(struct progress *p, const char *service, const json_t *facts)
{
	const char *first = NULL;
	size_t i, more = 0;
	json_t *e;

	json_array_foreach (json_object_get(facts, "waiting_on"), i, e) {
		if (json_is_string(json_object_get(e, "state")))
			note_need(p, service, text_of(e, "target"));
		more += first != NULL;
		first = first ? first : text_of(e, "text");
	}
	if (!first)
		return NULL;
	auto_free char *line = one_line(first);
	return more ? text_fmt("%s, and %zu more", line, more) : text_dup(line);
}

static void note_failure(struct part *part, const json_t *facts)
{
	const json_t *all = json_object_get(facts, "failures"),
		     *last =
			 json_array_get(all, json_array_size(all) ? json_array_size(all) - 1 : 0);

	if (!part->trouble || !*text_of(last, "line"))
		return;
	free(part->last_line);
	part->last_line = one_line(text_of(last, "line"));
}

static void add_facts(struct progress *p, struct part *part, bool new, const json_t *facts)
{
	if (new)
		part_set_state(
		    part, text_of(facts, "state"), times_us(text_of(facts, "since")), facts);
	enum part_is now = part_is(part);
	free(part->waits);
	free(part->heard);
	part->waits = now == PART_WAITS || !part->action ? waits_of(p, part->service, facts) : NULL;
	part->heard =
	    now == PART_BUSY && *text_of(facts, "note") ? one_line(text_of(facts, "note")) : NULL;
	note_failure(part, facts);
}

void progress_add_service(struct progress *p, const json_t *told)
{
	const char *name = text_of(told, "name");
	json_t *action;
	size_t i;
	bool new;

	json_array_foreach (json_object_get(told, "actions"), i, action) {
		struct part *part = part_of(p, name, text_of(action, "name"), &new);

		add_facts(p, part, new || p->resync, action);
	}
	if (i || !*name)
		return;
	struct part *part = part_of(p, name, NULL, &new);
	add_facts(p, part, new || p->resync, told);
}

/* Steps that were taken before there was an event to see. */
static void add_steps(struct progress *p, const json_t *op)
{
	size_t i;
	json_t *step;

	json_array_foreach (json_object_get(op, "steps"), i, step) {
		const char *action = text_of(step, "action");
		auto_free char *key =
		    text_fmt("%s%s%s", text_of(step, "service"), *action ? "/" : "", action);
		struct part *part = map_get(&p->by_key, key);

		if (!part || part->touched)
			continue;
		part->touched = true;
		part->began = times_us(text_of(step, "time"));
		enum part_is now = part_is(part);
		if (part->since >= part->began && (now == PART_READY || now == PART_GONE))
			part->reached = part->since;
	}
}

void progress_add_operation(struct progress *p, const json_t *op)
{
	size_t i;
	json_t *v;

	p->stops = strcmp(text_of(op, "kind"), "stop") == 0;
	json_array_foreach (json_object_get(op, "operations"), i, v)
		progress_add_id(p, json_integer_value(v));
	json_array_foreach (json_object_get(op, "progress"), i, v)
		progress_add_service(p, v);
	add_steps(p, op);
}

/* ---- order ---------------------------------------------------------------------------- */

static void add_ordered(
    const struct progress *p, const char *service, struct map *seen, struct strv *out)
{
	if (map_get(seen, service))
		return;
	map_put(seen, service, seen);
	for (size_t i = 0; i < p->needs.n; i++)
		if (strcmp(p->needs.v[i].service, service) == 0)
			add_ordered(p, p->needs.v[i].target, seen, out);
	strv_add(out, service);
}

/* What began to stop first stands first; what has not begun behind that. */
static int by_beginning(const void *a, const void *b)
{
	const struct part *x = *(struct part *const *)a, *y = *(struct part *const *)b;
	int64_t p = x->began ? x->began : INT64_MAX, q = y->began ? y->began : INT64_MAX;

	return p < q ? -1 : p > q;
}

struct strv progress_order(const struct progress *p)
{
	struct strv out = {0};
	struct map seen = {0};
	auto_free struct part **parts = mem_new((p->n + 1) * sizeof(struct part *));

	for (size_t i = 0; i < p->n; i++)
		parts[i] = p->v[i];
	if (p->stops)
		qsort(parts, p->n, sizeof(*parts), by_beginning);
	for (size_t i = 0; i < p->n; i++)
		add_ordered(p, parts[i]->service, &seen, &out);
	map_release(&seen);
	return out;
}

/* ---- counting ------------------------------------------------------------------------- */

void progress_count(const struct progress *p, struct progress_count *out)
{
	*out = (struct progress_count){0};
	for (size_t i = 0; i < p->n; i++) {
		const struct part *part = p->v[i];
		enum part_is now = part_is(part);
		bool ended = now == PART_GONE || strcmp(part->state, "succeeded") == 0 ||
			     strcmp(part->state, "failed") == 0;

		if (p->stops && !part->touched)
			continue;
		if (p->stops ? ended : now == PART_GONE)
			out->gone++;
		else if (now == PART_READY)
			out->ready++;
		else
			out->others++;
		if (part_time(part) > (out->slowest ? part_time(out->slowest) : 0))
			out->slowest = part;
	}
}
