/* pull.c - one pipe, one spool: announce, then move (format.h). */
#include "logs/capture.h"

#include <errno.h>
#include <fcntl.h>

enum {
	PULL_BYTES = 1 << 20,	/* at most, in one turn of a pipe */
	SAME_CHUNK_USEC = 1000, /* bytes of one source within that span share a slot */
	RETRY_MSEC = 100,	/* first pause after the disk refused, doubling */
	RETRY_MAX_MSEC = 2000,
};

/* Remember whose line is cut by the end of this segment: should the segment be
 * dropped, the rest must not be taken for a line. */
static void mark_mid_line(struct logs *l, struct spool *sp)
{
	pthread_mutex_lock(&l->lock);
	for (struct log_pipe *p = l->pipes; p; p = p->next) {
		char last;

		if (p->spool != sp || p->segment != sp->last || p->end == 0)
			continue;
		p->mid_line = pread(sp->seg_fd, &last, 1, (off_t)(p->end - 1)) == 1 && last != '\n';
	}
	pthread_mutex_unlock(&l->lock);
}

/* An open segment with room. */
static enum err prepare(struct logs *l, struct spool *sp, struct error *e)
{
	log_vanished_check(l, sp);
	if (sp->seg_fd < 0) {
		if (spool_open(sp, l->dir_fd, e))
			return e->code;
		l->open_spools++;
	}
	uint64_t most = log_quota_of(l, sp) / 2;

	most = most < l->opt.segment_bytes ? most : l->opt.segment_bytes;
	if (sp->seg_size < most && sp->idx_size < most / 2)
		return ERR_OK;
	mark_mid_line(l, sp);
	if (spool_rotate(sp, l->dir_fd, e)) {
		l->open_spools--;
		return e->code;
	}
	log_quota_enforce(l, sp);
	log_seal_offer(l, sp);
	return ERR_OK;
}

static enum err announce_source(struct log_pipe *p, usec_wall now, struct error *e)
{
	const struct slot s = {.source = p->attempt,
	    .time = now,
	    .offset = (uint64_t)p->job,
	    .count = p->stream,
	    .flags = p->resumed ? SLOT_RESUMED : 0};
	const char *action = p->names, *run = p->names + strlen(p->names) + 1;

	if (p->segment == p->spool->last)
		return ERR_OK;
	if (spool_put_source(p->spool, &s, action, run, &p->source, e))
		return e->code;
	p->segment = p->spool->last;
	p->end = 0;
	return ERR_OK;
}

static enum err put_slot(
    struct log_pipe *p, enum slot_kind kind, usec_wall now, uint64_t count, struct error *e)
{
	const struct slot s = {.kind = (uint8_t)kind,
	    .source = p->source,
	    .time = now,
	    .offset = p->spool->seg_size,
	    .count = count,
	    .flags = kind == SLOT_DROP ? (p->gap == LOG_GAP_RATE ? SLOT_BY_RATE : 0)
		     : p->mid_line     ? SLOT_MID_LINE
				       : 0};

	return spool_put(p->spool, &s, 1, e);
}

/* The byte gives the note a place of its own: a cursor can stand before or
 * behind it. */
static enum err put_dropped(struct log_pipe *p, usec_wall now, struct error *e)
{
	struct spool *sp = p->spool;

	if (put_slot(p, SLOT_DROP, now, p->dropped, e))
		return e->code;
	sp->last_source = SOURCE_NONE;
	if (pwrite(sp->seg_fd, "\n", 1, (off_t)sp->seg_size) != 1)
		return error_sys(e, ENOSPC, "log of %s: write", sp->name);
	spool_grew(sp, 1);
	p->dropped = 0;
	return ERR_OK;
}

/* Say whose bytes come next. */
static enum err announce(struct logs *l, struct log_pipe *p, struct error *e)
{
	struct spool *sp = p->spool;
	usec_wall now = clock_wall();

	if (prepare(l, sp, e) || announce_source(p, now, e))
		return e->code;
	if (p->dropped && put_dropped(p, now, e))
		return e->code;
	if (sp->last_source == p->source && now >= sp->last_time &&
	    now - sp->last_time < SAME_CHUNK_USEC)
		return ERR_OK;
	if (put_slot(p, SLOT_CHUNK, now, 0, e))
		return e->code;
	p->mid_line = false;
	sp->last_source = p->source;
	sp->last_time = now;
	return ERR_OK;
}

/* Between the read and the write the bytes are only in memory: room is claimed
 * first, so that the write can not meet a full disk.  What fails all the same
 * is counted as dropped. */
static ssize_t move_by_copy(struct logs *l, struct log_pipe *p)
{
	struct spool *sp = p->spool;
	uint64_t at = sp->seg_size;
	ssize_t n;

	if (!l->copy)
		l->copy = mem_new(LOG_COPY_BYTES);
	if (fallocate(sp->seg_fd, FALLOC_FL_KEEP_SIZE, (off_t)at, LOG_COPY_BYTES) < 0 &&
	    errno != EOPNOTSUPP)
		return -1;
	n = read(p->fd, l->copy, LOG_COPY_BYTES);
	for (ssize_t done = 0; done < n;) {
		ssize_t w =
		    pwrite(sp->seg_fd, l->copy + done, (size_t)(n - done), (off_t)at + done);

		if (w < 0 && errno != EINTR) {
			p->dropped += (uint64_t)(n - done);
			return done ? done : -1;
		}
		done += w > 0 ? w : 0;
	}
	return n;
}

static ssize_t move(struct logs *l, struct log_pipe *p, uint64_t room)
{
	size_t most = room < PULL_BYTES ? (size_t)room : PULL_BYTES;
	off_t at = (off_t)p->spool->seg_size;
	ssize_t n;

	if (!p->by_copy) {
		n = splice(
		    p->fd, NULL, p->spool->seg_fd, &at, most, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (n >= 0 || errno != EINVAL)
			return n;
		p->by_copy = true;
		fcntl(p->fd, F_SETFL, fcntl(p->fd, F_GETFL) | O_NONBLOCK);
	}
	n = move_by_copy(l, p);
	return n < 0 && errno == EIO ? 0 : n; /* the end of a PTY */
}

/* LOG_DROP on a full disk or over the rate: empty the pipe, keep the count. */
static enum pull discard(struct logs *l, struct log_pipe *p, enum log_gap why)
{
	ssize_t n = splice(p->fd, NULL, l->null_fd, NULL, PULL_BYTES, SPLICE_F_NONBLOCK);

	if (n == 0)
		return PULL_END;
	if (n < 0)
		return errno == EAGAIN ? PULL_EMPTY : PULL_BLOCKED;
	p->dropped += (uint64_t)n;
	p->gap = (uint8_t)why;
	p->mid_line = true; /* nobody knows how they ended */
	p->spool->last_source = SOURCE_NONE;
	pthread_mutex_lock(&l->lock);
	l->stats.dropped_by_rate += why == LOG_GAP_RATE ? (uint64_t)n : 0;
	l->stats.dropped += (uint64_t)n;
	pthread_mutex_unlock(&l->lock);
	return PULL_MORE;
}

msec log_retry_pause(struct logs *l)
{
	msec next = l->retry_pause ? l->retry_pause * 2 : RETRY_MSEC;

	return l->retry_pause = next < RETRY_MAX_MSEC ? next : RETRY_MAX_MSEC;
}

static enum pull refused(struct logs *l, struct log_pipe *p, const char *why)
{
	log_set_trouble(l, why);
	l->probing = false;
	if (!l->retry_at)
		l->retry_at = clock_mono() + log_retry_pause(l);
	return p->policy == LOG_DROP ? discard(l, p, LOG_GAP_DISK) : PULL_BLOCKED;
}

static void end_trouble(struct logs *l)
{
	l->probing = false;
	l->retry_pause = 0;
	log_set_trouble(l, NULL);
}

static void account(struct logs *l, struct log_pipe *p, uint64_t n)
{
	struct spool *sp = p->spool;
	uint64_t at = sp->seg_size;

	spool_grew(sp, n);
	p->end = sp->seg_size;
	p->moved = n;
	pthread_mutex_lock(&l->lock);
	l->stats.captured += n;
	pthread_mutex_unlock(&l->lock);
	log_recount(l, sp);
	if (l->probing)
		end_trouble(l);
	if (l->total > l->opt.total_bytes || sp->bytes > log_quota_of(l, sp))
		log_quota_enforce(l, sp);
	if (atomic_load_explicit(&l->n_watches, memory_order_relaxed))
		log_watch_scan(l, p, at, n);
	if (atomic_load_explicit(&l->n_follows, memory_order_relaxed))
		log_notify_followers(l, sp);
}

enum pull log_pull(struct logs *l, struct log_pipe *p)
{
	uint64_t room = log_rate_room(p);
	struct error e = {0};
	ssize_t n;

	if (p->policy == LOG_DROP && l->retry_at && clock_mono() < l->retry_at)
		return discard(l, p, LOG_GAP_DISK);
	if (!room && p->policy != LOG_DROP)
		return PULL_LATER;
	if (!room) {
		p->parked_until = 0; /* its writer does not wait */
		return discard(l, p, LOG_GAP_RATE);
	}
	if (announce(l, p, &e))
		return refused(l, p, e.msg);
	n = move(l, p, room);
	if (n > 0) {
		log_rate_took(p, (uint64_t)n);
		account(l, p, (uint64_t)n);
	}
	if (n >= 0)
		return n ? PULL_MORE : PULL_END;
	if (errno == EAGAIN || errno == EINTR)
		return PULL_EMPTY;
	error_sys(&e, errno, "log of %s: write", p->spool->name);
	return refused(l, p, e.msg);
}

/* Did its last bytes end a line?  Not known of what an earlier process captured. */
static bool ends_mid_line(const struct log_pipe *p)
{
	char last;

	if (p->segment != p->spool->last || p->end == 0)
		return p->mid_line || p->resumed;
	return pread(p->spool->seg_fd, &last, 1, (off_t)(p->end - 1)) == 1 && last != '\n';
}

void log_pull_finish(struct logs *l, struct log_pipe *p)
{
	struct error e;
	usec_wall now = clock_wall();
	bool known = p->segment != 0;

	/* After a restart it is not known whether it ever wrote; a service that
	 * has no files has nothing to end. */
	if (!known && !(p->resumed && p->spool->last))
		return;
	if (prepare(l, p->spool, &e) || announce_source(p, now, &e))
		return; /* an unended source only delays its last, partial line */
	if (p->dropped)
		put_dropped(p, now, &e);
	p->mid_line = ends_mid_line(p);
	put_slot(p, SLOT_END, now, 0, &e);
	p->spool->last_source = SOURCE_NONE;
	if (atomic_load_explicit(&l->n_follows, memory_order_relaxed))
		log_notify_followers(l, p->spool);
}

enum err log_write_insert(struct logs *l, const struct log_insert *in)
{
	struct spool *sp = log_spool(l, in->service);
	size_t na = strlen(in->action) + 1, n = strlen(in->line);
	auto_free struct log_pipe *p = mem_new(sizeof(*p) + na + 1);
	struct error e;

	p->spool = sp;
	p->stream = LOG_INSERTED;
	p->fd = -1;
	memcpy(p->names, in->action, na);
	if (announce(l, p, &e))
		return log_set_trouble(l, e.msg), e.code;
	if (pwrite(sp->seg_fd, in->line, n, (off_t)sp->seg_size) != (ssize_t)n) {
		if (ftruncate(sp->seg_fd, (off_t)sp->seg_size) < 0)
			spool_close(sp), l->open_spools--; /* its real end is looked up again */
		error_sys(&e, ENOSPC, "log of %s: write", sp->name);
		return log_set_trouble(l, e.msg), e.code;
	}
	account(l, p, n);
	return put_slot(p, SLOT_END, clock_wall(), 0, &e), sp->last_source = 0, ERR_OK;
}
