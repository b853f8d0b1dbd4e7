/*
 * keeper.h - the inside of the keeper: one thread, one epoll, no decisions.
 *
 * Everything lives in one struct keeper.  A job is what keeper_protocol.h calls
 * a token: from SPAWN until it is acknowledged and its set is empty.
 *
 * Depends on: libc.
 */
#ifndef HP_KEEPER_KEEPER_H
#define HP_KEEPER_KEEPER_H

#include "keeper/channel.h"
#include "keeper/spec.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct keeper;

/* A descriptor in the epoll set.  fd is -1 when there is none. */
struct watch {
	void (*fn)(struct keeper *k, struct watch *w, uint32_t events);
	int fd;
};
#define watch_owner(w, type, member) ((type *)(void *)((char *)(w)-offsetof(type, member)))

struct job {
	uint64_t token;
	pid_t pid;     /* of the leader; a zombie until acknowledged, so never reused before */
	pid_t session; /* the same number, kept after that */
	uint64_t start_ticks; /* 0: not asked for yet */
	uid_t uid;
	struct watch exit;   /* pidfd; open until acknowledged */
	struct watch notify; /* the job's notification socket */
	struct watch set;    /* cgroup.events, once the leader has ended */
	struct keeper_exit_info info;
	bool exited, acked, empty, lost, journaled;
	bool is_done; /* in keeper.done */
	bool told;    /* the present server knows the token */
	bool asked;   /* to end, by a signal: KEEPER_SIGNAL_STOP */
	bool has_cgroup;
	bool adopted;	/* of a keeper that was killed: not our child */
	bool notifies;	/* adopted: its notification socket is to be bound again */
	bool scattered; /* adopted, and without a cgroup: its orphans are not our children */
	bool seen;	/* by the scan of sets_check */
	bool escaped; /* a process of it left its cgroup, or that was removed: it is held by session
		       * and token as well */
	bool killing; /* whatever of the set turns up is killed */
	bool notify_due;		  /* state changed while the channel was full */
	const enum keeper_step *starting; /* where it hangs, nothing is executed yet; or NULL */
	char *state; /* `MS KEY=VALUE`, last of each KEY of its notifications, or NULL */
	char *label;
	uint32_t label_bytes;
	uint32_t n_held; /* of what came with its spawn */
	struct job *next_by_token, *next_by_pid, *next_dead, *next_done;
};

struct job_table {
	struct job **by_token, **by_pid; /* chains, `size` (a power of two) heads each */
	size_t size, n;
};

#define HELD_BUCKETS 1024
struct held {
	struct held *next;
	uint64_t token; /* of the job that it came with, or 0 */
	int fd;
	bool told;
	char name[];
};

/* keeper_protocol.h, "Upgrades".  The states after UPGRADE_ASKED are told to the server. */
enum upgrade_state {
	UPGRADE_NONE,
	UPGRADE_ASKED, /* the server that asked for it has not ended yet */
	UPGRADE_NEXT,  /* the next one is on trial */
	UPGRADE_DONE,
	UPGRADE_BACK, /* it failed, `why`; the former one is there again */
};
struct upgrade {
	enum upgrade_state state;
	uint64_t operation;
	char
	    *other; /* what is not executed now: the next one, on trial the former one; else NULL */
	int other_fd, trial_ms;
	int64_t until; /* ns, CLOCK_MONOTONIC: then the running server is killed; 0: no bound */
	char why[96];
};

#define IDENTITY_GROUPS 64
struct identity { /* of the server, if it is not the keeper's */
	bool given;
	uid_t uid;
	gid_t groups[IDENTITY_GROUPS]; /* the first one is the primary one */
	size_t n;
};

struct server {
	char **argv; /* with room for --safe at the end */
	size_t argc;
	struct identity identity;
	struct watch exit, channel_watch;
	struct channel channel;
	pid_t pid;
	int program_fd; /* the file that is executed, whatever becomes of its name; -1: argv[0] */
	bool safe, shutdown_said, running, served;
	struct upgrade upgrade;
	int64_t started_at, next_start_at; /* ns, CLOCK_MONOTONIC; next: 0 = none is due */
	int64_t deaths[5];
	unsigned n_deaths, delay_ms, delay_max_ms;
};

#define KEEPER_RESERVE 6
#define FORMER_DIRS    8

struct keeper {
	const char *state_dir;
	int state_fd, epoll_fd, signal_fd;
	char **envp;
	struct rlimit nofile; /* of the start: what jobs get */
	uint64_t id;	      /* hash of the state directory */
	uint64_t boot;	      /* the same for all keepers that adopted from each other */
	bool is_heir;	      /* the estate of a killed keeper came along */
	size_t scattered;     /* jobs that are */
	struct watch signals;
	struct server server;
	struct job_table jobs;
	struct job *dead;	      /* freed after the present batch of events */
	struct job *done, **done_end; /* ended or acknowledged: books to keep when nobody waits */
	size_t n_done;
	struct held *held[HELD_BUCKETS];
	bool sets_due;
	bool unlisted;	  /* children could not be listed (/proc): zombies may be left among them */
	bool watches_due; /* a set could not be watched for want of a descriptor */
	int reserve[KEEPER_RESERVE]; /* open for nothing; 0 or -1: not at present */
	size_t reaps_put_off;	     /* SIGCHLDs that a kept zombie hid orphans from */
	size_t exited_left;	     /* jobs whose leader ended and whose set is not empty */
	void (*set_is_empty)(struct keeper *k, struct job *j); /* what sets.c calls then */
	unsigned shutdown_asked;
	bool notify_due; /* some job's is */
	bool channel_wants_out;
	int cgroup_fd; /* parent of the tokens' cgroups, -1: sets by session and token */
	char *cgroup_path;
	struct spawning *spawning, *hanging; /* spawn.c: for the next spawn; those that hang */
	int hanging_look_ms;		     /* when to look at them again */
	bool is_listing;     /* LIST is not answered in full: what hangs stays as it was shown */
	uint64_t next_token; /* what the next one to be spawned is likely to be; 0: no idea */
	int next_cgroup_fd;  /* its cgroup, made while nobody waited for it, or -1 */
	int former_dirs[FORMER_DIRS]; /* state folders that were moved away, locked; 0: none */
	unsigned n_former;
	int journal_fd;
	size_t journal_bytes, journal_live, journal_limit;
	int64_t ending_until; /* ns; 0: not ending */
	bool ended;
	int exit_status;
};

/* ---- the files, from the bottom up: each calls only those above its own lines ------------- */

/* say.c */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* a line on stderr */

/* watch.c */
int64_t now_ns(void);
void watch_add(struct keeper *k, struct watch *w, uint32_t events); /* w->fd, w->fn are set */
void watch_change(struct keeper *k, struct watch *w, uint32_t events);
void watch_close(struct keeper *k, struct watch *w); /* out of epoll first, then closed */

/* reserve.c: descriptors for what must not fail for want of one */
void reserve_fill(struct keeper *k);
void reserve_lend(struct keeper *k);

/* children.c: what /proc says about processes below this one */
struct pids {
	pid_t *v;
	size_t n, cap;
};
struct process_stat {
	char state;
	pid_t parent;
	uint64_t start_ticks;
	int exit_code;	  /* of a zombie, as wait(2) has it */
	bool forked_only; /* it never executed anything */
	bool executing;	  /* no address space to speak of: inside execve, or not ours to look at */
};
void pids_release(struct pids *p);
bool children_of(pid_t pid, struct pids *out); /* appends; of all its threads */
bool pids_add(struct pids *p, pid_t pid);
bool processes(struct pids *out); /* appends all that have a program */
uid_t process_uid(pid_t pid);
#define PROCESS_UNSURE UINT64_MAX /* it is inside execve(2) and can not be asked now */
uint64_t process_number(pid_t pid, const char *key); /* hex, from its environment; 0: none */
/* Of a process of this keeper; 0: it is another one's, whose tokens are the same numbers. */
uint64_t process_token(const struct keeper *k, pid_t pid);
uint64_t folder_id(const char *dir);	    /* of a state folder; 0: it is not there */
bool process_keeps(pid_t pid, uint64_t id); /* it was executed as the keeper of that folder */
bool process_stat(pid_t pid, struct process_stat *out);
void token_hex(char out[17], uint64_t token);

/* identity.c */
bool identity_parse(struct identity *i, const char *text);
bool identity_take(const struct identity *i);		  /* in the child that becomes the server */
bool identity_own_file(const struct identity *i, int fd); /* of the state folder: for the next */
int identity_limit(const struct identity *i, struct spec *s); /* 0, or EPERM */

/* lock.c: one supervisor for a state folder.  The lock (flock(2)) is on the folder itself, so
 * it stays whatever is removed from it, and goes with the process.  Ends this process with
 * KEEPER_EXIT_LOCKED when a living one holds it; waits, at most 15 s, for a dead one whose
 * descriptors are not closed yet. */
void lock_take(const struct keeper *k);
void lock_renew(const struct keeper *k); /* its file may be gone */

/* cgroup.c: one cgroup v2 per job */
void cgroup_find(struct keeper *k);		  /* sets cgroup_fd, -1: none is writable */
int cgroup_open(struct keeper *k, struct job *j); /* made anew, O_PATH; -1: none to be had */
void cgroup_make_next(struct keeper *k);	  /* when there is nothing else to do */
void cgroup_drop_next(struct keeper *k);
void cgroup_remove(struct keeper *k, struct job *j);
bool cgroup_is_empty(struct keeper *k, const struct job *j); /* false: not, or not to be seen */
void cgroup_watch(struct keeper *k, struct job *j);
void cgroup_signal(struct keeper *k, const struct job *j, int signo);
void cgroup_kill(struct keeper *k, const struct job *j);
bool cgroup_has(const struct job *j, pid_t pid);
bool cgroup_was_left(const struct job *j, pid_t pid); /* it is seen to be in another one */
bool cgroup_is_gone(const struct keeper *k, const struct job *j);

/* jobs.c: the table of them */
struct job *job_new(struct keeper *k, uint64_t token);
void job_set_pid(struct keeper *k, struct job *j, pid_t pid, int take_pidfd);
void job_forget_pid(struct keeper *k, struct job *j); /* the number may be used again */
void job_drop(struct keeper *k, struct job *j);	      /* freed by jobs_free_dropped() */
void jobs_free_dropped(struct keeper *k);
struct job *job_find(const struct keeper *k, uint64_t token);
struct job *job_find_pid(const struct keeper *k, pid_t pid);
struct job_iter {
	size_t bucket;
	bool begun;
	struct job *next;
};
struct job *job_each(
    const struct keeper *k, struct job_iter *it);	/* it = {0}; the answer may be dropped */
void job_finish_later(struct keeper *k, struct job *j); /* what is due after an end */
void job_held_less(struct keeper *k, uint64_t token);	/* what came with its spawn was let go */

/* held.c */
void held_put(struct keeper *k, const char *name, uint64_t token, int take_fd);
void held_drop(struct keeper *k, const char *name);
int held_take(struct keeper *k, const char *name); /* -1: there is none */

/* folder.c */
void folder_renew(struct keeper *k); /* it may have been removed, moved or replaced */

/* journal.c */
void journal_renew(struct keeper *k); /* its file may be gone */
void journal_open(struct keeper *k);  /* exits that a former keeper left become jobs */
void journal_exit(struct keeper *k, struct job *j);
void journal_ack(struct keeper *k, const struct job *j);

/* strays.c */
void strays_end(const struct keeper *k); /* returns when nothing of a former keeper is left */

/* exit_status.c; false: nobody can tell, or it is not to be seen yet */
bool child_exit(const struct job *j, struct keeper_exit_info *out);
bool adopted_exit(const struct job *j, struct keeper_exit_info *out);

/* sets.c: which processes belong to a job, by cgroup or by descent */
void sets_init(struct keeper *k);
void sets_release(struct keeper *k); /* at the end: cgroups of what ended are removed */
void set_leader_ended(struct keeper *k, struct job *j);
void sets_check(struct keeper *k);	 /* those without a cgroup; once a pass, when sets_due */
void sets_watch_again(struct keeper *k); /* those for which there was no descriptor */
void set_signal(struct keeper *k, struct job *j, int signo, enum keeper_scope scope);
enum set_answer { SET_NO, SET_YES, SET_GONE };
/* SET_GONE: that process has ended */
enum set_answer set_has(const struct keeper *k, const struct job *j, pid_t pid);

/* events.c */
void event_send(struct keeper *k, const struct job *j, enum keeper_kind kind, int fd);
void event_notify(struct keeper *k, struct job *j, const char *text);
void event_state(struct keeper *k, const struct job *j); /* the last of its notifications */
void events_due(struct keeper *k); /* notifications put off while the channel was full */

/* notify.c */
int notify_open(
    struct keeper *k, struct job *j, char name[64]); /* 0, or errno; name for NOTIFY_SOCKET */
void notify_drain(struct keeper *k, struct job *j);

/* exits.c */
void job_watch_exit(struct keeper *k, struct job *j);
void job_ack(struct keeper *k, struct job *j);
void job_set_is_empty(struct keeper *k, struct job *j);
bool jobs_finish_one(struct keeper *k);		 /* false: nothing is due */
void jobs_finish(struct keeper *k, size_t left); /* all of it but so many */
void jobs_reap(struct keeper *k);		 /* after SIGCHLD: orphans */

/* handover.c: what the server of a killed keeper hands over */
void handover_read(
    struct keeper *k); /* first of all: jobs and held descriptors are known after it */
void handover_close_others(const struct keeper *k); /* descriptors that nobody named */
void handover_settle(struct keeper *k);	  /* when journal and sets are known: watches them */
void handover_look_for(struct keeper *k); /* attempts that were asked for and not answered */

/* spawn.c */
void spawn_job(struct keeper *k, struct channel_in *in);
void spawns_check(struct keeper *k); /* every hanging_look_ms while any is hanging */
void spawns_forget_server(struct keeper *k);

/* upgrade.c */
void program_hold(struct server *s);
void program_let_go(struct server *s);
void program_execute(const struct server *s); /* in the child; returns when it can not be */
void upgrade_ask(struct keeper *k, const char *path, uint64_t operation, int trial_ms);
void upgrade_serves(struct keeper *k);
bool upgrade_server_ended(struct server *s, const siginfo_t *how); /* true: start another one */
bool upgrade_is_due(const struct upgrade *u);
bool upgrade_time_out(struct server *s);    /* true: start another one */
void upgrade_tell(const struct upgrade *u); /* in the child: KEEPER_UPGRADE_ENV */

/* requests.c */
void requests_read(struct keeper *k);
void requests_forget_server(struct keeper *k); /* the next one knows nothing */

/* server.c */
void server_start(struct keeper *k);
void server_ask_shutdown(struct keeper *k);
int server_timeout_ms(const struct keeper *k); /* for epoll_wait; -1: nothing is due */
void server_timer(struct keeper *k);
void server_flush(struct keeper *k);

/* loop.c */
void keeper_run(struct keeper *k);

#endif
