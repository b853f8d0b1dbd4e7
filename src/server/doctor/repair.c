/* repair.c - what a finding named is mended. */
#include "server/doctor/look.h"

#include "server/history/records.h"
#include "server/operation/operations.h"
#include "server/supervise/attempt.h"
#include "server/supervise/perform.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>

#define GRACE_MS 1000 /* after TERM */

static void did(struct look *l, const char *what, const char *but)
{
	strv_take(&l->did, text_fmt("%s%s%s", what, but ? ": " : "", but ? but : ""));
}

/* ---- on the thread ---------------------------------------------------------------------- */

/* The number may be used again by now: the descriptor first, then the same start. */
static int open_stray(const struct look *l, const struct finding *f)
{
	int fd = (int)syscall(SYS_pidfd_open, f->pid, 0);
	struct world now = {0};
	const struct process *p;

	if (fd < 0)
		return -1;
	world_read(&now, &l->belief);
	p = world_find(&now, f->pid);
	bool same = p && p->start_ticks == f->start_ticks &&
		    (p->token == f->token || p->folder == f->token);
	world_release(&now);
	if (same)
		return fd;
	close(fd);
	errno = ESRCH;
	return -1;
}

static void kill_stray(struct look *l, const struct finding *f)
{
	auto_fd int fd = open_stray(l, f);
	struct pollfd ended = {.fd = fd, .events = POLLIN};

	if (fd < 0) {
		did(l, f->repair, "it is gone already");
		return;
	}
	for (int i = 0; i < 2; i++) {
		if (syscall(SYS_pidfd_send_signal, fd, i ? SIGKILL : SIGTERM, NULL, 0) < 0) {
			did(l, f->repair, strerror(errno));
			return;
		}
		if (poll(&ended, 1, GRACE_MS) == 1)
			break;
	}
	did(l, f->repair, NULL);
}

static void remove_file(struct look *l, const struct finding *f)
{
	struct stat st;

	if (lstat(f->path, &st) == 0 && (st.st_ino != f->file || st.st_dev != f->device))
		did(l, f->repair, "it is another file now");
	else
		did(l, f->repair, unlink(f->path) < 0 ? strerror(errno) : NULL);
}

static void remove_folder(struct look *l, const struct finding *f)
{
	did(l, f->repair, rmdir(f->path) < 0 ? strerror(errno) : NULL);
}

bool mend_beside(struct look *l, const struct finding *f)
{
	switch (f->mend) {
	case MEND_KILL: kill_stray(l, f); return true;
	case MEND_UNLINK: remove_file(l, f); return true;
	case MEND_FOLDER: remove_folder(l, f); return true;
	case MEND_NOTHING:
	case MEND_LOST:
	case MEND_EMPTY:
	case MEND_RESTART:
	case MEND_MIRROR:
	case MEND_RAISE:
	case MEND_ACK:
	case MEND_COUNT: break;
	}
	return false;
}

/* ---- on the loop ------------------------------------------------------------------------ */

static void restart(struct daemon *d, struct look *l, const struct finding *f)
{
	const char *name = f->service;
	const struct engine_request rq = {
	    .kind = OP_RESTART, .names = &name, .n_names = 1, .keep_wanted = true, .who = "doctor"};
	struct strv chain = {0};
	struct error e = {0};
	op_id op;

	if (engine_request(d->engine, clock_mono(), &rq, &op, &chain, &e) == ERR_OK)
		operations_begin(d->operations, op, "doctor", "system.doctor");
	perform_effects(d->supervision);
	did(l, f->repair, e.code == ERR_OK ? NULL : e.msg);
	strv_release(&chain);
}

static void take_for_lost(struct daemon *d, struct look *l, const struct finding *f)
{
	struct job_exit gone = {.code = -1, .lost = true};
	struct attempt *at = attempt_find(d->supervision, f->token);

	if (!at || at->exited)
		return;
	at->exited = true;
	history_job(d->history, at->job)->pid = 0;
	engine_exited(d->engine, clock_mono(), f->token, &gone);
	perform_effects(d->supervision);
	attempt_on_empty(d->supervision, f->token);
	did(l, f->repair, NULL);
}

static void take_for_empty(struct daemon *d, struct look *l, const struct finding *f)
{
	if (!attempt_find(d->supervision, f->token))
		return;
	attempt_on_empty(d->supervision, f->token);
	did(l, f->repair, NULL);
}

void mend_on_loop(struct daemon *d, struct look *l, const struct finding *f)
{
	switch (f->mend) {
	case MEND_LOST: take_for_lost(d, l, f); break;
	case MEND_EMPTY: take_for_empty(d, l, f); break;
	case MEND_RESTART: restart(d, l, f); break;
	case MEND_MIRROR:
		store_write_files(d->store);
		did(l, f->repair, NULL);
		break;
	case MEND_RAISE:
		records_saw(d->history, (enum counter)f->token, f->file);
		did(l, f->repair, NULL);
		break;
	case MEND_ACK:
		attempt_acknowledge_again(d->supervision);
		did(l, f->repair, NULL);
		break;
	case MEND_NOTHING:
	case MEND_KILL:
	case MEND_UNLINK:
	case MEND_FOLDER:
	case MEND_COUNT: break;
	}
}
