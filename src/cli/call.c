#include "cli/call.h"

#include "cli/out.h"

json_t *cli_try(struct cli *c, const char *method, json_t *take_params, struct hp_error *e)
{
	auto_free char *params = take_params ? json_dumps(take_params, JSON_COMPACT) : NULL,
		       *answer = NULL;

	json_decref(take_params);
	if (hp_call(c->client, method, params, &answer, e))
		return NULL;
	return json_loads(answer, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL); /* of lines of output */
}

json_t *cli_words(const struct cli *c)
{
	json_t *words = json_array();

	for (int i = 0; i < c->n; i++)
		json_array_append_new(words, json_string(c->args[i]));
	return words;
}

/* ---- errors --------------------------------------------------------------------------- */

static void print_list(const json_t *list, const char *before)
{
	json_t *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (json_is_string(v))
			fprintf(stderr, "%s%s\n", before, json_string_value(v));
}

static void print_diagnostics(const json_t *list, const char *before)
{
	json_t *v;
	size_t i;

	json_array_foreach (list, i, v) {
		json_int_t line = number_of(v, "line");

		fputs(before, stderr);
		if (*text_of(v, "file"))
			fprintf(stderr, "%s:", text_of(v, "file"));
		if (line)
			fprintf(stderr, "%lld:%lld: ", (long long)line,
			    (long long)number_of(v, "column"));
		fprintf(stderr, "%s\n", text_of(v, "message"));
		if (*text_of(v, "hint"))
			fprintf(stderr, "        hint: %s\n", text_of(v, "hint"));
	}
}

/* A text of several lines, each behind `before`. */
static void print_text(const char *text, const char *before)
{
	for (size_t n; *text; text += n, text += *text == '\n') {
		n = strcspn(text, "\n");
		fprintf(stderr, "%s%.*s\n", before, (int)n, text);
	}
}

static void print_why(const json_t *why)
{
	print_text(json_is_string(why) ? json_string_value(why) : text_of(why, "text"), "    ");
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n >= k && strcmp(text + n - k, end) == 0;
}

/* The message repeats the path of a cycle: its first words and one line for each edge are
 * easier to read. */
static void print_message(const char *message, const json_t *data)
{
	const json_t *first = json_array_get(json_object_get(data, "errors"), 0);

	if (strcmp(text_of(data, "name"), "cycle") == 0)
		complain("%.*s, nothing was changed:", (int)strcspn(message, ":"), message);
	else if (first && ends_with(message, text_of(first, "message")))
		complain("refused, nothing was changed:"); /* they follow, with their places */
	else
		complain("%s", message);
}

static void print_data(const json_t *data)
{
	const json_t *why = json_object_get(data, "why");

	if (why)
		print_why(why);
	else
		print_list(json_object_get(data, "chain"), "    ");
	print_diagnostics(json_object_get(data, "errors"), "    ");
	if (*text_of(data, "hint") && !json_array_size(json_object_get(data, "errors")))
		fprintf(stderr, "    hint: %s\n", text_of(data, "hint"));
	if (json_array_size(json_object_get(data, "candidates")) > !!*text_of(data, "hint")) {
		fputs("    candidates:\n", stderr);
		print_list(json_object_get(data, "candidates"), "        ");
	}
}

int cli_fail(struct cli *c, struct hp_error *e)
{
	json_t *data = e->data ? json_loads(e->data, JSON_ALLOW_NUL, NULL) : NULL;
	int status = hp_error_exit_status(e);

	if (c->json)
		print_json(json_pack("{s:{s:i, s:s, s:O?}}", "error", "code", e->code, "message",
		    e->message, "data", data));
	print_message(e->message, data);
	print_data(data);
	if (err_from_rpc_code(e->code) == ERR_NO_DAEMON)
		fputs(
		    "    hint: `hero_proc up` starts one, `hero_proc doctor` looks why there is "
		    "none\n",
		    stderr);
	json_decref(data);
	hp_error_release(e);
	return status;
}

int cli_fail_error(const json_t *error)
{
	int code = (int)number_of(error, "code");

	print_message(text_of(error, "message"), error);
	print_data(error);
	return err_exit_status(code ? err_from_rpc_code(code) : ERR_START_FAILED);
}

json_t *cli_call(struct cli *c, const char *method, json_t *take_params, int *status)
{
	struct hp_error e;
	json_t *v = cli_try(c, method, take_params, &e);

	*status = v ? 0 : cli_fail(c, &e);
	cli_warn_unstored(v);
	return v;
}

/* ---- warnings ------------------------------------------------------------------------- */

void cli_warn(const struct cli *c, const json_t *answer)
{
	fflush(stdout);
	if (!c->quiet)
		print_diagnostics(json_object_get(answer, "warnings"), "warning: ");
}

void cli_warn_unstored(const json_t *answer)
{
	static bool said;
	const char *why = text_of(answer, "unstored");

	if (*why && !said)
		complain("done, but only in memory until the disk takes it: %s", why);
	said = said || *why;
}
