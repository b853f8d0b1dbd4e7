/*
 * keeper_protocol.h - what the keeper and the server say to each other.
 *
 * The keeper is a tiny static program: parent of every job, child subreaper,
 * parent of the server.  It decides nothing.  The server may die at any moment;
 * the keeper starts it again and hands everything back (LIST).
 *
 * Command line
 *	hero_proc_keeper --state DIR --server PATH [--user UID:GID,...] [-- ARG...]
 *   DIR is made (0700) if absent and locked (flock on DIR itself); DIR/journal holds
 *   exits that are not acknowledged.  The server is executed as PATH ARG..., with
 *   KEEPER_FD_ENV naming its end of the channel, the keeper's environment as it
 *   was at the start, and RLIMIT_NOFILE raised to the hard value, and beyond it
 *   where that is allowed.  When it dies it is started again: at once, then after 100 ms
 *   doubling to KEEPER_DELAY_MAX_MS; after five deaths in a minute with the further argument
 *   --safe.  A server that is started by hand (no KEEPER_FD_ENV) executes the keeper with
 *   itself as --server; it keeps its pid, which becomes the keeper's.
 *
 *   --user: the server is that user.  Then a spawn without a user is of that user too, and
 *   one as root, in group 0 or with ambient capabilities fails with EPERM at KEEPER_STEP_UID.
 *   What a killed keeper of that kind leaves is adopted by a keeper without privileges.
 *
 * Ends and exit statuses
 *   The keeper ends with the server's exit status when the server exits after
 *   SHUTDOWN, or exits KEEPER_EXIT_DONE, _USAGE or _LOCKED while no job is left.
 *   Every other end of the server is a death.  What still lives after SHUTDOWN is
 *   killed.  SIGTERM and SIGINT become SHUTDOWN_ASKED (value: how many so far), also
 *   told to a later server; they kill nothing.  SIGHUP is ignored.
 *
 * A keeper that is killed.  The server becomes the next keeper, as when started by hand
 * (KEEPER_NOFILE_ENV tells it the limits of the start), and hands over what it has:
 *KEEPER_ESTATE_ENV names a descriptor, a file of messages as on the channel, each struct keeper_msg
 *and its text, with the number of an inherited descriptor (not below KEEPER_ESTATE_FD) in `value`,
 *or -1: HELLO   token=the boot that the killed keeper was of TOKEN   token pid flags text=label
 *value=pidfd   of an attempt that is alive, or whose set is (KEEPER_IS_EXITED | KEEPER_IS_ACKED, no
 *pidfd); pid 0: asked for and not answered, it is looked for.  KEEPER_IS_NOTIFYING: its
 *notification socket is bound again NOTIFY  token text   what it said so far HELD    token (of
 *whom; or 0) text=name value=descriptor These go on, under the same tokens, in the same boot.  How
 *an adopted process ends is read from its pidfd (PIDFD_GET_INFO, Linux 6.15), or while it is a
 *zombie from /proc; what can not be read is KEEPER_IS_LOST.  Its resource usage is not known.
 * Whatever else carries the state folder's KEEPER_ID_ENV is ended before anything is started: by
 * KILL if there is an estate, else by TERM and after 10 s by KILL.
 *
 * Upgrades.  UPGRADE names the next server and the operation that this is; the server that said
 * it then ends (after 10 s it is killed).  The next one is started at once and is on trial until
 * it says SERVING, within the time that UPGRADE gave.  If it ends before, or is late and killed,
 * the former one is started at once.  Neither counts as a death.  A server finds in
 * KEEPER_UPGRADE_ENV what became of the last one: `next OPERATION`, `done OPERATION` or
 * `back OPERATION WHY`; it acts on the jobs and hears clients only after SERVING.  The keeper
 * holds the file of the server, so that a death starts the same program again though its path
 * names another one by now; only a server that never said SERVING is looked up anew.  A keeper
 * that is started begins with the path of its command line, or with the file of its estate.
 *
 * Channel: SOCK_SEQPACKET socketpair, both ends non-blocking, both with a queue of
 * their own.  A message is struct keeper_msg, then text_bytes of text (no NUL),
 * with descriptors by SCM_RIGHTS.  The text of a SPAWN is its spec and at most
 * KEEPER_SPEC_TEXT_MAX, every other one at most KEEPER_TEXT_MAX.
 *
 * Rules
 *   - A job is known by its 64-bit token, never by its pid.  0 is no token.
 *   - SPAWN is answered by SPAWNED or SPAWN_FAILED, before any other event of that
 *     token but HANGS.  SPAWNED is followed by one EXITED and, after that, one SET_EMPTY; none
 *     follows an EXITED with KEEPER_IS_EMPTY.
 *   - An exit is kept (zombie and journal) until ACK; the server acknowledges
 *     after its own commit.  A token is forgotten when it is acknowledged, its
 *     set is empty, and what came with its SPAWN to be held is released.  So a token that LIST
 *     does not show has no process left, and what was held for it nothing to tell.
 *   - A new server gets events of a token once LIST has shown it.  LIST answers in
 *     batches of KEEPER_BATCH messages (TOKEN, NOTIFY, HELD; at most one descriptor each),
 *     ended by LIST_MORE (go on with LIST_NEXT) or LIST_END: the kernel bounds the
 *     descriptors in flight of an unprivileged process.
 *   - HOLD keeps a duplicate of a descriptor under a name (replacing an older one),
 *     until RELEASE.  LIST hands a duplicate of it back as HELD.
 *
 * Notifications.  The keeper reads them and keeps the last value of each KEY with the
 * time of its arrival (CLOCK_MONOTONIC in ms).  The text of NOTIFY holds lines
 * `MS KEY=VALUE`, the newest first: those of one message, or all that is known (after
 * LIST, and when the channel was full).  A PING with a token reads what waits in the
 * socket of that job first, so PONG means that everything said before was told.  What was
 * asked for before a PING is done at its PONG, to the removal of the last cgroup.
 *
 * A chdir or exec that hangs (NFS).  It holds up nobody else.  After a second HANGS follows the
 * SPAWN, and SPAWNED or SPAWN_FAILED whenever it comes to an end; LIST shows the token with
 * KEEPER_IS_STARTING (and HANGS may follow again).  Signals reach it, but it takes KILL only; one
 *that was killed before it executed is a SPAWN_FAILED with EINTR.
 *
 * Depends on: libc.
 */
#ifndef HP_KEEPER_PROTOCOL_H
#define HP_KEEPER_PROTOCOL_H

#include <stdint.h>

/* Grows when a message or a meaning changes; kinds that are added stand at the end of their list.
 */
#define KEEPER_VERSION	    6
#define KEEPER_FD_ENV	    "HERO_PROC_KEEPER_FD"
#define KEEPER_TOKEN_ENV    "HERO_PROC_TOKEN"  /* in each job: 16 hex digits */
#define KEEPER_ID_ENV	    "HERO_PROC_KEEPER" /* in each job: 16 hex digits, of the state folder */
#define KEEPER_NOFILE_ENV   "HERO_PROC_NOFILE" /* in the server: what jobs get, SOFT:HARD */
#define KEEPER_HELD_PROGRAM "program" /* held by an estate: the file of the server (O_PATH) */
#define KEEPER_UPGRADE_ENV  "HERO_PROC_UPGRADE" /* in the server: see "Upgrades" */
#define KEEPER_ESTATE_ENV   "HERO_PROC_ESTATE"	/* in a keeper: see "A keeper that is killed" */
#define KEEPER_ESTATE_FD    64
#define KEEPER_UPGRADE_NEXT "next"
#define KEEPER_UPGRADE_DONE "done"
#define KEEPER_UPGRADE_BACK "back"
#define KEEPER_CGROUP_OFF   "HERO_PROC_NO_CGROUP" /* set: sets without cgroups */

#define KEEPER_DELAY_MAX_ENV "HERO_PROC_RESTART_MAX_MS" /* other than KEEPER_DELAY_MAX_MS */
#define KEEPER_DELAY_MAX_MS  5000 /* the longest pause before the server is started again */

#define KEEPER_TEXT_MAX	     4096  /* bytes of text in a message, so of a label too */
#define KEEPER_SPEC_TEXT_MAX 16384 /* a larger spec goes by memfd */
#define KEEPER_FDS_MAX	     32	   /* descriptors in one message */
#define KEEPER_BATCH	     64	   /* messages of a LIST batch */
#define KEEPER_SPEC_MAX	     (8u << 20)

enum keeper_exit {
	KEEPER_EXIT_DONE = 0,
	KEEPER_EXIT_FAILED = 1,
	KEEPER_EXIT_USAGE = 2,
	KEEPER_EXIT_LOCKED = 4, /* another keeper owns DIR; its pid is on stderr */
};

/* clang-format off */
/*        symbol                 text               fields used, descriptors */
#define KEEPER_KIND_LIST(X)                                                                        \
	/* requests */                                                                             \
	X(KEEPER_SPAWN,          "spawn",          "token flags text=the spec; fds: those of keeper_spec.fds_at, then of held_at") \
	X(KEEPER_SIGNAL,         "signal",         "token value=signo what=enum keeper_scope flags=KEEPER_SIGNAL_STOP") \
	X(KEEPER_HOLD,           "hold",           "text=name; fds: one")                          \
	X(KEEPER_RELEASE,        "release",        "text=names, each ended by NUL")                \
	X(KEEPER_ACK,            "ack",            "token text=as that of RELEASE")                \
	X(KEEPER_LIST,           "list",           "")                                             \
	X(KEEPER_LIST_NEXT,      "list_next",      "")                                             \
	X(KEEPER_SHUTDOWN,       "shutdown",       "the server is about to exit and take the keeper along") \
	X(KEEPER_PING,           "ping",           "value token, returned in PONG")                     \
	/* events */                                                                               \
	X(KEEPER_HELLO,          "hello",          "pid=keeper value=1 with cgroups, else 0 token=the boot") \
	X(KEEPER_SPAWNED,        "spawned",        "token pid")                                    \
	X(KEEPER_SPAWN_FAILED,   "spawn_failed",   "token what=enum keeper_step value=errno")      \
	X(KEEPER_EXITED,         "exited",         "token pid exit flags=KEEPER_IS_EMPTY")         \
	X(KEEPER_SET_EMPTY,      "set_empty",      "token")                                        \
	X(KEEPER_NOTIFY,         "notify",         "token text=lines `MS KEY=VALUE`, see below")  \
	X(KEEPER_TOKEN,          "token",          "token pid start_ticks flags=KEEPER_IS_* what=enum keeper_step with KEEPER_IS_STARTING exit text=label; fds: pidfd") \
	X(KEEPER_HELD,           "held",           "text=name; fds: one")                          \
	X(KEEPER_LIST_MORE,      "list_more",      "")                                             \
	X(KEEPER_LIST_END,       "list_end",       "")                                             \
	X(KEEPER_SHUTDOWN_ASKED, "shutdown_asked", "value=how many times")                         \
	X(KEEPER_PONG,           "pong",           "value token")                                  \
	/* requests, added later */                                                                \
	X(KEEPER_UPGRADE,        "upgrade",        "token=operation value=ms of the trial text=path of the next server") \
	X(KEEPER_SERVING,        "serving",        "the server has recovered and opens its API") \
	/* events, added later */                                                                  \
	X(KEEPER_HANGS,          "hangs",          "token what=enum keeper_step, chdir or exec: it takes a second already") \
	/* requests, added later: a keeper that does not know one does nothing */                  \
	X(KEEPER_FOLDER,         "folder",         "DIR or what is in it was removed, moved or replaced: make it again")

/* Where a spawn failed; the text reads "<step>: <errno>" or "<step> <path>: <errno>". */
#define KEEPER_STEP_LIST(X)                                                                        \
	X(KEEPER_STEP_SPEC,       "spec",             "the request makes no sense, or its token is known") \
	X(KEEPER_STEP_NOTIFY,     "notify socket",    "")                                          \
	X(KEEPER_STEP_FORK,       "fork",             "")                                          \
	X(KEEPER_STEP_CGROUP,     "cgroup",           "")                                          \
	X(KEEPER_STEP_SESSION,    "setsid",           "")                                          \
	X(KEEPER_STEP_FDS,        "descriptors",      "")                                          \
	X(KEEPER_STEP_OOM,        "oom_score_adj",    "")                                          \
	X(KEEPER_STEP_NICE,       "nice",             "")                                          \
	X(KEEPER_STEP_LIMITS,     "limits",           "")                                          \
	X(KEEPER_STEP_GROUPS,     "groups",           "")                                          \
	X(KEEPER_STEP_BOUNDING,   "capability_bounding_set", "")                                   \
	X(KEEPER_STEP_GID,        "group",            "")                                          \
	X(KEEPER_STEP_UID,        "user",             "")                                          \
	X(KEEPER_STEP_AMBIENT,    "ambient_capabilities", "")                                      \
	X(KEEPER_STEP_CHDIR,      "chdir",            "")                                          \
	X(KEEPER_STEP_PRIVS,      "no_new_privs",     "")                                          \
	X(KEEPER_STEP_EXEC,       "exec",             "")
/* clang-format on */
#define KEEPER_SYM_(sym, str, doc) sym,
enum keeper_kind { KEEPER_KIND_LIST(KEEPER_SYM_) KEEPER_KIND_COUNT };
enum keeper_step { KEEPER_STEP_LIST(KEEPER_SYM_) KEEPER_STEP_COUNT };

enum keeper_scope {
	KEEPER_SCOPE_LEADER,
	KEEPER_SCOPE_SET,  /* every process of the token, one by one */
	KEEPER_SCOPE_KILL, /* SIGKILL to all of them, forks in between included */
};

#define KEEPER_SPAWN_NOTIFY   1u /* SPAWN: bind a notification socket, set NOTIFY_SOCKET */
#define KEEPER_SPAWN_WATCHDOG 2u /* SPAWN: set WATCHDOG_PID to the pid of the child */
#define KEEPER_SPAWN_MEMFD    4u /* SPAWN: the spec is in a sealed memfd, the first descriptor */

/* SIGNAL: it asks the job to end.  Remembered with the token, so that a new server knows
 * whether the request of a killed one came as far as this. */
#define KEEPER_SIGNAL_STOP 1u

#define KEEPER_IS_EXITED    1u	/* TOKEN: the leader ended, `exit` is filled in */
#define KEEPER_IS_ACKED	    2u	/* ... and was acknowledged */
#define KEEPER_IS_EMPTY	    4u	/* nothing of the set is left */
#define KEEPER_IS_LOST	    8u	/* of a former keeper: `exit` is not known */
#define KEEPER_IS_ASKED	    16u /* a signal with KEEPER_SIGNAL_STOP was sent to it */
#define KEEPER_IS_NOTIFYING 32u /* in an estate: it was given a notification socket */
#define KEEPER_IS_STARTING  64u /* TOKEN: not executed yet, its chdir or exec hangs */

struct keeper_exit_info {
	int32_t code;		    /* CLD_EXITED, CLD_KILLED, CLD_DUMPED; see waitid(2) */
	int32_t status;		    /* exit status, or signal */
	int64_t at_ns;		    /* CLOCK_MONOTONIC when the keeper saw it */
	int64_t user_us, system_us; /* CPU time, waited-for children included */
	int64_t max_rss_kib;
};

struct keeper_msg {
	uint16_t version; /* KEEPER_VERSION */
	uint16_t kind;	  /* enum keeper_kind */
	uint32_t text_bytes;
	uint64_t token;
	uint32_t flags;
	uint32_t what;
	int32_t value;
	int32_t pid;
	uint64_t start_ticks; /* /proc/PID/stat field 22 */
	struct keeper_exit_info exit;
};

/*
 * The spec of a spawn.  `_at` members are offsets from its
 * start; lists of strings are NUL-ended strings one after the other.  User names
 * are resolved by the server.  argv[0] without a slash is looked up in the PATH
 * of envp.  The keeper adds HERO_PROC_TOKEN and NOTIFY_SOCKET.
 * Order in the child: setsid, descriptors, oom_score_adj, nice, limits, umask,
 * groups, bounding set, group, user, ambient capabilities, chdir, no_new_privs, exec.
 */
#define KEEPER_SPEC_USER	 1u /* uid and gid are to be set */
#define KEEPER_SPEC_UMASK	 2u
#define KEEPER_SPEC_NICE	 4u
#define KEEPER_SPEC_OOM		 8u
#define KEEPER_SPEC_NO_NEW_PRIVS 16u
#define KEEPER_SPEC_GROUPS	 32u
#define KEEPER_SPEC_BOUNDING	 64u /* the capability bounding set is to become `bounding` */

struct keeper_limit {
	uint32_t resource; /* RLIMIT_* */
	uint32_t zero;
	uint64_t soft, hard;
};

struct keeper_spec {
	uint32_t version; /* KEEPER_VERSION */
	uint32_t flags;	  /* KEEPER_SPEC_* */
	uint32_t argv_at, argc;
	uint32_t envp_at, envc;
	uint32_t cwd_at; /* one string; 0: "/" */
	uint32_t label_at, label_bytes;
	uint32_t limits_at,
	    n_limits; /* struct keeper_limit[]; NOFILE unset: that of the keeper's start */
	uint32_t groups_at, n_groups; /* uint32_t[] */
	uint32_t fds_at, n_fds;	      /* uint32_t[]: number in the child of each of the first
					 descriptors; 0, 1, 2 unset: /dev/null */
	uint32_t held_at, n_held;     /* names: the descriptors after those are held, as HOLD does,
					 before the spawn and whatever becomes of it */
	uint32_t uid, gid;
	uint32_t umask;
	int32_t nice;
	int32_t oom_score_adj;
	uint64_t bounding, ambient; /* capabilities(7), bits by number */
};

#endif
