/* verb_logs.c - captured output of services, actions, runs and jobs. */
#include "cli/call.h"
#include "cli/log_counts.h"
#include "cli/log_filter.h"
#include "cli/log_lines.h"
#include "cli/out.h"
#include "cli/verbs.h"

#define LINES_SHOWN 1000 /* if nothing else is asked for */
#define PAGE	    5000
#define PATIENCE_MS 5000 /* of one call that waits for the next line */

struct view {
	struct log_labels labels;
	enum { FORM_TEXT, FORM_JSON, FORM_HERO } form;
	size_t matched; /* lines shown that are no context */
};

/* ---- who is meant --------------------------------------------------------------------- */

static json_t *ask(struct cli *c, const char *method, const char *key, const char *name)
{
	struct hp_error e;
	json_t *v = cli_try(c, method, json_pack("{s:s}", key, name), &e);

	if (!v)
		hp_error_release(&e);
	return v;
}

/* The error of a question that has to fail. */
static int refuse(struct cli *c, const char *method, const char *key, const char *name)
{
	int status;

	json_decref(cli_call(c, method, json_pack("{s:s}", key, name), &status));
	return status ? status : err_exit_status(ERR_NOT_FOUND);
}

/* By its number. */
static int find_job(struct cli *c, const char *word)
{
	int status;

	json_decref(cli_call(
	    c, "job.get", json_pack("{s:I}", "id", (json_int_t)strtoll(word, NULL, 10)), &status));
	return status;
}

static bool is_number(const char *word)
{
	return *word && word[strspn(word, "0123456789")] == '\0';
}

/* The jobs of a run are the actions that may be named. */
static int find_run(struct cli *c, const char *name, struct log_labels *labels)
{
	json_t *run = ask(c, "run.get", "run", name), *jobs = json_object_get(run, "jobs"), *job;
	json_t *status = json_pack("{s:s, s:[]}", "name", text_of(run, "service"), "actions");
	size_t i;

	json_array_foreach (jobs, i, job)
		json_array_append_new(json_object_get(status, "actions"),
		    json_pack("{s:s}", "name", text_of(job, "action")));
	if (i > 1)
		log_labels_add(labels, status);
	json_decref(status);
	json_decref(run);
	return run ? 0 : refuse(c, "run.get", "run", name);
}

static int no_action(const json_t *status, const char *action)
{
	auto_str names = {0};
	json_t *a;
	size_t i;

	json_array_foreach (json_object_get(status, "actions"), i, a)
		str_fmt(&names, "%s`%s`", i ? ", " : "", text_of(a, "name"));
	complain("%s has no action `%s`; it has %s", text_of(status, "name"), action,
	    names.n ? str_text(&names) : "none");
	return err_exit_status(ERR_NOT_FOUND);
}

static bool has_action(const json_t *status, const char *action)
{
	json_t *a;
	size_t i;

	json_array_foreach (json_object_get(status, "actions"), i, a)
		if (strcmp(text_of(a, "name"), action) == 0)
			return true;
	return false;
}

/* A service, or SERVICE/ACTION; one that was removed has its lines still. */
static int find_service(struct cli *c, const char *word, struct log_labels *labels)
{
	const char *slash = strrchr(word, '/');
	auto_free char *name = text_dup_n(word, slash ? (size_t)(slash - word) : strlen(word));
	json_t *status = ask(c, "service.status", "name", name), *stored;
	int rc = 0;

	if (status && slash && !has_action(status, slash + 1))
		rc = no_action(status, slash + 1);
	else if (status && (!slash || labels->service))
		log_labels_add(labels, status);
	if (!status) {
		stored = ask(c, "logs.query", "name", word);
		rc = stored ? 0 : refuse(c, "service.status", "name", name);
		json_decref(stored);
	}
	json_decref(status);
	return rc;
}

/* 0, or the exit status after a word that is nobody was named. */
static int find(struct cli *c, struct log_labels *labels)
{
	int status = 0;

	labels->service = c->n > 1 || c->with_deps || strpbrk(c->args[0], "*?");
	labels->action = strpbrk(c->args[0], "*?") != NULL;
	for (int i = 0; i < c->n && !status; i++) {
		const char *word = c->args[i];
		json_t *service = is_number(word) ? ask(c, "service.status", "name", word) : NULL;

		if (strchr(word, '#'))
			status = find_run(c, word, labels);
		else if (is_number(word) && !service)
			status = find_job(c, word);
		else if (!strpbrk(word, "*?"))
			status = find_service(c, word, labels);
		json_decref(service);
	}
	return status;
}

/* ---- lines ---------------------------------------------------------------------------- */

static json_t *read_lines(
    struct cli *c, const char *method, const char *cursor, int64_t tail, int *status)
{
	json_t *p = log_filter(c);

	if (cursor)
		json_object_set_new(p, "cursor", json_string(cursor));
	if (c->fields)
		json_object_set_new(p, "fields", log_filter_names(c->fields));
	if (c->context > 0)
		json_object_set_new(p, "context", json_integer(c->context));
	json_object_set_new(p, tail ? "tail" : "limit", json_integer(tail ? tail : PAGE));
	if (strcmp(method, "logs.follow") == 0)
		json_object_set_new(p, "timeout_ms", json_integer(PATIENCE_MS));
	return cli_call(c, method, p, status);
}

static void print_line(const struct view *v, const json_t *line)
{
	if (v->form == FORM_JSON)
		print_json(json_incref((json_t *)(uintptr_t)line));
	else if (v->form == FORM_HERO)
		log_line_export(line);
	else
		log_line_print(&v->labels, line);
}

/* Followed, or without a bound, each line is a document of its own. */
static void print_lines(struct view *v, const json_t *answer)
{
	json_t *l;
	size_t i;

	json_array_foreach (json_object_get(answer, "lines"), i, l) {
		v->matched += !json_is_true(json_object_get(l, "context"));
		print_line(v, l);
	}
	fflush(stdout);
}

/* Everything behind the cursor (NULL: from the beginning). */
static int print_rest(struct cli *c, const char *method, struct view *view, char **cursor)
{
	for (size_t n = 1; n && !out_is_broken();) {
		int status;
		json_t *v = read_lines(c, method, *cursor, 0, &status);

		if (!v)
			return status;
		print_lines(view, v);
		n = json_array_size(json_object_get(v, "lines"));
		if (*text_of(v, "next"))
			text_set(cursor, text_of(v, "next"));
		json_decref(v);
	}
	return 0;
}

/* The last so many; one more is read to see whether there are more. */
static int print_tail(struct cli *c, struct view *view, char **cursor)
{
	int64_t n = c->lines > 0 ? c->lines : LINES_SHOWN;
	bool whole = c->lines > 0;
	int status;
	json_t *v = read_lines(c, "logs.query", NULL, whole ? n : n + 1, &status);
	json_t *lines = json_object_get(v, "lines");

	if (!v)
		return status;
	if (!whole && (int64_t)json_array_size(lines) > n) {
		json_array_remove(lines, 0);
		if (!c->quiet)
			complain(
			    "only the last %lld lines are shown; `hero_proc logs %s%s -n 0` shows "
			    "all",
			    (long long)n, c->args[0], c->n > 1 ? " ..." : "");
	}
	view->matched += json_array_size(lines);
	if (c->json && !c->follow)
		print_json(json_incref(v));
	else
		print_lines(view, v);
	text_set(cursor, text_of(v, "next"));
	json_decref(v);
	return 0;
}

static int show(struct cli *c, struct view *v)
{
	auto_free char *cursor = NULL;
	bool all = c->lines == 0 || ((c->since || c->export) && c->lines < 0);
	int status = all ? print_rest(c, "logs.query", v, &cursor) : print_tail(c, v, &cursor);

	while (!status && c->follow && !out_is_broken())
		status = print_rest(c, "logs.follow", v, &cursor);
	return status;
}

/* False after it was said that there is no such form. */
static bool read_form(const struct cli *c, struct view *v)
{
	bool jsonl = c->export && strcmp(c->export, "jsonl") == 0;
	bool hero = c->export && strcmp(c->export, "hero") == 0;

	v->form = c->json || jsonl ? FORM_JSON : hero ? FORM_HERO : FORM_TEXT;
	if (!c->export || jsonl || hero)
		return true;
	complain("--export: `%s` is no form: write hero or jsonl", c->export);
	return false;
}

int verb_logs(struct cli *c)
{
	struct view v = {0};
	int status;

	if (c->supervisor)
		return verb_logs_own(c);
	if (!c->n) {
		complain("logs of what?  a service, an action, a run or a job, or --supervisor");
		return err_exit_status(ERR_METHOD);
	}
	if (!read_form(c, &v))
		return err_exit_status(ERR_METHOD);
	status = find(c, &v.labels);
	if (!status)
		status = log_filter_span(c);
	if (status)
		return status;
	if (c->count_by)
		return log_counts_by(c);
	if (c->rate)
		return log_counts_rate(c);
	status = show(c, &v);
	return !status && c->grep && !v.matched ? 1 : status; /* as grep(1) */
}
