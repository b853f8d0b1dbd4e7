/* verb_look.c - why, plan, tree, logs, health. */
#include "cli/cli.h"

#include <stdio.h>
#include <time.h>

/* Root causes in red, what a process said dimmed, what to do in bold. */
static const char *color_of_line(const char *line)
{
	if (strstr(line, "<- root cause"))
		return "\033[31m";
	if (line[strspn(line, " ")] == '|')
		return "\033[2m";
	return strncmp(line, "next:", 5) == 0 || strncmp(line, "try:", 4) == 0 ? "\033[1m"
									       : "\033[39m";
}

static void print_causes(const struct cli *c, const char *text)
{
	while (*text) {
		auto_free char *line = text_dup_n(text, strcspn(text, "\n"));

		printf("%s%s%s\n", paint(c, color_of_line(line)), line, plain(c));
		text += strlen(line);
		text += *text == '\n';
	}
}

int verb_why(struct cli *c)
{
	int status;
	json_t *v = cli_call(c, "service.why",
	    json_pack("{s:s, s:s?, s:b}", "name", c->args[0], "at", c->at, "full", c->full),
	    &status);

	if (!v)
		return status;
	if (c->json)
		return cli_json(v);
	print_causes(c, text_of(v, "text"));
	json_decref(v);
	return 0;
}

int verb_plan(struct cli *c)
{
	static const char *const kinds[] = {"start", "stop", "restart"};
	const char *kind = "start";
	json_t *names = json_array();
	int first = 0, status;

	for (size_t k = 0; k < countof(kinds); k++)
		if (c->n > 1 && strcmp(c->args[0], kinds[k]) == 0) {
			kind = kinds[k];
			first = 1;
		}
	for (int k = first; k < c->n; k++)
		json_array_append_new(names, json_string(c->args[k]));
	auto_free char *method = text_fmt("service.%s", kind);
	json_t *v =
	    cli_call(c, method, json_pack("{s:o, s:b}", "name", names, "dry_run", 1), &status);
	return v ? print_plan(c, v) : status;
}

/* ---- tree -------------------------------------------------------------------------- */

static void add_kinds(const json_t *o, struct str *out)
{
	json_t *kind = json_object_get(o, "kind"), *k;
	size_t i;

	if (json_is_string(kind))
		str_add(out, json_string_value(kind));
	json_array_foreach (kind, i, k)
		str_fmt(out, "%s%s", i ? "," : "", json_string_value(k));
}

static void print_tree(struct cli *c, const json_t *node, const char *before, bool last, bool top)
{
	json_t *children = json_object_get(node, "needs"), *child;
	const char *state = text_of(node, "state"), *name = text_of(node, "name");
	bool repeated = json_is_true(json_object_get(node, "repeated"));
	auto_free char *below = top ? text_dup("") : text_fmt("%s%s", before, last ? "   " : "│  ");
	auto_str kinds = {0};
	size_t i;

	add_kinds(node, &kinds);
	printf("%s%s%s%s%s %s%s%s%s\n", top ? "" : before,
	    top	   ? ""
	    : last ? "└─ "
		   : "├─ ",
	    name, kinds.n ? "  " : "", str_text(&kinds), paint_state(c, state), state, plain(c),
	    repeated ? "  (its branch: see above)" : "");
	if (json_is_true(json_object_get(node, "more")))
		printf("%s└─ ... hero_proc tree %s\n", below, name);
	json_array_foreach (children, i, child)
		print_tree(c, child, below, i + 1 == json_array_size(children), false);
}

int verb_tree(struct cli *c)
{
	int status;
	size_t i;
	json_t *v = cli_call(c, "service.tree",
		   json_pack("{s:s?}", "name", c->n ? c->args[0] : NULL), &status),
	       *root;

	if (!v)
		return status;
	if (c->json)
		return cli_json(v);
	json_array_foreach (json_object_get(v, "trees"), i, root)
		print_tree(c, root, "", true, true);
	if (c->n)
		print_tree(c, v, "", true, true);
	json_decref(v);
	return 0;
}

/* ---- graph ------------------------------------------------------------------------- */

static void print_edges(struct cli *c, const json_t *graph)
{
	struct table t = {0};
	json_t *e;
	size_t i;

	table_row(
	    &t, (const char *const[]){"FROM", "STATUS", "KIND", "TO", "CONDITION", "GATE", NULL});
	json_array_foreach (json_object_get(graph, "edges"), i, e) {
		auto_str kinds = {0};

		add_kinds(e, &kinds);
		table_row(&t, (const char *const[]){text_of(e, "from"), text_of(e, "status"),
				  str_text(&kinds), text_of(e, "to"), text_of(e, "condition"),
				  text_of(e, "gate"), NULL});
	}
	table_print(&t, c);
}

int verb_graph(struct cli *c)
{
	json_t *names = json_array();
	int status;

	for (int i = 0; i < c->n; i++)
		json_array_append_new(names, json_string(c->args[i]));
	json_t *v = cli_call(c, "graph.get",
	    json_pack("{s:o, s:s}", "names", names, "format", c->format ? c->format : "json"),
	    &status);
	if (!v)
		return status;
	if (c->json)
		return cli_json(v);
	if (c->format)
		fputs(text_of(v, "text"), stdout);
	else
		print_edges(c, v);
	json_decref(v);
	return 0;
}

/* ---- logs ----------------------------------------------------------------------------- */

static void print_lines(struct cli *c, const json_t *answer)
{
	json_t *l;
	size_t i;

	json_array_foreach (json_object_get(answer, "lines"), i, l) {
		const char *time = text_of(l, "time");
		bool err = strcmp(text_of(l, "stream"), "stderr") == 0;

		const json_t *line = json_object_get(l, "line");

		printf("%s%.12s%s %s", paint(c, "\033[2m"), strlen(time) > 23 ? time + 11 : time,
		    plain(c), err ? paint(c, "\033[31m") : "");
		fwrite(text_of(l, "line"), 1, json_string_length(line),
		    stdout); /* it may hold zero bytes */
		printf("%s\n", err ? plain(c) : "");
	}
}

/* Followed, each line is a document of its own. */
static void print_json(struct cli *c, json_t *answer)
{
	json_t *l;
	size_t i;

	if (!c->follow) {
		cli_json(json_incref(answer));
		return;
	}
	json_array_foreach (json_object_get(answer, "lines"), i, l)
		cli_json(json_incref(l));
}

static json_t *log_params(struct cli *c, const char *cursor)
{
	json_t *p = json_pack("{s:s}", "service", c->args[0]);

	if (c->grep)
		json_object_set_new(p, "grep", json_string(c->grep));
	if (c->stream)
		json_object_set_new(p, "stream", json_string(c->stream));
	if (c->since)
		json_object_set_new(p, "since", json_string(c->since));
	if (c->action)
		json_object_set_new(p, "action", json_string(c->action));
	if (cursor && *cursor)
		json_object_set_new(p, "cursor", json_string(cursor));
	else
		json_object_set_new(p, "tail", json_integer(c->lines >= 0 ? c->lines : 1000));
	return p;
}

int verb_logs(struct cli *c)
{
	const struct timespec pause = {0, 200000000};
	auto_free char *cursor = NULL;
	int status;

	do {
		json_t *v = cli_call(c, "logs.query", log_params(c, cursor), &status);

		if (!v)
			return status;
		if (c->json)
			print_json(c, v);
		else
			print_lines(c, v);
		fflush(stdout);
		if (*text_of(v, "next"))
			text_set(&cursor, text_of(v, "next"));
		json_decref(v);
		if (c->follow)
			nanosleep(&pause, NULL);
	} while (c->follow);
	return 0;
}

int verb_health(struct cli *c)
{
	int status;
	json_t *v = cli_call(c, "system.health", NULL, &status);

	if (!v)
		return status;
	bool ok = !json_is_false(json_object_get(v, "ok"));
	if (c->json)
		cli_json(json_incref(v));
	else
		puts(ok ? "ok" : "degraded");
	json_t *reasons = json_object_get(v, "degraded"), *r;
	size_t i;
	json_array_foreach (reasons, i, r)
		if (!c->json && json_is_string(r))
			printf("    %s\n", json_string_value(r));
	json_decref(v);
	return ok ? 0 : 1;
}
