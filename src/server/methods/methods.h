/*
 * methods.h - what the methods of the API share.
 *
 * One file per group of methods, each with a const table; api.c joins them.  A
 * handler reads its parameters (already checked against its table), calls the
 * engine or the registry, performs effects, and answers once: after the store
 * has committed when something changed (SPEC 2.8), at once otherwise.
 *
 * Depends on: the server, rpc.
 */
#ifndef HP_SERVER_METHODS_METHODS_H
#define HP_SERVER_METHODS_METHODS_H

#include "manifest/diag.h"
#include "rpc/rpc.h"
#include "server/daemon.h"

extern const struct rpc_group ops_register, ops_service, ops_start, ops_action, ops_run, ops_logs,
    ops_system, ops_graph, ops_operation, ops_events, ops_config, ops_timeline, ops_schedule,
    ops_secret, ops_why;

struct daemon *ops_daemon(const struct rpc_call *call);

/* "uid 0 pid 42": who speaks.  The caller frees. */
char *ops_who(const struct rpc_call *call);

/* ---- parameters; absent or null gives the default */
const char *param_text(const json_t *params, const char *key);
bool param_bool(const json_t *params, const char *key, bool otherwise);
int64_t param_int(const json_t *params, const char *key, int64_t otherwise);
/* A name or a list of names. */
void param_names(const json_t *params, const char *key, struct strv *out);
/* Microseconds of a time; false: it is there and makes no sense. */
bool param_time(const json_t *params, const char *key, usec_wall *out);

/* ---- answers */
/* Once everything put so far is committed. */
void ops_answer_committed(struct rpc_call *call, json_t *take_result);
void ops_fail(struct rpc_call *call, enum err code, const char *fmt, ...) attr_fmt(3, 4);
/* data.chain; `culprit` may be NULL. */
void ops_fail_chain(struct rpc_call *call, const struct error *e, const struct strv *chain);
/* data.errors[], data.warnings[]. */
void ops_fail_diags(struct rpc_call *call, const struct error *e, const struct diags *diags,
    const struct strv *chain);
/* not_found with data.candidates and data.hint. */
void ops_fail_unknown(struct rpc_call *call, const char *name);

/* The unit of a registered service, or of a run when `runs`; ID_NONE: it was answered. */
unit_id ops_find_unit(struct rpc_call *call, const char *name, bool runs);

/* The unit of `service` or `service/action`; *job ID_NONE: the whole.  ID_NONE: it was answered. */
unit_id ops_find_node(struct rpc_call *call, const char *name, bool runs, job_id *job);

/* Is `action` (NULL: any) one that `unit` executes?  False: not_found was answered. */
bool ops_has_action(struct rpc_call *call, unit_id unit, const char *action);

/* What `why` says of the first of these that is not well, added to the answer about an operation
 * that failed, or goes on longer than somebody waits: `why` (the text), `output` (the last lines of
 * the root cause's process), `chain` where there is none; and to the message.  `call` is failed
 * with it, or answered where `e` is NULL. */
void ops_explain(
    struct rpc_call *call, const struct error *e, const struct strv *names, json_t *take_answer);
/* The same of the operation's own names. */
void ops_explain_operation(struct rpc_call *call, const struct error *e, json_t *take_answer);

/* Start an operation and answer at its end, or at once with wait = false.  `extra`
 * (taken, may be NULL) is added to the answer. */
void ops_request(struct rpc_call *call, const json_t *params, enum op_kind kind,
    const struct strv *names, json_t *take_extra);
/* The plan of a request, on the daemon's engine or on a rehearsal's; answers. */
void ops_answer_plan(struct rpc_call *call, const struct engine *en,
    const struct engine_request *rq, json_t *take_extra);
/* An operation that is under way already: wait for it and answer. */
void ops_follow(struct rpc_call *call, const json_t *params, op_id op, const struct strv *names,
    json_t *take_extra);

/* The number of a change that is over at once, set as `operation` of the answer. */
void ops_note(struct rpc_call *call, const char *kind, const struct strv *names, json_t *answer);
void ops_note_one(struct rpc_call *call, const char *kind, const char *name, json_t *answer);

#define OPS_METHOD(method, text, table, fn, changes)                               \
	{                                                                          \
		.name = (method), .summary = (text), .params = (table),            \
		.n_params = countof(table), .handler = (fn), .mutating = (changes) \
	}
#define OPS_METHOD_0(method, text, fn, changes)                                             \
	{                                                                                   \
		.name = (method), .summary = (text), .handler = (fn), .mutating = (changes) \
	}
#define OPS_GROUP(table)                                \
	{                                               \
		.methods = (table), .n = countof(table) \
	}

#endif
