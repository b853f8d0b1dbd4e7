/*
 * words.h - every list of states, kinds, conditions and reasons (SPEC 1, 2, 4).
 *
 * One list gives the enum, its spelling on the wire and in manifests, and the
 * sentence that documents it.  Depends on: base.
 */
#ifndef HP_MODEL_WORDS_H
#define HP_MODEL_WORDS_H

#include "base/base.h"

/* clang-format off */
#define WANTED_LIST(X)                                                                     \
	X(WANTED_IGNORE, "ignore", "no wish of its own")                                   \
	X(WANTED_START,  "start",  "the operator wants it to run")                         \
	X(WANTED_STOP,   "stop",   "the operator wants it stopped; automation never starts it")
ENUM_DECLARE(wanted, WANTED_LIST, WANTED_COUNT);

#define SERVICE_CLASS_LIST(X)                                                              \
	X(CLASS_USER,   "user",   "started and stopped by start_all and stop_all")         \
	X(CLASS_SYSTEM, "system", "left alone by start_all and stop_all")
ENUM_DECLARE(service_class, SERVICE_CLASS_LIST, SERVICE_CLASS_COUNT);

#define CONDITION_LIST(X)                                                                  \
	X(COND_READY,     "ready",     "the target is ready")                              \
	X(COND_STARTED,   "started",   "the target was executed")                          \
	X(COND_HEALTHY,   "healthy",   "the target's probe passes now")                    \
	X(COND_COMPLETED, "completed", "the target ended, with any status")                \
	X(COND_SUCCEEDED, "succeeded", "the target ended with success")
ENUM_DECLARE(condition, CONDITION_LIST, CONDITION_COUNT);

/* Kinds of an edge are a set: ["wants", "after"] is DEP_WANTS | DEP_AFTER. */
enum { DEP_REQUIRES = 1, DEP_WANTS = 2, DEP_AFTER = 4 };
#define DEP_PULLS (DEP_REQUIRES | DEP_WANTS) /* the target is started along */
#define DEP_ORDERS (DEP_REQUIRES | DEP_AFTER) /* the dependent waits */

#define ON_FAILURE_LIST(X)                                                                 \
	X(ON_FAILURE_KEEP,    "keep",    "the dependent goes on, shown as degraded")       \
	X(ON_FAILURE_STOP,    "stop",    "the dependent is stopped")                       \
	X(ON_FAILURE_RESTART, "restart", "the dependent is restarted")
ENUM_DECLARE(on_failure, ON_FAILURE_LIST, ON_FAILURE_COUNT);

#define ON_RESTART_LIST(X)                                                                 \
	X(ON_RESTART_KEEP,    "keep",    "an explicit restart of the target leaves it")    \
	X(ON_RESTART_RESTART, "restart", "it is stopped first and started after the target")
ENUM_DECLARE(on_restart, ON_RESTART_LIST, ON_RESTART_COUNT);

#define ON_STOP_LIST(X)                                                                    \
	X(ON_STOP_STOP, "stop", "it stops before the target")                              \
	X(ON_STOP_KEEP, "keep", "an explicit stop of the target leaves it")
ENUM_DECLARE(on_stop, ON_STOP_LIST, ON_STOP_COUNT);

#define GATE_KIND_LIST(X)                                                                  \
	X(GATE_NONE,      "none",      "the condition of the target alone")                \
	X(GATE_SOCKET,    "socket",    "a named socket of the target answers")             \
	X(GATE_UNIX,      "unix",      "a Unix socket path answers")                       \
	X(GATE_TCP,       "tcp",       "a TCP address answers")                            \
	X(GATE_HTTP,      "http",      "an HTTP address answers 2xx")                      \
	X(GATE_HTTP_UNIX, "http+unix", "an HTTP address on a Unix socket answers 2xx")     \
	X(GATE_FILE,      "file",      "a file exists")                                    \
	X(GATE_NO_FILE,   "!file",     "a file does not exist")                            \
	X(GATE_FLAG,      "flag",      "a flag is set")
ENUM_DECLARE(gate_kind, GATE_KIND_LIST, GATE_KIND_COUNT);

#define GATE_PROBE_LIST(X)                                                                 \
	X(GATE_PROBE_AUTO,    "auto",    "rpc.sock and admin.sock also answer GET /health")\
	X(GATE_PROBE_CONNECT, "connect", "connect(2) succeeds")                            \
	X(GATE_PROBE_HEALTH,  "health",  "GET /health answers 2xx")
ENUM_DECLARE(gate_probe, GATE_PROBE_LIST, GATE_PROBE_COUNT);

#define RESOLVED_RULE_LIST(X)                                                              \
	X(RESOLVED_NOTHING,      "unresolved",   "nothing of that name is registered")     \
	X(RESOLVED_SAME_SERVICE, "same_service", "an action of that name in the same service")\
	X(RESOLVED_SERVICE,      "service",      "a service of that name")                 \
	X(RESOLVED_ACTION,       "action",       "an action of that name in another service")\
	X(RESOLVED_GATE,         "gate",         "only the socket or address is tested")   \
	X(RESOLVED_AMBIGUOUS,    "ambiguous",    "several things have that name")
ENUM_DECLARE(resolved_rule, RESOLVED_RULE_LIST, RESOLVED_RULE_COUNT);

#define READINESS_KIND_LIST(X)                                                             \
	X(READY_EXECUTED, "executed", "ready when it was executed")                        \
	X(READY_NOTIFY,   "notify",   "READY=1 on $NOTIFY_SOCKET (sd_notify(3))")          \
	X(READY_FD,       "fd",       "a newline on the given descriptor")                 \
	X(READY_SOCKETS,  "sockets",  "all declared sockets and ports answer")             \
	X(READY_LOG,      "log",      "a line of output matches the expression")           \
	X(READY_AFTER,    "after_ms", "still alive after that time")                       \
	X(READY_MANUAL,   "manual",   "service.ready was called")                          \
	X(READY_PROBE,    "probe",    "the readiness probe passes")
ENUM_DECLARE(readiness_kind, READINESS_KIND_LIST, READINESS_KIND_COUNT);

#define PROBE_KIND_LIST(X)                                                                 \
	X(PROBE_UNIX, "unix", "connect(2) succeeds on the socket")                         \
	X(PROBE_TCP,  "tcp",  "connect(2) succeeds on the port")                           \
	X(PROBE_HTTP, "http", "a GET is answered with 2xx")                                \
	X(PROBE_EXEC, "exec", "a command ends with 0")                                     \
	X(PROBE_LOG,  "log",  "a line of output matches the expression")
ENUM_DECLARE(probe_kind, PROBE_KIND_LIST, PROBE_KIND_COUNT);

#define PROBE_ACTION_LIST(X)                                                               \
	X(PROBE_RESTARTS, "restart", "the attempt is ended; another follows by its retry policy")\
	X(PROBE_WARNS,    "warn",    "it is shown and recorded, nothing else")
ENUM_DECLARE(probe_action, PROBE_ACTION_LIST, PROBE_ACTION_COUNT);

/* What becomes of due times that nobody was there for. */
#define CATCH_UP_LIST(X)                                                    \
	X(CATCH_UP_NONE, "none", "what was missed is not run")              \
	X(CATCH_UP_ONE,  "one",  "the newest that was missed is run")       \
	X(CATCH_UP_ALL,  "all",  "all that were missed are run, up to 1,000")
ENUM_DECLARE(catch_up, CATCH_UP_LIST, CATCH_UP_COUNT);

/* A due time comes while a former run of the schedule is not over. */
#define OVERLAP_LIST(X)                                                              \
	X(OVERLAP_SKIP,     "skip",     "not run while a former run is not over")    \
	X(OVERLAP_QUEUE,    "queue",    "run when the former run is over")           \
	X(OVERLAP_PARALLEL, "parallel", "run beside it")
ENUM_DECLARE(overlap, OVERLAP_LIST, OVERLAP_COUNT);

/* What a probe is asked for. */
#define PROBE_ROLE_LIST(X)                                                                 \
	X(PROBE_STARTUP,   "startup",   "until it passed, the others wait; over its threshold the attempt has failed")\
	X(PROBE_READINESS, "readiness", "the attempt is ready when it first passes, healthy while it passes")\
	X(PROBE_LIVENESS,  "liveness",  "over its threshold the attempt is ended")
ENUM_DECLARE(probe_role, PROBE_ROLE_LIST, PROBE_ROLE_COUNT);

#define RESTART_LIST(X)                                                                    \
	X(RESTART_ALWAYS,     "always",     "after every end")                             \
	X(RESTART_ON_FAILURE, "on_failure", "after an end that is not success")            \
	X(RESTART_NEVER,      "never",      "never")
ENUM_DECLARE(restart, RESTART_LIST, RESTART_COUNT);

#define BINARY_KIND_LIST(X)                                                                \
	X(BINARY_SERVER,  "server",  "long-running")                                       \
	X(BINARY_ADMIN,   "admin",   "long-running")                                       \
	X(BINARY_WEB,     "web",     "long-running")                                       \
	X(BINARY_CLI,     "cli",     "never started")                                      \
	X(BINARY_CMDLINE, "cmdline", "never started")                                      \
	X(BINARY_JOB,     "job",     "a one-shot")
ENUM_DECLARE(binary_kind, BINARY_KIND_LIST, BINARY_KIND_COUNT);

#define JOB_STATE_LIST(X)                                                                  \
	X(JOB_CREATED,      "created",      "registered; not part of a live run")          \
	X(JOB_WAITING_DEPS, "waiting_deps", "some edge does not hold yet")                 \
	X(JOB_PENDING,      "pending",      "may run; waits for its turn (a stop, a conflict, a transient fault)")\
	X(JOB_STARTING,     "starting",     "the spawn was asked for")                     \
	X(JOB_RUNNING,      "running",      "executed, not ready yet")                     \
	X(JOB_READY,        "ready",        "executed and ready")                          \
	X(JOB_RETRYING,     "retrying",     "ended; waits out its back-off")               \
	X(JOB_STOPPING,     "stopping",     "asked to go; its process set is not empty yet")\
	X(JOB_SUCCEEDED,    "succeeded",    "a one-shot that ended with success")          \
	X(JOB_FAILED,       "failed",       "ended without success; no further attempt")   \
	X(JOB_CANCELLED,    "cancelled",    "stopped on request")                          \
	X(JOB_SKIPPED,      "skipped",      "never executed: a hard dependency failed")
ENUM_DECLARE(job_state, JOB_STATE_LIST, JOB_STATE_COUNT);

#define RUN_STATE_LIST(X)                                                                  \
	X(RUN_CREATED,      "created",      "nothing happened yet")                        \
	X(RUN_WAITING_DEPS, "waiting_deps", "nothing is executed; some edge does not hold")\
	X(RUN_RUNNING,      "running",      "some job was executed")                       \
	X(RUN_STOPPING,     "stopping",     "asked to stop, not empty yet")                \
	X(RUN_SUCCEEDED,    "succeeded",    "all jobs ended with success")                 \
	X(RUN_FAILED,       "failed",       "a job failed")                                \
	X(RUN_CANCELLED,    "cancelled",    "stopped on request")
ENUM_DECLARE(run_state, RUN_STATE_LIST, RUN_STATE_COUNT);

#define SERVICE_STATE_LIST(X)                                                              \
	X(SERVICE_INACTIVE,     "inactive",     "no run, nothing alive")                   \
	X(SERVICE_BLOCKED,      "blocked",      "an edge can not hold without help")       \
	X(SERVICE_WAITING_DEPS, "waiting_deps", "some edge does not hold yet")             \
	X(SERVICE_STARTING,     "starting",     "executed, not everything is ready")       \
	X(SERVICE_RUNNING,      "running",      "everything is ready")                     \
	X(SERVICE_DEGRADED,     "degraded",     "something of it, or below it, has failed") \
	X(SERVICE_STOPPING,     "stopping",     "asked to stop, not empty yet")            \
	X(SERVICE_EXITED,       "exited",       "all its one-shots succeeded")             \
	X(SERVICE_FAILED,       "failed",       "gave up, nothing alive")
ENUM_DECLARE(service_state, SERVICE_STATE_LIST, SERVICE_STATE_COUNT);

#define REASON_LIST(X)                                                                     \
	X(REASON_NONE,               "none",               "")                             \
	X(REASON_EXIT_CODE,          "exit_code",          "the process ended with a status that is no success")\
	X(REASON_SIGNAL,             "signal",             "the process was ended by a signal")\
	X(REASON_TIMEOUT,            "timeout",            "the one-shot ran longer than timeout_ms")\
	X(REASON_START_TIMEOUT,      "start_timeout",      "not ready within start_timeout_ms")\
	X(REASON_STOP_TIMEOUT,       "stop_timeout",       "did not end within stop_timeout_ms")\
	X(REASON_PROBE_FAILED,       "probe_failed",       "a probe crossed its threshold")\
	X(REASON_DEPENDENCY_FAILED,  "dependency_failed",  "a hard dependency failed")\
	X(REASON_MISSING_DEPENDENCY, "missing_dependency", "a hard dependency is not registered")\
	X(REASON_CONFLICT,           "conflict",           "a conflicting service is active")\
	X(REASON_SPAWN_ERROR,        "spawn_error",        "it could not be executed")\
	X(REASON_OOM,                "oom",                "ended by the kernel for lack of memory")\
	X(REASON_GAVE_UP,            "gave_up",            "the attempts of its retry policy are spent")\
	X(REASON_LOST,               "lost",               "its exit status could not be learned")\
	X(REASON_CANCELLED,          "cancelled",          "stopped on request")\
	X(REASON_DEPENDENCY_STOPPED, "dependency_stopped", "what it requires was stopped")\
	X(REASON_NOT_READY,          "not_ready",          "ended before it was ready")
ENUM_DECLARE(reason, REASON_LIST, REASON_COUNT);
/* clang-format on */

#endif
