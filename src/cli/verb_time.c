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

static const struct column {
	const char *key, *title;
	bool if_any; /* shown only where somebody has it */
} columns[] = {{"wait_us", "WAIT", false}, {"exec_us", "EXEC", false},
    {"readiness_us", "READINESS", false}, {"backoff_us", "BACK-OFF", false},
    {"gate_us", "GATE", false}, {"run_us", "RUN", true}, {"stop_us", "STOP", true},
    {"total_us", "TOTAL", false}, {"at_us", "REACHED AT", true}};

static bool is_shown(const struct column *col, const json_t *rows)
{
	json_t *r;
	size_t i;

	json_array_foreach (rows, i, r)
		if (us_of(r, col->key) > 0)
			return true;
	return !col->if_any;
}

static void print_rows(const json_t *rows)
{
	struct table t = {0};
	const char *cells[countof(columns) + 2] = {"SERVICE"};
	json_t *r;
	size_t i, n = 1;

	for (size_t k = 0; k < countof(columns); k++)
		if (is_shown(&columns[k], rows))
			cells[n++] = columns[k].title;
	cells[n] = NULL;
	table_row(&t, cells);
	json_array_foreach (rows, i, r) {
		const char *service = text_of(r, "service"), *action = text_of(r, "action");
		char *owned[countof(columns) + 2] = {*action && strcmp(action, service) != 0
							 ? text_fmt("%s/%s", service, action)
							 : text_dup(service)};

		n = 1;
		for (size_t k = 0; k < countof(columns); k++)
			if (is_shown(&columns[k], rows))
				owned[n++] = span_of(us_of(r, columns[k].key));
		table_row(&t, (const char *const *)owned);
		while (n)
			free(owned[--n]);
	}
	table_print(&t);
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

	const char *goes_on =
	    json_is_null(json_object_get(v, "ended")) ? " so far, it goes on" : "";

	if (operation)
		printf("operation %lld: %s, asked by %s: %s%s\n", (long long)operation,
		    text_of(v, "method"), text_of(v, "who"), total, goes_on);
	else
		printf("begun by the supervisor: %s%s\n", total, goes_on);
	if (json_is_true(json_object_get(v, "truncated")))
		puts("the beginning is not recorded any more");
}

static int verb_time(struct cli *c, const char *method, const char *rows)
{
	int status;
	json_t *v = ask(c, method, &status);

	if (!v)
		return status;
	if (c->json)
		return print_json(v);
	print_head(v);
	print_rows(json_object_get(v, rows));
	json_decref(v);
	return 0;
}

int verb_critical_chain(struct cli *c)
{
	return verb_time(c, "service.critical_chain", "chain");
}

int verb_blame(struct cli *c)
{
	return verb_time(c, "service.blame", "services");
}
