#include "server/schedule/schedules.h"

#include "manifest/diag.h"
#include "probe/folder.h"
#include "server/host/clock.h"
#include "server/schedule/scheduled.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/timerfd.h>

#define STEP_MS 500 /* a smaller difference of the clocks is no step */

static void scheduled_free(struct scheduled *x)
{
	if (x->timer)
		event_free(x->timer);
	schedule_def_free(x->def);
	free(x->queue.v);
	strv_release(&x->open_runs);
	free(x->key);
	free(x->definition);
	free(x->action);
	free(x->service);
	free(x->context);
	free(x->meaning);
	free(x->last_run);
	free(x->last_state);
	free(x->trouble);
	free(x);
}

/* ---- from its definition ---- */

static void on_time(evutil_socket_t fd, short what, void *ctx);

static const char *zone_name(const struct scheduled *x)
{
	return x->def->timezone ? x->def->timezone : x->spec.cron.zone;
}

/* Everything that follows from definition and zone; `trouble` says what is wrong. */
static void compile(struct schedules *s, struct scheduled *x)
{
	struct error e = {0};
	size_t column;

	free(take(x->trouble));
	x->spec = (struct schedule){.interval_ms = x->def->interval,
	    .catch_up = x->def->catch_up,
	    .overlap = x->def->overlap,
	    .jitter_ms = x->def->jitter,
	    .seed = text_hash(x->key)};
	if (x->def->cron && (cron_parse(x->def->cron, &x->spec.cron, &column, &e) ||
				zones_get(s->zones, zone_name(x), &x->spec.zone, &e)))
		x->trouble = text_dup(e.msg);
}

static char *meaning_of(const struct schedule_def *d)
{
	return d->cron ? text_fmt("%s %s", d->timezone ? d->timezone : "", d->cron)
		       : text_fmt("every %lld ms", (long long)d->interval);
}

/* Another expression begins to count at the present time; false: it is the one of the row. */
static bool define(struct schedules *s, struct scheduled *x, const struct action_def *a)
{
	char *meaning = meaning_of(a->schedule);

	schedule_def_free(x->def);
	x->def = schedule_def_dup(a->schedule);
	text_set(&x->context, a->context);
	const bool is_new = !text_eq(meaning, x->meaning);
	if (is_new) {
		x->state.answered = schedules_now();
		if (!x->since)
			x->since = clock_wall();
	}
	free(x->meaning);
	x->meaning = meaning;
	compile(s, x);
	return is_new;
}

static char *key_of(const char *definition, const struct action_def *a)
{
	return *definition == '/' ? text_dup(definition) : text_fmt("%s/%s", definition, a->name);
}

static struct scheduled *add(
    struct schedules *s, char *take_key, const char *definition, const char *action)
{
	struct scheduled *x = mem_new(sizeof(*x));

	*x = (struct scheduled){.key = take_key,
	    .definition = text_dup(definition),
	    .service = *definition == '/' ? NULL : text_dup(definition),
	    .action = text_dup(action),
	    .schedules = s};
	x->timer = evtimer_new(s->config.base, on_time, x);
	map_put(&s->by_key, x->key, x);
	return x;
}

static void remove_one(struct schedules *s, struct scheduled *x)
{
	map_remove(&s->by_key, x->key);
	while (x->open_runs.n > 0)
		scheduled_close(s, x, x->open_runs.v[0]);
	store_remove_schedule(s->config.store, x->key);
	scheduled_free(x);
}

static bool is_scheduled(const struct action_def *a)
{
	return a->schedule && action_is_executed(a);
}

/* Those of this definition that it does not have any more. */
static void remove_gone(struct schedules *s, const char *definition, const struct service_def *def)
{
	struct strv gone = {0};
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&s->by_key, &i, &key, &value);) {
		const struct scheduled *x = value;
		const struct action_def *a = def ? service_find_action(def, x->action) : NULL;
		if (text_eq(x->definition, definition) && (!a || !is_scheduled(a)))
			strv_add(&gone, key);
	}
	for (size_t i = 0; i < gone.n; i++)
		remove_one(s, map_get(&s->by_key, gone.v[i]));
	strv_release(&gone);
}

void schedules_redefined(struct schedules *s, const char *definition)
{
	const struct service_def *def = s->config.definition(s->config.ctx, definition);

	if (s->by_key.n > 0)
		remove_gone(s, definition, def);
	for (size_t i = 0; def && i < def->actions.n; i++) {
		const struct action_def *a = &def->actions.v[i];
		if (!is_scheduled(a))
			continue;
		char *key = key_of(definition, a);
		struct scheduled *x = map_get(&s->by_key, key);
		if (x)
			free(key);
		else
			x = add(s, key, definition, a->name);
		if (define(s, x, a))
			scheduled_store(s, x);
		scheduled_arm(s, x);
	}
}

void schedules_check(struct schedules *s, const struct service_def *def, struct diags *diags)
{
	const struct zone *zone;
	struct error e;

	for (size_t i = 0; def && i < def->actions.n; i++) {
		const struct action_def *a = &def->actions.v[i];
		struct cron c = {0};
		size_t column;
		if (!a->schedule || !a->schedule->cron ||
		    cron_parse(a->schedule->cron, &c, &column, &e) != ERR_OK)
			continue;
		if (zones_get(s->zones, a->schedule->timezone ? a->schedule->timezone : c.zone,
			&zone, &e))
			diag_add(diags, DIAG_ERROR, a->source.path, a->source.line,
			    a->source.column, "timezone", NULL, "`%s`: %s", a->name, e.msg);
	}
}

/* ---- rows ---- */

static void read_queue(struct scheduled *x, const char *text)
{
	char *end;

	for (const char *p = text ? text : ""; *p; p = end) {
		const int64_t due = strtoll(p, &end, 10);
		if (end == p)
			return;
		*vec_push(&x->queue) = due;
	}
}

static bool take_row(const struct store_schedule *row, void *ctx)
{
	struct schedules *s = ctx;
	const char *slash = strrchr(row->name, '/');

	if (!slash)
		return true;
	auto_free char *definition = *row->name == '/'
					 ? text_dup(row->name)
					 : text_dup_n(row->name, (size_t)(slash - row->name));
	struct scheduled *x = add(s, text_dup(row->name), definition, slash + 1);
	x->state = (struct schedule_state){.answered = row->answered,
	    .paused = row->paused,
	    .counts = {[ANSWER_KEPT] = (uint64_t)row->kept,
		[ANSWER_LATE] = (uint64_t)row->late,
		[ANSWER_SKIPPED] = (uint64_t)row->skipped,
		[ANSWER_MISSED] = (uint64_t)row->missed}};
	x->meaning = text_dup(row->meaning);
	x->since = row->since;
	x->last_success = row->last_success;
	x->last_run = text_dup(row->last_run);
	x->last_state = text_dup(row->last_state);
	x->last_due = row->last_due;
	if (x->last_run && !x->last_state)
		scheduled_open(s, x, x->last_run);
	read_queue(x, row->queue);
	return true;
}

enum err schedules_load(struct schedules *s, struct error *e)
{
	return store_load_schedules(s->config.store, take_row, s, e);
}

void schedules_store(struct schedules *s)
{
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&s->by_key, &i, &key, &value);)
		scheduled_store(s, value);
}

/* ---- the clock ---- */

static int64_t wall_ahead(void)
{
	return schedules_now() - clock_boot();
}

static void arm_all(struct schedules *s)
{
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&s->by_key, &i, &key, &value);)
		scheduled_arm(s, value);
}

static void watch_steps(struct schedules *s)
{
	const struct itimerspec far = {.it_value = {.tv_sec = INT32_MAX}};

	if (timerfd_settime(s->steps_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) <
	    0)
		event_del(s->steps); /* a step is seen a day later at most */
}

/* Has the wall clock been set since it was looked at last?  Intervals do not follow it. */
static void look_at_clock(struct schedules *s)
{
	const int64_t ahead = wall_ahead(), step = ahead - s->ahead_ms;
	const char *key;
	void *value;

	s->ahead_ms = ahead;
	if (step > -STEP_MS && step < STEP_MS)
		return;
	for (size_t i = 0; map_next(&s->by_key, &i, &key, &value);) {
		struct scheduled *x = value;
		schedule_clock_stepped(&x->spec, &x->state, step);
		scheduled_store(s, x);
	}
	arm_all(s);
}

static void on_time(evutil_socket_t fd, short what, void *ctx)
{
	struct scheduled *x = ctx;
	(void)fd, (void)what;

	look_at_clock(x->schedules);
	scheduled_answer(x->schedules, x);
	scheduled_check_overdue(x->schedules, x);
	scheduled_arm(x->schedules, x);
}

/* The clock was set, or a suspend has ended. */
static void on_step(evutil_socket_t fd, short what, void *ctx)
{
	struct schedules *s = ctx;
	uint64_t ignored;
	(void)what;

	(void)!read(fd, &ignored, sizeof(ignored));
	watch_steps(s);
	look_at_clock(s);
	arm_all(s);
}

static void on_zone(void *ctx)
{
	struct schedules *s = ctx;
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&s->by_key, &i, &key, &value);)
		if (((struct scheduled *)value)->def)
			compile(s, value);
	arm_all(s);
}

/* ---- life ---- */

struct schedules *schedules_new(const struct schedules_config *config, struct error *e)
{
	struct folders *folders;
	struct schedules *s = mem_new(sizeof(*s));

	s->config = *config;
	s->steps_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->steps_fd < 0 || folders_new(config->base, &folders, e)) {
		if (s->steps_fd < 0)
			error_sys(e, errno, "a timer for schedules");
		free(s);
		return NULL;
	}
	s->zones = zones_new(folders, on_zone, s);
	s->steps = event_new(config->base, s->steps_fd, EV_READ | EV_PERSIST, on_step, s);
	event_add(s->steps, NULL);
	s->ahead_ms = wall_ahead();
	watch_steps(s);
	return s;
}

void schedules_free(struct schedules *s)
{
	const char *key;
	void *value;

	if (!s)
		return;
	for (size_t i = 0; map_next(&s->by_key, &i, &key, &value);)
		scheduled_free(value);
	map_release(&s->by_key);
	map_release(&s->by_run);
	event_free(s->steps);
	close(s->steps_fd);
	zones_free(s->zones);
	free(s);
}

static void remove_undefined(struct schedules *s)
{
	struct strv gone = {0};
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&s->by_key, &i, &key, &value);)
		if (!((struct scheduled *)value)->def)
			strv_add(&gone, key);
	for (size_t i = 0; i < gone.n; i++)
		remove_one(s, map_get(&s->by_key, gone.v[i]));
	strv_release(&gone);
}

void schedules_begin(struct schedules *s)
{
	const char *key;
	void *value;

	s->is_active = true;
	remove_undefined(s);
	for (size_t i = 0; map_next(&s->by_key, &i, &key, &value);) {
		scheduled_answer(s, value);
		scheduled_go_on(s, value);
	}
	arm_all(s);
}

void schedules_end(struct schedules *s)
{
	s->is_active = false;
	arm_all(s);
}
