#include "server/supervise/port_watch.h"
#include "server/supervise/supervision_state.h"

#include "server/supervise/port_owner.h"
#include "server/supervise/process_set.h"
#include "sys/listeners.h"

#include <event2/event.h>
#include <sys/stat.h>

#define RETRY_FIRST_MS 1
#define RETRY_MAX_MS   100
#define DESCRIBE_MS    1000 /* what is there instead costs more than the question itself */
#define COMMAND_MAX    60
#define OTHERS_SHOWN   4

struct port_watch {
	struct attempt *at;
	unsigned port;
	port_open_fn fn;
	port_news_fn news;
	void *ctx;
	struct event *timer;
	unsigned pause_ms;
	msec described;	  /* when; 0: not yet */
	uint64_t foreign; /* the listener whose holder was looked for last */
	pid_t holder;	  /* 0: not found */
	char *last;
};

const char *port_watch_last(const struct port_watch *w)
{
	return w->last ? w->last : "";
}

/* ---- who listens ---------------------------------------------------------------------------- */

static bool is_among(const struct proc_inodes *inodes, uint64_t inode)
{
	for (size_t i = 0; i < inodes->n; i++)
		if (inodes->v[i] == inode)
			return true;
	return false;
}

static uid_t owner_of(pid_t pid)
{
	auto_free char *path = text_fmt("/proc/%d", (int)pid);
	struct stat st;

	return stat(path, &st) == 0 ? st.st_uid : (uid_t)-1;
}

/* One of the local ones is held by one of the processes.  Where a process hides what it holds
 * (another user's, or not dumpable), a listener of its user is taken for its own. */
static bool holds_one(const struct proc_pids *pids, size_t from, const struct tcp_listeners *l)
{
	for (size_t i = from; i < pids->n; i++) {
		struct proc_inodes held = {0};
		bool seen = proc_sockets(pids->v[i], &held), found = false;

		for (size_t k = 0; k < l->n && !found; k++)
			found = listener_is_local(&l->v[k]) &&
				(seen ? is_among(&held, l->v[k].inode)
				      : l->v[k].uid == owner_of(pids->v[i]));
		free(held.v);
		if (found)
			return true;
	}
	return false;
}

static bool is_open(const struct port_watch *w, const struct tcp_listeners *l)
{
	struct proc_pids pids = {0};
	bool found = false, any = false;

	for (size_t i = 0; i < l->n; i++)
		any = any || listener_is_local(&l->v[i]);
	for (unsigned part = 0; any && !found; part++) {
		size_t from = pids.n;

		if (!process_set_part(w->at, part, &pids))
			break;
		found = holds_one(&pids, from, l);
	}
	free(pids.v);
	return found;
}

/* ---- what is there instead ------------------------------------------------------------------- */

static void collect_held(const struct port_watch *w, struct proc_inodes *out)
{
	struct proc_pids pids = {0};

	process_set_read(w->at, &pids);
	for (size_t i = 0; i < pids.n; i++)
		proc_sockets(pids.v[i], out);
	free(pids.v);
}

static void add_own(const struct port_watch *w, const struct proc_inodes *held, struct str *out)
{
	struct tcp_listeners all = {0};
	size_t n = 0;

	listeners_read(&all, 0);
	for (size_t i = 0; i < all.n; i++) {
		if (!is_among(held, all.v[i].inode))
			continue;
		if (n++ < OTHERS_SHOWN) {
			str_add(out, n == 1 ? "; it listens on " : ", ");
			listener_fmt(out, &all.v[i]);
		}
	}
	if (n > OTHERS_SHOWN)
		str_fmt(out, " and %zu more", n - OTHERS_SHOWN);
	(void)w;
	listeners_release(&all);
}

static void add_foreign(struct port_watch *w, const struct tcp_listener *l, struct str *out)
{
	if (l->inode != w->foreign) {
		w->foreign = l->inode;
		if (!port_owner_of_inode(l->inode, &w->holder))
			w->holder = 0;
	}
	str_add(out, "; ");
	listener_fmt(out, l);
	if (w->holder) {
		str_fmt(out, " is held by pid %d (", (int)w->holder);
		proc_command(w->holder, COMMAND_MAX, out);
		str_add(out, "), which is none of its processes");
	} else {
		str_add(out, " is held by something else");
	}
}

static char *describe(struct port_watch *w, const struct tcp_listeners *here)
{
	struct proc_inodes held = {0};
	auto_str text = {0};

	collect_held(w, &held);
	str_fmt(&text, "port %u: nothing of it listens there", w->port);
	add_own(w, &held, &text);
	for (size_t i = 0; i < here->n; i++)
		if (!is_among(&held, here->v[i].inode)) {
			add_foreign(w, &here->v[i], &text);
			break;
		}
	free(held.v);
	return str_take(&text);
}

/* The first words cost nothing: most services are ready before anybody could read better ones. */
static void tell(struct port_watch *w, const struct tcp_listeners *here)
{
	msec now = clock_mono();
	char *text = NULL;

	if (!w->last)
		text = text_fmt("port %u: nothing of it listens there", w->port);
	else if (w->pause_ms == RETRY_MAX_MS && now - w->described >= DESCRIBE_MS)
		text = describe(w, here);
	if (!text)
		return;
	if (w->last)
		w->described = now;
	bool is_news = !text_eq(text, w->last);
	free(w->last);
	w->last = text;
	if (is_news)
		w->news(w->ctx, text);
}

/* ---- life -------------------------------------------------------------------------------------
 */

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct port_watch *w = ctx;
	struct tcp_listeners here = {0};
	(void)fd, (void)what;

	listeners_read(&here, w->port);
	bool open = is_open(w, &here);
	if (!open)
		tell(w, &here);
	listeners_release(&here);
	if (open) {
		w->fn(w->ctx);
		return;
	}
	event_add(w->timer, &(struct timeval){.tv_usec = (suseconds_t)w->pause_ms * 1000});
	w->pause_ms = w->pause_ms * 2 < RETRY_MAX_MS ? w->pause_ms * 2 : RETRY_MAX_MS;
}

struct port_watch *port_watch_new(
    struct attempt *at, unsigned port, port_open_fn fn, port_news_fn news, void *ctx)
{
	struct port_watch *w = mem_new(sizeof(*w));

	*w = (struct port_watch){
	    .at = at, .port = port, .fn = fn, .news = news, .ctx = ctx, .pause_ms = RETRY_FIRST_MS};
	w->timer = evtimer_new(at->d->base, on_timer, w);
	event_active(w->timer, EV_TIMEOUT, 1); /* from the loop */
	return w;
}

void port_watch_free(struct port_watch *w)
{
	if (!w)
		return;
	event_free(w->timer);
	free(w->last);
	free(w);
}
