/* watch.c - expressions that wait for a line of one attempt. */
#include "base/escape.h"
#include "base/limits.h"
#include "logs/capture.h"
#include "logs/reader.h"

enum err logs_watch(
    struct logs *l, uint64_t token, const char *regex, log_match_fn fn, void *ctx, struct error *e)
{
	struct regex *r;
	struct log_watch *w;

	if (regex_new(regex, &r, e))
		return e->code;
	w = mem_new(sizeof(*w));
	w->token = token;
	w->regex = r;
	w->fn = fn;
	w->ctx = ctx;
	pthread_mutex_lock(&l->lock);
	w->next = l->watches;
	l->watches = w;
	pthread_mutex_unlock(&l->lock);
	atomic_fetch_add(&l->n_watches, 1);
	return ERR_OK;
}

void logs_watch_again(struct logs *l, uint64_t token, log_match_fn fn)
{
	pthread_mutex_lock(&l->lock);
	for (struct log_watch *w = l->watches; w; w = w->next)
		if (w->token == token && w->fn == fn)
			w->matched = w->told = false;
	pthread_mutex_unlock(&l->lock);
}

static void watch_free(struct log_watch *w)
{
	for (size_t i = 0; i < LOG_STREAM_COUNT; i++)
		str_release(&w->open[i].text);
	str_release(&w->line);
	regex_free(w->regex);
	free(w);
}

void logs_unwatch(struct logs *l, uint64_t token, log_match_fn fn)
{
	struct log_watch *found = NULL;

	pthread_mutex_lock(&l->lock);
	for (struct log_watch **at = &l->watches; *at; at = &(*at)->next)
		if ((*at)->token == token && (*at)->fn == fn) {
			found = *at;
			*at = found->next;
			break;
		}
	pthread_mutex_unlock(&l->lock);
	if (!found)
		return;
	atomic_fetch_sub(&l->n_watches, 1);
	watch_free(found);
}

bool logs_is_watched(struct logs *l, uint64_t token, log_match_fn fn)
{
	const struct log_watch *w = l->watches; /* changed by this thread only */

	while (w && (w->token != token || w->fn != fn))
		w = w->next;
	return w;
}

struct log_watch *log_watch_matched(struct logs *l)
{
	struct log_watch *first = NULL;

	for (struct log_watch *w = l->watches; w; w = w->next)
		if (w->matched && !w->told && (!first || w->matched_at < first->matched_at))
			first = w;
	return first;
}

/* ---- lines ---------------------------------------------------------------------------- */

/* Matches the text of an open line, as it is now. */
static void match(struct log_watch *w, const struct log_open_line *line, uint64_t at)
{
	char *text = text_dup_n(str_text(&line->text), line->text.n);
	size_t n = escapes_remove(text, line->text.n);

	if (regex_match(w->regex, text, n) == 1) {
		w->matched = true;
		w->matched_at = at;
		str_clear(&w->line);
		str_add_n(&w->line, text, n < LOG_MATCH_TEXT_MAX ? n : LOG_MATCH_TEXT_MAX);
	}
	free(text);
}

static void end_line(struct log_watch *w, struct log_open_line *line, char how, uint64_t at)
{
	bool is_rest = how == '\n' && line->after_return && line->text.n == 0;

	if (!w->matched && !line->matched && !is_rest)
		match(w, line, at);
	line->matched = false;
	line->after_return = how == '\r';
	str_clear(&line->text);
}

static size_t line_bytes(const char *s, size_t n)
{
	size_t at = 0;

	while (at < n && s[at] != '\n' && s[at] != '\r')
		at++;
	return at;
}

/* Bytes of one stream; `before` others were scanned. */
static void scan(
    struct log_watch *w, struct log_open_line *line, const char *s, size_t n, uint64_t before)
{
	for (size_t at = 0; at < n;) {
		size_t len = line_bytes(s + at, n - at), room = LIMIT_LOG_LINE_BYTES - line->text.n;
		bool cut = len > room;

		str_add_n(&line->text, s + at, cut ? room : len);
		at += cut ? room : len;
		if (!cut && at == n)
			return;
		end_line(w, line, cut ? 0 : s[at], before + at);
		at += !cut;
	}
}

static void scan_file(struct logs *l, struct log_watch *w, const struct log_pipe *p, uint64_t at,
    uint64_t n, uint64_t before)
{
	if (!l->copy)
		l->copy = mem_new(LOG_COPY_BYTES);
	while (n > 0) {
		size_t want = n < LOG_COPY_BYTES ? (size_t)n : LOG_COPY_BYTES;
		ssize_t got = pread(p->spool->seg_fd, l->copy, want, (off_t)at);

		if (got <= 0)
			return;
		scan(w, &w->open[p->stream], l->copy, (size_t)got, before);
		at += (uint64_t)got;
		before += (uint64_t)got;
		n -= (uint64_t)got;
	}
}

/* ---- lines that have no end ------------------------------------------------------------- */

static bool has_open_line(const struct log_watch *w)
{
	for (size_t i = 0; i < LOG_STREAM_COUNT; i++)
		if (w->open[i].text.n && !w->open[i].matched)
			return true;
	return false;
}

/* Its open lines begin to stand still. */
static void arm(struct logs *l, struct log_watch *w)
{
	msec first = atomic_load(&l->still_at);

	w->still_at = !w->matched && has_open_line(w) ? clock_mono() + LOG_STILL_MS : 0;
	if (w->still_at && (!first || w->still_at < first))
		atomic_store(&l->still_at, w->still_at);
}

static void match_open(struct logs *l, struct log_watch *w)
{
	w->still_at = 0;
	for (size_t i = 0; i < LOG_STREAM_COUNT && !w->matched; i++)
		if (w->open[i].text.n && !w->open[i].matched)
			match(w, &w->open[i], l->scanned), w->open[i].matched = w->matched;
}

void log_watch_settle(struct logs *l, uint64_t token)
{
	pthread_mutex_lock(&l->lock);
	for (struct log_watch *w = l->watches; w; w = w->next)
		if (w->token == token)
			match_open(l, w);
	pthread_mutex_unlock(&l->lock);
}

void log_watch_still(struct logs *l)
{
	msec now = clock_mono(), next = 0;

	pthread_mutex_lock(&l->lock);
	for (struct log_watch *w = l->watches; w; w = w->next) {
		if (w->still_at && w->still_at <= now)
			match_open(l, w);
		if (w->still_at && (!next || w->still_at < next))
			next = w->still_at;
	}
	atomic_store(&l->still_at, next);
	bool ring = log_watch_matched(l);
	pthread_mutex_unlock(&l->lock);
	if (ring)
		log_ring(l);
}

/* ---- what is written, and what was --------------------------------------------------------- */

void log_watch_scan(struct logs *l, const struct log_pipe *p, uint64_t at, uint64_t n)
{
	bool ring = false;

	pthread_mutex_lock(&l->lock);
	for (struct log_watch *w = l->watches; w; w = w->next) {
		if (w->token != p->token)
			continue;
		scan_file(l, w, p, at, n, l->scanned);
		arm(l, w);
		ring = ring || (w->matched && !w->told);
	}
	l->scanned += n;
	pthread_mutex_unlock(&l->lock);
	if (ring)
		log_ring(l);
}

static void scan_stored(struct logs *l, uint64_t token, const struct log_line *line, bool ended)
{
	pthread_mutex_lock(&l->lock);
	for (struct log_watch *w = l->watches; w; w = w->next) {
		if (w->token != token)
			continue;
		scan(w, &w->open[line->stream], line->bytes, line->n, l->scanned);
		if (ended)
			scan(w, &w->open[line->stream], "\n", 1, l->scanned + line->n);
		arm(l, w);
	}
	l->scanned += line->n + ended;
	pthread_mutex_unlock(&l->lock);
}

static bool is_watched(const struct logs *l, uint64_t token)
{
	const struct log_watch *w = l->watches;

	while (w && w->token != token)
		w = w->next;
	return w;
}

void logs_watch_stored(struct logs *l, uint64_t token, const char *dir, const struct log_filter *f)
{
	const char *folder = f->n_services ? f->services[0] : LOG_RUNS_FOLDER;
	struct log_reader r;
	struct log_line line;

	if (!is_watched(l, token) || !log_reader_open(&r, dir, folder, f, (struct log_mark){0}))
		return;
	while (log_reader_next(&r, &line))
		if (!line.dropped)
			scan_stored(l, token, &line, !line.truncated);
	while (log_reader_next_open(&r, &line))
		scan_stored(l, token, &line, false);
	log_reader_close(&r);
	log_ring(l);
	log_wake(l);
}
