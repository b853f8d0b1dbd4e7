/* verb_logs.c - captured output of services, runs and jobs. */
#include "cli/call.h"
#include "cli/log_lines.h"
#include "cli/out.h"
#include "cli/verbs.h"

#include <time.h>

#define LINES_SHOWN 1000 /* if nothing else is asked for */
#define PAGE	    5000
#define LOOK_MS	    200

/* What is asked for, again and again. */
struct source {
	const char *method;
	json_t *params; /* who */
	struct log_labels labels;
};

static bool is_number(const char *word)
{
	return *word && word[strspn(word, "0123456789")] == '\0';
}

/* ---- who is meant --------------------------------------------------------------------- */

/* A registered service, "service/action"; false: it is none. */
static bool is_service(struct cli *c, struct source *s, const char *word)
{
	auto_free char *name = text_dup_n(word, strcspn(word, "/"));
	const char *action = strchr(word, '/');
	struct hp_error e;
	json_t *status = cli_try(c, "service.status", json_pack("{s:s}", "name", name), &e);

	if (!status)
		hp_error_release(&e);
	else if (!strchr(name, '#'))
		json_array_append_new(json_object_get(s->params, "service"), json_string(name));
	if (status && action)
		json_object_set_new(s->params, "action", json_string(action + 1));
	else if (status)
		log_labels_add(&s->labels, status);
	bool found = status && !strchr(name, '#');
	json_decref(status);
	return found;
}

static bool is_job(struct cli *c, struct source *s, const char *word)
{
	json_int_t id = is_number(word) ? strtoll(word, NULL, 10) : 0;
	struct hp_error e;
	json_t *job = id ? cli_try(c, "job.get", json_pack("{s:I}", "id", id), &e) : NULL;

	if (id && !job)
		hp_error_release(&e);
	if (!job)
		return false;
	json_decref(job);
	json_decref(s->params);
	*s = (struct source){.method = "job.logs", .params = json_pack("{s:I}", "id", id)};
	return true;
}

static bool is_run(struct cli *c, struct source *s, const char *word)
{
	struct hp_error e;
	json_t *run = cli_try(c, "run.get", json_pack("{s:s}", "run", word), &e);

	if (!run) {
		hp_error_release(&e);
		return false;
	}
	const char *name = *text_of(run, "name") ? text_of(run, "name") : word;
	json_t *o = json_object(), *actions = json_array(), *job;
	size_t i;

	json_array_foreach (json_object_get(run, "jobs"), i, job)
		json_array_append_new(actions, json_pack("{s:s}", "name", text_of(job, "action")));
	json_object_set_new(o, "actions", actions);
	if (i > 1)
		log_labels_add(&s->labels, o);
	json_decref(o);
	json_decref(s->params);
	s->params = json_pack("{s:s}", "run", name);
	json_decref(run);
	return true;
}

/* Stored lines of a service that is gone. */
static bool has_lines(struct cli *c, struct source *s, const char *word)
{
	struct hp_error e;
	json_t *v =
	    cli_try(c, "logs.query", json_pack("{s:s, s:i}", "service", word, "limit", 1), &e);

	if (!v)
		hp_error_release(&e);
	else
		json_array_append_new(json_object_get(s->params, "service"), json_string(word));
	json_decref(v);
	return v != NULL;
}

/* 0, or the exit status. */
static int find(struct cli *c, struct source *s)
{
	int status = 0;

	*s = (struct source){.method = "logs.query", .params = json_pack("{s:[]}", "service")};
	s->labels.service = c->n > 1;
	for (int i = 0; i < c->n; i++) {
		const char *word = c->args[i];

		if (is_service(c, s, word) || has_lines(c, s, word))
			continue;
		if (c->n == 1 && (is_job(c, s, word) || is_run(c, s, word)))
			return 0;
		/* It answers with what may have been meant. */
		json_decref(
		    cli_call(c, "service.status", json_pack("{s:s}", "name", word), &status));
		return status ? status : err_exit_status(ERR_NOT_FOUND);
	}
	return 0;
}

/* ---- lines ---------------------------------------------------------------------------- */

static json_t *read_lines(
    struct cli *c, const struct source *s, const char *cursor, int64_t tail, int *status)
{
	json_t *p = json_deep_copy(s->params);
	const struct {
		const char *key, *text;
	} filters[] = {{"grep", c->grep}, {"stream", c->stream}, {"since", c->since},
	    {"until", c->until}, {"action", c->action}, {"cursor", cursor}};

	for (size_t i = 0; i < countof(filters); i++)
		if (filters[i].text)
			json_object_set_new(p, filters[i].key, json_string(filters[i].text));
	if (tail)
		json_object_set_new(p, "tail", json_integer(tail));
	else
		json_object_set_new(p, "limit", json_integer(PAGE));
	return cli_call(c, s->method, p, status);
}

/* Followed, or without a bound, each line is a document of its own. */
static void print_lines(const struct cli *c, const struct source *s, const json_t *answer)
{
	json_t *l;
	size_t i;

	json_array_foreach (json_object_get(answer, "lines"), i, l) {
		if (c->json)
			print_json(json_incref(l));
		else
			log_line_print(&s->labels, l);
	}
	fflush(stdout);
}

/* Everything behind the cursor (NULL: from the beginning). */
static int print_rest(struct cli *c, const struct source *s, char **cursor)
{
	for (size_t n = 1; n && !out_is_broken();) {
		int status;
		json_t *v = read_lines(c, s, *cursor, 0, &status);

		if (!v)
			return status;
		print_lines(c, s, v);
		n = json_array_size(json_object_get(v, "lines"));
		if (*text_of(v, "next"))
			text_set(cursor, text_of(v, "next"));
		json_decref(v);
	}
	return 0;
}

/* The last so many; one more is read to see whether there are more. */
static int print_tail(struct cli *c, const struct source *s, char **cursor)
{
	int64_t n = c->lines > 0 ? c->lines : LINES_SHOWN;
	bool whole = c->lines > 0 || c->since;
	int status;
	json_t *v = read_lines(c, s, NULL, whole ? n : n + 1, &status);
	json_t *lines = json_object_get(v, "lines");

	if (!v)
		return status;
	if (!whole && (int64_t)json_array_size(lines) > n) {
		json_array_remove(lines, 0);
		if (!c->quiet)
			complain(
			    "only the last %lld lines are shown; `hero_proc logs %s -n 0` shows "
			    "all",
			    (long long)n, c->args[0]);
	}
	if (c->json && !c->follow)
		print_json(json_incref(v));
	else
		print_lines(c, s, v);
	text_set(cursor, text_of(v, "next"));
	json_decref(v);
	return 0;
}

int verb_logs(struct cli *c)
{
	const struct timespec pause = {0, LOOK_MS * 1000000};
	auto_free char *cursor = NULL;
	struct source s;
	int status = find(c, &s);
	bool all = c->lines == 0 || (c->since && c->lines < 0);

	if (!status)
		status = all ? print_rest(c, &s, &cursor) : print_tail(c, &s, &cursor);
	while (!status && c->follow && !out_is_broken()) {
		nanosleep(&pause, NULL);
		status = print_rest(c, &s, &cursor);
	}
	json_decref(s.params);
	return status;
}
