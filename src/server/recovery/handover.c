#include "server/recovery/handover.h"

#include "server/api.h"
#include "server/recovery/state_folder.h"
#include "server/supervise/attempt.h"
#include "server/supervise/notified.h"
#include "server/supervise/readiness.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct witness {
	job_id job;
	uint64_t token;
	pid_t pid; /* 0: asked for, and not answered */
	int fd;
};

struct handover {
	struct daemon *d;
	struct {
		struct witness *v;
		size_t n, cap;
	} alive;
	size_t gone; /* ended before their pidfds were there */
	struct str records;
};

#define MS_PER_TICK 10 /* proc(5): USER_HZ is 100 for every program */

msec handover_ms_of_ticks(uint64_t ticks)
{
	return (msec)(ticks + 1) * MS_PER_TICK;
}

uint64_t handover_start_ticks(pid_t pid)
{
	struct proc_stat s;

	return proc_stat(pid, &s) ? s.start_ticks : 0;
}

/* ---- who is alive ------------------------------------------------------------------ */

static int hold(const struct attempt *at, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	uint64_t ticks = fd >= 0 ? handover_start_ticks(pid) : 0;

	/* A zombie that is reaped between the two has no ticks, and its pidfd knows how it ended.
	 */
	if (fd >= 0 && ticks && ticks * MS_PER_TICK > (uint64_t)at->born) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void handover_witness(struct daemon *d)
{
	if (d->recovery)
		return;
	d->estate = mem_new(sizeof(*d->estate));
	d->estate->d = d;
	for (const struct attempt *at = NULL; (at = attempt_next(d->supervision, at));) {
		if (at->exited)
			continue;
		struct witness w = {at->job, at->token, attempt_pid(at), -1};
		if (w.pid)
			w.fd = hold(at, w.pid);
		if (w.pid && w.fd < 0)
			d->estate->gone++;
		else
			*vec_push(&d->estate->alive) = w;
	}
}

/* ---- records ------------------------------------------------------------------------- */

/* Where the next keeper finds it: not closed by execve(2), above the numbers that it uses. */
static int inheritable(int take_fd)
{
	int fd = take_fd;

	if (fd >= 0 && fd < KEEPER_ESTATE_FD) {
		fd = fcntl(take_fd, F_DUPFD, KEEPER_ESTATE_FD);
		close(take_fd);
	} else if (fd >= 0 && fcntl(fd, F_SETFD, 0) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void add(struct handover *e, struct keeper_msg m, const char *text, size_t n, int take_fd)
{
	m.version = KEEPER_VERSION;
	m.text_bytes = (uint32_t)n;
	m.value = inheritable(take_fd);
	str_add_n(&e->records, (const char *)&m, sizeof(m));
	str_add_n(&e->records, text ? text : "", n);
}

static void add_held(struct handover *e, uint64_t token, const char *name, int take_fd)
{
	if (take_fd >= 0)
		add(e, (struct keeper_msg){.kind = KEEPER_HELD, .token = token}, name, strlen(name),
		    take_fd);
}

static void add_attempt(struct handover *e, const struct witness *w, unsigned flags)
{
	struct keeper_msg m = {
	    .kind = KEEPER_TOKEN, .token = w->token, .pid = (int32_t)w->pid, .flags = flags};
	struct attempt *at = attempt_of(e->d->supervision, w->job);
	auto_str label = {0}, words = {0};
	struct job_view j;
	unit_id unit;

	if (!engine_job(e->d->engine, w->job, &j, &unit)) {
		if (w->fd >= 0)
			close(w->fd);
		return;
	}
	attempt_label(e->d->supervision, unit, w->job, &label);
	if (at->notified)
		m.flags |= KEEPER_IS_NOTIFYING;
	add(e, m, label.s, label.n, w->fd);
	notified_words(at, &words);
	if (words.n)
		add(e, (struct keeper_msg){.kind = KEEPER_NOTIFY, .token = w->token}, words.s,
		    words.n, -1);
	if (at->readiness) {
		auto_free char *name = held_name(w->token, HELD_READY);

		add_held(e, w->token, name, readiness_give_fd(at));
	}
}

/* Its leader ended and that is stored; the set is not empty yet. */
static void add_sets(struct handover *e)
{
	const struct daemon *d = e->d;

	for (const struct attempt *at = NULL; (at = attempt_next(d->supervision, at));) {
		struct witness w = {at->job, at->token, 0, -1};

		if (at->exited && !store_degraded(d->store, NULL))
			add_attempt(e, &w, KEEPER_IS_EXITED | KEEPER_IS_ACKED);
	}
}

static void take_pipe(uint64_t token, enum log_stream stream, int take_fd, void *ctx)
{
	auto_free char *name = held_name(token, stream == LOG_STDERR ? HELD_STDERR : HELD_STDOUT);

	add_held(ctx, token, name, take_fd);
}

static void take_state(const char *name, int take_fd, void *ctx)
{
	add_held(ctx, 0, name, take_fd);
}

void handover_gather(struct daemon *d)
{
	struct handover *e = d->estate;

	if (!e)
		return;
	add(e,
	    (struct keeper_msg){
		.kind = KEEPER_HELLO, .token = supervision_keeper(d->supervision)->boot},
	    NULL, 0, -1);
	for (size_t i = 0; i < e->alive.n; i++)
		add_attempt(e, &e->alive.v[i], 0);
	add_sets(e);
	logs_give(d->logs, take_pipe, e);
	if (d->store)
		state_folder_give(d, take_state, e);
	add_held(e, 0, KEEPER_HELD_PROGRAM, open("/proc/self/exe", O_PATH | O_CLOEXEC));
	auto_free char *name = NULL;
	int socket = api_give(d, &name);
	add_held(e, 0, name, socket);
	report(REPORT_ERROR, "the keeper was killed: %zu processes are adopted by the next one",
	    e->alive.n);
	if (e->gone)
		report(REPORT_ERROR, "%zu ended meanwhile; how is not known", e->gone);
}

int handover_export(struct handover *take_e)
{
	int fd = -1;

	if (!take_e)
		return -1;
	fd = inheritable(memfd_create("estate", MFD_CLOEXEC));
	if (fd >= 0 &&
	    write(fd, take_e->records.s, take_e->records.n) != (ssize_t)take_e->records.n) {
		report(REPORT_ERROR, "what is adopted can not be handed over: %s", strerror(errno));
		close(fd);
		fd = -1;
	}
	str_release(&take_e->records);
	free(take_e->alive.v);
	free(take_e);
	return fd;
}
