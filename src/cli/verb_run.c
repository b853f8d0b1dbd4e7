/* verb_run.c - ad-hoc runs. */
#include "cli/event_wait.h"

#include <stdio.h>

static json_t *read_file(const char *path)
{
	json_error_t e;
	json_t *v = json_load_file(path, JSON_REJECT_DUPLICATES, &e);

	if (!v)
		fprintf(stderr, "hero_proc: %s:%d:%d: %s\n", path, e.line, e.column, e.text);
	return v;
}

static int end_of_run(struct cli *c, json_t *take_run)
{
	json_t *jobs = json_object_get(take_run, "jobs"), *j;
	bool good = strcmp(text_of(take_run, "state"), "succeeded") == 0;
	int code = good ? 0 : 1;
	size_t i;

	json_array_foreach (jobs, i, j) {
		json_t *exit_code = json_object_get(j, "exit_code");

		if (!c->json && !c->quiet) {
			printf("%-24s %s%s%s", text_of(j, "action"),
			    paint_state(c, text_of(j, "state")), text_of(j, "state"), plain(c));
			if (json_is_integer(exit_code))
				printf(
				    "  exit code %lld", (long long)json_integer_value(exit_code));
			putchar('\n');
		}
		if (!good && json_is_integer(exit_code) && json_integer_value(exit_code) > 0)
			code = (int)json_integer_value(exit_code);
	}
	if (c->json)
		return cli_json(take_run), code;
	json_decref(take_run);
	return code;
}

static bool is_over(const json_t *run)
{
	const char *state = text_of(run, "state");

	return strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 ||
	       strcmp(state, "cancelled") == 0;
}

static int follow_run(struct cli *c, const char *run, struct event_wait *b)
{
	/* A run of its own is told by its name, that of a service by the service's. */
	auto_free char *word = text_fmt("\"%.*s", (int)strcspn(run, "#"), run);
	const msec deadline = http_deadline(c->timeout);
	struct error e = {0};
	int status;

	for (;;) {
		json_t *v = cli_call(c, "run.get", json_pack("{s:s}", "run", run), &status);

		if (!v)
			return status;
		if (is_over(v))
			return end_of_run(c, v);
		json_decref(v);
		if (event_wait_wait(b, word, deadline, &e)) {
			fprintf(stderr, "hero_proc: %s%s%s\n",
			    e.code == ERR_TIMEOUT ? "run " : e.msg,
			    e.code == ERR_TIMEOUT ? run : "",
			    e.code == ERR_TIMEOUT ? " goes on" : "");
			return err_exit_status(e.code);
		}
	}
}

static int wait_run(struct cli *c, const char *run)
{
	struct error e = {0};
	struct event_wait b;
	int status = err_exit_status(event_wait_init(&b, c, &e));

	if (status)
		fprintf(stderr, "hero_proc: %s\n", e.msg);
	else
		status = follow_run(c, run, &b);
	event_wait_release(&b);
	return status;
}

int verb_run_wait(struct cli *c)
{
	return wait_run(c, c->args[0]);
}

int verb_run_submit(struct cli *c)
{
	json_t *params = json_object(), *actions = json_array();
	int status;

	for (int i = 0; i < c->n; i++) {
		size_t n = strlen(c->args[i]);

		if (n > 5 && strcmp(c->args[i] + n - 5, ".json") == 0) {
			json_t *v = read_file(c->args[i]);

			if (!v)
				return 2;
			json_object_update(params, v);
			json_decref(v);
		} else {
			json_array_append_new(actions, json_pack("{s:s}", "action", c->args[i]));
		}
	}
	if (json_array_size(actions))
		json_object_set(params, "actions", actions);
	json_decref(actions);
	json_object_set_new(params, "wait", json_false());
	json_t *v = cli_call(c, "run.submit", params, &status);
	if (!v)
		return status;
	if (c->no_wait) {
		if (c->json)
			return cli_json(v);
		printf("%s\n", text_of(v, "run"));
		json_decref(v);
		return 0;
	}
	auto_free char *run = text_dup(text_of(v, "run"));
	json_decref(v);
	return wait_run(c, run);
}

int verb_run_get(struct cli *c)
{
	int status;
	json_t *v = cli_call(c, "run.get", json_pack("{s:s}", "run", c->args[0]), &status);

	if (!v)
		return status;
	if (c->json)
		return cli_json(v);
	printf("%s: %s\n", c->args[0], text_of(v, "state"));
	end_of_run(c, v);
	return 0;
}

int verb_run_list(struct cli *c)
{
	struct table t = {0};
	int status;
	json_t *v = cli_call(c, "run.list", NULL, &status), *r;
	size_t i;

	if (!v)
		return status;
	if (c->json)
		return cli_json(v);
	table_row(&t, (const char *const[]){"RUN", "STATE", "SERVICE", "STARTED", NULL});
	json_array_foreach (json_object_get(v, "runs"), i, r) {
		const char *name = *text_of(r, "run") ? text_of(r, "run") : text_of(r, "name");
		auto_free char *age = age_of(text_of(r, "started"));

		table_row(&t, (const char *const[]){
				  name, text_of(r, "state"), text_of(r, "service"), age, NULL});
	}
	table_print(&t, c);
	json_decref(v);
	return 0;
}

int verb_run_cancel(struct cli *c)
{
	int status;
	json_t *v = cli_call(c, "run.cancel", json_pack("{s:s}", "run", c->args[0]), &status);

	if (!v)
		return status;
	json_decref(v);
	return 0;
}
