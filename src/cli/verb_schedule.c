/* verb_schedule.c - what runs by itself: its due times, and the words about them. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/table.h"
#include "cli/times.h"
#include "cli/verbs.h"

#include <stdio.h>

#define TIMES_DEFAULT 10

static char *when_of(const json_t *schedule)
{
	const char *cron = text_of(schedule, "cron"), *zone = text_of(schedule, "timezone");

	const json_int_t interval = json_integer_value(json_object_get(schedule, "interval_ms"));
	auto_free char *span = times_span(1000 * interval);

	if (!*cron)
		return text_fmt("every %s", span);
	return text_fmt("%s%s%s", cron, *zone ? " " : "", zone);
}

static char *last_of(const json_t *schedule)
{
	const json_t *last = json_object_get(schedule, "last");

	return json_is_object(last) ? text_dup(text_of(last, "state")) : text_dup("-");
}

/* "12 kept, 1 missed": only what there was. */
static char *answers_of(const json_t *schedule)
{
	struct str out = {0};
	const char *answer;
	json_t *n;

	json_object_foreach (json_object_get(schedule, "due_times"), answer, n)
		if (json_integer_value(n) > 0)
			str_fmt(&out, "%s%lld %s", out.n ? ", " : "",
			    (long long)json_integer_value(n), answer);
	return out.n ? str_take(&out) : text_dup("-");
}

/* "2026-12-01T02:30:00+01:00" without what nobody reads in a list. */
static char *next_of(const json_t *schedule)
{
	const char *next = text_of(schedule, "next");

	return *next ? text_fmt("%.10s %.8s", next, next + 11) : text_dup("-");
}

static void add_row(struct table *t, const json_t *schedule)
{
	auto_free char *when = when_of(schedule), *next = next_of(schedule),
		       *last = last_of(schedule), *answers = answers_of(schedule);

	table_row(t, (const char *const[]){text_of(schedule, "name"), text_of(schedule, "state"),
			 next, last, when, answers, NULL});
}

int verb_schedule_list(struct cli *c)
{
	struct table t = {.state = 1};
	int status;
	json_t *params =
	    json_pack("{s:s*, s:s*}", "name", c->n ? c->args[0] : NULL, "state", c->state);
	json_t *answer = cli_call(c, "schedule.list", params, &status), *schedule;
	size_t i;

	if (!answer)
		return status;
	if (c->json)
		return print_json(answer);
	table_row(&t,
	    (const char *const[]){"SCHEDULE", "STATE", "NEXT", "LAST", "WHEN", "DUE TIMES", NULL});
	json_array_foreach (json_object_get(answer, "schedules"), i, schedule)
		add_row(&t, schedule);
	if (i)
		table_print(&t);
	else
		puts("nothing runs by itself; an action does with `schedule = \"30 2 * * *\"`");
	strv_release(&t.cells);
	json_decref(answer);
	return 0;
}

/* An expression has blanks, `@daily` an @ in front; the name of a schedule has neither. */
static bool is_expression(const char *word)
{
	return strpbrk(word, " \t") || *word == '@';
}

int verb_schedule_next(struct cli *c)
{
	const char *word = c->args[0], *zone = c->n > 1 ? c->args[1] : NULL;
	int status;
	json_t *params =
	    json_pack("{s:s, s:I, s:s*, s:s*}", is_expression(word) ? "cron" : "schedule", word,
		"count", (json_int_t)(c->lines > 0 ? c->lines : TIMES_DEFAULT), "timezone", zone,
		"after", c->since);
	json_t *answer = cli_call(c, "schedule.next", params, &status), *time;
	size_t i;

	if (!answer)
		return status;
	if (c->json)
		return print_json(answer);
	json_array_foreach (json_object_get(answer, "times"), i, time)
		puts(json_string_value(time));
	if (!i)
		puts("never");
	json_decref(answer);
	return 0;
}

static int change(struct cli *c, const char *method, const char *done, const char *already)
{
	int status;
	json_t *answer = cli_call(c, method, json_pack("{s:s}", "name", c->args[0]), &status);

	if (!answer)
		return status;
	if (c->json)
		return print_json(answer);
	if (!c->quiet)
		printf("%s %s\n", text_of(answer, "name"),
		    json_is_true(json_object_get(answer, "changed")) ? done : already);
	json_decref(answer);
	return 0;
}

int verb_schedule_pause(struct cli *c)
{
	return change(
	    c, "schedule.pause", "is paused: its due times are skipped", "was paused already");
}

int verb_schedule_resume(struct cli *c)
{
	return change(c, "schedule.resume", "runs again", "was not paused");
}

int verb_schedule_trigger(struct cli *c)
{
	int status;
	json_t *answer =
	    cli_call(c, "schedule.trigger", json_pack("{s:s}", "name", c->args[0]), &status);

	if (!answer)
		return status;
	if (c->json)
		return print_json(answer);
	if (!c->quiet)
		printf("%s\n", text_of(answer, "run"));
	json_decref(answer);
	return 0;
}
