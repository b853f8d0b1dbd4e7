#include "keeper/child.h"
#include "keeper/keeper.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/*
 * From a request to a running process.  A child that does not come to an end with its chdir or
 * execve is left alone and looked at now and then, with all that it needs: the struct spawning
 * of its job.  It shares the keeper's memory until then, which hurts nobody.
 */
#define PATIENCE_MS	  20
#define PATIENCE_SHORT_MS 2 /* once something hangs: the same file system is likely to again */
#define HANGS_AFTER_NS	  (1000 * 1000000ll) /* then the server is told */
#define LOOK_SOON_MS	  20
#define LOOK_LATER_MS	  200

#define WATCHDOG_PID "WATCHDOG_PID="

/* What the keeper adds to an environment. */
struct extra {
	char token[64], id[64], notify[96], watchdog[sizeof(WATCHDOG_PID) + 12];
};

struct spawning {
	struct child child;
	struct spec spec;
	struct extra extra;
	char exec_path[PATH_MAX];
	struct job *job;
	int64_t since; /* ns, CLOCK_MONOTONIC */
	bool told;     /* the present server knows that it hangs */
	struct spawning *next;
};

static void answer_failure(struct keeper *k, uint64_t token, enum keeper_step step, int sys)
{
	struct keeper_msg m = {
	    .kind = KEEPER_SPAWN_FAILED, .token = token, .what = step, .value = sys};
	channel_send(&k->server.channel, &m, NULL, 0, NULL, 0);
}

static bool fill_job(struct job *j, const struct spec *s)
{
	j->uid = s->head->flags & KEEPER_SPEC_USER ? s->head->uid : geteuid();
	j->label_bytes = s->head->label_bytes;
	j->n_held = s->head->n_held;
	j->label = malloc(j->label_bytes + 1u);
	if (j->label)
		memcpy(j->label, s->label, j->label_bytes);
	return j->label != NULL;
}

static bool is_refused(const struct child *c)
{
	return c->step == KEEPER_STEP_CGROUP ||
	       (c->step == KEEPER_STEP_FORK && c->sys != EAGAIN && c->sys != ENOMEM);
}

/* In a cgroup of its own; where the kernel refuses that, without one. */
static enum child_fate spawn_in_set(struct keeper *k, struct job *j, struct child *c)
{
	unsigned patience = k->hanging ? PATIENCE_SHORT_MS : PATIENCE_MS;
	c->cgroup_fd = cgroup_open(k, j);
	enum child_fate fate = child_spawn(c, patience);
	if (fate == CHILD_FAILED && c->cgroup_fd >= 0 && is_refused(c)) {
		close(c->cgroup_fd);
		cgroup_remove(k, j);
		c->cgroup_fd = -1;
		fate = child_spawn(c, patience);
	}
	if (c->cgroup_fd >= 0)
		close(c->cgroup_fd);
	return fate;
}

static void fail(struct keeper *k, struct job *j, const struct child *c)
{
	if (j->told)
		answer_failure(k, j->token, c->step, c->sys);
	cgroup_remove(k, j);
	job_drop(k, j);
}

static void succeed(struct keeper *k, struct job *j)
{
	j->starting = NULL;
	event_send(k, j, KEEPER_SPAWNED, -1);
	job_watch_exit(k, j);
}

/* One is kept for the next spawn. */
static void spawning_free(struct keeper *k, struct spawning *sp)
{
	spec_release(&sp->spec);
	if (!k->spawning) {
		k->spawning = sp;
		return;
	}
	child_release(&sp->child);
	free(sp);
}

/* ---- those that hang ----------------------------------------------------------------- */

/* Its end before it executed: it was killed.  After that it would be an exit like others. */
static bool never_executed(const struct spawning *sp)
{
	struct process_stat st = {0};
	return process_stat(sp->job->pid, &st) && st.forked_only;
}

static void settle(struct keeper *k, struct spawning *sp)
{
	struct job *j = sp->job;
	struct child *c = &sp->child;
	epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, j->exit.fd, NULL);
	if (!c->sys && never_executed(sp))
		c->sys = EINTR;
	if (child_settle(c)) {
		succeed(k, j);
	} else {
		j->exit.fd = -1;
		fail(k, j, c);
	}
}

static enum keeper_step step_of(const struct spawning *sp)
{
	return __atomic_load_n(&sp->child.step, __ATOMIC_ACQUIRE);
}

static void tell_hangs(struct keeper *k, struct spawning *sp)
{
	struct keeper_msg m = {.kind = KEEPER_HANGS, .token = sp->job->token, .what = step_of(sp)};
	sp->told = sp->job->told;
	if (sp->told)
		channel_send(&k->server.channel, &m, NULL, 0, NULL, 0);
}

void spawns_check(struct keeper *k)
{
	int64_t now = now_ns();
	k->hanging_look_ms = k->is_listing ? LOOK_SOON_MS : LOOK_LATER_MS;
	for (struct spawning **at = &k->hanging, *sp; !k->is_listing && (sp = *at);) {
		if (child_is_through(&sp->child)) {
			*at = sp->next;
			settle(k, sp);
			spawning_free(k, sp);
			continue;
		}
		if (now - sp->since < HANGS_AFTER_NS)
			k->hanging_look_ms = LOOK_SOON_MS;
		else if (!sp->told)
			tell_hangs(k, sp);
		at = &sp->next;
	}
}

void spawns_forget_server(struct keeper *k)
{
	for (struct spawning *sp = k->hanging; sp; sp = sp->next)
		sp->told = false;
}

static void on_end_of_child(struct keeper *k, struct watch *w, uint32_t events)
{
	(void)w, (void)events;
	spawns_check(k);
}

static void leave_alone(struct keeper *k, struct spawning *sp)
{
	struct job *j = sp->job;
	sp->since = now_ns();
	sp->told = false;
	sp->next = k->hanging;
	k->hanging = sp;
	k->hanging_look_ms = LOOK_SOON_MS;
	j->exit.fn = on_end_of_child;
	watch_add(k, &j->exit, EPOLLIN);
}

/* ---- all of them --------------------------------------------------------------------- */

/* false: `sp` is still in use. */
static bool run(struct keeper *k, struct job *j, struct spawning *sp)
{
	enum child_fate fate = spawn_in_set(k, j, &sp->child);
	j->told = true;
	if (fate == CHILD_FAILED) {
		fail(k, j, &sp->child);
		return true;
	}
	job_set_pid(k, j, sp->child.pid, sp->child.pidfd);
	if (fate == CHILD_EXECUTED) {
		succeed(k, j);
		return true;
	}
	j->starting = &sp->child.step;
	sp->job = j;
	leave_alone(k, sp);
	return false;
}

static int prepare(struct keeper *k, struct job *j, struct spec *s, uint32_t flags, struct extra *x)
{
	char hex[17], name[64];
	token_hex(hex, j->token);
	if (flags & KEEPER_SPAWN_NOTIFY) {
		int sys = notify_open(k, j, name);
		if (sys)
			return sys;
		snprintf(x->notify, sizeof(x->notify), "NOTIFY_SOCKET=%s", name);
		spec_env_put(s, x->notify);
	}
	if (flags & KEEPER_SPAWN_WATCHDOG) {
		memcpy(x->watchdog, WATCHDOG_PID, sizeof(WATCHDOG_PID));
		spec_env_put(s, x->watchdog);
	}
	snprintf(x->token, sizeof(x->token), KEEPER_TOKEN_ENV "=%s", hex);
	spec_env_put(s, x->token);
	token_hex(hex, k->id);
	snprintf(x->id, sizeof(x->id), KEEPER_ID_ENV "=%s", hex);
	spec_env_put(s, x->id);
	return 0;
}

static int check(struct keeper *k, struct channel_in *in, struct spec *s)
{
	if (in->truncated)
		return EMFILE;
	if (!in->msg.token)
		return EINVAL;
	if (job_find(k, in->msg.token))
		return EEXIST;
	size_t first = in->msg.flags & KEEPER_SPAWN_MEMFD ? 1 : 0;
	int sys = first ? spec_read_memfd(s, in->n_fds ? in->fds[0] : -1)
			: spec_read(s, in->text, in->msg.text_bytes);
	if (sys)
		return sys;
	if (first + s->head->n_fds + s->head->n_held != in->n_fds)
		return EINVAL;
	for (uint32_t i = 0; i < s->head->n_held; i++)
		held_put(
		    k, s->held[i], in->msg.token, channel_in_take(in, first + s->head->n_fds + i));
	return 0;
}

static struct spawning *spawning_take(struct keeper *k)
{
	struct spawning *sp = k->spawning ? k->spawning : calloc(1, sizeof(*sp));
	k->spawning = NULL;
	return sp;
}

static void set_up(const struct keeper *k, struct spawning *sp, const struct channel_in *in)
{
	struct child *c = &sp->child;
	c->spec = &sp->spec;
	c->fds = in->fds + (in->msg.flags & KEEPER_SPAWN_MEMFD ? 1 : 0);
	c->nofile = k->nofile;
	c->own_pid = in->msg.flags & KEEPER_SPAWN_WATCHDOG
			 ? sp->extra.watchdog + sizeof(WATCHDOG_PID) - 1
			 : NULL;
	c->exec_path = sp->exec_path;
}

void spawn_job(struct keeper *k, struct channel_in *in)
{
	struct spawning *sp = spawning_take(k);
	if (!sp) {
		answer_failure(k, in->msg.token, KEEPER_STEP_SPEC, ENOMEM);
		return;
	}
	int sys = check(k, in, &sp->spec);
	struct job *j = sys ? NULL : job_new(k, in->msg.token);
	if (!j || !fill_job(j, &sp->spec)) {
		answer_failure(k, in->msg.token, KEEPER_STEP_SPEC, sys ? sys : ENOMEM);
		if (j)
			job_drop(k, j);
	} else if ((sys = identity_limit(&k->server.identity, &sp->spec))) {
		answer_failure(k, j->token, KEEPER_STEP_UID, sys);
		job_drop(k, j);
	} else if ((sys = prepare(k, j, &sp->spec, in->msg.flags, &sp->extra))) {
		answer_failure(k, j->token, KEEPER_STEP_NOTIFY, sys);
		job_drop(k, j);
	} else {
		set_up(k, sp, in);
		if (!run(k, j, sp))
			return;
	}
	spawning_free(k, sp);
}
