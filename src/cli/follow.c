#include "cli/follow.h"

#include "cli/feed.h"
#include "cli/interrupt.h"
#include "cli/op_call.h"
#include "cli/out.h"
#include "cli/outcome.h"
#include "cli/picture.h"
#include "cli/screen.h"
#include "cli/times.h"

#include <time.h>

#define FRAME_MS      40      /* what happens within is one frame */
#define CLOCK_MS      100     /* clocks that run are drawn; nothing is asked for */
#define CLOCK_SLOW_MS 1000    /* once they show whole seconds */
#define PROBES_MS     2000    /* what probes hear is no event: that is asked for */
#define LOOK_MS	      100     /* between two questions while things happen */
#define TOLD_MOST     60      /* services: more than a screen shows */
#define LASTS_US      1000000 /* a start that takes longer is worth a line meanwhile */
#define LAST_MS	      200     /* for the events of an operation that is over */

struct follow {
	struct cli *c;
	int64_t operation;
	json_t *op; /* as it was last asked for */
	struct feed feed;
	struct progress progress;
	struct screen screen;
	struct map said,
	    quoted;	  /* of a part: its last line that was printed, and of output; owned */
	int64_t began_us; /* since 1970 */
	msec began, drawn, looked;
	bool stale; /* something happened since the statuses were asked for */
};

static int64_t wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- the operation ---------------------------------------------------------------------- */

static bool has_silent_waits(const struct progress *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (part_is(p->v[i]) == PART_BUSY)
			return true;
	return false;
}

/* Something is to be asked for now. */
static bool is_due(const struct follow *v)
{
	msec gone = http_now() - v->looked;

	return !v->op || v->progress.over || (v->stale && gone >= LOOK_MS) ||
	       (gone >= PROBES_MS && has_silent_waits(&v->progress));
}

/* v->op anew, and what is told of its parts; false: *status. */
static bool look(struct follow *v, int *status)
{
	json_t *op = op_call(v->c, "op.get",
	    json_pack("{s:I, s:i}", "operation", (json_int_t)v->operation, "limit", TOLD_MOST),
	    status);

	v->progress.over = v->stale = false;
	v->looked = http_now();
	if (!op)
		return false;
	json_decref(v->op);
	v->op = op;
	progress_add_operation(&v->progress, op);
	v->progress.resync = false;
	auto_free char *on = outcome_goes_on(op);
	auto_free char *text = text_fmt("hero_proc: %s", on);
	interrupt_say(text);
	return true;
}

/* ---- drawing ---------------------------------------------------------------------------- */

/* The last words of a part are not said twice. */
static void say(struct map *said, const struct part *part, char *take_line)
{
	char *before = map_get(said, part->key);

	if (!take_line || (before && strcmp(before, take_line) == 0)) {
		free(take_line);
		return;
	}
	puts(take_line);
	map_put(said, part->key, take_line);
	free(before);
}

/* What no event tells: what is waited for, and the output of what failed. */
static void say_waits(struct follow *v)
{
	for (size_t i = 0; i < v->progress.n; i++) {
		struct part *part = v->progress.v[i];

		bool lasts = part_is(part) == PART_BUSY && wall_us() - part->since > LASTS_US;

		if (part->last_line)
			say(&v->quoted, part, picture_output(part));
		if (part->waits || (part->heard && lasts))
			say(&v->said, part, picture_line(part));
	}
	fflush(stdout);
}

/* Those whose last event did not come any more. */
static void say_touched(struct follow *v)
{
	for (size_t i = 0; i < v->progress.n && !out_is_terminal(); i++)
		if (v->progress.v[i]->touched)
			say(&v->said, v->progress.v[i], picture_line(v->progress.v[i]));
}

static void draw(struct follow *v)
{
	struct strv lines = {0};

	v->drawn = http_now();
	if (!out_is_terminal()) {
		say_waits(v);
		return;
	}
	picture_tree(&v->progress, out_height() - 2, wall_us(), &lines);
	screen_draw(&v->screen, &lines);
	strv_release(&lines);
}

/* ---- waiting ---------------------------------------------------------------------------- */

static void take_event(const char *text, void *ctx)
{
	struct follow *v = ctx;
	json_t *event = json_loads(text, JSON_ALLOW_NUL, NULL);

	struct part *part = progress_add_event(&v->progress, event);
	if (part && part->touched && !out_is_terminal())
		say(&v->said, part, picture_line(part));
	v->stale = true;
	json_decref(event);
}

static msec deadline_of(const struct follow *v)
{
	return v->c->timeout ? v->began + v->c->timeout : MSEC_NEVER;
}

static msec earlier(msec a, msec b)
{
	return a < b ? a : b;
}

/* When the next frame is due though nothing happens. */
static msec next_frame(const struct follow *v)
{
	msec now = http_now();

	if (v->stale)
		return v->looked + LOOK_MS;
	if (!out_is_terminal())
		return v->looked + PROBES_MS;
	return now + (now - v->began < 10000 ? CLOCK_MS : CLOCK_SLOW_MS);
}

/* Until something happened, and what happens at the same time.  False: *status. */
static bool await(struct follow *v, int *status)
{
	struct error e = {0};
	msec until = earlier(next_frame(v), deadline_of(v));
	enum feed_news news = feed_wait(&v->feed, until, take_event, v, &e);

	while (news == FEED_EVENTS && !v->progress.over && http_now() < v->drawn + FRAME_MS)
		news = feed_wait(&v->feed, v->drawn + FRAME_MS, take_event, v, &e);
	if (news == FEED_LOST) {
		complain("%s", e.msg);
		*status = err_exit_status(e.code);
		return false;
	}
	if (news == FEED_RENEWED)
		v->stale = v->progress.over = v->progress.resync = true;
	return true;
}

/* ---- until the end ---------------------------------------------------------------------- */

static int64_t took_us(const struct follow *v)
{
	int64_t began = times_us(text_of(v->op, "began")),
		ended = times_us(text_of(v->op, "ended"));

	return began && ended > began ? ended - began : (http_now() - v->began) * 1000;
}

/* What it did at last is told a little later than that it is over. */
static void take_last_events(struct follow *v)
{
	const msec until = http_now() + LAST_MS;
	struct error e = {0};

	while (!v->progress.done && times_us(text_of(v->op, "ended")) > v->began_us &&
	       feed_wait(&v->feed, until, take_event, v, &e) == FEED_EVENTS)
		continue;
}

static bool is_touched(const struct progress *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i]->touched)
			return true;
	return false;
}

char *follow_summary(const struct follow *v)
{
	return is_touched(&v->progress) ? picture_summary(&v->progress, took_us(v)) : NULL;
}

/* What no event told of: the state of parts that are not where they should be. */
static void look_at_rest(struct follow *v)
{
	struct strv names = {0};

	for (size_t i = 0; i < v->progress.n && names.n < TOLD_MOST; i++) {
		enum part_is now = part_is(v->progress.v[i]);

		if ((now == PART_WAITS || now == PART_BUSY) &&
		    !strv_has(&names, v->progress.v[i]->service))
			strv_add(&names, v->progress.v[i]->service);
	}
	v->progress.resync = true;
	for (size_t i = 0; i < names.n; i++) {
		struct hp_error e;
		json_t *status =
		    cli_try(v->c, "service.status", json_pack("{s:s}", "name", names.v[i]), &e);

		if (!status)
			hp_error_release(&e);
		progress_add_service(&v->progress, status);
		json_decref(status);
	}
	strv_release(&names);
}

/* The operation is over, so nothing is told any more: the last line of one that just failed. */
static char *last_line(struct cli *c, const struct part *part)
{
	auto_free char *who = text_fmt("%s/%s", part->service, part->action);
	struct str line = {0};
	struct hp_error e;
	json_t *v = cli_try(c, "logs.query",
	    json_pack(
		"{s:s, s:I, s:i}", "name", who, "attempt", (json_int_t)part->attempt, "tail", 1),
	    &e);

	if (!v)
		hp_error_release(&e);
	add_one_line(&line, text_of(json_array_get(json_object_get(v, "lines"), 0), "line"), 300);
	json_decref(v);
	return line.n ? str_take(&line) : NULL;
}

static void look_at_failures(struct follow *v)
{
	for (size_t i = 0; i < v->progress.n; i++) {
		struct part *part = v->progress.v[i];

		if (part->touched && part->trouble && part->action && !part->last_line)
			part->last_line = last_line(v->c, part);
	}
}

static int end(struct follow *v)
{
	take_last_events(v);
	look_at_rest(v);
	look_at_failures(v);
	bool touched = is_touched(&v->progress);
	if (v->screen.shown.n || touched)
		draw(v);
	say_touched(v);
	interrupt_say(NULL);
	auto_free char *summary = follow_summary(v);
	return outcome_print(v->c, v->op, summary);
}

static int follow(struct follow *v, const json_t *names)
{
	int status = 0;

	for (;;) {
		if (is_due(v) && !look(v, &status))
			return status;
		if (!op_is_active(v->op))
			return end(v);
		draw(v);
		if (http_now() >= deadline_of(v)) {
			auto_free char *summary = follow_summary(v);
			interrupt_say(NULL);
			if (summary)
				puts(summary);
			return outcome_print_late(v->c, v->op, names);
		}
		if (!await(v, &status))
			return status;
		interrupt_resized();
	}
}

static int follow_seen(struct follow *v, const json_t *names)
{
	struct error e = {0};

	if (!v->feed.is_open && feed_init(&v->feed, v->c, &e))
		return complain("%s", e.msg), err_exit_status(e.code);
	return follow(v, names);
}

/* ---- the follower ----------------------------------------------------------------------- */

static bool is_seen(const struct cli *c)
{
	return !c->quiet && !c->json && !c->no_wait && !c->dry_run;
}

struct follow *follow_new(struct cli *c)
{
	struct follow *v = mem_new(sizeof(*v));
	struct error e = {0};

	*v = (struct follow){.c = c, .began = http_now(), .began_us = wall_us(), .stale = true};
	progress_init(&v->progress);
	if (is_seen(c) && feed_init(&v->feed, c, &e))
		feed_release(&v->feed); /* the request says what is wrong */
	return v;
}

static void forget(struct map *said)
{
	const char *key;
	void *line;

	for (size_t i = 0; map_next(said, &i, &key, &line);)
		free(line);
	map_release(said);
}

void follow_free(struct follow *v)
{
	forget(&v->said);
	forget(&v->quoted);
	feed_release(&v->feed);
	progress_release(&v->progress);
	screen_release(&v->screen);
	json_decref(v->op);
	free(v);
}

int follow_operation(struct follow *v, int64_t operation, const json_t *names)
{
	v->operation = operation;
	progress_add_id(&v->progress, operation);
	return is_seen(v->c) ? follow_seen(v, names) : op_wait(v->c, operation, names);
}

/* ---- to the last ------------------------------------------------------------------------ */

void follow_expect(struct follow *v, const json_t *status)
{
	progress_add_service(&v->progress, status);
}

bool follow_to_the_last(struct follow *v, int64_t operation, msec deadline)
{
	enum feed_news news = v->feed.is_open ? FEED_EVENTS : FEED_LOST;
	struct error e = {0};

	v->operation = operation;
	v->op = json_pack("{s:s, s:I}", "kind", "stop", "operation", (json_int_t)operation);
	v->feed.once = v->progress.stops = true;
	progress_add_id(&v->progress, operation);
	auto_free char *on = outcome_goes_on(v->op);
	auto_free char *text = text_fmt("hero_proc: %s", on);
	interrupt_say(text);
	while (news != FEED_LOST && http_now() < deadline) {
		draw(v);
		news = feed_wait(&v->feed, earlier(next_frame(v), deadline), take_event, v, &e);
	}
	if (v->feed.is_open)
		draw(v);
	interrupt_say(NULL);
	return news == FEED_LOST;
}
