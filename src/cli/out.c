/* out.c - calls and how their answers look. */
#include "cli/cli.h"

#include <stdio.h>
#include <time.h>

const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

json_t *cli_try(struct cli *c, const char *method, json_t *take_params, struct hp_error *e)
{
	auto_free char *params = take_params ? json_dumps(take_params, JSON_COMPACT) : NULL,
		       *answer = NULL;

	json_decref(take_params);
	if (hp_call(c->client, method, params, &answer, e))
		return NULL;
	return json_loads(answer, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL); /* of lines of output */
}

static void print_list(const json_t *list, const char *before)
{
	json_t *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (json_is_string(v))
			fprintf(stderr, "%s%s\n", before, json_string_value(v));
}

/* The message repeats the path: its first words and one line for each edge are easier to read. */
static void print_cycle(const char *message, const json_t *chain)
{
	fprintf(
	    stderr, "hero_proc: %.*s, nothing was changed:\n", (int)strcspn(message, ":"), message);
	print_list(chain, "    ");
}

static void print_diagnostics(const json_t *list, const char *before)
{
	json_t *v;
	size_t i;

	json_array_foreach (list, i, v) {
		json_int_t line = json_integer_value(json_object_get(v, "line"));

		fputs(before, stderr);
		if (*text_of(v, "file"))
			fprintf(stderr, "%s:", text_of(v, "file"));
		if (line)
			fprintf(stderr, "%lld:%lld: ", (long long)line,
			    (long long)json_integer_value(json_object_get(v, "column")));
		fprintf(stderr, "%s\n", text_of(v, "message"));
		if (*text_of(v, "hint"))
			fprintf(stderr, "        hint: %s\n", text_of(v, "hint"));
	}
}

void cli_warn(const struct cli *c, const json_t *answer)
{
	if (!c->quiet)
		print_diagnostics(json_object_get(answer, "warnings"), "warning: ");
}

int cli_fail(struct cli *c, struct hp_error *e)
{
	json_t *data = e->data ? json_loads(e->data, 0, NULL) : NULL;
	int status = hp_error_exit_status(e);

	if (c->json)
		cli_json(json_pack("{s:{s:i, s:s, s:O?}}", "error", "code", e->code, "message",
		    e->message, "data", data));
	if (strcmp(text_of(data, "name"), "cycle") == 0) {
		print_cycle(e->message, json_object_get(data, "chain"));
	} else {
		fprintf(stderr, "hero_proc: %s\n", e->message);
		print_list(json_object_get(data, "chain"), "    ");
		print_diagnostics(json_object_get(data, "errors"), "    ");
	}
	if (*text_of(data, "hint"))
		fprintf(stderr, "    hint: %s\n", text_of(data, "hint"));
	if (json_array_size(json_object_get(data, "candidates"))) {
		fputs("    candidates:\n", stderr);
		print_list(json_object_get(data, "candidates"), "        ");
	}
	if (err_from_rpc_code(e->code) == ERR_NO_DAEMON)
		fputs("    hint: `hero_proc up` starts one\n", stderr);
	json_decref(data);
	hp_error_release(e);
	return status;
}

void tell_unstored(struct cli *c, const json_t *answer)
{
	const char *why = text_of(answer, "unstored");

	if (*why && !c->told_unstored)
		fprintf(stderr, "hero_proc: done, but only in memory until the disk takes it: %s\n",
		    why);
	c->told_unstored = c->told_unstored || *why;
}

json_t *cli_call(struct cli *c, const char *method, json_t *take_params, int *status)
{
	struct hp_error e;
	json_t *v = cli_try(c, method, take_params, &e);

	*status = v ? 0 : cli_fail(c, &e);
	tell_unstored(c, v);
	return v;
}

int cli_json(json_t *take_v)
{
	auto_free char *text = json_dumps(take_v, JSON_COMPACT | JSON_ENCODE_ANY);

	puts(text ? text : "null");
	json_decref(take_v);
	return 0;
}

const char *paint(const struct cli *c, const char *code)
{
	return c->color ? code : "";
}

const char *plain(const struct cli *c)
{
	return c->color ? "\033[0m" : "";
}

const char *paint_state(const struct cli *c, const char *state)
{
	static const struct {
		const char *state, *code;
	} rows[] = {{"running", "\033[32m"}, {"exited", "\033[32m"}, {"ready", "\033[32m"},
	    {"succeeded", "\033[32m"}, {"failed", "\033[31m"}, {"degraded", "\033[31m"},
	    {"blocked", "\033[31m"}, {"inactive", "\033[2m"}, {"cancelled", "\033[2m"}};

	for (size_t i = 0; i < countof(rows); i++)
		if (strcmp(rows[i].state, state) == 0)
			return paint(c, rows[i].code);
	return paint(c, "\033[33m");
}

/* Columns, not bytes: escape sequences take none, a UTF-8 character takes one. */
void print_cut(const char *s, int width)
{
	bool escape = false;
	int column = 0;

	for (; *s; s++) {
		if (*s == '\033')
			escape = true;
		if (!escape && (*s & 0xc0) != 0x80 && ++column > width)
			break;
		putchar(*s);
		if (escape && *s == 'm')
			escape = false;
	}
	if (strchr(s, '\033') || escape)
		fputs("\033[0m", stdout);
	putchar('\n');
}

void table_row(struct table *t, const char *const *cells)
{
	size_t n = 0;

	for (; cells[n]; n++)
		strv_add(&t->cells, cells[n]);
	t->columns = n;
}

/* Columns of characters, not of bytes: names may be UTF-8 in descriptions. */
static int width_of(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

void table_print(struct table *t, const struct cli *c)
{
	int widths[12] = {0};

	for (size_t i = 0; i < t->cells.n; i++) {
		int w = width_of(t->cells.v[i]);

		if (w > widths[i % t->columns])
			widths[i % t->columns] = w;
	}
	for (size_t i = 0; i < t->cells.n; i++) {
		bool last = i % t->columns == t->columns - 1, head = i < t->columns;
		const char *s = t->cells.v[i];
		const char *color = head		  ? paint(c, "\033[1m")
				    : i % t->columns == 1 ? paint_state(c, s)
							  : "";

		printf("%s%s%s", color, s, *color ? plain(c) : "");
		if (last)
			putchar('\n');
		else
			printf("%*s", widths[i % t->columns] - width_of(s) + 2, "");
	}
	strv_release(&t->cells);
}

char *age_of(const char *iso)
{
	struct tm tm = {0};

	if (!strptime(iso, "%Y-%m-%dT%H:%M:%S", &tm))
		return text_dup("-");
	long long s = (long long)(time(NULL) - timegm(&tm));
	if (s < 0)
		s = 0;
	if (s < 60)
		return text_fmt("%llds", s);
	if (s < 3600)
		return text_fmt("%lldm %llds", s / 60, s % 60);
	if (s < 86400)
		return text_fmt("%lldh %lldm", s / 3600, s % 3600 / 60);
	return text_fmt("%lldd %lldh", s / 86400, s % 86400 / 3600);
}
