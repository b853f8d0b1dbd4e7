/* Schedules as the API shows them (SPEC 10 schedule.list, schedule.next). */
#include "server/schedule/scheduled.h"

#include "server/host/clock.h"

#include <stdio.h>

/* "2026-12-01T03:30:00+01:00" */
static json_t *local_time(const struct schedules *s, const struct zone *zone, int64_t ms)
{
	const int32_t offset = zone ? zone_span_at(zone, ms / 1000).offset : 0;
	const int minutes = (offset < 0 ? -offset : offset) / 60;
	char iso[ISO_TIME_BYTES], text[40];
	(void)s;

	clock_iso((ms + offset * 1000LL) * 1000, iso);
	snprintf(text, sizeof(text), "%.19s%c%02d:%02d", iso, offset < 0 ? '-' : '+', minutes / 60,
	    minutes % 60);
	return json_string(text);
}

static json_t *time_or_null(usec_wall t)
{
	char iso[ISO_TIME_BYTES];

	return t ? json_string(clock_iso(t, iso)) : json_null();
}

static json_t *next_due(const struct schedules *s, const struct scheduled *x)
{
	const int64_t now = schedules_now();
	const int64_t after = x->state.answered > now ? x->state.answered : now;
	const int64_t t = x->trouble || !x->def ? SCHEDULE_NEVER
						: schedule_next(&x->spec, after, x->state.answered);

	return t == SCHEDULE_NEVER || x->state.paused ? json_null()
						      : local_time(s, x->spec.zone, t);
}

static json_t *counts_json(const struct scheduled *x)
{
	json_t *o = json_object();

	for (size_t i = 0; i < ANSWER_COUNT; i++)
		json_object_set_new(
		    o, schedule_answer_words[i], json_integer((json_int_t)x->state.counts[i]));
	return o;
}

static const char *state_of(const struct scheduled *x)
{
	return x->trouble	 ? "failed"
	       : x->state.paused ? "paused"
	       : x->is_overdue	 ? "overdue"
				 : "active";
}

static void add_definition(const struct scheduled *x, json_t *o)
{
	const struct schedule_def *d = x->def;

	if (d->cron) {
		json_object_set_new(o, "cron", json_string(d->cron));
		json_object_set_new(o, "timezone",
		    d->timezone		 ? json_string(d->timezone)
		    : *x->spec.cron.zone ? json_string(x->spec.cron.zone)
					 : json_null());
	} else {
		json_object_set_new(o, "interval_ms", json_integer(d->interval));
	}
	json_object_set_new(o, "overlap", json_string(overlap_str(d->overlap)));
	json_object_set_new(o, "catch_up", json_string(catch_up_str(d->catch_up)));
	json_object_set_new(o, "jitter_ms", json_integer(d->jitter));
	json_object_set_new(o, "overdue_after_ms", json_integer(d->overdue_after));
}

json_t *schedule_json(struct schedules *s, const struct scheduled *x)
{
	json_t *o = json_pack("{s:s, s:s, s:s?, s:s, s:s, s:s?}", "name", x->key, "action",
	    x->action, "service", x->service, "context", x->context ? x->context : "default",
	    "state", state_of(x), "error", x->trouble);

	if (x->def)
		add_definition(x, o);
	json_object_set_new(o, "next", next_due(s, x));
	json_object_set_new(o, "last",
	    x->last_run || x->last_due ? json_pack("{s:s?, s:s?, s:o}", "run", x->last_run, "state",
					     x->last_state ? x->last_state : "running", "due",
					     time_or_null(x->last_due * 1000))
				       : json_null());
	json_object_set_new(o, "last_success", time_or_null(x->last_success));
	json_object_set_new(o, "since", time_or_null(x->since));
	json_object_set_new(o, "queued", json_integer((json_int_t)x->queue.n));
	json_object_set_new(o, "missed", json_integer((json_int_t)x->state.counts[ANSWER_MISSED]));
	json_object_set_new(o, "due_times", counts_json(x));
	return o;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sorted_keys(const struct schedules *s, struct strv *out)
{
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&s->by_key, &i, &key, &value);)
		strv_add(out, key);
	qsort(out->v, out->n, sizeof(*out->v), by_text);
}

json_t *schedules_list(struct schedules *s)
{
	json_t *list = json_array();
	struct strv keys = {0};

	sorted_keys(s, &keys);
	for (size_t i = 0; i < keys.n; i++)
		json_array_append_new(list, schedule_json(s, map_get(&s->by_key, keys.v[i])));
	strv_release(&keys);
	return list;
}

static bool is_called(const struct scheduled *x, const char *name)
{
	auto_free char *in_context =
	    text_fmt("%s:%s", x->context ? x->context : "default", x->action);

	return text_eq(x->key, name) || text_eq(x->action, name) || text_eq(in_context, name);
}

static enum err no_schedule(const struct schedules *s, const char *name, struct error *e)
{
	struct strv keys = {0};

	sorted_keys(s, &keys);
	const char *near = text_nearest(name, (const char *const *)keys.v, keys.n);
	error_set(e, ERR_NOT_FOUND, "no schedule `%s`%s%s%s; `hero_proc schedule list` shows all",
	    name, near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
	strv_release(&keys);
	return e->code;
}

enum err schedules_find(struct schedules *s, const char *name, struct scheduled **out,
    struct strv *candidates, struct error *e)
{
	const char *key;
	void *value;

	if ((*out = map_get(&s->by_key, name)))
		return ERR_OK;
	for (size_t i = 0; map_next(&s->by_key, &i, &key, &value);)
		if (is_called(value, name)) {
			strv_add(candidates, key);
			*out = value;
		}
	if (candidates->n == 1)
		return ERR_OK;
	if (candidates->n == 0)
		return no_schedule(s, name, e);
	return error_set(e, ERR_INVALID,
	    "`%s` is the name of %u schedules: write one whole, as `%s`", name, candidates->n,
	    candidates->v[0]);
}

bool schedule_pause(struct schedules *s, struct scheduled *x, bool paused)
{
	if (x->state.paused == paused)
		return false;
	scheduled_answer(s, x); /* what is due up to now counts as it was */
	x->state.paused = paused;
	s->config.event(
	    s->config.ctx, paused ? "schedule_paused" : "schedule_resumed", x->key, "{}");
	scheduled_store(s, x);
	scheduled_arm(s, x);
	return true;
}

enum err schedule_trigger(struct schedules *s, struct scheduled *x, char **run, struct error *e)
{
	if (scheduled_submit(s, x, schedules_now(), true, run, e))
		return e->code;
	scheduled_store(s, x);
	return ERR_OK;
}

static void add_next(const struct schedules *s, const struct schedule *spec, int64_t answered,
    int64_t after, size_t count, json_t *into)
{
	for (size_t i = 0; i < count; i++) {
		const int64_t t = schedule_next(spec, after, answered);
		if (t == SCHEDULE_NEVER)
			return;
		json_array_append_new(into, local_time(s, spec->zone, t));
		after = t;
	}
}

enum err schedules_next(struct schedules *s, const struct scheduled *x, int64_t after, size_t count,
    json_t *into, struct error *e)
{
	if (x->trouble)
		return error_set(e, ERR_INVALID_STATE, "%s", x->trouble);
	add_next(s, &x->spec, x->state.answered, after, count, into);
	return ERR_OK;
}

enum err schedules_next_of(struct schedules *s, const char *cron, const char *zone_name,
    int64_t after, size_t count, json_t *into, size_t *column, struct error *e)
{
	struct schedule spec = {0};

	*column = 0;
	if (cron_parse(cron, &spec.cron, column, e) || zones_get(s->zones,
							   zone_name	     ? zone_name
							   : *spec.cron.zone ? spec.cron.zone
									     : NULL,
							   &spec.zone, e))
		return e->code;
	add_next(s, &spec, 0, after, count, into);
	return ERR_OK;
}

struct schedules_totals schedules_totals(const struct schedules *s)
{
	struct schedules_totals t = {.n = s->by_key.n};
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&s->by_key, &i, &key, &value);) {
		const struct scheduled *x = value;
		t.paused += x->state.paused;
		t.overdue += x->is_overdue;
		for (size_t k = 0; k < ANSWER_COUNT; k++)
			t.counts[k] += x->state.counts[k];
	}
	return t;
}
