/* thread.c - the log thread: its epoll, blocked pipes, idle files. */
#include "logs/capture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

enum {
	IDLE_MSEC = 1000,     /* then open files are closed */
	OPEN_SPOOLS_MAX = 64, /* more are closed at the end of the round */
	EVENTS = 64,
	AGE_MSEC = 600000,
};

static void pipe_close(struct logs *l, struct log_pipe *p)
{
	log_pull_finish(l, p);
	log_busy_remove(l, p);
	l->large_pipes -= p->large;
	/* Before the close: others hold the same pipe, and would keep it in here. */
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, p->fd, NULL);
	close(p->fd);
	pthread_mutex_lock(&l->lock);
	if (p->prev)
		p->prev->next = p->next;
	else
		l->pipes = p->next;
	if (p->next)
		p->next->prev = p->prev;
	l->stats.pipes--;
	p->spool->writers--;
	l->stats.blocked -= p->blocked;
	pthread_mutex_unlock(&l->lock);
	log_notify_closed(l, p);
	free(p);
}

static void set_blocked(struct logs *l, struct log_pipe *p, bool blocked)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = p};

	if (p->blocked == blocked)
		return;
	log_busy_remove(l, p);
	/* Out of the epoll, not only masked: a hang-up can not be masked. */
	epoll_ctl(l->epoll_fd, blocked ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, p->fd, &ev);
	pthread_mutex_lock(&l->lock);
	p->blocked = blocked;
	l->stats.blocked += blocked ? 1 : (size_t)-1;
	pthread_mutex_unlock(&l->lock);
}

static void serve(struct logs *l, struct log_pipe *p, uint32_t events)
{
	switch (events & EPOLLIN ? log_pull(l, p) : PULL_END) {
	case PULL_MORE:
		if (!p->busy)
			log_busy_note(l, p);
		break;
	case PULL_EMPTY: break;
	case PULL_LATER: log_busy_park(l, p); break;
	case PULL_BLOCKED: set_blocked(l, p, true); break;
	case PULL_END: pipe_close(l, p); break;
	}
}

static void serve_busy(struct logs *l)
{
	struct log_pipe *p;
	uint32_t events;
	size_t i = l->busy.n;

	while ((p = log_busy_next(l, &i, &events)))
		serve(l, p, events);
}

static struct log_pipe *next_blocked(struct logs *l)
{
	struct log_pipe *p;

	pthread_mutex_lock(&l->lock);
	for (p = l->pipes; p && !p->blocked; p = p->next)
		;
	pthread_mutex_unlock(&l->lock);
	return p;
}

/* Try one pipe; when the disk takes its bytes, let all others back in. */
static void retry(struct logs *l)
{
	struct log_pipe *p = next_blocked(l);
	enum pull r = PULL_EMPTY;

	l->retry_at = 0;
	l->probing = true;
	if (p)
		r = log_pull(l, p);
	if (l->retry_at) /* refused again */
		return;
	if (r == PULL_END)
		pipe_close(l, p);
	while ((p = next_blocked(l)))
		set_blocked(l, p, false);
}

static void write_inserts(struct logs *l)
{
	for (;;) {
		struct log_insert *in;
		bool failed;

		pthread_mutex_lock(&l->lock);
		in = l->inserts;
		pthread_mutex_unlock(&l->lock);
		if (!in)
			return;
		failed = log_write_insert(l, in) != ERR_OK;
		if (failed && !atomic_load(&l->quit)) {
			if (!l->retry_at)
				l->retry_at = clock_mono() + log_retry_pause(l);
			return;
		}
		pthread_mutex_lock(&l->lock);
		l->inserts = in->next;
		if (!l->inserts)
			l->inserts_end = &l->inserts;
		l->insert_bytes -= strlen(in->line);
		pthread_mutex_unlock(&l->lock);
		free(in->service);
		free(in->action);
		free(in->line);
		free(in);
	}
}

#define SETTLE_TURNS 16 /* of a pipe that others write to as well */

/* The next one of an attempt that is not blocked. */
static struct log_pipe *pipe_of(struct logs *l, uint64_t token, struct log_pipe *from)
{
	pthread_mutex_lock(&l->lock);
	struct log_pipe *p = from ? from->next : l->pipes;

	while (p && (p->token != token || p->blocked))
		p = p->next;
	pthread_mutex_unlock(&l->lock);
	return p;
}

static void pull_all_of(struct logs *l, uint64_t token)
{
	for (struct log_pipe *p = pipe_of(l, token, NULL), *next; p; p = next) {
		enum pull r = PULL_MORE;

		next = pipe_of(l, token, p);
		for (int turns = 0; r == PULL_MORE && turns < SETTLE_TURNS; turns++)
			r = log_pull(l, p);
		if (r == PULL_BLOCKED)
			set_blocked(l, p, true);
		else if (r == PULL_END)
			pipe_close(l, p);
	}
}

static struct log_settle *next_settle(struct logs *l)
{
	struct log_settle *s;

	pthread_mutex_lock(&l->lock);
	for (s = l->settles; s && s->done; s = s->next)
		;
	pthread_mutex_unlock(&l->lock);
	return s;
}

static void settle(struct logs *l)
{
	struct log_settle *s;

	while ((s = next_settle(l))) {
		uint64_t token = s->token;

		pull_all_of(l, token);
		log_watch_settle(l, token);
		pthread_mutex_lock(&l->lock);
		s->done = true; /* the loop frees it from here on */
		pthread_mutex_unlock(&l->lock);
		log_ring(l);
	}
}

static void close_files(struct logs *l)
{
	log_vanished_look(l, false);
	for (struct spool *sp = log_spools(l); sp; sp = sp->next)
		spool_close(sp);
	l->open_spools = 0;
	free(take(l->copy));
}

/* What earlier processes stored counts for the quotas. */
static void scan_all(struct logs *l)
{
	int fd = openat(l->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		struct spool *sp;

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		sp = log_spool(l, de->d_name);
		spool_scan(sp, l->dir_fd);
		log_recount(l, sp);
		log_seal_offer(l, sp);
	}
	if (d)
		closedir(d);
	log_quota_age(l);
}

static void drain_all(struct logs *l)
{
	for (struct log_pipe *p = l->pipes, *next; p; p = next) {
		enum pull r = PULL_MORE;

		next = p->next;
		for (int turns = 0; r == PULL_MORE && turns < 16; turns++)
			r = log_pull(l, p);
		if (r == PULL_END)
			pipe_close(l, p);
	}
}

/* 0 is never. */
static msec sooner(msec a, msec b)
{
	return !a || (b && b < a) ? b : a;
}

static int wait_msec(struct logs *l)
{
	msec at = sooner(sooner(l->retry_at, l->ring_at), atomic_load(&l->still_at));

	int busy = log_busy_wait(l);

	if (busy >= 0)
		return busy; /* what else is due is looked at once a tick, too */
	if (!at)
		return l->open_spools || l->copy ? IDLE_MSEC : -1;
	msec left = at - clock_mono();
	return left < 0 ? 0 : (int)left;
}

static bool is_due(msec at)
{
	return at && clock_mono() >= at;
}

static void round_of(struct logs *l, const struct epoll_event *ev, int n)
{
	bool woken = false;

	for (int i = 0; i < n; i++) {
		uint64_t count;

		if (ev[i].data.ptr)
			serve(l, ev[i].data.ptr, ev[i].events);
		else if (read(l->wake_fd, &count, sizeof(count)) == sizeof(count))
			woken = true;
	}
	if (woken && atomic_exchange(&l->look, false))
		log_vanished_look(l, true);
	if (woken) { /* no event of this round may speak of a pipe that this closes */
		write_inserts(l);
		settle(l);
		log_seal_commit(l);
	}
}

void *log_thread_main(void *logs)
{
	struct logs *l = logs;
	struct epoll_event ev[EVENTS];

	scan_all(l);
	while (!atomic_load(&l->quit)) {
		int n = epoll_wait(l->epoll_fd, ev, EVENTS, wait_msec(l));

		round_of(l, ev, n);
		serve_busy(l);
		if (clock_mono() - l->aged_at > AGE_MSEC)
			log_quota_age(l); /* when something is written anyway */
		if (is_due(l->ring_at)) {
			l->ring_at = 0;
			log_ring(l);
		} else if (is_due(atomic_load(&l->still_at))) {
			log_watch_still(l);
		} else if (is_due(l->retry_at)) {
			retry(l);
			write_inserts(l);
		} else if ((n == 0 && !l->retry_at && !l->busy.n) ||
			   l->open_spools > OPEN_SPOOLS_MAX) {
			close_files(l);
		}
	}
	write_inserts(l);
	drain_all(l);
	close_files(l);
	return NULL;
}
