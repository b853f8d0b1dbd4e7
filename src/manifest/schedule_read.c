#include "manifest/schedule_read.h"

#include "model/definition.h"
#include "schedule/cron.h"

#include <ctype.h>

#define INTERVAL_MIN_MS 1000
#define ONE_YEAR_MS	(366 * 86400000LL)

static bool judge_cron(struct reader *r, const void *text, const struct node *n)
{
	const char *expression = *(char *const *)text;
	struct cron c;
	struct error e;
	size_t column;

	if (cron_parse(expression, &c, &column, &e) == ERR_OK)
		return true;
	reader_error(r, n, "minute hour day month weekday, as in `30 2 * * mon-fri`",
	    "`%s`: `%s`, column %zu: %s", n->key, expression, column, e.msg);
	return false;
}

/* Its file is looked for by the server: a name may be known on one machine and not on another. */
static bool judge_timezone(struct reader *r, const void *text, const struct node *n)
{
	const char *name = *(char *const *)text;
	bool ok = *name && *name != '/' && !strstr(name, "..");

	for (const char *p = name; *p; p++)
		ok = ok && (isalnum((unsigned char)*p) || strchr("_-+/", *p));
	if (!ok)
		reader_error(r, n, "an IANA name such as Europe/Paris, or UTC",
		    "`%s`: `%s` is no time zone", n->key, name);
	return ok;
}

#define SCHEDULE(member) .at = offsetof(struct schedule_def, member)

static const struct field schedule_fields[] = {
    {"cron", {"expression"}, F_STR, SCHEDULE(cron), .judge = judge_cron,
	.doc = "five fields, or six with seconds in front"},
    {"timezone", {"tz", "time_zone"}, F_STR, SCHEDULE(timezone), .judge = judge_timezone,
	.doc = "IANA name; default: that of the machine"},
    {"interval_ms", {"interval", "every"}, F_MSEC, SCHEDULE(interval), .max = ONE_YEAR_MS,
	.doc = "from one due time to the next, instead of cron"},
    {"catch_up", {0}, F_ENUM, SCHEDULE(catch_up), .words = catch_up_words,
	.doc = "none (default), one or all of the due times that were missed"},
    {"overlap", {0}, F_ENUM, SCHEDULE(overlap), .words = overlap_words,
	.doc = "skip (default), queue or parallel, when a former run is not over"},
    {"jitter_ms", {"jitter"}, F_MSEC, SCHEDULE(jitter), .max = ONE_YEAR_MS,
	.doc = "each due time is submitted up to so much later"},
    {"overdue_after_ms", {"overdue_after"}, F_MSEC, SCHEDULE(overdue_after),
	.doc = "no success for that long is an event; 0: never"},
};
static const struct schema schedule_schema = {
    "a schedule", schedule_fields, countof(schedule_fields)};

static void check_schedule(struct reader *r, const struct node *n, const struct schedule_def *s)
{
	if (!s->cron && s->interval == 0)
		reader_error(r, n, "cron = \"30 2 * * *\", or interval = \"15m\"",
		    "`%s` says not when", n->key);
	else if (s->cron && s->interval)
		reader_error(r, n, NULL, "`cron` and `interval` are both given");
	else if (!s->cron && s->interval < INTERVAL_MIN_MS)
		reader_error(r, n, NULL, "`interval` must be one second or more");
	else if (s->timezone && strstr(s->cron ? s->cron : "", "TZ="))
		reader_error(r, n, NULL, "`timezone` and the `TZ=` of `cron` are both given");
}

void schedule_read(struct reader *r, void *action_def, const struct node *n)
{
	struct action_def *a = action_def;
	const size_t before = r->diags->n;

	schedule_def_free(a->schedule);
	a->schedule = mem_new(sizeof(*a->schedule));
	if (n->kind == NODE_STRING) {
		if (read_text(r, n, &a->schedule->cron) && !r->stored)
			judge_cron(r, &a->schedule->cron, n);
	} else if (n->kind == NODE_TABLE) {
		schema_read(r, &(struct part){&schedule_schema, a->schedule}, 1, n);
	} else {
		reader_error(r, n, "{cron = \"30 2 * * *\"}, or the expression alone",
		    "`%s` must be a table or a text", n->key);
	}
	if (r->diags->n == before && !r->stored)
		check_schedule(r, n, a->schedule);
}

json_t *schedule_write(const void *action_def)
{
	const struct action_def *a = action_def;
	json_t *o = a->schedule ? json_object() : NULL;

	if (o)
		schema_json(&schedule_schema, a->schedule, true, o);
	return o;
}
