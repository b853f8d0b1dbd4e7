/*
 * definition.h - what a service is, once every way in has been normalised.
 *
 * The manifest reader and the JSON reader both produce these structs; the
 * registry unites, checks and resolves them; the store keeps them as JSON; the
 * engine is told only what it needs of them (engine.h).  There is no other
 * representation of a definition in the daemon.
 *
 * Ownership: a struct owns all it points to; `x_release` empties it (safe on
 * {0}), `x_free` frees.  Durations are milliseconds.  Strings are NULL when the
 * key was not written.  Lists count in 32 bits and flags lie side by side: an
 * action has 13 lists, and there are thousands of actions.
 * Depends on: base, words.h.
 */
#ifndef HP_MODEL_DEFINITION_H
#define HP_MODEL_DEFINITION_H

#include "base/str.h"
#include "model/words.h"

/* Where something was written: "path:line" when from a file, else the caller. */
struct place {
	char *path; /* NULL: not from a file */
	int line, column;
};

struct socket_def {
	char *name; /* "rpc.sock", a file name in the socket folder */
	char *path; /* absolute; NULL: $HERO_SOCKET_DIR/<socket folder>/<name> */
	char *protocol;
	enum gate_probe probe;
};
struct socket_list {
	struct socket_def *v;
	uint32_t n, cap;
};

struct tcp_def {
	char *host; /* NULL: 127.0.0.1 */
	int64_t port;
};
struct tcp_list {
	struct tcp_def *v;
	uint32_t n, cap;
};

struct env_var {
	char *name;
	char *value;   /* NULL with required or secret */
	bool required; /* refuse to start when nothing gives a value */
	bool secret;   /* the value comes from the secret store */
};
struct env_list {
	struct env_var *v;
	uint32_t n, cap;
};

/* What is tested beside the condition.  `text` is the socket's name or path
 * (GATE_SOCKET), path, host:port, URL or flag name, without the scheme. */
struct gate_def {
	enum gate_kind kind;
	char *text;
	enum gate_probe probe;
	bool probe_given;
};

/* How an edge was resolved by the registry; everything here is derived. */
struct resolution {
	enum resolved_rule rule;
	char *service;		    /* NULL: nothing of that name */
	char *action;		    /* NULL: the whole service */
	char *gate_path;	    /* GATE_SOCKET, GATE_UNIX: the absolute path that is tested */
	enum gate_probe gate_probe; /* connect or health, never auto */
	struct strv candidates;	    /* RESOLVED_AMBIGUOUS */
};

/* One edge as declared: from the action that carries it to its target. */
struct dep {
	unsigned kinds; /* DEP_* set */
	/* What was written.  service/action: the full object of depends_on or a
	 * bare name (in `name`); repo/crate/bin: an entry of [[dependencies]]. */
	char *name;
	char *service, *action;
	char *repo, *crate, *bin;
	enum condition condition;
	struct gate_def gate;
	msec timeout; /* 0: none */
	bool optional;
	char *when_env, *when_is; /* the edge exists only if env[when_env] == when_is */
	enum on_failure on_failure;
	enum on_restart on_restart;
	enum on_stop on_stop;
	struct strv applies_to; /* `for` */
	struct strv any; /* of a member of a group: the names of all; each is an edge of its own */
	int64_t need;	 /* so many of `any` are enough */
	bool
	    of_service; /* from requires/wants/after of the service: names services, not siblings */
	struct place source;
	char *source_text; /* "web/service.toml:12" or "rpc service.define (uid 0)"; shown by the
			      API */
	struct resolution resolved;
};
struct dep_list {
	struct dep *v;
	uint32_t n, cap;
};

struct retry_rule {
	int64_t code; /* exit status, or -1 */
	char *signal; /* "SIGKILL", or NULL */
	int verdict;  /* 0 restart, 1 stop, 2 fail */
};
struct retry_rules {
	struct retry_rule *v;
	uint32_t n, cap;
};
struct retry_policy {
	enum restart restart;
	int64_t max_attempts; /* executions; 0: no limit */
	msec delay;
	bool delay_given; /* a written delay holds for the first restart too */
	double factor;
	msec delay_max;
	double jitter; /* 0..1 */
	msec stability_period;
	struct retry_rules rules;
};

struct readiness_def {
	enum readiness_kind kind;
	bool given; /* written, else derived from sockets and ports */
	int64_t fd;
	char *log; /* regular expression */
	msec after;
};

/* Something that is executed beside an action: a text for the shell, or argv. */
struct command {
	char *text;
	struct strv argv;
};

struct probe_def {
	enum probe_kind kind;
	bool kind_given;	/* not the first member: schema.h, given_at */
	char *target;		/* name or path, host:port, URL, expression */
	struct command command; /* of exec */
	char *socket,
	    *path; /* http over a socket instead of `target`: its name or path, what is asked */
	msec interval, timeout; /* never 0 */
	bool interval_given, timeout_given;
	int64_t failure_threshold, success_threshold; /* in a row, 1 or more */
	bool threshold_given, success_given;
	enum probe_action action; /* of liveness */
};

/* When an action is run by itself: schedule/schedule.h says what becomes of each due time. */
struct schedule_def {
	char *cron;	/* cron.h; NULL: interval */
	char *timezone; /* IANA; NULL: that of the machine */
	msec interval;	/* 0: cron */
	enum catch_up catch_up;
	enum overlap overlap;
	msec jitter;	    /* each due time is submitted up to so much later */
	msec overdue_after; /* no success for that long is an event; 0: never */
};

struct action_def {
	char *name;
	char *context; /* NULL: default */
	char *description;
	enum binary_kind kind; /* of a [[binaries]] entry; BINARY_SERVER otherwise */
	bool supervised;       /* belongs to a sibling; never started */
	bool is_process;       /* long-running; false: one-shot */
	bool exec_is_default;  /* argv[0] is ${PATH_ROOT}/bin/<name>: nothing was written */
	bool depends_on_given; /* [] written: no edges are inherited */
	bool tty, singleton, nice_given, oom_given, no_new_privs;
	bool bounding_given; /* capability_bounding_set was written: [] keeps none */
	bool kill_other_sockets, kill_other_tcp, kill_other_process;

	/* What to execute: argv (exec given as an array), else script run by interpreter. */
	struct strv argv;
	char *script;
	char *interpreter; /* NULL: sh for a script */
	struct strv args;  /* appended */
	char *cwd;
	struct env_list env;
	char *env_file;

	msec start_timeout; /* 90000; 0: none */
	msec timeout;	    /* one-shots; 0: none */
	struct retry_policy retry;
	struct strv success_exit_codes; /* numbers or signal names; empty: 0 */
	struct dep_list depends_on;
	struct readiness_def readiness;
	char *fail_log; /* regular expression: a line that matches before readiness ends the attempt
			 */
	msec watchdog;	/* longest silence on the notification socket once ready; 0: none */
	struct probe_def *probes[PROBE_ROLE_COUNT]; /* owned; NULL: none.  Few actions have any */
	struct socket_list sockets;
	struct tcp_list tcp;
	struct command stop_exec;
	char *stop_signal;     /* NULL: SIGTERM */
	msec stop_timeout;     /* 10000 */
	struct command reload; /* its text may name a signal */
	char *user, *group;
	struct strv groups;	    /* supplementary ones beside those of the user */
	uint64_t bounding, ambient; /* capabilities.h */
	char *umask;		    /* octal text */
	struct env_list limits;	    /* name: nofile ..., value: soft[:hard] */
	int64_t nice;
	int64_t oom_score_adj;
	struct env_list cgroup;	       /* memory_max ... */
	struct env_list log;	       /* rate, max_bytes, retention, overflow */
	struct schedule_def *schedule; /* owned; NULL: it does not run by itself */
	char *input_schema;	       /* JSON text */
	char *inputs;		       /* JSON text */
	struct env_list only_if;
	struct strv tags;
	char *origin; /* of a run: the registered action that it is, "service/action",
		       * "/context/action"; or NULL */
	struct place source;
};
struct action_list {
	struct action_def *v;
	uint32_t n, cap;
};

struct service_def {
	char *name;
	char *context;
	char *description;
	char *category;
	enum service_class class;
	enum wanted status; /* wanted at first registration */
	bool critical;
	struct strv tags;
	char *socket_folder; /* folder name below $HERO_SOCKET_DIR; NULL: the service's name */
	struct dep_list dependencies; /* requires, wants, after of the service itself */
	struct strv conflicts;
	struct action_list actions;
	struct strv sources; /* every source that contributes, e.g. paths */
	struct place source;
	bool is_run;		    /* an ad-hoc submission; never stored in the registry */
	bool abort_on_failure;	    /* of a run: its first failure ends the other branches */
	bool commit_first;	    /* of a run: its row is committed before anything is executed */
	struct action_index *index; /* service_def_index(), or NULL; good for these actions alone */
};

void place_release(struct place *p);
bool command_is_given(const struct command *c);
void command_release(struct command *c);
void command_copy(struct command *to, const struct command *from); /* to: uninitialised */
bool command_eq(const struct command *a, const struct command *b);
/* As one would type it. */
void command_fmt(struct str *out, const struct command *c);
void dep_init(struct dep *d); /* the defaults of SPEC 2 */
void dep_release(struct dep *d);
void dep_copy(struct dep *to, const struct dep *from); /* to: uninitialised storage */
void action_def_init(struct action_def *a); /* the defaults of SPEC 4 for a long-running action */
void action_def_release(struct action_def *a);
void action_def_copy(struct action_def *to, const struct action_def *from);
void service_def_init(struct service_def *s);
void service_def_release(struct service_def *s);
void service_def_copy(struct service_def *to, const struct service_def *from);
/* service_find_action() of many actions in constant time, until the list changes. */
void service_def_index(struct service_def *s);

/* The key an edge is resolved by: bin, else crate, else the repo's last part,
 * else action, else service, else name.  Borrowed from the dep. */
const char *dep_key(const struct dep *d);

/* Is the action ever executed by the supervisor? (not cli, cmdline, supervised) */
bool action_is_executed(const struct action_def *a);
/* Is it executed when its service is started?  One with a schedule is executed on its own. */
bool action_is_started(const struct action_def *a);
/* What was written, else sockets and ports, else executed (SPEC 2.4). */
enum readiness_kind action_readiness(const struct action_def *a);

/* The default retry policy of a long-running action and of a one-shot (SPEC 4). */
void retry_policy_default(struct retry_policy *r, bool is_process);

void probe_def_free(struct probe_def *p);
struct probe_def *probe_def_dup(const struct probe_def *from); /* NULL gives NULL */
void schedule_def_free(struct schedule_def *s);
struct schedule_def *schedule_def_dup(const struct schedule_def *from); /* NULL gives NULL */

struct action_def *service_find_action(const struct service_def *s, const char *name);

/* 1..255 bytes of letters, digits and . _ @ : + - or a backslash; not . or .. */
bool name_is_valid(const char *name);

#endif
