#include "cli/log_filter.h"

#include "cli/call.h"
#include "cli/out.h"
#include "cli/times.h"

#include <stdio.h>
#include <time.h>

#define BEFORE_FAILURE_US 30000000
#define AFTER_FAILURE_US  5000000
#define EVENTS_LOOKED_AT  1000

json_t *log_filter_names(const char *text)
{
	json_t *names = json_array();

	for (const char *at = text; *at;) {
		size_t n = strcspn(at, ",");

		if (n)
			json_array_append_new(names, json_stringn(at, n));
		at += n + (at[n] == ',');
	}
	return names;
}

/* `level` is a part of the question which lines. */
static char *where_of(const struct cli *c)
{
	if (!c->level)
		return text_dup(c->where);
	return c->where ? text_fmt("level >= %s and (%s)", c->level, c->where)
			: text_fmt("level >= %s", c->level);
}

json_t *log_filter(const struct cli *c)
{
	json_t *p = json_pack("{s:o, s:b}", "name", cli_words(c), "with_deps", c->with_deps);
	auto_free char *where = where_of(c);
	const struct {
		const char *key, *text;
	} filters[] = {{"grep", c->grep}, {"stream", c->stream}, {"since", c->since},
	    {"until", c->until}, {"action", c->action}, {"where", where}};

	for (size_t i = 0; i < countof(filters); i++)
		if (filters[i].text)
			json_object_set_new(p, filters[i].key, json_string(filters[i].text));
	return p;
}

/* ---- spans ------------------------------------------------------------------------------ */

static char *iso_of(int64_t us)
{
	time_t whole = (time_t)(us / 1000000);
	char text[32];
	struct tm tm;

	gmtime_r(&whole, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return text_fmt("%s.%06dZ", text, (int)(us % 1000000));
}

/* As long as the program. */
static void set_span(struct cli *c, int64_t since, int64_t until)
{
	static char *from, *to;

	free(from);
	free(to);
	from = iso_of(since);
	to = until ? iso_of(until) : NULL;
	c->since = c->since ? c->since : from;
	c->until = c->until ? c->until : to;
}

/* When the machine was started. */
static int since_boot(struct cli *c)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	set_span(c, ((int64_t)now.tv_sec - up.tv_sec) * 1000000, 0);
	return 0;
}

static bool is_failure(const json_t *event)
{
	static const char *const harmless[] = {
	    "", "none", "cancelled", "dependency_stopped", "conflict"};
	const char *reason = text_of(event, "reason");

	for (size_t i = 0; i < countof(harmless); i++)
		if (strcmp(reason, harmless[i]) == 0)
			return false;
	return true;
}

static int around_failure(struct cli *c)
{
	const char *name = c->args[0];
	int status;
	json_t *v = cli_call(c, "events.query",
		   json_pack("{s:s#, s:s, s:b, s:i}", "subject", name, (int)strcspn(name, "/"),
		       "kind", "job", "tail", 1, "limit", EVENTS_LOOKED_AT),
		   &status),
	       *events = json_object_get(v, "events");
	int64_t at = 0;

	if (!v)
		return status;
	for (size_t i = json_array_size(events); i-- > 0 && !at;)
		if (is_failure(json_array_get(events, i)))
			at = times_us(text_of(json_array_get(events, i), "time"));
	json_decref(v);
	if (!at) {
		complain(
		    "%s has not failed as far as events are kept; `hero_proc events %s` shows "
		    "them",
		    name, name);
		return err_exit_status(ERR_NOT_FOUND);
	}
	set_span(c, at - BEFORE_FAILURE_US, at + AFTER_FAILURE_US);
	return 0;
}

int log_filter_span(struct cli *c)
{
	int status = c->around_failure ? around_failure(c) : 0;

	return !status && c->boot ? since_boot(c) : status;
}
