/* verb_status.c - what a service does and waits for: everything that the API says of it. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/times.h"
#include "cli/verbs.h"

#define SHOWN_BYTES 600 /* of what a program said */

/* What no line below shows by itself is shown by its name: a field of the API that is new is
 * not lost here. */
static void print_others(const json_t *o, const char *const *shown, const char *before)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)o, key, v) {
		bool known = json_is_null(v);

		for (size_t i = 0; shown[i]; i++)
			known = known || strcmp(shown[i], key) == 0;
		if (known)
			continue;
		auto_free char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		auto_str line = {0};

		add_one_line(&line, json_is_string(v) ? json_string_value(v) : text, SHOWN_BYTES);
		printf("%s%s: %s\n", before, key, str_text(&line));
	}
}

/* "since" of something, as "for 3m 2s"; "" when it is not known. */
static char *duration_of(const json_t *o)
{
	auto_free char *age = times_age(text_of(o, "since"));

	return strcmp(age, "-") == 0 ? text_dup("") : text_fmt(" for %s", age);
}

/* ---- actions -------------------------------------------------------------------------- */

/* What a probe heard is another program's output. */
static void print_probe(const json_t *p)
{
	static const char *const shown[] = {"probe", "kind", "state", "since", "last", NULL};
	const char *state = text_of(p, "state"), *last = text_of(p, "last");
	auto_free char *age = duration_of(p);
	auto_str heard = {0};

	add_one_line(&heard, last, SHOWN_BYTES);
	printf("      %s probe (%s) %s%s%s%s%s%s\n", text_of(p, "probe"), text_of(p, "kind"),
	    strcmp(state, "failing") == 0 ? paint_state("failed") : "", state, plain(), age,
	    heard.n ? ": " : "", str_text(&heard));
	print_others(p, shown, "        ");
}

static void add_numbers(const json_t *a, struct str *out)
{
	static const struct {
		const char *key, *word;
		json_int_t usual; /* is not worth a word */
	} rows[] = {{"pid", "pid", 0}, {"main_pid", "main pid", 0}, {"attempt", "attempt", 1},
	    {"restarts", "restarts", 0}, {"exit_code", "exit code", -1}, {"job", "job", 0}};

	bool lives = number_of(a, "pid") > 0; /* then its end is that of the attempt before */

	for (size_t i = 0; i < countof(rows); i++)
		if (number_in(a, rows[i].key, rows[i].usual) > rows[i].usual)
			str_fmt(out, "  %s%s %lld",
			    lives && strcmp(rows[i].key, "exit_code") == 0 ? "last " : "",
			    rows[i].word, (long long)number_of(a, rows[i].key));
	if (*text_of(a, "signal"))
		str_fmt(out, "  %ssignal %s", lives ? "last " : "", text_of(a, "signal"));
}

static void print_action(const json_t *a)
{
	static const char *const shown[] = {"name", "state", "since", "pid", "main_pid", "attempt",
	    "restarts", "exit_code", "signal", "job", "reason", "why", "probes", "waiting_on",
	    NULL};
	const char *state = text_of(a, "state"), *reason = text_of(a, "reason"),
		   *why = text_of(a, "why");
	auto_free char *age = duration_of(a);
	auto_str numbers = {0}, because = {0};
	const json_t *probe;
	size_t i;

	add_numbers(a, &numbers);
	printf("  %-20s %s%s%s%s%s\n", text_of(a, "name"), paint_state(state), state, plain(), age,
	    str_text(&numbers));
	add_one_line(&because, why, SHOWN_BYTES);
	if (*reason || *why)
		printf("      %s%s%s\n", reason, *reason && *why ? ": " : "", str_text(&because));
	json_array_foreach (json_object_get(a, "probes"), i, probe)
		print_probe(probe);
	print_others(a, shown, "      ");
}

/* ---- waits ---------------------------------------------------------------------------- */

static void print_wait(const json_t *e, const char *service)
{
	const char *action = text_of(e, "action"), *heard = text_of(e, "last_probe"),
		   *source = text_of(e, "source"), *text = text_of(e, "text");
	auto_free char *age = duration_of(e);
	auto_str line = {0};

	add_one_line(&line, heard, SHOWN_BYTES);
	printf("  waits%s: %s%s%s", age, strcmp(action, service) != 0 ? action : "",
	    strcmp(action, service) != 0 && *action ? " for " : "", text);
	if (json_is_true(json_object_get(e, "timed_out")))
		printf(", its time is over");
	printf("%s%s%s\n", *source ? "  (" : "", source, *source ? ")" : "");
	if (*heard && !strstr(text, heard))
		printf("      last heard: %s\n", str_text(&line));
}

/* ---- the service ---------------------------------------------------------------------- */

static void print_head(const json_t *v)
{
	const char *state = text_of(v, "state"), *reason = text_of(v, "reason");
	auto_free char *age = duration_of(v);
	bool wanted = strcmp(text_of(v, "wanted"), "start") == 0,
	     demanded = json_is_true(json_object_get(v, "demanded"));

	printf("%s%s%s: %s%s%s%s, wanted %s%s%s%s\n", paint("\033[1m"), text_of(v, "name"), plain(),
	    paint_state(state), state, plain(), age, text_of(v, "wanted"),
	    demanded == wanted ? ""
	    : demanded	       ? ", needed by others"
			       : ", not demanded at present",
	    *reason && strcmp(reason, "none") != 0 ? ", " : "",
	    strcmp(reason, "none") == 0 ? "" : reason);
}

static void print_definition(const json_t *v)
{
	json_t *difference;
	size_t i;

	if (!json_is_true(json_object_get(v, "definition_changed")))
		return;
	printf(
	    "  its definition has changed since it was started; `hero_proc restart %s` takes it\n",
	    text_of(v, "name"));
	json_array_foreach (json_object_get(v, "differences"), i, difference)
		printf("      %s\n", json_string_value(difference));
}

static void print_run(const json_t *v)
{
	static const char *const shown[] = {"id", "name", "state", "who", "started", NULL};
	const json_t *run = json_object_get(v, "run");
	json_int_t operation = number_of(v, "operation");

	if (json_is_object(run)) {
		auto_free char *age = times_age(text_of(run, "started"));

		printf("  run %s (id %lld, %s), begun %s ago%s%s\n", text_of(run, "name"),
		    (long long)number_of(run, "id"), text_of(run, "state"), age,
		    *text_of(run, "who") ? " by " : "", text_of(run, "who"));
		print_others(run, shown, "      ");
	}
	if (operation)
		printf("  operation %lld is under way: hero_proc op watch %lld\n",
		    (long long)operation, (long long)operation);
}

static void print_status(const json_t *v)
{
	static const char *const shown[] = {"name", "state", "wanted", "since", "reason",
	    "waiting_on", "cause", "run", "actions", "demanded", "definition_changed",
	    "differences", "operation", NULL};
	json_t *o;
	size_t i;

	print_head(v);
	print_definition(v);
	print_run(v);
	json_array_foreach (json_object_get(v, "actions"), i, o)
		print_action(o);
	json_array_foreach (json_object_get(v, "waiting_on"), i, o)
		print_wait(o, text_of(v, "name"));
	json_array_foreach (json_object_get(v, "cause"), i, o)
		printf("  %s %s\n", i ? "       " : "because", json_string_value(o));
	print_others(v, shown, "  ");
}

int verb_status(struct cli *c)
{
	int status;

	if (!c->n)
		return verb_list(c);
	json_t *v = cli_call(c, "service.status", json_pack("{s:s}", "name", c->args[0]), &status);
	if (!v)
		return status;
	if (c->json)
		return print_json(v);
	print_status(v);
	json_decref(v);
	return 0;
}
