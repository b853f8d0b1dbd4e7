#include "cli/apply.h"

#include "base/map.h"
#include "cli/diff.h"
#include "cli/follow.h"
#include "cli/out.h"
#include "cli/outcome.h"
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
	struct strv found = {0};
	struct map about = {0};
	size_t i;

	json_array_foreach (names, i, name)
		map_put(&about, json_string_value(name), name);
	json_array_foreach (json_object_get(answer, "unchanged"), i, row)
		if (!map_get(&about, text_of(row, "name")))
			strv_add(&found, text_of(row, "name"));
	outcome_print_nothing(&found);
	map_release(&about);
	strv_release(&found);
}

static int carry_out(struct cli *c, json_t *take_params)
{
	int status;

	struct follow *f = follow_new(c);

	json_object_set_new(take_params, "wait", json_false());
	json_t *answer = cli_call(c, "config.apply", take_params, &status);
	if (answer)
		cli_warn(c, answer);
	if (answer && c->no_wait)
		status = c->json ? print_json(json_incref(answer)) : 0;
	else if (answer)
		status = follow_operation(
		    f, number_of(answer, "operation"), json_object_get(answer, "names"));
	if (answer && !status && !c->json && !c->quiet)
		print_untouched(answer);
	follow_free(f);
	json_decref(answer);
	return status;
}

static json_t *read_diff(struct cli *c, json_t *take_params, int *status)
{
	json_t *diff = cli_call(c, "config.diff", take_params, status);

	if (diff)
		cli_warn(c, diff);
	return diff;
}

int apply_up(struct cli *c, json_t *take_params)
{
	int status;

	apply_add_options(c, take_params);
	if (c->dry_run) {
		json_t *diff = read_diff(c, take_params, &status);
		return diff ? steps_print_plan(c, diff) : status;
	}
	if (c->yes)
		json_object_set_new(take_params, "limit", json_integer(INT32_MAX));
	return carry_out(c, take_params);
}

/* What was confirmed is what may happen. */
static int carry_out_confirmed(struct cli *c, json_t *take_params, size_t n)
{
	if (!is_confirmed(c, n)) {
		json_decref(take_params);
		return err_exit_status(ERR_CONFLICT);
	}
	json_object_set_new(take_params, "limit", json_integer((json_int_t)n));
	if (c->rollback_after)
		json_object_set_new(
		    take_params, "rollback_after_ms", json_integer(c->rollback_after));
	return carry_out(c, take_params);
}

int apply_manifests(struct cli *c, json_t *take_params)
{
	int status;

	apply_add_options(c, take_params);
	json_t *diff = read_diff(c, json_incref(take_params), &status);
	if (diff && !c->json && !c->quiet)
		diff_print(diff);
	if (diff && !c->dry_run) {
		status = carry_out_confirmed(c, json_incref(take_params),
		    diff_count(diff, "stops") + diff_count(diff, "restarts"));
	} else if (diff && c->json) {
		print_json(json_incref(diff));
	}
	json_decref(diff);
	json_decref(take_params);
	return status;
}
