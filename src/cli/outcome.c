#include "cli/outcome.h"

#include "cli/out.h"
#include "cli/times.h"

#define NAMED_MOST     10
#define EXPLAINED_MOST 3 /* services that are explained; others mostly wait for these */

char *outcome_goes_on(const json_t *op)
{
	const json_t *parts = json_object_get(op, "operations");
	size_t n = json_array_size(parts);
	json_int_t id = number_of(op, "operation"),
		   last = n ? json_integer_value(json_array_get(parts, n - 1)) : id;
	struct str out = {0};

	str_fmt(&out, "operation %lld goes on\n    follow it:  hero_proc op watch %lld",
	    (long long)id, (long long)id);
	if (strcmp(text_of(op, "kind"), "stop") != 0)
		str_fmt(&out, "\n    cancel it:  hero_proc op cancel %lld", (long long)last);
	return str_take(&out);
}

/* ---- why ------------------------------------------------------------------------------ */

/* Every service that a chain of causes speaks of. */
static void note_subjects(const json_t *chain, struct strv *seen)
{
	json_t *node;
	size_t i;

	json_array_foreach (chain, i, node) {
		if (!strv_has(seen, text_of(node, "subject")))
			strv_add(seen, text_of(node, "subject"));
		note_subjects(json_object_get(node, "because"), seen);
	}
}

static bool is_well(const char *state)
{
	return strcmp(state, "running") == 0 || strcmp(state, "exited") == 0;
}

static bool add_why(struct cli *c, const char *name, struct strv *seen, struct str *out)
{
	struct hp_error e;
	json_t *v = cli_try(c, "service.why", json_pack("{s:s}", "name", name), &e);
	bool told = v && !is_well(text_of(v, "state"));

	if (!v)
		hp_error_release(&e);
	if (told) {
		note_subjects(json_object_get(v, "chain"), seen);
		str_add(out, text_of(v, "text"));
	}
	json_decref(v);
	return told;
}

/* Those that are not well, each once: a service that another one waits for was told with it. */
static char *why_of(struct cli *c, const json_t *names)
{
	struct strv seen = {0};
	struct str out = {0};
	size_t told = 0;

	for (size_t i = json_array_size(names); i > 0 && told < EXPLAINED_MOST; i--) {
		const char *name = json_string_value(json_array_get(names, i - 1));

		if (name && !strv_has(&seen, name))
			told += add_why(c, name, &seen, &out);
	}
	strv_release(&seen);
	return str_take(&out);
}

int outcome_print_late(struct cli *c, const json_t *op, const json_t *names)
{
	auto_free char *on = outcome_goes_on(op), *why = why_of(c, names),
		       *span = times_span(c->timeout * 1000);
	json_t *error = json_pack("{s:i, s:o, s:s*}", "code", err_rpc_code(ERR_TIMEOUT), "message",
	    json_sprintf("not within %s; %s", span, on), "why", *why ? why : NULL);
	int status = cli_fail_error(error);

	json_decref(error);
	return status;
}

/* ---- the end -------------------------------------------------------------------------- */

static bool is_changed(const json_t *op)
{
	return json_array_size(json_object_get(op, "steps")) > 0 ||
	       (strcmp(text_of(op, "kind"), "apply") == 0 &&
		   json_is_true(json_object_get(op, "changed")));
}

void outcome_print_nothing(const struct strv *names)
{
	for (size_t i = 0; i < names->n && names->n <= NAMED_MOST; i++)
		printf("%s: nothing to do\n", names->v[i]);
	if (names->n > NAMED_MOST)
		printf("%u services: nothing to do\n", names->n);
}

static void print_done(const json_t *op, const char *summary)
{
	json_t *v;
	size_t i;

	json_array_foreach (json_object_get(op, "notes"), i, v)
		printf("note: %s\n", json_string_value(v));
	if (summary) {
		puts(summary);
		return;
	}
	struct strv names = {0};
	json_array_foreach (json_object_get(op, "names"), i, v)
		strv_add(&names, json_string_value(v));
	if (is_changed(op))
		puts("done; nothing had to be started or stopped");
	else
		outcome_print_nothing(&names);
	strv_release(&names);
}

static bool has_a_why(int code)
{
	return code == err_rpc_code(ERR_DEPENDENCY_FAILED) ||
	       code == err_rpc_code(ERR_START_FAILED) || code == err_rpc_code(ERR_TIMEOUT);
}

static int print_failed(struct cli *c, const json_t *op)
{
	json_t *error = json_copy(json_object_get(op, "error"));

	if (!json_is_object(error)) {
		json_decref(error);
		error = json_pack("{s:s}", "message", text_of(op, "operation_state"));
	}
	/* What was known when it failed is there; now the last lines of output are, too. */
	if (has_a_why((int)number_of(error, "code"))) {
		auto_free char *why = why_of(c, json_object_get(op, "names"));

		if (*why)
			json_object_set_new(error, "why", json_string(why));
	}
	int status = cli_fail_error(error);
	json_decref(error);
	return status;
}

int outcome_print(struct cli *c, const json_t *op, const char *summary)
{
	bool done = strcmp(text_of(op, "operation_state"), "done") == 0;

	if (c->json)
		print_json(json_incref((json_t *)(uintptr_t)op));
	cli_warn_unstored(op);
	if (done && !c->json && !c->quiet)
		print_done(op, summary);
	if (!done && summary)
		puts(summary);
	return done ? 0 : print_failed(c, op);
}
