/* verb_op.c - operations and their steps; what if. */
#include "cli/cli.h"

#include <stdio.h>

static void print_steps(struct cli *c, const json_t *steps)
{
	struct table t = {0};
	json_t *s;
	size_t i;

	json_array_foreach (steps, i, s) {
		auto_free char *number = text_fmt("%zu.", i + 1);
		const char *service = text_of(s, "service"), *action = text_of(s, "action");
		auto_free char *what = *action && strcmp(action, service) != 0
					   ? text_fmt("%s/%s", service, action)
					   : text_dup(service);

		table_row(&t, (const char *const[]){
				  number, text_of(s, "step"), what, text_of(s, "reason"), NULL});
	}
	if (json_array_size(steps))
		table_print(&t, c);
}

int print_plan(struct cli *c, json_t *take_answer)
{
	const json_t *steps = json_object_get(take_answer, "steps");

	if (c->json)
		return cli_json(take_answer);
	print_steps(c, steps);
	if (!json_array_size(steps))
		puts("nothing to do");
	json_decref(take_answer);
	return 0;
}

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
	struct table t = {0};
	json_t *params = json_object(), *o;
	int status;
	size_t i;

	if (c->state)
		json_object_set_new(params, "state", json_string(c->state));
	if (c->lines >= 0)
		json_object_set_new(params, "limit", json_integer(c->lines));
	json_t *answer = cli_call(c, "op.list", params, &status);
	if (!answer)
		return status;
	if (c->json)
		return cli_json(answer);
	table_row(
	    &t, (const char *const[]){"OPERATION", "KIND", "STATE", "AGE", "WHO", "ABOUT", NULL});
	json_array_foreach (json_object_get(answer, "operations"), i, o) {
		auto_free char *number = text_fmt(
		    "%lld", (long long)json_integer_value(json_object_get(o, "operation")));
		auto_free char *age = age_of(text_of(o, "began")), *names = names_of(o);

		table_row(
		    &t, (const char *const[]){number, text_of(o, "kind"),
			    text_of(o, "operation_state"), age, text_of(o, "who"), names, NULL});
	}
	table_print(&t, c);
	json_decref(answer);
	return 0;
}

static int print_op(struct cli *c, json_t *take_op)
{
	if (c->json)
		return cli_json(take_op);
	auto_free char *names = names_of(take_op);
	const char *message = text_of(json_object_get(take_op, "error"), "message");

	printf("%s of %s: %s%s%s\n", text_of(take_op, "kind"), names,
	    text_of(take_op, "operation_state"), *message ? ", " : "", message);
	printf("  asked by %s, began %s%s%s\n", text_of(take_op, "who"), text_of(take_op, "began"),
	    *text_of(take_op, "ended") ? ", ended " : "", text_of(take_op, "ended"));
	print_steps(c, json_object_get(take_op, "steps"));
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
	json_t *op = cli_call(c, "op.get", op_params(c), &status);

	if (!op)
		return status;
	status = follow_operation(c, json_integer_value(json_object_get(op, "operation")),
	    json_object_get(op, "names"), "done");
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

int verb_what_if(struct cli *c)
{
	struct table t = {0};
	int status;
	json_t *v = cli_call(c, "service.what_if",
		   json_pack("{s:s, s:s}", "event", c->args[0], "name", c->args[1]), &status),
	       *s;
	size_t i;

	if (!v)
		return status;
	if (c->json)
		return cli_json(v);
	table_row(
	    &t, (const char *const[]){"SERVICE", "EFFECT", "NOW", "THEN", "AFTER", "WHY", NULL});
	json_array_foreach (json_object_get(v, "services"), i, s)
		table_row(&t, (const char *const[]){text_of(s, "name"), text_of(s, "effect"),
				  text_of(s, "before"), text_of(s, "during"), text_of(s, "after"),
				  text_of(s, "why"), NULL});
	if (i)
		table_print(&t, c);
	else
		puts("nothing changes");
	if (!i)
		strv_release(&t.cells);
	json_decref(v);
	return 0;
}
