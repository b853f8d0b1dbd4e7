/* verb_apply.c - what differs between manifests and definitions, and making them one. */
#include "cli/cli.h"

#include <stdio.h>

#define ASK_ABOVE 10 /* services that are stopped or restarted without being asked */

/* ---- what differs ------------------------------------------------------------------- */

static void print_change(const struct cli *c, const char *color, char mark, const json_t *change)
{
	json_t *reasons = json_object_get(change, "reasons"), *reason;
	size_t i;

	printf("%s%c %-24s%s", paint(c, color), mark, text_of(change, "name"), plain(c));
	json_array_foreach (reasons, i, reason)
		printf(
		    "%s%s", i ? "\n                           " : " ", json_string_value(reason));
	putchar('\n');
}

static void print_changes(const struct cli *c, const json_t *diff)
{
	static const struct {
		const char *list, *color;
		char mark;
	} lists[] = {{"added", "\033[32m", '+'}, {"removed", "\033[31m", '-'},
	    {"renamed", "\033[36m", '>'}, {"changed", "\033[33m", '~'}};
	json_t *change;
	size_t k;

	for (size_t i = 0; i < countof(lists); i++)
		json_array_foreach (json_object_get(diff, lists[i].list), k, change)
			print_change(c, lists[i].color, lists[i].mark, change);
	k = json_array_size(json_object_get(diff, "unchanged"));
	if (k)
		printf("  %zu unchanged\n", k);
}

static void print_touched(
    const struct cli *c, const json_t *diff, const char *list, const char *word, const char *color)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(diff, list), i, row)
		printf("%s%-9s%s %-24s %s\n", paint(c, color), word, plain(c), text_of(row, "name"),
		    text_of(row, "reason"));
}

static void print_diff(const struct cli *c, const json_t *diff)
{
	json_t *broken;
	size_t i;

	print_changes(c, diff);
	json_array_foreach (json_object_get(diff, "broken"), i, broken)
		printf("%swill not go%s without --force: %s, which is removed\n",
		    paint(c, "\033[31m"), plain(c), json_string_value(broken));
	print_touched(c, diff, "stops", "stops", "\033[31m");
	print_touched(c, diff, "restarts", "restarts", "\033[33m");
	print_touched(c, diff, "starts", "starts", "\033[32m");
}

static size_t size_of(const json_t *diff, const char *list)
{
	return json_array_size(json_object_get(diff, list));
}

static bool differs(const json_t *diff)
{
	return size_of(diff, "added") || size_of(diff, "removed") || size_of(diff, "renamed") ||
	       size_of(diff, "changed");
}

/* ---- what it is made of --------------------------------------------------------------- */

static json_t *params_of(struct cli *c, int *status)
{
	json_t *folders = json_array(), *manifests = manifests_below(c, folders, status);

	if (manifests)
		return json_pack("{s:o, s:o}", "manifests", manifests, "paths", folders);
	json_decref(folders);
	return NULL;
}

static void add_flags(const struct cli *c, json_t *params)
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

int verb_diff(struct cli *c)
{
	int status = 0;
	json_t *params = params_of(c, &status), *diff;

	if (!params)
		return status;
	add_flags(c, params);
	diff = cli_call(c, "config.diff", params, &status);
	if (!diff)
		return status;
	cli_warn(c, diff);
	status = differs(diff) ? 1 : 0;
	if (c->json)
		cli_json(json_incref(diff));
	else if (!c->quiet)
		print_diff(c, diff);
	json_decref(diff);
	return status;
}

/* ---- apply ------------------------------------------------------------------------------ */

static bool is_confirmed(const struct cli *c, size_t n)
{
	char answer[8] = "";

	if (n <= ASK_ABOVE || c->yes || c->force)
		return true;
	if (!c->live || !isatty(STDIN_FILENO)) {
		fprintf(stderr,
		    "hero_proc: %zu services would be stopped or restarted: say --yes\n", n);
		return false;
	}
	printf("%zu services are stopped or restarted. Go on? [y/N] ", n);
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

/* Those that were given and that the operation is not about. */
static void print_untouched(struct cli *c, const json_t *answer)
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
	(void)c;
}

static int carry_out(struct cli *c, json_t *take_params, const char *done_word)
{
	int status;
	json_t *answer = cli_call(c, "config.apply", take_params, &status);

	if (!answer)
		return status;
	cli_warn(c, answer);
	if (c->no_wait) {
		status = c->json ? cli_json(json_incref(answer)) : 0;
	} else {
		status =
		    follow_operation(c, json_integer_value(json_object_get(answer, "operation")),
			json_object_get(answer, "names"), done_word);
		if (!status && !c->json && !c->quiet)
			print_untouched(c, answer);
	}
	json_decref(answer);
	return status;
}

int apply_manifests(struct cli *c, json_t *take_params, const char *done_word)
{
	int status;
	bool show = strcmp(done_word, "up") != 0;

	add_flags(c, take_params);
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
			print_diff(c, diff);
		else if (diff)
			return print_plan(c, diff);
		json_decref(diff);
		return status;
	}
	size_t n = size_of(diff, "stops") + size_of(diff, "restarts");
	if (!c->json && !c->quiet)
		print_diff(c, diff);
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

int verb_apply(struct cli *c)
{
	int status = 0;
	json_t *params = params_of(c, &status);

	return params ? apply_manifests(c, params, "applied") : status;
}
