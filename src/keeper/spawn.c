#include "keeper/child.h"
#include "keeper/keeper.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * From a request to a running process.  The keeper's one thread is suspended
 * until the child has executed: a chdir or exec on a dead NFS server holds it up.
 * A watchdog that moves spawns to a fresh thread belongs around child_spawn().
 */

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
	j->label = malloc(j->label_bytes + 1u);
	if (j->label)
		memcpy(j->label, s->label, j->label_bytes);
	return j->label != NULL;
}

/* In a cgroup of its own; where the kernel refuses that, without one. */
static pid_t spawn_in_set(struct keeper *k, struct job *j, struct child *c, int *pidfd)
{
	c->cgroup_fd = cgroup_open(k, j);
	pid_t pid = child_spawn(c, pidfd);
	bool refused = c->step == KEEPER_STEP_CGROUP ||
		       (c->step == KEEPER_STEP_FORK && c->sys != EAGAIN && c->sys != ENOMEM);
	if (pid < 0 && c->cgroup_fd >= 0 && refused) {
		close(c->cgroup_fd);
		cgroup_remove(k, j);
		c->cgroup_fd = -1;
		pid = child_spawn(c, pidfd);
	}
	if (c->cgroup_fd >= 0)
		close(c->cgroup_fd);
	return pid;
}

static void run(struct keeper *k, struct job *j, struct child *c)
{
	int pidfd = -1;
	pid_t pid = spawn_in_set(k, j, c, &pidfd);
	if (pid < 0) {
		answer_failure(k, j->token, c->step, c->sys);
		cgroup_remove(k, j);
		job_drop(k, j);
		return;
	}
	job_set_pid(k, j, pid, pidfd);
	j->told = true;
	event_send(k, j, KEEPER_SPAWNED, -1);
	job_watch_exit(k, j);
}

#define WATCHDOG_PID "WATCHDOG_PID="

/* What the keeper adds to an environment. */
struct extra {
	char token[64], id[64], notify[96], watchdog[sizeof(WATCHDOG_PID) + 12];
};

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
		held_put(k, s->held[i], channel_in_take(in, first + s->head->n_fds + i));
	return 0;
}

void spawn_job(struct keeper *k, struct channel_in *in)
{
	static char exec_path[PATH_MAX];
	struct extra x;
	struct spec s;
	memset(&s, 0, sizeof(s));
	int sys = check(k, in, &s);
	struct job *j = sys ? NULL : job_new(k, in->msg.token);
	if (!j || !fill_job(j, &s)) {
		answer_failure(k, in->msg.token, KEEPER_STEP_SPEC, sys ? sys : ENOMEM);
		if (j)
			job_drop(k, j);
	} else if ((sys = identity_limit(&k->server.identity, &s))) {
		answer_failure(k, j->token, KEEPER_STEP_UID, sys);
		job_drop(k, j);
	} else if ((sys = prepare(k, j, &s, in->msg.flags, &x))) {
		answer_failure(k, j->token, KEEPER_STEP_NOTIFY, sys);
		job_drop(k, j);
	} else {
		struct child c = {.spec = &s,
		    .fds = in->fds + (in->msg.flags & KEEPER_SPAWN_MEMFD ? 1 : 0),
		    .nofile = k->nofile,
		    .own_pid = in->msg.flags & KEEPER_SPAWN_WATCHDOG
				   ? x.watchdog + sizeof(WATCHDOG_PID) - 1
				   : NULL,
		    .exec_path = exec_path};
		run(k, j, &c);
	}
	spec_release(&s);
}
