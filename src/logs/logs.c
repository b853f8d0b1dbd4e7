#include "logs/capture.h"

#include "base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

enum { STACK_BYTES = 256 << 10, INSERT_BYTES_MAX = 1 << 20 };

static const char *const stream_words[] = {"any", "stdout", "stderr", "inserted"};

const char *log_stream_str(enum log_stream s)
{
	return (size_t)s < LOG_STREAM_COUNT ? stream_words[s] : "?";
}

const char *log_gap_str(enum log_gap g)
{
	static const char *const words[] = {"", "disk", "rate", "quota"};

	return (size_t)g < countof(words) ? words[g] : "?";
}

bool log_stream_parse(const char *s, enum log_stream *out)
{
	for (unsigned i = 0; i < LOG_STREAM_COUNT; i++)
		if (strcmp(s, stream_words[i]) == 0)
			return *out = (enum log_stream)i, true;
	return false;
}

static void set_options(struct logs *l, const struct logs_options *o)
{
	static const struct logs_options none;

	if (!o)
		o = &none;
	l->opt.segment_bytes = o->segment_bytes ? o->segment_bytes : 8u << 20;
	l->opt.service_bytes = o->service_bytes ? o->service_bytes : 64u << 20;
	l->opt.total_bytes = o->total_bytes ? o->total_bytes : 1u << 30;
	l->opt.seal_min_bytes = o->seal_min_bytes ? o->seal_min_bytes : 64u << 10;
	l->opt.seal_delay = o->seal_delay ? o->seal_delay : 5000;
	l->opt.no_seal = o->no_seal;
	l->opt.max_age_s = o->max_age_s ? o->max_age_s : 30 * 86400;
	if (l->opt.segment_bytes > l->opt.service_bytes / 2)
		l->opt.segment_bytes = l->opt.service_bytes / 2;
}

static enum err open_fds(struct logs *l, const char *dir, struct error *e)
{
	struct epoll_event ev = {.events = EPOLLIN};

	l->dir_fd = l->epoll_fd = l->null_fd = l->wake_fd = l->event_fd = -1;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return error_sys(e, errno, "logs: mkdir %s", dir);
	l->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dir_fd < 0)
		return error_sys(e, errno, "logs: open %s", dir);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->epoll_fd < 0 || l->null_fd < 0 || l->wake_fd < 0 || l->event_fd < 0 ||
	    epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &ev) < 0)
		return error_sys(e, errno, "logs: descriptors");
	return ERR_OK;
}

static void close_fds(struct logs *l)
{
	int *fds[] = {&l->dir_fd, &l->epoll_fd, &l->null_fd, &l->wake_fd, &l->event_fd};

	for (size_t i = 0; i < countof(fds); i++)
		close_at_exit(fds[i]);
}

/* Its waits are bounded on the monotonic clock. */
static void seal_clock_init(struct logs *l)
{
	pthread_condattr_t a;

	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&l->seal_wake, &a);
	pthread_condattr_destroy(&a);
}

enum err logs_open(
    const char *dir, const struct logs_options *o, struct logs **out, struct error *e)
{
	struct logs *l = mem_new(sizeof(*l));

	set_options(l, o);
	pthread_mutex_init(&l->lock, NULL);
	seal_clock_init(l);
	l->dir = text_dup(dir);
	l->inserts_end = &l->inserts;
	if (open_fds(l, dir, e) ||
	    worker_start(&l->thread, "logs", STACK_BYTES, log_thread_main, l, e)) {
		close_fds(l);
		free(l->dir);
		free(l);
		return e->code;
	}
	*out = l;
	return ERR_OK;
}

static void release_lists(struct logs *l)
{
	for (struct log_pipe *p = l->pipes, *next; p; p = next) {
		next = p->next;
		close(p->fd);
		free(p);
	}
	while (l->watches)
		logs_unwatch(l, l->watches->token, l->watches->fn);
	for (struct log_settle *s; (s = l->settles);) {
		l->settles = s->next;
		free(s);
	}
	while (l->follows)
		logs_unfollow(l, l->follows->id);
	for (struct spool *sp = l->spool_list, *next; sp; sp = next) {
		next = sp->next;
		spool_free(sp);
	}
	map_release(&l->spools);
	free(l->closed.v);
	free(l->busy.v);
	str_release(&l->trouble);
	str_release(&l->repaired);
}

static void end_thread(struct logs *l)
{
	if (atomic_exchange(&l->quit, true))
		return;
	log_wake(l);
	pthread_join(l->thread, NULL);
	log_seal_end(l);
}

void logs_give(struct logs *l, log_give_fn fn, void *ctx)
{
	end_thread(l);
	for (struct log_pipe *p = l->pipes, *next; p; p = next) {
		next = p->next;
		fn(p->token, (enum log_stream)p->stream, p->fd, ctx);
		free(p);
	}
	l->pipes = NULL;
}

void logs_close(struct logs *l)
{
	if (!l)
		return;
	end_thread(l);
	release_lists(l);
	close_fds(l);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->seal_wake);
	free(l->dir);
	free(l);
}

static struct log_pipe *pipe_new(const struct log_ident *id, int fd)
{
	const char *action = id->action ? id->action : "", *run = id->run ? id->run : "";
	size_t na = strlen(action) + 1, nr = strlen(run) + 1;
	struct log_pipe *p = mem_new(sizeof(*p) + na + nr);

	memcpy(p->names, action, na);
	memcpy(p->names + na, run, nr);
	p->job = id->job;
	p->token = id->token;
	p->attempt = id->attempt;
	p->stream = (uint8_t)id->stream;
	p->policy = (uint8_t)id->policy;
	p->resumed = id->resumed;
	p->rate = id->rate;
	p->fd = fd;
	return p;
}

/* The largest of all that write at a time. */
static void set_bounds(struct spool *sp, const struct log_ident *id)
{
	bool alone = sp->writers++ == 0;

	if (alone || id->max_bytes > sp->max_bytes)
		sp->max_bytes = id->max_bytes;
	if (alone || id->retention_s > sp->retention_s)
		sp->retention_s = id->retention_s;
}

enum err logs_attach(struct logs *l, const struct log_ident *id, int take_fd, struct error *e)
{
	struct log_pipe *p = pipe_new(id, take_fd);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = p};
	enum err rc = ERR_OK;

	p->spool = log_spool(l, id->service);
	pthread_mutex_lock(&l->lock);
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, take_fd, &ev) < 0) {
		rc = error_sys(e, errno, "log of %s: watch the pipe", p->spool->name);
	} else {
		p->next = l->pipes;
		if (p->next)
			p->next->prev = p;
		l->pipes = p;
		l->stats.pipes++;
		set_bounds(p->spool, id);
	}
	pthread_mutex_unlock(&l->lock);
	if (rc) {
		close(take_fd);
		free(p);
	}
	return rc;
}

enum err logs_insert(
    struct logs *l, const char *service, const char *action, const char *line, struct error *e)
{
	struct log_insert *in;
	size_t n = strlen(line) + 1;

	pthread_mutex_lock(&l->lock);
	if (l->insert_bytes + n > INSERT_BYTES_MAX) {
		pthread_mutex_unlock(&l->lock);
		return error_set(e, ERR_BUSY, "log of %s: too much waits for the disk", service);
	}
	in = mem_new(sizeof(*in));
	in->service = text_dup(service);
	in->action = text_dup(action ? action : "");
	in->line = text_fmt("%s\n", line);
	l->insert_bytes += n;
	*l->inserts_end = in;
	l->inserts_end = &in->next;
	pthread_mutex_unlock(&l->lock);
	log_wake(l);
	return ERR_OK;
}

int logs_event_fd(const struct logs *l)
{
	return l->event_fd;
}

void logs_on_closed(struct logs *l, log_closed_fn fn, void *ctx)
{
	pthread_mutex_lock(&l->lock);
	l->closed_fn = fn;
	l->closed_ctx = ctx;
	pthread_mutex_unlock(&l->lock);
}

void logs_on_repaired(struct logs *l, log_repaired_fn fn, void *ctx)
{
	pthread_mutex_lock(&l->lock);
	l->repaired_fn = fn;
	l->repaired_ctx = ctx;
	pthread_mutex_unlock(&l->lock);
	log_ring(l);
}

void logs_look(struct logs *l)
{
	atomic_store(&l->look, true);
	log_wake(l);
}

uint64_t logs_follow(struct logs *l, const char *service, log_written_fn fn, void *ctx)
{
	struct log_follow *f = mem_new(sizeof(*f));

	f->service = text_dup(service);
	f->fn = fn;
	f->ctx = ctx;
	pthread_mutex_lock(&l->lock);
	f->id = ++l->next_follow;
	f->next = l->follows;
	l->follows = f;
	pthread_mutex_unlock(&l->lock);
	atomic_fetch_add(&l->n_follows, 1);
	return f->id;
}

void logs_unfollow(struct logs *l, uint64_t follow)
{
	struct log_follow *found = NULL;

	pthread_mutex_lock(&l->lock);
	for (struct log_follow **at = &l->follows; *at; at = &(*at)->next)
		if ((*at)->id == follow) {
			found = *at;
			*at = found->next;
			break;
		}
	pthread_mutex_unlock(&l->lock);
	if (!found)
		return;
	atomic_fetch_sub(&l->n_follows, 1);
	free(found->service);
	free(found);
}

void logs_settle(struct logs *l, uint64_t token, log_settled_fn fn, void *ctx)
{
	struct log_settle *s = mem_new(sizeof(*s));

	*s = (struct log_settle){.token = token, .fn = fn, .ctx = ctx};
	pthread_mutex_lock(&l->lock);
	s->next = l->settles;
	l->settles = s;
	pthread_mutex_unlock(&l->lock);
	log_wake(l);
}

/* One thing to tell, copied out so that its callback runs without the lock. */
struct telling {
	enum { TELL_NOTHING, TELL_CLOSED, TELL_NEWS, TELL_MATCH, TELL_SETTLED, TELL_REPAIRED } what;
	struct log_closed closed;
	log_closed_fn closed_fn;
	log_written_fn written_fn;
	log_match_fn match_fn;
	log_settled_fn settled_fn;
	log_repaired_fn repaired_fn;
	void *ctx;
	char *line; /* TELL_MATCH, TELL_REPAIRED: the owner frees */
	size_t n;
};

static bool take_settled(struct logs *l, struct telling *t)
{
	for (struct log_settle **at = &l->settles, *s; (s = *at); at = &s->next) {
		if (!s->done)
			continue;
		t->what = TELL_SETTLED;
		t->closed.token = s->token;
		t->settled_fn = s->fn;
		t->ctx = s->ctx;
		*at = s->next;
		free(s);
		return true;
	}
	return false;
}

static struct telling next_telling(struct logs *l)
{
	struct telling t = {0};

	if (l->closed.n) {
		t.what = TELL_CLOSED;
		t.closed = l->closed.v[--l->closed.n];
		t.closed_fn = l->closed_fn;
		t.ctx = l->closed_ctx;
		return t;
	}
	if (l->repaired.n && l->repaired_fn) {
		t.what = TELL_REPAIRED;
		t.repaired_fn = l->repaired_fn;
		t.ctx = l->repaired_ctx;
		t.line = str_take(&l->repaired);
		return t;
	}
	struct log_watch *w = log_watch_matched(l);
	if (w) {
		w->told = true;
		t.what = TELL_MATCH;
		t.closed.token = w->token;
		t.match_fn = w->fn;
		t.ctx = w->ctx;
		t.n = w->line.n;
		t.line = str_take(&w->line);
		return t;
	}
	if (take_settled(l, &t))
		return t;
	for (struct log_follow *f = l->follows; f; f = f->next)
		if (f->written) {
			f->written = false;
			t.what = TELL_NEWS;
			t.written_fn = f->fn;
			t.ctx = f->ctx;
			return t;
		}
	return t;
}

void logs_dispatch(struct logs *l)
{
	uint64_t count;

	if (read(l->event_fd, &count, sizeof(count)) < 0)
		return;
	/* Bounded: a flood must not keep the loop here; what is left rings again. */
	for (int turns = 0; turns < 1000; turns++) {
		struct telling t;

		pthread_mutex_lock(&l->lock);
		t = next_telling(l);
		pthread_mutex_unlock(&l->lock);
		if (t.what == TELL_NOTHING)
			return;
		if (t.what == TELL_CLOSED && t.closed_fn)
			t.closed_fn(t.closed.token, t.closed.stream, t.ctx);
		else if (t.what == TELL_MATCH)
			t.match_fn(t.closed.token, t.line, t.n, t.ctx);
		else if (t.what == TELL_SETTLED)
			t.settled_fn(t.closed.token, t.ctx);
		else if (t.what == TELL_REPAIRED)
			t.repaired_fn(t.line, t.ctx);
		else if (t.what == TELL_NEWS)
			t.written_fn(t.ctx);
		free(t.line);
	}
	log_ring(l);
}

bool logs_degraded(struct logs *l, struct str *out)
{
	bool degraded;

	pthread_mutex_lock(&l->lock);
	degraded = l->trouble.n > 0;
	if (degraded && out)
		str_add(out, str_text(&l->trouble));
	pthread_mutex_unlock(&l->lock);
	return degraded;
}

struct logs_stats logs_stats(struct logs *l)
{
	struct logs_stats s;

	pthread_mutex_lock(&l->lock);
	s = l->stats;
	s.stored = l->total;
	pthread_mutex_unlock(&l->lock);
	return s;
}
