#include "cli/apply.h"

#include "cli/diff.h"
#include "cli/follow.h"
#include "cli/out.h"
#include "cli/steps.h"

#define ASK_ABOVE 10 /* services that are stopped or restarted without being asked */

void apply_add_options(const struct cli *c, json_t *params)
{
	const struct {
		const char *key;
		bool set;
	} flags[] = {{"prune", c->prune}, {"force", c->force}, {"replace", c->replace},
	    {"no_deps", c->no_deps}, {"start", c->start}};

	for (size_t i = 0; i < countof(flags); i++)
		if (flags[i].set)
			json_object_set_new(params, flags[i].key, json_true());
}

static bool is_confirmed(const struct cli *c, size_t n)
{
	char answer[8] = "";

	if (n <= ASK_ABOVE || c->yes || c->force)
		return true;
	if (!out_is_terminal() || !isatty(STDIN_FILENO)) {
		complain("%zu services would be stopped or restarted: say --yes", n);
		return false;
	}
	printf("%zu services are stopped or restarted. Go on? [y/N] ", n);
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

/* Those that were given and that the operation is not about. */
static void print_untouched(const json_t *answer)
{
	json_t *names = json_object_get(answer, "names"), *row, *name;
	size_t i, k;

	json_array_foreach (json_object_get(answer, "unchanged"), i, row) {
		bool found = false;

		json_array_foreach (names, k, name)
			found = found || strcmp(json_string_value(name), text_of(row, "name")) == 0;
		if (!found)
			printf("%s: nothing to do\n", text_of(row, "name"));
	}
}

static int carry_out(struct cli *c, json_t *take_params, const char *done_word)
{
	int status;
	json_t *answer = cli_call(c, "config.apply", take_params, &status);

	if (!answer)
		return status;
	cli_warn(c, answer);
	if (c->no_wait) {
		status = c->json ? print_json(json_incref(answer)) : 0;
	} else {
		status =
		    follow_operation(c, json_integer_value(json_object_get(answer, "operation")),
			json_object_get(answer, "names"), done_word);
		if (!status && !c->json && !c->quiet)
			print_untouched(answer);
	}
	json_decref(answer);
	return status;
}

int apply_manifests(struct cli *c, json_t *take_params, const char *done_word)
{
	int status;
	bool show = strcmp(done_word, "up") != 0;

	apply_add_options(c, take_params);
	if (!show && !c->dry_run) {
		if (c->yes)
			json_object_set_new(take_params, "limit", json_integer(INT32_MAX));
		json_object_set_new(take_params, "wait", json_false());
		return carry_out(c, take_params, done_word);
	}
	json_t *diff = cli_call(c, "config.diff", json_incref(take_params), &status);
	if (!diff || c->dry_run) {
		json_decref(take_params);
		if (diff)
			cli_warn(c, diff);
		if (diff && show && !c->json)
			diff_print(diff);
		else if (diff)
			return steps_print_plan(c, diff);
		json_decref(diff);
		return status;
	}
	size_t n = diff_count(diff, "stops") + diff_count(diff, "restarts");
	if (!c->json && !c->quiet)
		diff_print(diff);
	json_decref(diff);
	if (!is_confirmed(c, n)) {
		json_decref(take_params);
		return err_exit_status(ERR_CONFLICT);
	}
	json_object_set_new(take_params, "wait", json_false());
	json_object_set_new(take_params, "limit", json_integer((json_int_t)n)); /* what was shown */
	if (c->rollback_after)
		json_object_set_new(
		    take_params, "rollback_after_ms", json_integer(c->rollback_after));
	return carry_out(c, take_params, done_word);
}
