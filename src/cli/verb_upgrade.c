/* verb_upgrade.c - another server takes over, followed over the gap in which there is none. */
#include "cli/call.h"
#include "cli/out.h"
#include "cli/verbs.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

#define LOOK_MS	  20
#define TRIAL_MS  30000 /* of the server, unless it is told */
#define BEYOND_MS 30000 /* for both servers to recover */

static void nap(msec ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* NULL: it is under way, or there is no server at this moment. */
static json_t *ended(struct cli *c, int64_t operation)
{
	struct hp_error e;
	json_t *op =
	    cli_try(c, "op.get", json_pack("{s:I}", "operation", (json_int_t)operation), &e);

	if (!op)
		hp_error_release(&e);
	if (strcmp(text_of(op, "operation_state"), "active") != 0)
		return op;
	json_decref(op);
	return NULL;
}

static int print_end(struct cli *c, json_t *take_op)
{
	bool done = strcmp(text_of(take_op, "operation_state"), "done") == 0;
	const char *version = text_of(take_op, "version"),
		   *from = text_of(json_object_get(take_op, "from"), "version");

	if (!done)
		complain("%s", text_of(json_object_get(take_op, "error"), "message"));
	else if (!c->json && !c->quiet)
		printf("hero_proc_server %s has taken over from %s\n", version, from);
	if (c->json)
		return print_json(take_op) || !done;
	json_decref(take_op);
	return done ? 0 : 1;
}

static int follow(struct cli *c, int64_t operation)
{
	msec most = (c->timeout ? c->timeout : TRIAL_MS) + BEYOND_MS;

	for (msec waited = 0; waited < most; waited += LOOK_MS) {
		json_t *op = ended(c, operation);

		if (op)
			return print_end(c, op);
		nap(LOOK_MS);
	}
	complain("operation %lld did not end within %lld s", (long long)operation,
	    (long long)most / 1000);
	return err_exit_status(ERR_TIMEOUT);
}

static int print_found(struct cli *c, json_t *take_found)
{
	const json_t *from = json_object_get(take_found, "from");

	if (c->json)
		return print_json(take_found);
	printf("%s: version %s, schema %lld; now version %s, schema %lld: it can take over\n",
	    text_of(take_found, "server"), text_of(take_found, "version"),
	    (long long)json_integer_value(json_object_get(take_found, "schema")),
	    text_of(from, "version"),
	    (long long)json_integer_value(json_object_get(from, "schema")));
	json_decref(take_found);
	return 0;
}

int verb_upgrade(struct cli *c)
{
	char path[PATH_MAX];
	json_t *params = json_pack("{s:b}", "dry_run", c->dry_run);
	int status;

	if (c->n && !realpath(c->args[0], path)) {
		complain("%s: %s", c->args[0], strerror(errno));
		json_decref(params);
		return err_exit_status(ERR_INVALID);
	}
	if (c->n)
		json_object_set_new(params, "server", json_string(path));
	if (c->timeout)
		json_object_set_new(params, "timeout_ms", json_integer(c->timeout));
	json_t *found = cli_call(c, "system.upgrade", params, &status);
	if (!found)
		return status;
	if (c->dry_run)
		return print_found(c, found);
	int64_t operation = json_integer_value(json_object_get(found, "operation"));
	if (c->no_wait)
		return c->json ? print_json(found) : (json_decref(found), 0);
	json_decref(found);
	return follow(c, operation);
}
