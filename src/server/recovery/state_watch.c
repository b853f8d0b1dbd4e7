#include "server/recovery/state_watch.h"

#include "base/str.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <sys/inotify.h>

/* The names of store/ and keeper/ in the folder, and whose they are. */
static const struct {
	const char *name;
	unsigned what;
} names[] = {
    {"state.db", STATE_STORE},
    {"state.db-wal", STATE_STORE},
    {"definitions", STATE_STORE | STATE_FILES},
    {"reserve", STATE_STORE},
    {"lock", STATE_KEEPER},
    {"journal", STATE_KEEPER},
    {"logs", STATE_LOGS},
};
#define WHOLE	 (STATE_STORE | STATE_FILES | STATE_KEEPER | STATE_LOGS)
#define MADE_NEW ".new" /* store/mirror.c gives each file its name by renaming this one */

#define ABOVE  (IN_MOVE_SELF | IN_ONLYDIR)
#define NAMED  (ABOVE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define PARENT (NAMED | IN_CREATE)
#define STATE  (NAMED | IN_CREATE | IN_DELETE_SELF)
#define FILES  (NAMED | IN_CLOSE_WRITE | IN_DELETE_SELF)

struct state_watch {
	struct state_watch_config cfg;
	char *dir, *name; /* as configured; its last part */
	int fd, parent, state, files, database;
	struct event *ev;
	unsigned deleted;	    /* events below definitions/ */
	int foreign;		    /* of these; not of ours */
	uint32_t leaving, arriving; /* cookies: of a file that left its name, of .new; or 0 */
	unsigned what;		    /* of this round */
	bool renew;
};

/* ---- one event ------------------------------------------------------------------------------ */

static unsigned of_name(const char *name)
{
	for (size_t i = 0; i < countof(names); i++)
		if (text_eq(names[i].name, name))
			return names[i].what;
	return 0;
}

static void in_state(struct state_watch *w, const char *name)
{
	unsigned what = of_name(name);

	w->what |= what;
	w->renew = w->renew || (what & STATE_STORE); /* it is another file or folder now */
}

static void in_files_moved(struct state_watch *w, const struct inotify_event *ev, bool is_new)
{
	bool is_second = ev->mask & IN_MOVED_TO;

	if (!is_second && w->leaving)
		w->what |= STATE_FILES; /* the one before left for good */
	if (is_second && !is_new && ev->cookie != w->arriving)
		w->what |= STATE_FILES; /* it is not one of ours that got its name */
	if (is_second && ev->cookie == w->leaving)
		w->leaving = 0;
	if (!is_second) {
		w->leaving = is_new ? 0 : ev->cookie;
		w->arriving = is_new ? ev->cookie : w->arriving;
	}
}

/* What we do there ourselves: .new gets the name of a file, or both change places, which are two
 * moves with a cookie each (rename(2)); .new is written; files are removed, and counted. */
static void in_files(struct state_watch *w, const struct inotify_event *ev, const char *name)
{
	bool is_new = text_eq(name, MADE_NEW);

	if (ev->mask & IN_DELETE)
		w->deleted++;
	else if (ev->mask & (IN_MOVED_FROM | IN_MOVED_TO))
		in_files_moved(w, ev, is_new);
	else if (!is_new)
		w->what |= STATE_FILES; /* written in place */
}

static void take_event(struct state_watch *w, const struct inotify_event *ev)
{
	const char *name = ev->len ? ev->name : "";
	bool is_self = ev->mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT | IN_Q_OVERFLOW);

	if (is_self || (ev->wd == w->parent && text_eq(name, w->name))) {
		w->what |= WHOLE;
		w->renew = true;
	} else if (ev->wd == w->state) {
		in_state(w, name);
	} else if (ev->wd == w->files) {
		in_files(w, ev, name);
	} else if (ev->wd == w->database) {
		w->what |= STATE_STORE;
	}
}

static void count_deleted(struct state_watch *w)
{
	int foreign = (int)(w->deleted - w->cfg.removed(w->cfg.ctx));

	if (foreign > w->foreign)
		w->what |= STATE_FILES;
	w->foreign = foreign > w->foreign ? foreign : w->foreign;
}

static void on_events(evutil_socket_t fd, short what, void *ctx)
{
	_Alignas(struct inotify_event) char buf[4096];
	struct state_watch *w = ctx;
	ssize_t n;
	(void)what;

	w->what = 0;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (char *at = buf; at < buf + n;) {
			const struct inotify_event *ev = (const void *)at;

			take_event(w, ev);
			at += sizeof(*ev) + ev->len;
		}
	if (w->leaving)
		w->what |= STATE_FILES;
	w->leaving = 0;
	count_deleted(w);
	if (w->renew) { /* what was not read of the former one is lost */
		w->what |= STATE_FILES;
		state_watch_renew(w);
	}
	if (w->what)
		w->cfg.changed(w->what, w->cfg.ctx);
}

/* ---- placing ----------------------------------------------------------------------------------
 */

static void drop(struct state_watch *w)
{
	if (w->ev)
		event_free(w->ev);
	if (w->fd >= 0)
		close(w->fd);
	w->ev = NULL;
	w->fd = w->parent = w->state = w->files = w->database = -1;
}

/* Each folder above, as far as the path leads. */
static void place_above(struct state_watch *w)
{
	auto_free char *path = text_dup(w->dir);

	for (char *at; (at = strrchr(path, '/')) && at > path;) {
		bool is_parent = w->parent < 0;

		*at = '\0';
		int wd = inotify_add_watch(w->fd, path, is_parent ? PARENT : ABOVE);
		if (is_parent)
			w->parent = wd;
	}
}

static enum err place(struct state_watch *w, struct error *e)
{
	auto_free char *files = text_fmt("%s/definitions", w->dir);
	auto_free char *database = text_fmt("%s/state.db", w->dir);

	drop(w);
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd < 0)
		return error_sys(e, errno, "%s: inotify_init1", w->dir);
	place_above(w);
	w->state = inotify_add_watch(w->fd, w->dir, STATE);
	if (w->state < 0 && errno != ENOENT)
		return error_sys(e, errno, "%s: inotify_add_watch", w->dir);
	w->files = inotify_add_watch(w->fd, files, FILES);
	w->database = inotify_add_watch(w->fd, database, IN_MODIFY); /* we do that rarely */
	w->ev = event_new(w->cfg.base, w->fd, EV_READ | EV_PERSIST, on_events, w);
	event_add(w->ev, NULL);
	w->deleted = w->cfg.removed(w->cfg.ctx);
	w->foreign = 0;
	w->leaving = w->arriving = 0;
	w->renew = false;
	return ERR_OK;
}

struct state_watch *state_watch_new(const struct state_watch_config *cfg, struct error *e)
{
	struct state_watch *w = mem_new(sizeof(*w));

	w->cfg = *cfg;
	w->dir = text_dup(cfg->dir);
	w->cfg.dir = w->dir;
	w->name = strrchr(w->dir, '/') + 1;
	w->fd = -1;
	if (place(w, e))
		drop(w);
	return w;
}

void state_watch_renew(struct state_watch *w)
{
	struct error e = {0};

	if (place(w, &e))
		drop(w);
}

void state_watch_free(struct state_watch *w)
{
	if (!w)
		return;
	drop(w);
	free(w->dir);
	free(w);
}
