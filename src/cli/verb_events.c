/* verb_events.c - what happened, one line each, with what caused it. */
#include "cli/call.h"
#include "cli/feed.h"
#include "cli/out.h"
#include "cli/pages.h"
#include "cli/times.h"
#include "cli/verbs.h"

static void add_change(const json_t *e, struct str *out)
{
	const char *from = text_of(e, "from"), *to = text_of(e, "to");

	if (*from)
		str_fmt(out, "%s -> ", from);
	str_add(out, to);
	if (*text_of(e, "reason"))
		str_fmt(out, " (%s)", text_of(e, "reason"));
	if (*text_of(e, "why"))
		str_fmt(out, ": %s", text_of(e, "why"));
	else if (number_of(e, "exit_code") > 0)
		str_fmt(out, ": exit code %lld", (long long)number_of(e, "exit_code"));
}

/* What happened, in words; `kind` decides which fields there are. */
static char *line_of_event(const json_t *e)
{
	const char *kind = text_of(e, "kind"), *action = text_of(e, "action");
	struct str out = {0};

	if (strcmp(kind, "edge") == 0) {
		str_fmt(&out, "edge %s: %s", text_of(e, "to"), text_of(e, "text"));
	} else if (strcmp(kind, "operation") == 0) {
		str_fmt(&out, "operation %lld: %s, asked by %s",
		    (long long)number_of(e, "operation"), text_of(e, "method"), text_of(e, "who"));
	} else if (strcmp(kind, "step") == 0) {
		str_fmt(&out, "step: %s, %s", text_of(e, "step"), text_of(e, "reason"));
	} else if (strcmp(kind, "done") == 0) {
		str_fmt(&out, "operation %lld is %s%s%s", (long long)number_of(e, "operation"),
		    text_of(e, "state"), *text_of(e, "message") ? ": " : "", text_of(e, "message"));
	} else {
		str_fmt(&out, "%s%s%s: ", kind, *action ? " " : "", action);
		add_change(e, &out);
	}
	return str_take(&out);
}

static void print_event(const json_t *e)
{
	auto_free char *time = times_clock(text_of(e, "time"));
	json_int_t cause = number_of(e, "cause");
	auto_free char *what = line_of_event(e),
		       *by = cause ? text_fmt("  <- #%lld", (long long)cause) : text_dup("");
	auto_free char *line = text_fmt("%s%s%s #%-5lld %-18s %s%s", paint("\033[2m"), time,
	    plain(), (long long)number_of(e, "id"), text_of(e, "subject"), what, by);

	if (out_is_terminal())
		print_cut(line, out_width());
	else
		puts(line);
}

/* As JSON a document a line, followed or not. */
static void print_all(const struct cli *c, const json_t *events)
{
	json_t *event;
	size_t i;

	json_array_foreach (events, i, event) {
		if (c->json)
			print_json(json_incref(event));
		else
			print_event(event);
	}
	fflush(stdout);
}

#define PAGE 1000

static json_t *query(struct cli *c, json_t *take_params, int64_t limit, int *status)
{
	json_object_set_new(take_params, "limit", json_integer(limit));
	if (c->n)
		json_object_set_new(take_params, "subject", json_string(c->args[0]));
	return cli_call(c, "events.query", take_params, status);
}

/* ---- the newest so many --------------------------------------------------------------- */

/* One page, of what is before `before` (0: of the newest). */
static json_t *read_page(struct cli *c, json_int_t before, int64_t limit, int *status)
{
	json_t *p = json_pack("{s:b, s:b}", "tail", 1, "count", c->lines < 0);

	if (before)
		json_object_set_new(p, "before", json_integer(before));
	return query(c, p, limit, status);
}

/* *after takes the number of the last event; -1 after an error was printed. */
static int print_newest(struct cli *c, int64_t n, json_int_t *after)
{
	json_t *all = json_array();
	json_int_t before = 0;
	int status = 0;

	for (bool more = n > 0; more;) {
		int64_t limit = n < PAGE ? n : PAGE;
		json_t *v = read_page(c, before, limit, &status);
		json_t *page = json_copy(json_object_get(v, "events"));

		if (!before) {
			*after = number_of(v, "last");
			pages_tell(c, v, "earlier events", "events -n 0");
		}
		before = number_of(json_array_get(page, 0), "id");
		more = (int64_t)json_array_size(page) == limit && (n -= limit) > 0;
		json_array_extend(page, all);
		json_decref(all);
		all = page ? page : json_array();
		json_decref(v);
	}
	print_all(c, all);
	json_decref(all);
	return status;
}

/* ---- everything from one on ------------------------------------------------------------- */

static int print_later(struct cli *c, json_int_t *after)
{
	for (bool more = true; more && !out_is_broken();) {
		json_t *p = json_pack("{s:I}", "after", *after);
		int status;

		if (!*after && c->since)
			json_object_set_new(p, "since", json_string(c->since));
		json_t *v = query(c, p, PAGE, &status);
		if (!v)
			return status;
		print_all(c, json_object_get(v, "events"));
		*after = number_of(v, "last") ? number_of(v, "last") : *after;
		more = json_is_integer(json_object_get(v, "next"));
		json_decref(v);
	}
	return 0;
}

/* Until nobody reads it any more. */
static int follow(struct cli *c, struct feed *f, json_int_t after)
{
	struct error e = {0};
	int status = 0;

	while (!status && !out_is_broken()) {
		if (feed_wait(f, MSEC_NEVER, NULL, NULL, &e) == FEED_LOST) {
			complain("%s", e.msg);
			return err_exit_status(e.code);
		}
		status = print_later(c, &after);
	}
	return status;
}

int verb_events(struct cli *c)
{
	struct error e = {0};
	struct feed f = {0};
	json_int_t after = 0;
	bool newest = !c->since && c->lines != 0;
	int status = c->follow ? err_exit_status(feed_init(&f, c, &e)) : 0;

	if (status)
		complain("%s", e.msg);
	if (!status)
		status =
		    newest ? print_newest(c, pages_bound(c, 50), &after) : print_later(c, &after);
	f.ends_with_output = true;
	if (!status && c->follow)
		status = follow(c, &f, after);
	feed_release(&f);
	return status;
}
