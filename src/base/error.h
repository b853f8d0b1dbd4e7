/*
 * error.h - why something failed, told from the outside in.
 *
 * A function that can fail returns `enum err` and takes `struct error *e` last.
 * On ERR_OK it leaves *e alone; on any other value it has filled *e.  The
 * struct lives on the caller's stack and never allocates, so running out of
 * memory can be reported like anything else.
 *
 * ERR_LIST is the one table of failures: the wire name, the JSON-RPC number
 * (SPEC 10) and the exit status of the command line come from its rows.
 *
 * Depends on: base.h.
 */
#ifndef HP_BASE_ERROR_H
#define HP_BASE_ERROR_H

#include "base/base.h"

/* clang-format off */
/*        symbol                  wire name             rpc     exit  meaning                              */
#define ERR_LIST(X)                                                                                         \
	X(ERR_OK,                 "ok",                      0,    0, "no error")                           \
	X(ERR_SYSTEM,             "system",             -32000,    1, "a system call failed")               \
	X(ERR_NOT_FOUND,          "not_found",          -32001,    3, "no such thing")                      \
	X(ERR_CONFLICT,           "conflict",           -32002,    4, "it collides with something active")  \
	X(ERR_CYCLE,              "cycle",              -32003,    4, "order edges form a cycle")          \
	X(ERR_MISSING_DEPENDENCY, "missing_dependency", -32004,    4, "a hard target is not registered")    \
	X(ERR_DEPENDENCY_FAILED,  "dependency_failed",  -32005,    5, "a hard target failed")               \
	X(ERR_TIMEOUT,            "timeout",            -32006,    6, "the caller's wait is over")          \
	X(ERR_DENIED,             "denied",             -32007,    8, "the caller may not do this")         \
	X(ERR_INVALID_STATE,      "invalid_state",      -32008,    4, "not possible in this state")         \
	X(ERR_BUSY,               "busy",               -32009,    1, "too much at once, try again")        \
	X(ERR_STORAGE,            "storage",            -32010,    1, "the state could not be written")     \
	X(ERR_START_FAILED,       "start_failed",       -32011,    5, "it ran and did not become ready")    \
	X(ERR_LIMIT,              "limit",              -32012,    1, "beyond a stated bound")              \
	X(ERR_CANCELLED,          "cancelled",          -32013,    1, "superseded or called off")           \
	X(ERR_INVALID,            "invalid",            -32602,    4, "a definition or parameter is wrong") \
	X(ERR_METHOD,             "method_not_found",   -32601,    2, "no such method")                     \
	X(ERR_REQUEST,            "invalid_request",    -32600,    2, "not a JSON-RPC request")             \
	X(ERR_PARSE,              "parse_error",        -32700,    2, "not JSON")                           \
	X(ERR_NO_DAEMON,          "no_daemon",          -32014,    7, "the supervisor does not answer")     \
	X(ERR_BUG,                "internal",           -32603,    1, "we broke our own rule")
/* clang-format on */

ENUM_DECLARE(err, ERR_LIST, ERR_COUNT);

int err_rpc_code(enum err code);    /* the JSON-RPC error number */
int err_exit_status(enum err code); /* the exit status of the command line */
const char *err_meaning(enum err code);
enum err err_from_rpc_code(int code); /* ERR_BUG when unknown */

struct error {
	enum err code;
	int sys;       /* errno of the root cause, or 0 */
	char msg[512]; /* "service web: spawn: exec /bin/x: No such file" */
};

/* Each returns the code it stored, so a failing path is one `return`. */
enum err error_set(struct error *e, enum err code, const char *fmt, ...) attr_fmt(3, 4);
enum err error_sys(struct error *e, int sys, const char *fmt, ...) attr_fmt(3, 4);

/* Put "fmt: " in front of what is there.  When it no longer fits, the context
 * is cut, never the cause. */
enum err error_wrap(struct error *e, const char *fmt, ...) attr_fmt(2, 3);

#endif
