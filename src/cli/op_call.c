#include "cli/op_call.h"

#include "cli/interrupt.h"
#include "cli/out.h"
#include "cli/outcome.h"
#include "client/http.h"

#include <time.h>

#define LOOK_SELDOM_MS 10000
#define GAP_MS	       5000 /* a server that is followed by another one answers again by then */

static bool is_gap(const struct cli *c, const struct hp_error *e)
{
	return e->code == err_rpc_code(ERR_NO_DAEMON) &&
	       access(hp_client_socket(c->client), F_OK) == 0;
}

json_t *op_call(struct cli *c, const char *method, json_t *take_params, int *status)
{
	const struct timespec pause = {0, 100000000};
	const msec deadline = http_now() + GAP_MS;
	struct hp_error e;
	json_t *op = NULL;

	for (;;) {
		op = cli_try(c, method, json_incref(take_params), &e);
		if (!op && e.code == err_rpc_code(ERR_TIMEOUT)) {
			op = json_loads(e.data ? e.data : "", JSON_ALLOW_NUL, NULL);
			hp_error_release(&e);
		}
		if (op || !is_gap(c, &e) || http_now() > deadline)
			break;
		hp_error_release(&e);
		nanosleep(&pause, NULL);
	}
	json_decref(take_params);
	if (!op)
		*status = cli_fail(c, &e);
	return op;
}

bool op_is_active(const json_t *op)
{
	return strcmp(text_of(op, "operation_state"), "active") == 0;
}

int op_wait(struct cli *c, int64_t operation, const json_t *names)
{
	const msec end = http_deadline(c->timeout);
	json_t *ours = json_pack("{s:I}", "operation", (json_int_t)operation);
	auto_free char *on = outcome_goes_on(ours);
	auto_free char *text = text_fmt("hero_proc: %s", on);
	int status = 0;

	json_decref(ours);
	interrupt_say(text);
	for (;;) {
		msec most = end - http_now() < LOOK_SELDOM_MS ? end - http_now() : LOOK_SELDOM_MS;
		json_t *op = op_call(c, "op.watch",
		    json_pack("{s:I, s:I}", "operation", (json_int_t)operation, "timeout_ms",
			(json_int_t)(most > 0 ? most : 1)),
		    &status);

		if (op && !op_is_active(op))
			status = outcome_print(c, op, NULL);
		else if (op && http_now() >= end)
			status = outcome_print_late(c, op, names);
		bool over = !op || !op_is_active(op) || http_now() >= end;
		json_decref(op);
		if (over)
			return status;
	}
}
