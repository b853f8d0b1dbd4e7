/*
 * script.h - a scenario file, read: services and their make-believe life, then steps.
 *
 * The language is described in docs/scenarios.md.  It is read here and nowhere
 * else: the simulator plays the structs, the runner over real processes gets the
 * same steps as JSON (script_json).  Reading is strict: an unknown word is an
 * error with file and line.
 *
 * Depends on: base, model/words.h, jansson.
 */
#ifndef HP_TESTS_SCENARIO_SCRIPT_H
#define HP_TESTS_SCENARIO_SCRIPT_H

#include "base/error.h"
#include "base/str.h"

#include <jansson.h>

/* How the process of an action behaves; everything else it is told to do by steps. */
struct life {
	msec ready_in;	  /* after its execution; -1: on demand */
	msec opens_in;	  /* its sockets; -1: with its readiness; -2: on demand */
	bool ends;	  /* by itself */
	bool one_shot;	  /* beyond its times it ends with 0 */
	int code, signal; /* then, so */
	msec ends_in;
	int64_t times;	  /* in its first n executions only; 0: in all */
	msec stops_in;	  /* after TERM */
	bool ignores;	  /* TERM */
	bool child;	  /* leaves one behind that goes at TERM */
	bool stubborn;	  /* or one that goes at KILL only */
	char *impossible; /* it can not be executed, and this is said about it */
};

struct role {
	char *action;
	struct life life;
};

/* One way to define a service; `redefine` makes another of the same name. */
struct casting {
	char *name;
	json_t *definition; /* as service.define takes it; its exec is ["@actor", ...] */
	struct {
		struct role *v;
		size_t n, cap;
	} roles;
	bool later;  /* registered by a step */
	bool is_run; /* `run NAME`: submitted by a step, with the same words */
	char *via;   /* "define", "manifest" */
};

/* clang-format off */
#define VERB_LIST(X)                                                                  \
	X(VERB_START,       "start",       "NAMES")                                   \
	X(VERB_STOP,        "stop",        "NAMES")                                   \
	X(VERB_RESTART,     "restart",     "NAMES")                                   \
	X(VERB_SUBMIT, "submit", "NAME") \
	X(VERB_START_ALL,   "start_all",   "")                                        \
	X(VERB_STOP_ALL,    "stop_all",    "")                                        \
	X(VERB_ANSWER,      "answer",      "start|stop|restart NAME")                 \
	X(VERB_REGISTER,    "register",    "NAMES")                                   \
	X(VERB_REDEFINE,    "redefine",    "NAME ...")                                \
	X(VERB_DELETE,      "delete",      "NAME")                                    \
	X(VERB_WANTED,      "wanted",      "NAME start|stop|ignore")                  \
	X(VERB_KILL,        "kill",        "NAME SIGNAL")                             \
	X(VERB_READY,       "ready",       "NAME")                                    \
	X(VERB_CRASH,       "crash",       "NAME [CODE|SIGNAL]")                      \
	X(VERB_EXIT,        "exit",        "NAME [CODE]")                             \
	X(VERB_HANG,        "hang",        "NAME")                                    \
	X(VERB_FAIL,        "fail",        "NAME")                                    \
	X(VERB_OPEN,        "open",        "NAME, or a gate")                         \
	X(VERB_CLOSE,       "close",       "NAME, or a gate")                         \
	X(VERB_PASS,        "pass",        "TIME")                                    \
	X(VERB_WAIT,        "wait",        "FACTS")                                   \
	X(VERB_EXPECT,      "expect",      "FACTS")                                   \
	X(VERB_KILL_SERVER, "kill_server", "")                                        \
	X(VERB_BOOT,        "boot",        "")                                        \
	X(VERB_SHUTDOWN,    "shutdown",    "")
ENUM_DECLARE(verb, VERB_LIST, VERB_COUNT);

#define OPTION_LIST(X)                                                                \
	X(OPTION_NOWAIT,          "nowait",          "do not wait for the end")       \
	X(OPTION_REPLACE,         "replace",         "stop what conflicts")           \
	X(OPTION_NO_DEPS,         "no_deps",         "pull nothing in")               \
	X(OPTION_WITH_DEPS,       "with_deps",       "restart what it requires too")  \
	X(OPTION_WITH_UNNEEDED,   "with_unneeded",   "stop what nothing demands")     \
	X(OPTION_FORCE,           "force",           "delete what others need")       \
	X(OPTION_WITH_DEPENDENTS, "with_dependents", "delete those too")              \
	X(OPTION_UNCHANGED,       "unchanged",       "it has to change nothing")
ENUM_DECLARE(option, OPTION_LIST, OPTION_COUNT);

#define OUTCOME_LIST(X)                                                               \
	X(OUTCOME_DONE,      "done",      "")                                         \
	X(OUTCOME_REFUSED,   "refused",   "ERROR")                                    \
	X(OUTCOME_FAILS,     "fails",     "ERROR")                                    \
	X(OUTCOME_CANCELLED, "cancelled", "")                                         \
	X(OUTCOME_PENDING,   "pending",   "not answered yet")
ENUM_DECLARE(outcome, OUTCOME_LIST, OUTCOME_COUNT);

#define FACT_LIST(X)                                                                  \
	X(FACT_STATE,    "state",    "NAME[/ACTION] [not] STATE")                     \
	X(FACT_WANTED,   "wanted",   "NAME wanted WORD")                              \
	X(FACT_REASON,   "reason",   "NAME[/ACTION] reason WORD")                     \
	X(FACT_EXECUTED, "executed", "NAME never executed, NAME executed N times")    \
	X(FACT_ALIVE,    "alive",    "NAME alive")                                    \
	X(FACT_GONE,     "gone",     "NAME gone")                                     \
	X(FACT_MISSING,  "missing",  "NAME missing")                                  \
	X(FACT_ENDED,    "ended",    "NAME ended CODE|SIGNAL, the last time")         \
	X(FACT_WAITS,    "waits",    "NAME waits for NAME|nothing")                   \
	X(FACT_CHANGED,  "changed",  "NAME definition changed")                       \
	X(FACT_ATTEMPT,  "attempt",  "NAME attempt N")                                \
	X(FACT_WHY,      "why",      "why NAME \"text\"")                             \
	X(FACT_SAID,     "said",     "said \"text\"")                                 \
	X(FACT_PLAN,     "plan",     "plan start|stop|restart NAME: NAMES")           \
	X(FACT_ORDER,    "order",    "order NAME MOMENT [N] < NAME MOMENT [N] ...")
ENUM_DECLARE(fact, FACT_LIST, FACT_COUNT);

#define MOMENT_LIST(X)                                                                \
	X(MOMENT_EXECUTED, "executed", "its process began")                           \
	X(MOMENT_READY,    "ready",    "it was ready")                                \
	X(MOMENT_STOP,     "stop",     "it was asked to go")                          \
	X(MOMENT_END,      "end",      "its process ended")
ENUM_DECLARE(moment, MOMENT_LIST, MOMENT_COUNT);
/* clang-format on */

struct point {
	char *subject;
	enum moment moment;
	int64_t nth; /* from 1 */
};

struct clause {
	enum fact fact;
	char *subject, *action; /* action: after a slash, or NULL */
	char *word;		/* a state, a name, a text */
	bool no;		/* not */
	int64_t number;
	enum verb verb; /* of a plan */
	struct strv names;
	struct {
		struct point *v;
		size_t n, cap;
	} points;
};

struct step {
	int line;
	enum verb verb;
	enum verb of; /* of VERB_ANSWER */
	struct strv names;
	unsigned options; /* 1 << OPTION_* */
	enum outcome outcome;
	char *word; /* an error's name, a signal, a wanted word */
	int64_t number;
	msec time;
	struct casting *casting; /* of VERB_REDEFINE */
	struct {
		struct clause *v;
		size_t n, cap;
	} clauses;
};

struct script {
	char *path;
	char *title;	  /* the first line, without its # */
	char *open;	  /* "# open: ...": a known fault; it has to fail */
	char *only, *why; /* "sim" or "real", and the reason */
	struct {
		struct casting **v;
		size_t n, cap;
	} cast; /* every definition, redefinitions included */
	struct {
		struct step *v;
		size_t n, cap;
	} steps;
};

struct script_options {
	int64_t pace;	   /* every duration is divided by it */
	const char *stage; /* folder of gates: unix:x is unix:STAGE/x */
};

enum err script_read(const char *path, const struct script_options *o, struct script *out,
    struct error *e) attr_must_use;
void script_release(struct script *s);

json_t *script_json(const struct script *s);

int signal_number(const char *name); /* "KILL"; 0: none of that name */

#endif
