/*
 * spawner.h - the server's side of the keeper's channel.
 *
 * Asks, never waits: requests go out in the order of the calls, through a queue
 * if need be.  A queued spawn costs two copies of its descriptors: who has many
 * asks spawner_is_idle() first and goes on at `room`.  Answers and news arrive as calls of
 * spawner_events, from the event loop only, never from within a request.  The promises about their
 * order are those of keeper/keeper_protocol.h: spawned or failed first, then exited once, then
 * set_empty once.
 *
 * Life of a server: spawner_new, spawner_list (what a former server left), and
 * when `listed_all` came, business.  After a commit of an exit: spawner_ack.
 * The reading end of a job's pipe is held with its spawn (spawn_spec.hold): a kill
 * at any time loses nothing.  Shutdown: stop the jobs, spawner_shutdown, exit.
 *
 * Belongs to the thread of its event loop.
 * Depends on: base, sys, keeper/channel.h, spawn/spec.h, libevent.
 */
#ifndef HP_SPAWN_SPAWNER_H
#define HP_SPAWN_SPAWNER_H

#include "spawn/spec.h"

#include <sys/types.h>

struct event_base;
struct spawner;
struct urgent;

struct spawn_listed {
	uint64_t token;
	pid_t pid;
	uint64_t start_ticks; /* /proc/PID/stat field 22: with pid, an identity */
	bool exited;	      /* the leader ended; `exit` says how */
	bool acked;	      /* ... and that was acknowledged */
	bool empty;	      /* no process of the set is left */
	bool lost;	      /* left by a former keeper: how it ended is not known */
	bool starting;	      /* not executed yet: its chdir or exec hangs, `step` */
	enum keeper_step step;
	bool asked; /* spawner_stop() of a former server reached the keeper */
	const struct keeper_exit_info *exit;
	const void *label;
	size_t label_bytes;
};

/* Each may be NULL.  A take_ descriptor is the callee's (-1: there is none); it is
 * closed where the callback is NULL.  Texts and structs are borrowed. */
struct spawner_events {
	void (*spawned)(void *ctx, uint64_t token, pid_t pid);
	void (*failed)(void *ctx, uint64_t token, enum keeper_step step, int sys);
	/* neither of the two for a second: spawned or failed follows, who knows when */
	void (*hangs)(void *ctx, uint64_t token, enum keeper_step step);
	/* `empty`: so is its set, no set_empty follows */
	void (*exited)(void *ctx, uint64_t token, const struct keeper_exit_info *how, bool empty);
	void (*set_empty)(void *ctx, uint64_t token);
	/* sd_notify(3): lines `MS KEY=VALUE`, the newest first (keeper_protocol.h) */
	void (*notified)(void *ctx, uint64_t token, const char *text);
	void (*listed)(void *ctx, const struct spawn_listed *job, int take_pidfd);
	void (*held)(void *ctx, const char *name, int take_fd);
	void (*listed_all)(void *ctx);
	void (*shutdown_asked)(void *ctx, int times);
	/* boot: the same for all keepers that took over from each other */
	void (*hello)(void *ctx, pid_t keeper, bool has_cgroups, uint64_t boot);
	void (*pong)(void *ctx, uint64_t token, int value);
	void (*room)(void *ctx);	/* the queue is empty again: spawner_is_idle() */
	void (*lost_keeper)(void *ctx); /* the last call; requests are dropped from here on */
};

/* The descriptor named by KEEPER_FD_ENV, removed from the environment, or -1 when
 * this process was not started by a keeper. */
int spawner_fd_from_env(void);

/* events: borrowed for its life; so is the set, which hears the keeper. */
enum err spawner_new(struct event_base *base, struct urgent *urgent, int take_fd,
    const struct spawner_events *events, void *ctx, struct spawner **out,
    struct error *e) attr_must_use;
void spawner_free(struct spawner *s);

/* Not sent when this fails (a bound, or no descriptor for the memfd). */
enum err spawner_spawn(
    struct spawner *s, const struct spawn_spec *spec, struct error *e) attr_must_use;

void spawner_signal(struct spawner *s, uint64_t token, int signo, enum keeper_scope scope);
/* A signal that asks it to end; the list tells a later server that it was sent. */
void spawner_stop(struct spawner *s, uint64_t token, int signo, enum keeper_scope scope);
void spawner_ack(struct spawner *s, uint64_t token);
void spawner_hold(struct spawner *s, const char *name, int fd); /* a duplicate is kept */
void spawner_release(struct spawner *s, const char *name);	/* soon: nobody waits for it */
void spawner_list(struct spawner *s);
void spawner_shutdown(struct spawner *s);
/* The program at `path` is the next server, on trial for so long; this one is about to exit. */
void spawner_upgrade(struct spawner *s, const char *path, uint64_t operation, int trial_ms);
/* Recovery is over; a trial has been passed. */
void spawner_serving(struct spawner *s);
void spawner_look_at_folder(struct spawner *s); /* the keeper's files may be gone, or all of it */
/* Answered by pong; with a token, what its job notified before was told by then. */
void spawner_ping(struct spawner *s, uint64_t token, int value);

/* Whether everything asked for so far has left this process.  Before exit(), and before
 * another spawn. */
bool spawner_is_idle(const struct spawner *s);

#endif
