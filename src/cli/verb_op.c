/* verb_op.c - operations and their steps. */
#include "cli/follow.h"
#include "cli/out.h"
#include "cli/pages.h"
#include "cli/steps.h"
#include "cli/table.h"
#include "cli/times.h"
#include "cli/verbs.h"

static json_t *op_params(const struct cli *c)
{
	return json_pack("{s:s}", "operation", c->args[0]);
}

static char *names_of(const json_t *op)
{
	json_t *names = json_object_get(op, "names");
	const char *first = json_string_value(json_array_get(names, 0));
	size_t n = json_array_size(names);

	return n > 1 ? text_fmt("%s and %zu more", first, n - 1) : text_dup(first ? first : "");
}

int verb_op_list(struct cli *c)
{
	struct table t = {.state = 2};
	json_t *params = json_object(), *o;
	int status;
	size_t i;

	if (c->state)
		json_object_set_new(params, "state", json_string(c->state));
	json_t *answer =
	    pages_read(c, "op.list", params, "operations", pages_bound(c, PAGES_HISTORY), &status);
	if (!answer)
		return status;
	pages_tell(c, answer, "older operations", "op list -n 0");
	if (c->json)
		return print_json(answer);
	table_row(
	    &t, (const char *const[]){"OPERATION", "KIND", "STATE", "AGE", "WHO", "ABOUT", NULL});
	json_array_foreach (json_object_get(answer, "operations"), i, o) {
		auto_free char *number = text_fmt("%lld", (long long)number_of(o, "operation"));
		auto_free char *age = times_age(text_of(o, "began")), *names = names_of(o);

		table_row(
		    &t, (const char *const[]){number, text_of(o, "kind"),
			    text_of(o, "operation_state"), age, text_of(o, "who"), names, NULL});
	}
	table_print(&t);
	json_decref(answer);
	return 0;
}

static int print_op(struct cli *c, json_t *take_op)
{
	if (c->json)
		return print_json(take_op);
	auto_free char *names = names_of(take_op);
	const char *message = text_of(json_object_get(take_op, "error"), "message");

	printf("%s of %s: %s%s%s\n", text_of(take_op, "kind"), names,
	    text_of(take_op, "operation_state"), *message ? ", " : "", message);
	printf("  asked by %s, began %s%s%s\n", text_of(take_op, "who"), text_of(take_op, "began"),
	    *text_of(take_op, "ended") ? ", ended " : "", text_of(take_op, "ended"));
	steps_print(json_object_get(take_op, "steps"));
	json_decref(take_op);
	return 0;
}

int verb_op_get(struct cli *c)
{
	int status;
	json_t *op = cli_call(c, "op.get", op_params(c), &status);

	return op ? print_op(c, op) : status;
}

int verb_op_watch(struct cli *c)
{
	int status;
	struct follow *f = follow_new(c);
	json_t *op = cli_call(c, "op.get", op_params(c), &status);

	if (op)
		status =
		    follow_operation(f, number_of(op, "operation"), json_object_get(op, "names"));
	follow_free(f);
	json_decref(op);
	return status;
}

int verb_op_cancel(struct cli *c)
{
	int status;
	json_t *params = op_params(c);

	if (c->dry_run)
		json_object_set_new(params, "dry_run", json_true());
	json_t *op = cli_call(c, "op.cancel", params, &status);
	return op ? print_op(c, op) : status;
}
