/* verb_run.c - ad-hoc runs. */
#include "base/limits.h"
#include "cli/call.h"
#include "cli/feed.h"
#include "cli/interrupt.h"
#include "cli/out.h"
#include "cli/pages.h"
#include "cli/table.h"
#include "cli/times.h"
#include "cli/verbs.h"
#include "sys/regular_file.h"

/* Its keys into `params`; 0, or the exit status. */
static int read_file(const char *path, json_t *params)
{
	auto_str text = {0};
	struct error e = {0};
	json_error_t at;

	if (regular_file_read(path, LIMIT_REQUEST_BYTES, &text, &e))
		return complain("%s", e.msg), err_exit_status(e.code);
	json_t *v = json_loadb(str_text(&text), text.n, JSON_REJECT_DUPLICATES, &at);
	if (!json_is_object(v))
		complain("%s:%d:%d: %s", path, at.line, at.column,
		    v ? "not an object: {\"actions\": [...]}" : at.text);
	int status = json_is_object(v) ? 0 : err_exit_status(ERR_INVALID);
	json_object_update(params, v);
	json_decref(v);
	return status;
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
			    paint_state(text_of(j, "state")), text_of(j, "state"), plain());
			if (json_is_integer(exit_code))
				printf(
				    "  exit code %lld", (long long)json_integer_value(exit_code));
			putchar('\n');
		}
		if (!good && json_is_integer(exit_code) && json_integer_value(exit_code) > 0)
			code = (int)json_integer_value(exit_code);
	}
	if (c->json)
		return print_json(take_run), code;
	json_decref(take_run);
	return code;
}

static bool is_over(const json_t *run)
{
	const char *state = text_of(run, "state");

	return strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 ||
	       strcmp(state, "cancelled") == 0;
}

/* ---- waiting -------------------------------------------------------------------------- */

/* An event may be about our run. */
struct wait {
	char *word; /* a run of its own is told by its name, that of a service by the service's */
	bool again;
};

static void look_at(const char *event, void *ctx)
{
	struct wait *w = ctx;

	w->again |= strstr(event, w->word) != NULL;
}

static char *goes_on(const char *run)
{
	return text_fmt(
	    "run %s goes on\n    wait for it:  hero_proc run wait %s\n    stop it:      "
	    "hero_proc run cancel %s",
	    run, run, run);
}

static int time_is_over(const char *run)
{
	auto_free char *text = goes_on(run);

	complain("%s", text);
	return err_exit_status(ERR_TIMEOUT);
}

static int follow_run(struct cli *c, const char *run, struct feed *f)
{
	struct wait w = {.word = text_fmt("\"%.*s", (int)strcspn(run, "#"), run)};
	const msec deadline = http_deadline(c->timeout);
	struct error e = {0};
	int status = -1;

	while (status < 0) {
		json_t *v = cli_call(c, "run.get", json_pack("{s:s}", "run", run), &status);

		if (v)
			status = is_over(v) ? end_of_run(c, json_incref(v)) : -1;
		json_decref(v);
		for (w.again = false; status < 0 && !w.again;) {
			enum feed_news news = feed_wait(f, deadline, look_at, &w, &e);

			w.again |= news == FEED_RENEWED;
			if (news == FEED_LOST)
				status = (complain("%s", e.msg), err_exit_status(e.code));
			else if (news == FEED_QUIET && http_now() >= deadline)
				status = time_is_over(run);
		}
	}
	free(w.word);
	return status;
}

static int wait_run(struct cli *c, const char *run)
{
	struct error e = {0};
	struct feed f;
	auto_free char *on = goes_on(run), *text = text_fmt("hero_proc: %s", on);
	int status = err_exit_status(feed_init(&f, c, &e));

	interrupt_say(text);
	if (status)
		complain("%s", e.msg);
	else
		status = follow_run(c, run, &f);
	feed_release(&f);
	return status;
}

int verb_run_wait(struct cli *c)
{
	return wait_run(c, c->args[0]);
}

int verb_run_submit(struct cli *c)
{
	json_t *params = json_object(), *actions = json_array();
	int status = 0;

	for (int i = 0; i < c->n && !status; i++) {
		size_t n = strlen(c->args[i]);

		if (n > 5 && strcmp(c->args[i] + n - 5, ".json") == 0) {
			status = read_file(c->args[i], params);
		} else {
			json_array_append_new(actions, json_pack("{s:s}", "action", c->args[i]));
		}
	}
	if (json_array_size(actions))
		json_object_set(params, "actions", actions);
	json_decref(actions);
	if (status) {
		json_decref(params);
		return status;
	}
	json_object_set_new(params, "wait", json_false());
	json_t *v = cli_call(c, "run.submit", params, &status);
	if (!v)
		return status;
	if (c->no_wait) {
		if (c->json)
			return print_json(v);
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
		return print_json(v);
	printf("%s: %s\n", c->args[0], text_of(v, "state"));
	end_of_run(c, v);
	return 0;
}

int verb_run_list(struct cli *c)
{
	struct table t = {.state = 1};
	int status;
	json_t *v = pages_read(c, "run.list", NULL, "runs", pages_bound(c, PAGES_HISTORY), &status),
	       *r;
	size_t i;

	if (!v)
		return status;
	pages_tell(c, v, "older runs", "run list -n 0");
	if (c->json)
		return print_json(v);
	table_row(&t, (const char *const[]){"RUN", "STATE", "SERVICE", "STARTED", NULL});
	json_array_foreach (json_object_get(v, "runs"), i, r) {
		const char *name = *text_of(r, "run") ? text_of(r, "run") : text_of(r, "name");
		auto_free char *age = times_age(text_of(r, "started"));

		table_row(&t, (const char *const[]){
				  name, text_of(r, "state"), text_of(r, "service"), age, NULL});
	}
	table_print(&t);
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
