/*
 * operations.h - requests in flight, who asked, and who waits for the answer.
 *
 * A client that goes away cancels nothing.  Answers are given once the end of
 * the operation is committed.
 *
 * Loop thread.  Owner: the daemon.  Depends on: engine, store, server/history, jansson.
 */
#ifndef HP_SERVER_OPERATION_OPERATIONS_H
#define HP_SERVER_OPERATION_OPERATIONS_H

#include "engine/engine.h"
#include "server/operation/operation_json.h"

/* The end of a wait: `answer` is the operation as JSON, taken.  `e->code` is
 * ERR_OK when it reached what was asked; ERR_TIMEOUT when the wait was over first. */
typedef void (*operation_done_fn)(void *ctx, const struct error *e, json_t *take_answer);

struct event_base;
struct history;
struct store;
struct operations;

struct operations_config {
	struct event_base *base;
	struct engine *engine;
	struct store *store;
	struct history *history;
};

struct operations *operations_new(const struct operations_config *config);
void operations_free(struct operations *o);

/* After engine_request() and before perform_effects().  False: it is in flight already,
 * an equal request joined it.  `method`: what asked, "service.start". */
bool operations_begin(struct operations *ops, op_id id, const char *who, const char *method);
/* One that a killed server left; before engine_restore_op().  `n_steps` were told. */
void operations_adopt(struct operations *ops, op_id id, const char *who, const char *method,
    usec_wall began, size_t n_steps);
/* Something that is over at once (a signal, a word, a definition) has a number, too. */
op_id operations_note(struct operations *ops, const char *kind, const struct strv *names,
    const char *who, const char *method);

/* One of the server's own, which the engine does not know: it goes on until it is closed, has a
 * row, can be looked up, watched and waited for.  `detail`: what its row keeps; of it, `shown`
 * keys of operation_json.c are told. */
op_id operations_open(struct operations *ops, const char *kind, const struct strv *names,
    const char *who, const char *method, json_t *take_detail);
void operations_detail(struct operations *ops, op_id id, json_t *take_detail);
/* e->code ERR_OK: it is done. */
void operations_close(struct operations *ops, op_id id, const struct error *e);
/* One that a killed server left open. */
void operations_adopt_own(struct operations *ops, const struct store_operation *row);

/* The end; timeout 0: as long as it takes.  The operation is in flight. */
void operations_wait(
    struct operations *ops, op_id id, msec timeout, operation_done_fn fn, void *ctx);
/* The same, or something before: a step beyond the first `after_step` (SIZE_MAX: none), a change
 * beyond `after_change` (-1: none).  `progress`: services that the answer at its end tells of (0:
 * none). */
struct operations_watch {
	size_t after_step;
	int64_t after_change;
	size_t progress;
	msec timeout;
};
void operations_watch(struct operations *ops, op_id id, const struct operations_watch *w,
    operation_done_fn fn, void *ctx);
/* What the room above knows of operations, given at start; each may be NULL.  `why`: of these
 * names, when one failed; the caller frees.  `add_progress`: to one that is over. */
struct operations_above {
	void *ctx;
	char *(*why)(void *ctx, const struct strv *names);
	void (*add_progress)(void *ctx, op_id id, size_t limit, json_t *operation);
};
void operations_set_above(struct operations *ops, const struct operations_above *above);
/* Somebody waits for a change; it says so once there is one: `change_of` an operation grows. */
bool operations_wait_for_changes(const struct operations *ops);
void operations_tell_changes(
    struct operations *ops, int64_t (*change_of)(void *ctx, op_id id), void *ctx);

/* The caller's connection is gone: its function will not be called any more. */
void operations_unwait(struct operations *ops, void *ctx);

void operations_changed(struct operations *ops, const struct effect *fx); /* EFFECT_OP */
/* After all effects of a pass: who waited is answered behind every row that they wrote. */
void operations_commit(struct operations *ops);

/* What is known of one in flight beside the engine; NULL: it is not. */
struct operation_about {
	const char *who, *method;
	const char *why;	/* what `why` said when it failed; NULL: it did not */
	usec_wall began, ended; /* ended 0: in flight */
	msec began_mono; /* of began; steps count from there, also when the wall clock is set */
	const struct own_operation *own; /* operations_open(); NULL: the engine's */
};
struct own_operation {
	char *kind;
	struct strv names;
	json_t *detail;
	enum op_state state;
	struct error e;
};
const struct operation_about *operations_about(const struct operations *ops, op_id id);
/* The id of the event of its begin, which is told now if it was not; 0: over, or none. */
int64_t operations_event(struct operations *ops, op_id id);
/* Those in flight, into the store, which has lost their rows. */
void operations_store(struct operations *ops);
size_t operations_in_flight(const struct operations *ops);

#endif
