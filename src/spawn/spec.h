/*
 * spec.h - what to execute, and how, as the server says it.
 *
 * `{0}` plus token and argv is a valid spec: environment empty, folder `/`, the
 * keeper's user, nothing on the standard descriptors.  Nothing is resolved
 * here: user and group names, `~`, environment files are the caller's work,
 * before.  All members are borrowed until spawner_spawn() returns.
 *
 * Depends on: base, keeper/keeper_protocol.h.
 */
#ifndef HP_SPAWN_SPEC_H
#define HP_SPAWN_SPEC_H

#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"
#include "keeper/keeper_protocol.h"

#include <sys/resource.h>
#include <sys/types.h>

/* Where the interpreter of a script finds it: put this into argv
 * ({"sh", "-e", SPAWN_SCRIPT_PATH, "arg"}).  The script is a sealed memfd. */
#define SPAWN_SCRIPT_FD	  LIMIT_SCRIPT_FD
#define SPAWN_SCRIPT_PATH "/proc/self/fd/19"

struct spawn_fd {
	int fd;	    /* ours */
	int number; /* the child's; 0, 1, 2 not given: /dev/null */
};

struct spawn_hold { /* see spawner_hold() */
	int fd;
	const char *name;
};

struct spawn_limit {
	int resource; /* RLIMIT_* */
	rlim_t soft, hard;
};

struct spawn_spec {
	uint64_t token;		 /* of the attempt: unique for ever, never 0 */
	const char *const *argv; /* NULL-ended; argv[0] without `/` is looked up in envp's PATH */
	const char *const *envp; /* NULL-ended, or NULL; the whole environment */
	const char *cwd;	 /* NULL: "/" */
	const char *script;	 /* NULL: none */
	const void *label;	 /* given back by the list; at most KEEPER_TEXT_MAX bytes */
	size_t label_bytes;
	const struct spawn_fd *fds; /* a readiness pipe among them, for instance */
	size_t n_fds;
	const struct spawn_hold *hold; /* before the spawn, in the same message */
	size_t n_hold;
	const struct spawn_limit *limits;
	size_t n_limits;
	bool has_user; /* uid and gid are set, in full */
	uid_t uid;
	gid_t gid;
	bool has_groups; /* groups are set, whatever has_user says */
	const gid_t *groups;
	size_t n_groups;
	bool has_umask, has_nice, has_oom;
	mode_t umask; /* else 022 */
	int nice;
	int oom_score_adj;
	bool no_new_privs;
	bool has_bounding;	    /* the capability bounding set becomes `bounding` */
	uint64_t bounding, ambient; /* bits by number, capabilities(7) */
	bool notify;		    /* a notification socket; NOTIFY_SOCKET is set by the keeper */
	bool watchdog;		    /* WATCHDOG_PID is set by the keeper */
};

/* Fills `out`, which is empty, with the spec as the keeper reads it; ERR_LIMIT when it is too
 * large. `fd_numbers` are the child's numbers of all descriptors that will go with it. */
enum err spawn_spec_pack(const struct spawn_spec *s, const uint32_t *fd_numbers, size_t n_fds,
    struct str *out, struct error *e) attr_must_use;

/* The sentence for a spawn that failed, "exec `/bin/x`: No such file or directory". */
enum err spawn_step_error(
    enum keeper_step step, int sys, const char *argv0, const char *cwd, struct error *e);

/* Whether the same spawn may work later: for lack of memory, descriptors, processes (SPEC 4). */
bool spawn_is_transient(int sys);

const char *keeper_step_str(enum keeper_step step);

#endif
