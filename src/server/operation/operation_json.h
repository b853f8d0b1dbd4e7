/*
 * operation_json.h - an operation as JSON: in answers, in its row, and back.
 *
 * One shape for all of them, in flight or over: operation kind method names
 * operation_state changed started steps[] notes? error who began ended superseded_by?
 *
 * Depends on: engine, store, jansson.
 */
#ifndef HP_SERVER_OPERATION_OPERATION_JSON_H
#define HP_SERVER_OPERATION_OPERATION_JSON_H

#include "engine/engine.h"
#include "store/store.h"

#include <jansson.h>

struct operations;

struct operation_about;
/* One in flight, or just over; NULL: not in memory any more (the store has it). */
json_t *operation_json(const struct operations *ops, op_id id);
json_t *operation_row_json(const struct store_operation *r);

/* NULL: of a plan, whose steps have no time. */
void step_members(struct str *out, const struct op_step *step, const struct operation_about *about);
void steps_out(struct str *out, const char *key, const struct op_step *steps, size_t n,
    const struct operation_about *about);
json_t *steps_json(const struct op_step *steps, size_t n, const struct operation_about *about);
usec_wall operation_step_time(const struct op_step *step, const struct operation_about *about);
json_t *strv_json(const struct strv *l);
/* code, name, message, chain, why?; JSON null when nothing failed.  `about` may be NULL. */
json_t *operation_error_json(const struct op_view *v, const struct operation_about *about);

/* The column `detail`, and what it says, for engine_restore_op(): kind, flags, changed,
 * started, notes, was, within.  Texts belong to the memory. */
char *operation_detail(const struct op_view *v, const char *method);
struct operation_memory {
	struct op_view view;
	char *method;
	struct strv names, started, notes;
	struct op_plan steps;
	struct {
		struct op_was *v;
		size_t n, cap;
	} was;
};
void operation_memory_read(struct operation_memory *m, const struct store_operation *r);
/* One step, as the event told it. */
void operation_memory_step(struct operation_memory *m, const json_t *fact, usec_wall at);
const struct op_view *operation_memory_view(struct operation_memory *m);
void operation_memory_release(struct operation_memory *m);

#endif
