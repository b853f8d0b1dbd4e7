/* verb_time.c - critical-chain and blame: where the time of a start went. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/table.h"
#include "cli/verbs.h"

static int64_t us_of(const json_t *o, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(o, key));
}

/* "1.234 s", "12.3 ms", "-" */
static char *span_of(int64_t us)
{
	if (us <= 0)
		return text_dup("-");
	return us < 1000000 ? text_fmt("%.1f ms", (double)us / 1e3)
			    : text_fmt("%.3f s", (double)us / 1e6);
}

static void add_row(struct table *t, const json_t *r, const char *last_key)
{
	static const char *const keys[] = {
	    "wait_us", "exec_us", "readiness_us", "backoff_us", "gate_us"};
	const char *service = text_of(r, "service"), *action = text_of(r, "action");
	auto_free char *name = *action && strcmp(action, service) != 0
				   ? text_fmt("%s/%s", service, action)
				   : text_dup(service);
	char *cells[countof(keys) + 2];

	for (size_t i = 0; i < countof(keys); i++)
		cells[i] = span_of(us_of(r, keys[i]));
	cells[countof(keys)] = span_of(us_of(r, "total_us"));
	cells[countof(keys) + 1] = span_of(us_of(r, last_key));
	table_row(t, (const char *const[]){name, cells[0], cells[1], cells[2], cells[3], cells[4],
			 cells[5], *last_key ? cells[6] : NULL, NULL});
	for (size_t i = 0; i < countof(cells); i++)
		free(cells[i]);
}

static json_t *ask(struct cli *c, const char *method, int *status)
{
	json_t *p = json_object();
	char *end = NULL;
	long long operation = c->n ? strtoll(c->args[0], &end, 10) : 0;

	if (c->n && operation > 0 && !*end)
		json_object_set_new(p, "operation", json_integer(operation));
	else if (c->n)
		json_object_set_new(p, "name", json_string(c->args[0]));
	return cli_call(c, method, p, status);
}

static void print_head(const json_t *v)
{
	auto_free char *total = span_of(us_of(v, "total_us"));
	int64_t operation = us_of(v, "operation");

	if (operation)
		printf("operation %lld: %s, asked by %s: %s\n", (long long)operation,
		    text_of(v, "method"), text_of(v, "who"), total);
	else
		printf("begun by the supervisor: %s\n", total);
	if (json_is_true(json_object_get(v, "truncated")))
		puts("the beginning is not recorded any more");
}

int verb_critical_chain(struct cli *c)
{
	struct table t = {0};
	int status;
	size_t i;
	json_t *v = ask(c, "service.critical_chain", &status), *r;

	if (!v)
		return status;
	if (c->json)
		return print_json(v);
	print_head(v);
	table_row(&t, (const char *const[]){"SERVICE", "WAIT", "EXEC", "READINESS", "BACK-OFF",
			  "GATE", "TOTAL", "REACHED AT", NULL});
	json_array_foreach (json_object_get(v, "chain"), i, r)
		add_row(&t, r, "at_us");
	table_print(&t);
	json_decref(v);
	return 0;
}

int verb_blame(struct cli *c)
{
	struct table t = {0};
	int status;
	size_t i;
	json_t *v = ask(c, "service.blame", &status), *r;

	if (!v)
		return status;
	if (c->json)
		return print_json(v);
	print_head(v);
	table_row(&t, (const char *const[]){"SERVICE", "WAIT", "EXEC", "READINESS", "BACK-OFF",
			  "GATE", "TOTAL", NULL});
	json_array_foreach (json_object_get(v, "services"), i, r)
		add_row(&t, r, "");
	table_print(&t);
	json_decref(v);
	return 0;
}
