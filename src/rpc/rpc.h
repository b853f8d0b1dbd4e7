/*
 * rpc.h - JSON-RPC 2.0 over one const table of methods.
 *
 * The table dispatches, checks parameters, and describes itself as OpenRPC
 * (rpc.discover), so that none of them can lag behind another.  Parameters come
 * by name or by position (null: none is given); zinit's underscore names (service_start) are
 * aliases.
 *
 * Calls are asynchronous: a handler answers now or later, exactly once.  A batch
 * is answered when all its calls are.  A caller that is gone cancels nothing: the
 * answer is dropped when it comes.
 *
 * Pure but for memory; one thread.  Source: https://www.jsonrpc.org/specification
 * Depends on: base, jansson.
 */
#ifndef HP_RPC_RPC_H
#define HP_RPC_RPC_H

#include "base/error.h"
#include "base/str.h"

#include <jansson.h>
#include <sys/types.h>

/* clang-format off */
#define RPC_TYPE_LIST(X)                                     \
	X(RPC_STRING,          "string",  "")                \
	X(RPC_INT,             "integer", "")                \
	X(RPC_BOOL,            "boolean", "")                \
	X(RPC_OBJECT,          "object",  "")                \
	X(RPC_ARRAY,           "array",   "")                \
	X(RPC_STRING_OR_ARRAY, "string or array", "")        \
	X(RPC_STRING_OR_INT,   "string or integer", "")      \
	X(RPC_ANY,             "any",     "")
ENUM_DECLARE(rpc_type, RPC_TYPE_LIST, RPC_TYPE_COUNT);
/* clang-format on */

struct rpc_param {
	const char *name;
	enum rpc_type type;
	bool required;
	const char *doc;
};

struct rpc_call;
typedef void (*rpc_handler_fn)(
    struct rpc_call *call, json_t *params); /* params: borrowed, an object */

struct rpc_method {
	const char *name;
	const char *summary;
	const struct rpc_param *params;
	size_t n_params;
	rpc_handler_fn handler;
	bool mutating;
};

/* A list of tables, one per group of methods. */
struct rpc_group {
	const struct rpc_method *methods;
	size_t n;
};
struct rpc_service {
	const struct rpc_group *groups;
	size_t n_groups;
	void *ctx; /* the daemon: rpc_call_ctx() */
	const char *title, *version;
};

struct rpc_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

void *rpc_call_ctx(const struct rpc_call *call);
struct rpc_peer rpc_call_peer(const struct rpc_call *call);
const char *rpc_call_method(const struct rpc_call *call);

void rpc_answer(struct rpc_call *call, json_t *take_result);
/* The same, written already (json_out.h): one value. */
void rpc_answer_text(struct rpc_call *call, struct str *take_result);
/* take_data: an object that is given along as `data` (hint, candidates, chain,
 * errors, operation ...), or NULL; `name` is added to it. */
void rpc_fail(struct rpc_call *call, const struct error *e, json_t *take_data);

/* text NULL: nothing to answer (notifications only).  take_text: freed by the callee. */
typedef void (*rpc_done_fn)(void *ctx, char *take_text, size_t n);
void rpc_dispatch(const struct rpc_service *svc, const char *body, size_t n,
    const struct rpc_peer *peer, rpc_done_fn done, void *ctx);

/* The OpenRPC document of the service. */
json_t *rpc_openrpc(const struct rpc_service *svc);

#endif
