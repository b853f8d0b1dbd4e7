/* verb_events.c - what happened, one line each, with what caused it. */
#include "cli/event_wait.h"

#include <stdio.h>

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
	else if (json_integer_value(json_object_get(e, "exit_code")) > 0)
		str_fmt(out, ": exit code %lld",
		    (long long)json_integer_value(json_object_get(e, "exit_code")));
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
		    (long long)json_integer_value(json_object_get(e, "operation")),
		    text_of(e, "method"), text_of(e, "who"));
	} else if (strcmp(kind, "step") == 0) {
		str_fmt(&out, "step: %s, %s", text_of(e, "step"), text_of(e, "reason"));
	} else if (strcmp(kind, "done") == 0) {
		str_fmt(&out, "operation %lld is %s%s%s",
		    (long long)json_integer_value(json_object_get(e, "operation")),
		    text_of(e, "state"), *text_of(e, "message") ? ": " : "", text_of(e, "message"));
	} else {
		str_fmt(&out, "%s%s%s: ", kind, *action ? " " : "", action);
		add_change(e, &out);
	}
	return str_take(&out);
}

static void print_event(struct cli *c, const json_t *e)
{
	const char *time = text_of(e, "time");
	json_int_t cause = json_integer_value(json_object_get(e, "cause"));
	auto_free char *what = line_of_event(e),
		       *by = cause ? text_fmt("  <- #%lld", (long long)cause) : text_dup("");
	auto_free char *line = text_fmt("%s%.12s%s #%-5lld %-18s %s%s", paint(c, "\033[2m"),
	    strlen(time) > 23 ? time + 11 : time, plain(c),
	    (long long)json_integer_value(json_object_get(e, "id")), text_of(e, "subject"), what,
	    by);

	print_cut(line, c->live ? c->width : 1000);
}

static json_t *event_params(const struct cli *c, json_int_t after)
{
	json_t *p = json_object();

	if (c->n)
		json_object_set_new(p, "subject", json_string(c->args[0]));
	if (after)
		json_object_set_new(p, "after", json_integer(after));
	else if (c->since)
		json_object_set_new(p, "since", json_string(c->since));
	else
		json_object_set_new(p, "tail", json_true());
	json_object_set_new(p, "limit",
	    json_integer(after || c->since ? 1000
			 : c->lines >= 0   ? c->lines
					   : 50));
	return p;
}

static int print_events(struct cli *c, struct event_wait *b)
{
	struct error e = {0};
	json_int_t after = 0;
	int status;
	bool more;

	do {
		json_t *v = cli_call(c, "events.query", event_params(c, after), &status), *event;
		size_t i;

		if (!v)
			return status;
		json_array_foreach (json_object_get(v, "events"), i, event) {
			if (c->json)
				cli_json(
				    json_incref(event)); /* a document a line, followed or not */
			else
				print_event(c, event);
		}
		fflush(stdout);
		json_int_t last = json_integer_value(json_object_get(v, "last"));
		after = last ? last : after;
		more = json_is_integer(json_object_get(v, "next"));
		json_decref(v);
		if (b && !more && event_wait_wait(b, NULL, MSEC_NEVER, &e)) {
			fprintf(stderr, "hero_proc: %s\n", e.msg);
			return err_exit_status(e.code);
		}
	} while (b || more);
	return 0;
}

int verb_events(struct cli *c)
{
	struct error e = {0};
	struct event_wait b;
	int status;

	if (!c->follow)
		return print_events(c, NULL);
	status = err_exit_status(event_wait_init(&b, c, &e));
	if (status)
		fprintf(stderr, "hero_proc: %s\n", e.msg);
	else
		status = print_events(c, &b);
	event_wait_release(&b);
	return status;
}
