#include "server/recovery/resumption.h"

#include "server/change/apply.h"
#include "server/operation/operations.h"
#include "server/recovery/upgrade.h"

static void close_row(
    struct daemon *d, const struct store_operation *row, enum op_state state, const char *error)
{
	struct store_operation over = *row;

	over.state = op_state_str(state);
	over.error = error;
	over.ended = clock_wall();
	store_put_operation(d->store, &over);
}

static bool is_own(struct daemon *d, const struct store_operation *row)
{
	if (strcmp(row->kind, "upgrade") == 0 && !d->is_boot) {
		upgrade_adopt(d, row);
		return true;
	}
	if (strcmp(row->kind, "apply") != 0)
		return false;
	apply_adopt(d->change, row);
	return true;
}

static bool close_one(const struct store_operation *row, void *ctx)
{
	if (is_own(ctx, row))
		return true;
	close_row(ctx, row, OP_CANCELLED,
	    "{\"code\":-32013,\"name\":\"cancelled\",\"message\":\"the supervisor was started "
	    "anew\",\"chain\":[]}");
	return true;
}

static bool take_state(const struct store_run *row, void *ctx)
{
	*(enum run_state *)ctx = row->state;
	return true;
}

/* An ad-hoc run that is history: its operation ended with it. */
static bool run_is_over(struct daemon *d, const struct operation_memory *m)
{
	enum run_state state = RUN_CREATED;
	struct error e = {0};

	if (m->view.kind != OP_RUN || m->names.n == 0 ||
	    engine_find(d->engine, m->names.v[0]) != ID_NONE)
		return false;
	store_find_run(d->store, m->names.v[0], take_state, &state, &e);
	return state == RUN_SUCCEEDED || state == RUN_FAILED || state == RUN_CANCELLED;
}

struct steps {
	struct operation_memory *m;
	op_id id;
};

static bool take_step(const struct store_event *row, void *ctx)
{
	struct steps *s = ctx;

	if (!strstr(row->fact, "\"event\":\"step\""))
		return true;
	json_t *fact = json_loads(row->fact, 0, NULL);
	if (json_integer_value(json_object_get(fact, "operation")) == (json_int_t)s->id)
		operation_memory_step(s->m, fact, row->time);
	json_decref(fact);
	return true;
}

static bool give_one(const struct store_operation *row, void *ctx)
{
	struct daemon *d = ctx;
	struct operation_memory m = {0};
	struct steps steps = {&m, (op_id)row->id};
	struct error e = {0};

	if (is_own(d, row))
		return true;
	operation_memory_read(&m, row);
	if (m.view.kind == OP_KIND_COUNT || run_is_over(d, &m)) {
		close_row(d, row, OP_DONE, NULL);
	} else {
		if (store_list_events(d->store, NULL, row->started, 0, 0, 0, take_step, &steps, &e))
			report(
			    REPORT_WARN, "steps of operation %lld: %s", (long long)row->id, e.msg);
		operations_adopt(
		    d->operations, (op_id)row->id, row->who, m.method, row->started, m.steps.n);
		engine_restore_op(d->engine, operation_memory_view(&m));
		if (m.view.flags & 1u << OP_FLAG_SHUTDOWN)
			d->shutdown_op = (op_id)row->id;
	}
	operation_memory_release(&m);
	return true;
}

void resumption_give(struct daemon *d)
{
	struct error e = {0};

	if (store_load_operations(d->store, d->is_boot ? close_one : give_one, d, &e))
		report(REPORT_ERROR, "operations: %s", e.msg);
}
