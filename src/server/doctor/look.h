/*
 * look.h - what the files of doctor/ share; for them only.
 *
 * struct belief is a copy made on the loop; everything below it in this file belongs to the
 * thread that looks.  A check reads belief and world and adds findings.
 */
#ifndef HP_SERVER_DOCTOR_LOOK_H
#define HP_SERVER_DOCTOR_LOOK_H

#include "server/doctor/doctor.h"

#include "sys/listeners.h"

#include <sys/stat.h>

/* ---- belief.c: what we believe, copied -------------------------------------------------- */

/* An attempt that is alive, or whose process set is not empty yet. */
struct claim {
	uint64_t token;
	pid_t pid; /* of the leader; 0: none, or it has ended */
	bool executed, exited;
	char *service, *action;
};

/* What a ready attempt declared to listen on. */
struct declared {
	uint64_t token;
	char *service, *action;
	char *path;	      /* of a socket; NULL: a port */
	bool is_local, is_v6; /* of a port: any loopback or wildcard address; else `addr` */
	unsigned char addr[16];
	unsigned port;
	bool ready, active; /* of its job: ready (it must listen); it has a process */
	bool must;	    /* its readiness says that it listens */
};

struct row_name {
	char *source, *service;
};

struct belief {
	struct {
		struct claim *v;
		size_t n, cap;
	} claims; /* sorted by token */
	struct {
		uint64_t *v;
		size_t n, cap;
	} aside; /* tokens of commands beside jobs */
	struct {
		struct declared *v;
		size_t n, cap;
	} places;
	struct {
		struct row_name *v;
		size_t n, cap;
	} rows; /* contributions that the registry holds */
	uint64_t keeper_id;
	pid_t keeper, server;
	uint64_t keeper_ticks;
	bool has_cgroups;
	size_t pipes;	/* that the logs read */
	size_t unacked; /* exits that the keeper keeps, because the store did not take their rows */
	uint64_t stored; /* bytes of logs */
	uint64_t next_token;
	char *state, *logs, *sockets;
};
void belief_take(struct daemon *d, struct belief *out);
void belief_release(struct belief *b);
const struct claim *belief_claim(const struct belief *b, uint64_t token);
bool belief_knows(const struct belief *b, uint64_t token); /* as a claim or as a command aside */

/* ---- world.c: what the kernel says ------------------------------------------------------ */

struct process {
	pid_t pid, parent, session;
	char state;
	uint64_t start_ticks;
	uint64_t token;	 /* of its environment, if that is of this keeper; 0 */
	uint64_t folder; /* of its cgroup; 0 */
};
struct listener {
	unsigned long inode; /* of the socket */
	char *path;	     /* NULL: a port */
	bool has_file;	     /* file and device are known */
	uint64_t file;
	uint32_t device;
	struct tcp_listener tcp; /* of a port */
};
struct world {
	struct {
		struct process *v;
		size_t n, cap;
	} processes; /* sorted by pid */
	struct {
		uint64_t *v;
		size_t n, cap;
	} folders; /* tokens that have a cgroup */
	struct {
		struct listener *v;
		size_t n, cap;
	} listeners;
	char *cgroup; /* folder of the tokens' cgroups, or NULL */
	bool lists_sockets;
	bool is_partial; /* /proc does not show all that there is (hidepid), or is not there */
};
void world_read(struct world *w, const struct belief *b);
void world_release(struct world *w);
struct process *world_find(const struct world *w, pid_t pid);
/* It is not in /proc, and there is such a process: nothing is known of it. */
bool world_hides(const struct world *w, pid_t pid);
bool world_is_below(const struct world *w, pid_t pid, pid_t root);
/* Does it hold the descriptor "socket:[1234]"?  -1: it can not be looked at. */
int process_holds(pid_t pid, const char *link);
/* The links of all its descriptors that begin so; false: it can not be looked at. */
bool process_links(pid_t pid, const char *prefix, struct strv *out);
void process_command(pid_t pid, struct str *out); /* "71 (sleep 1000)" */

/* ---- findings --------------------------------------------------------------------------- */

/* clang-format off */
#define SEVERITY_LIST(X)                                                     \
	X(SEVERITY_NOTE,  "note",  "good to know; all is well all the same") \
	X(SEVERITY_WARN,  "warn",  "will be a trouble, or is one of a service") \
	X(SEVERITY_ERROR, "error", "not as it must be")
ENUM_DECLARE(severity, SEVERITY_LIST, SEVERITY_COUNT);

#define MEND_LIST(X)                                                         \
	X(MEND_NOTHING, "nothing", "")                                       \
	X(MEND_KILL,    "kill",    "end the process")                        \
	X(MEND_FOLDER,  "folder",  "remove the cgroup")                      \
	X(MEND_UNLINK,  "unlink",  "remove the file")                        \
	X(MEND_LOST,    "lost",    "take it for ended, reason lost")         \
	X(MEND_EMPTY,   "empty",   "take the set for empty")                 \
	X(MEND_RESTART, "restart", "restart the service")                    \
	X(MEND_MIRROR,  "mirror",  "write the files anew from the rows")     \
	X(MEND_RAISE,   "raise",   "let numbers go on behind what is in use") \
	X(MEND_ACK,     "ack",     "acknowledge again")
ENUM_DECLARE(mend, MEND_LIST, MEND_COUNT);
/* clang-format on */

struct finding {
	enum check check;
	enum severity severity;
	char *key;		       /* the same in every look */
	char *service, *action, *path; /* subject; NULL */
	pid_t pid;		       /* 0 */
	char *ours, *kernel;
	char *repair; /* a sentence for people, or NULL */
	enum mend mend;
	uint64_t token,
	    start_ticks; /* for the mend; MEND_RAISE: enum counter, in `file` the number */
	uint64_t file, device;
	usec_wall since;
};
struct findings {
	struct finding *v;
	size_t n, cap;
};
void findings_release(struct findings *f);
/* What both saw, as it was seen last, is left in `kept`; `now` is released. */
void findings_keep_common(struct findings *kept, struct findings *now);
void finding_release(struct finding *f);

/* A look: belief, world and what differs. */
struct look {
	struct belief belief;
	struct world world;
	struct findings found;
	bool keeper_answers;
	int64_t took_us[CHECK_COUNT];
	struct strv did; /* sentences: what was mended */
};

/* A new finding, to be filled in; the key names its subject. */
struct finding *look_add(struct look *l, enum check check, enum severity s, const char *fmt, ...)
    attr_fmt(4, 5);
void finding_of(struct finding *f, const char *service, const char *action, pid_t pid);

/* Checks, on the thread. */
void look_processes(struct look *l);
void look_strays(struct look *l);
void look_sets(struct look *l);
void look_sockets(struct look *l);
void look_ports(struct look *l);
void look_leftovers(struct look *l);
void look_descriptors(struct look *l);
void look_capture(struct look *l);
void look_logs(struct look *l);
void look_store(struct look *l); /* definitions and counters too */
void look_disk(struct look *l);
void look_keeper(struct look *l);

/* Checks, on the loop when belief was taken. */
void ask_store(struct daemon *d, struct look *l);
void ask_keeper(struct daemon *d, struct look *l);
void ask_engine(struct daemon *d, struct look *l);
void ask_timers(struct daemon *d, struct look *l);
void ask_wanted(struct daemon *d, struct look *l);

/* Mends on the thread; false: it is the loop's. */
bool mend_beside(struct look *l, const struct finding *f);
void mend_on_loop(struct daemon *d, struct look *l, const struct finding *f);

#endif
