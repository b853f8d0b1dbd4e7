#include "cli/progress.h"

#include "cli/out.h"
#include "cli/times.h"
#include "model/signals.h"

#define NEEDS_MOST 200 /* more than a screen shows */
#define TEXT_BYTES 300 /* of what a program or a probe said */

void progress_init(struct progress *p)
{
	*p = (struct progress){0};
}

static void part_free(struct part *p)
{
	free(p->key);
	free(p->service);
	free(p->action);
	free(p->state);
	free(p->trouble);
	free(p->waits);
	free(p->heard);
	free(p->last_line);
	free(p);
}

void progress_release(struct progress *p)
{
	map_release(&p->by_key);
	map_release(&p->known);
	map_release(&p->asked);
	for (size_t i = 0; i < p->n; i++)
		part_free(p->v[i]);
	free(p->v);
	free(p->operations.v);
	for (size_t i = 0; i < p->needs.n; i++) {
		free(p->needs.v[i].service);
		free(p->needs.v[i].target);
	}
	free(p->needs.v);
	strv_release(&p->services);
	strv_release(&p->unknown);
}

/* ---- parts ---------------------------------------------------------------------------- */

static struct part *part_of(struct progress *p, const char *service, const char *action)
{
	auto_free char *key = action ? text_fmt("%s/%s", service, action) : text_dup(service);
	struct part *found = map_get(&p->by_key, key);

	if (found)
		return found;
	found = mem_new(sizeof(*found));
	*found = (struct part){.key = take(key),
	    .service = text_dup(service),
	    .action = text_dup(action),
	    .state = text_dup("created"),
	    .again_ms = -1};
	map_put(&p->by_key, found->key, found);
	*vec_push(p) = found;
	return found;
}

static bool is(const struct part *p, const char *state)
{
	return strcmp(p->state, state) == 0;
}

static bool is_one_of(const struct part *p, const char *const *states)
{
	for (; *states; states++)
		if (is(p, *states))
			return true;
	return false;
}

enum part_is part_is(const struct part *p)
{
	static const char *const waits[] = {"waiting_deps", "created", "pending", NULL},
				 *const failed[] = {"failed", "retrying", "blocked", "degraded",
				     NULL},
				 *const gone[] = {"cancelled", "inactive", NULL},
				 *const ready[] = {"ready", "succeeded", "skipped", "exited", NULL};

	if (is_one_of(p, failed) || p->fell)
		return PART_FAILED;
	if (is_one_of(p, gone))
		return p->touched ? PART_GONE : PART_IDLE;
	if (is_one_of(p, ready) || (!p->action && is(p, "running")))
		return PART_READY;
	if (is(p, "created") && !p->touched)
		return PART_IDLE;
	return is_one_of(p, waits) ? PART_WAITS : PART_BUSY;
}

/* ---- facts ---------------------------------------------------------------------------- */

static char *one_line(const char *text)
{
	struct str line = {0};

	add_one_line(&line, text, TEXT_BYTES);
	return str_take(&line);
}

static char *signal_of(const json_t *o)
{
	json_int_t n = number_of(o, "signal");
	char name[16];

	if (*text_of(o, "signal"))
		return text_dup(text_of(o, "signal"));
	return n > 0 ? text_dup(signal_name((int)n, name, sizeof(name))) : NULL;
}

/* How an attempt ended; of an event, or of an action of a status. */
static char *trouble_of(const json_t *o)
{
	const char *why = text_of(o, "why"), *reason = text_of(o, "reason");
	auto_free char *signal = signal_of(o);

	if (*why)
		return one_line(why);
	if (*reason && strcmp(reason, "exit_code") != 0 && strcmp(reason, "signal") != 0) {
		char *words = text_dup(reason);

		for (char *at = words; (at = strchr(at, '_'));)
			*at = ' ';
		return words;
	}
	if (signal)
		return text_fmt("ended by %s", signal);
	json_int_t code = number_in(o, "exit_code", -1);
	return code >= 0 ? text_fmt("exit code %lld", (long long)code) : text_dup("it ended");
}

/* The times of what was asked for: from its first step to the end of it. */
static void note_time(struct part *p, int64_t at)
{
	enum part_is now = part_is(p);

	if ((is(p, "starting") || is(p, "stopping")) && (!p->began || p->reached)) {
		p->began = at;
		p->reached = 0;
	} else if ((now == PART_READY || now == PART_GONE) && p->began && !p->reached) {
		p->reached = at;
	}
}

static void set_state(struct part *p, const char *state, int64_t at, const json_t *facts)
{
	text_set(&p->state, state);
	text_set(&p->waits, NULL);
	text_set(&p->heard, NULL);
	p->since = at;
	p->attempt = number_in(facts, "attempt", p->attempt);
	p->fell = is(p, "waiting_deps") && number_in(facts, "exit_code", -1) >= 0;
	if ((part_is(p) == PART_FAILED || p->fell) && p->action) {
		free(p->trouble);
		p->trouble = trouble_of(facts);
		text_set(&p->last_line, NULL);
		p->wants_line = true;
	} else if (part_is(p) == PART_READY) {
		text_set(&p->trouble, NULL);
		text_set(&p->last_line, NULL);
		p->wants_line = false;
	}
}

/* ---- events --------------------------------------------------------------------------- */

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

static bool is_known(const struct progress *p, const char *service)
{
	return map_get(&p->known, service);
}

void progress_add_service(struct progress *p, const char *name)
{
	if (!*name || is_known(p, name) || map_get(&p->asked, name))
		return;
	strv_add(&p->unknown, name);
	map_put(&p->asked, p->unknown.v[p->unknown.n - 1], p);
}

void progress_know(struct progress *p, const char *name)
{
	if (is_known(p, name))
		return;
	strv_add(&p->services, name);
	map_put(&p->known, p->services.v[p->services.n - 1], p);
}

struct strv progress_take_unknown(struct progress *p)
{
	struct strv names = p->unknown;

	p->unknown = (struct strv){0};
	map_release(&p->asked);
	return names;
}

static struct part *job_event(struct progress *p, const json_t *e, bool ours)
{
	struct part *part = part_of(p, text_of(e, "service"), text_of(e, "action"));
	int64_t at = times_us(text_of(e, "time"));

	part->touched |= ours;
	set_state(part, text_of(e, "to"), at, e);
	part->again_ms = number_in(e, "next_ms", -1);
	note_time(part, at);
	return part;
}

/* Only of a service that executes nothing: else its jobs say it. */
static struct part *unit_event(struct progress *p, const json_t *e, bool ours)
{
	struct part *part = map_get(&p->by_key, text_of(e, "service"));
	int64_t at = times_us(text_of(e, "time"));

	if (!part)
		return NULL;
	part->touched |= ours;
	set_state(part, text_of(e, "to"), at, e);
	note_time(part, at);
	return part;
}

struct part *progress_add_event(struct progress *p, const json_t *e)
{
	const char *kind = text_of(e, "event"), *service = text_of(e, "service");
	bool ours = is_ours(p, number_of(e, "operation"));

	if (strcmp(kind, "operation") == 0 || (ours && strcmp(kind, "done") == 0))
		p->over = true;
	if (strcmp(kind, "done") == 0 && number_of(e, "operation") == p->operations.v[0])
		p->done = true;
	if (ours)
		progress_add_service(p, service);
	if (!*service || (!ours && !is_known(p, service)))
		return NULL;
	if (strcmp(kind, "job") == 0)
		return job_event(p, e, ours);
	return strcmp(kind, "unit") == 0 ? unit_event(p, e, ours) : NULL;
}

/* ---- statuses ------------------------------------------------------------------------- */

static void note_need(struct progress *p, const char *service, const char *target)
{
	for (size_t i = 0; i < p->needs.n; i++)
		if (strcmp(p->needs.v[i].service, service) == 0 &&
		    strcmp(p->needs.v[i].target, target) == 0)
			return;
	if (p->needs.n < NEEDS_MOST && strcmp(service, target) != 0)
		*vec_push(&p->needs) = (struct need){text_dup(service), text_dup(target)};
}

/* What one action of it waits for: the first, and how many more. */
static char *waits_of(struct progress *p, const json_t *status, const char *action)
{
	const char *first = NULL;
	size_t i, more = 0;
	json_t *e;

	json_array_foreach (json_object_get(status, "waiting_on"), i, e) {
		const char *whose = text_of(e, "action");

		if (action && *whose && strcmp(whose, action) != 0)
			continue;
		if (json_is_string(json_object_get(e, "state"))) {
			progress_add_service(p, text_of(e, "target"));
			note_need(p, text_of(status, "name"), text_of(e, "target"));
		}
		more += first != NULL;
		first = first ? first : text_of(e, "text");
	}
	if (!first)
		return NULL;
	auto_free char *line = one_line(first);
	return more ? text_fmt("%s, and %zu more", line, more) : text_dup(line);
}

/* What is heard of one that runs and is not ready: of its probes, or itself. */
static char *heard_of(const json_t *action)
{
	json_t *probe;
	size_t i;

	json_array_foreach (json_object_get(action, "probes"), i, probe)
		if (strcmp(text_of(probe, "state"), "passing") != 0 && *text_of(probe, "last"))
			return one_line(text_of(probe, "last"));
	return *text_of(action, "status") ? one_line(text_of(action, "status")) : NULL;
}

static bool is_new(const struct progress *p, const char *key)
{
	return p->resync || !map_get(&p->by_key, key);
}

static void add_facts(
    struct progress *p, struct part *part, bool new, const json_t *status, const json_t *facts)
{
	int64_t since = times_us(text_of(facts, "since"));

	if (new)
		set_state(part, text_of(facts, "state"), since, facts);
	if (new &&since >= part->began)
		note_time(part, since);
	free(part->waits);
	free(part->heard);
	part->waits =
	    part_is(part) == PART_WAITS || !part->action ? waits_of(p, status, part->action) : NULL;
	part->heard = part_is(part) == PART_BUSY ? heard_of(facts) : NULL;
}

void progress_add_status(struct progress *p, const json_t *status)
{
	const char *name = text_of(status, "name");
	json_t *action;
	size_t i;

	progress_know(p, name);
	json_array_foreach (json_object_get(status, "actions"), i, action) {
		auto_free char *key = text_fmt("%s/%s", name, text_of(action, "name"));
		bool new = is_new(p, key);

		add_facts(p, part_of(p, name, text_of(action, "name")), new, status, action);
	}
	bool new = is_new(p, name);
	if (!i)
		add_facts(p, part_of(p, name, NULL), new, status, status);
}

void progress_add_steps(struct progress *p, const json_t *op)
{
	size_t i;
	json_t *step;

	json_array_foreach (json_object_get(op, "steps"), i, step) {
		const char *action = text_of(step, "action");
		auto_free char *key =
		    text_fmt("%s%s%s", text_of(step, "service"), *action ? "/" : "", action);
		struct part *part = map_get(&p->by_key, key);
		int64_t at = times_us(text_of(step, "time"));

		if (!part || part->touched)
			continue;
		part->touched = true;
		part->began = at;
		part->reached =
		    part->since >= at && (part_is(part) == PART_READY || part_is(part) == PART_GONE)
			? part->since
			: 0;
	}
}

void progress_add_operation(struct progress *p, const json_t *op)
{
	static const char *const lists[] = {"names", "started"};
	size_t i;
	json_t *v;

	json_array_foreach (json_object_get(op, "operations"), i, v)
		progress_add_id(p, json_integer_value(v));
	for (size_t k = 0; k < countof(lists); k++)
		json_array_foreach (json_object_get(op, lists[k]), i, v)
			if (json_is_string(v))
				progress_add_service(p, json_string_value(v));
	json_array_foreach (json_object_get(op, "steps"), i, v)
		progress_add_service(p, text_of(v, "service"));
}

/* ---- words ---------------------------------------------------------------------------- */

static char *took(const struct part *p, const char *word)
{
	if (!p->began || !p->reached)
		return text_dup(word);
	auto_free char *span = times_span(p->reached - p->began);
	return text_fmt("%s after %s", word, span);
}

/* " 0.4 s", or nothing where clocks do not run. */
static char *for_how_long(const struct part *p, int64_t now)
{
	if (!now || !p->since)
		return text_dup("");
	auto_free char *span = times_span(now - p->since);
	return text_fmt(" %s", span);
}

static char *with(const char *word, const char *time, const char *more)
{
	return text_fmt("%s%s%s%s", word, time, more ? ": " : "", more ? more : "");
}

static char *failed_text(const struct part *p, int64_t now)
{
	const char *word = is(p, "blocked") || is(p, "degraded") ? p->state : "failed",
		   *what = p->trouble ? p->trouble : p->waits;
	auto_free char *text = with(word, "", what);
	if (p->fell)
		return text_fmt("failed: %s; again at once", what);
	int64_t left = p->again_ms * 1000 - (now ? now - p->since : 0);

	if (is(p, "retrying") && p->again_ms >= 0) {
		auto_free char *span = times_span(left);
		return text_fmt("%s; attempt %lld follows%s%s", text, (long long)p->attempt + 1,
		    left > 0 ? " in " : "", left > 0 ? span : "");
	}
	return p->attempt > 1 ? text_fmt("%s (attempt %lld)", text, (long long)p->attempt)
			      : text_dup(text);
}

char *part_text(const struct part *p, int64_t now)
{
	auto_free char *time = for_how_long(p, now);

	switch (part_is(p)) {
	case PART_FAILED: return failed_text(p, now);
	case PART_READY:
		return took(p, is(p, "ready") || !p->action ? "ready"
			       : is(p, "skipped")	    ? p->state
							    : "done");
	case PART_GONE: return took(p, "stopped");
	case PART_IDLE: return text_dup(is(p, "created") ? "not started" : "stopped");
	case PART_WAITS: return with("waits", time, is(p, "pending") ? "for its turn" : p->waits);
	case PART_BUSY: break;
	}
	auto_free char *attempt = p->attempt > 1 && p->trouble
				      ? text_fmt("%s (attempt %lld)", time, (long long)p->attempt)
				      : text_dup(time);
	if (is(p, "running")) {
		auto_free char *text = with("running", attempt, "not ready yet");
		return p->heard ? text_fmt("%s, %s", text, p->heard) : text_dup(text);
	}
	return with(p->state, attempt, p->heard);
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

struct strv progress_order(const struct progress *p)
{
	struct strv out = {0};
	struct map seen = {0};

	for (size_t i = 0; i < p->n; i++)
		add_ordered(p, p->v[i]->service, &seen, &out);
	map_release(&seen);
	return out;
}

/* ---- counting ------------------------------------------------------------------------- */

static int64_t time_of(const struct part *p)
{
	return p && p->began && p->reached ? p->reached - p->began : 0;
}

void progress_count(const struct progress *p, struct progress_count *out)
{
	*out = (struct progress_count){0};
	for (size_t i = 0; i < p->n; i++) {
		const struct part *part = p->v[i];
		enum part_is now = part_is(part);
		bool ended = now == PART_GONE || is(part, "succeeded") || is(part, "failed");

		if (p->stops && !part->touched)
			continue;
		if (p->stops ? ended : now == PART_GONE)
			out->gone++;
		else if (now == PART_READY)
			out->ready++;
		else
			out->others++;
		if (time_of(part) > time_of(out->slowest))
			out->slowest = part;
	}
}
