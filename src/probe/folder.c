#include "probe/folder.h"

#include "base/map.h"
#include "base/str.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

/* All watches that wait for one name in one watched folder. */
struct spot {
	char *key; /* "<wd>/<name>" */
	struct folder_watch *first;
};

struct folder_watch {
	struct folders *f;
	char *path;
	folder_fn fn;
	void *ctx;
	int wd;
	struct spot *spot;
	struct folder_watch *next, *prev;
	bool fresh; /* placed during the present round: not told in it */
};

struct watched {
	int wd;
	unsigned users;
};

struct folders {
	int fd;
	struct event *ev;
	struct map spots; /* by key */
	struct {
		struct watched *v;
		size_t n, cap;
	} folders;
	struct folder_watch *at; /* the next one to tell in the present round */
};

#define MASK                                                                                \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | \
	    IN_MOVE_SELF)

#define BEGIN_AGAIN_MAX 64 /* a folder that comes and goes all the time is left to the caller */

static struct watched *watched_find(struct folders *f, int wd)
{
	for (size_t i = 0; i < f->folders.n; i++)
		if (f->folders.v[i].wd == wd)
			return &f->folders.v[i];
	return NULL;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Cut the last part off; false when there is none left. */
static bool cut_leaf(char *path, char **leaf)
{
	char *slash = strrchr(path, '/');

	if (!slash || !slash[1])
		return false;
	text_set(leaf, slash + 1);
	*(slash == path ? slash + 1 : slash) = '\0';
	return true;
}

/* The nearest folder that exists, and the name below it to wait for.  A folder may
 * come between the look at it and the watch on its parent, which then has no event
 * to tell of it: so it is looked at once more after that, and all begins again. */
static int watch_nearest(struct folders *f, const char *path, char **name)
{
	auto_free char *dir = text_dup(path);
	auto_free char *leaf = NULL;
	auto_free char *missing = NULL;

	for (int begun_again = 0; cut_leaf(dir, &leaf);) {
		int wd = inotify_add_watch(f->fd, dir, MASK | IN_ONLYDIR);

		if (wd < 0 && errno != ENOENT && errno != ENOTDIR)
			return -1;
		if (wd < 0) {
			text_set(&missing, dir);
		} else if (!missing || !is_folder(missing)) {
			*name = take(leaf);
			return wd;
		} else {
			if (!watched_find(f, wd))
				inotify_rm_watch(f->fd, wd);
			if (begun_again++ == BEGIN_AGAIN_MAX)
				return -1;
			text_set(&dir, path);
			text_set(&missing, NULL);
		}
	}
	return -1;
}

static void place(struct folder_watch *w)
{
	auto_free char *name = NULL;
	struct folders *f = w->f;
	int wd = watch_nearest(f, w->path, &name);

	w->spot = NULL;
	if (wd < 0)
		return; /* no watch to be had: the caller's own retries remain */
	w->wd = wd;
	struct watched *known = watched_find(f, wd);
	if (!known) {
		known = vec_push(&f->folders);
		known->wd = wd;
	}
	known->users++;
	auto_free char *key = text_fmt("%d/%s", wd, name);
	struct spot *s = map_get(&f->spots, key);
	if (!s) {
		s = mem_new(sizeof(*s));
		s->key = take(key);
		map_put(&f->spots, s->key, s);
	}
	w->spot = s;
	w->prev = NULL;
	w->next = s->first;
	if (s->first)
		s->first->prev = w;
	s->first = w;
}

static void folder_release(struct folders *f, int wd)
{
	struct watched *known = watched_find(f, wd);

	if (known && --known->users == 0) {
		inotify_rm_watch(f->fd, wd);
		*known = f->folders.v[--f->folders.n];
	}
}

static void lift(struct folder_watch *w)
{
	struct spot *s = w->spot;
	struct folders *f = w->f;

	if (f->at == w)
		f->at = w->next;
	if (!s)
		return;
	if (w->prev)
		w->prev->next = w->next;
	else
		s->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	if (!s->first) {
		map_remove(&f->spots, s->key);
		free(s->key);
		free(s);
	}
	w->spot = NULL;
	folder_release(f, w->wd);
}

/* A parent may have come into being: each look starts from the path again. */
static void tell_spot(struct folders *f, struct spot *s)
{
	struct folder_watch *list = s->first;

	for (struct folder_watch *w = list; w; w = w->next)
		w->fresh = false;
	while (list) {
		struct folder_watch *w = list;

		f->at = w->next;
		if (w->fresh)
			break;
		folder_watch_renew(w);
		w->fn(w->ctx);
		list = f->at;
	}
	f->at = NULL;
}

static void tell_keys(struct folders *f, const char *prefix)
{
	size_t n = strlen(prefix);
	struct strv keys = {0};
	const char *key;
	void *value;

	for (size_t i = 0; map_next(&f->spots, &i, &key, &value);)
		if (strncmp(key, prefix, n) == 0)
			strv_add(&keys, key);
	for (size_t i = 0; i < keys.n; i++) { /* one may take others with it */
		struct spot *s = map_get(&f->spots, keys.v[i]);

		if (s)
			tell_spot(f, s);
	}
	strv_release(&keys);
}

static void tell_folder_gone(struct folders *f, int wd)
{
	char prefix[16];

	snprintf(prefix, sizeof(prefix), "%d/", wd);
	tell_keys(f, prefix);
}

/* Events were lost: every folder may have changed. */
static void tell_all(struct folders *f)
{
	tell_keys(f, "");
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct folders *f = ctx;
	_Alignas(struct inotify_event) char buf[16384];
	ssize_t n;

	(void)what;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e = (const struct inotify_event *)(void *)p;

			p += sizeof(*e) + e->len;
			if (!watched_find(f, e->wd) && !(e->mask & IN_Q_OVERFLOW))
				continue; /* late news of a folder that was given up */
			if (e->mask & IN_Q_OVERFLOW) {
				tell_all(f);
				continue;
			}
			if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) {
				tell_folder_gone(f, e->wd);
				continue;
			}
			auto_free char *key = text_fmt("%d/%s", e->wd, e->len ? e->name : "");
			struct spot *s = map_get(&f->spots, key);
			if (s)
				tell_spot(f, s);
		}
}

enum err folders_new(struct event_base *base, struct folders **out, struct error *e)
{
	struct folders *f = mem_new(sizeof(*f));

	f->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (f->fd < 0) {
		int sys = errno;

		free(f);
		return error_sys(e, sys, "inotify");
	}
	f->ev = event_new(base, f->fd, EV_READ | EV_PERSIST, on_readable, f);
	event_add(f->ev, NULL);
	*out = f;
	return ERR_OK;
}

void folders_free(struct folders *f)
{
	if (!f)
		return;
	event_free(f->ev);
	close(f->fd);
	map_release(&f->spots);
	free(f->folders.v);
	free(f);
}

enum err folder_watch_new(struct folders *f, const char *path, folder_fn fn, void *ctx,
    struct folder_watch **out, struct error *e)
{
	if (*path != '/')
		return error_set(e, ERR_INVALID, "`%s` is not absolute", path);
	struct folder_watch *w = mem_new(sizeof(*w));
	w->f = f;
	w->path = text_dup(path);
	w->fn = fn;
	w->ctx = ctx;
	w->fresh = true;
	place(w);
	*out = w;
	return ERR_OK;
}

bool folder_watch_is_live(const struct folder_watch *w)
{
	return w->spot != NULL;
}

void folder_watch_renew(struct folder_watch *w)
{
	struct folders *f = w->f;
	struct watched *known = w->spot ? watched_find(f, w->wd) : NULL;
	int wd = w->wd;

	if (known)
		known->users++; /* not given up in between: it is mostly the same */
	lift(w);
	place(w);
	if (known)
		folder_release(f, wd);
	w->fresh = true;
}

void folder_watch_free(struct folder_watch *w)
{
	if (!w)
		return;
	lift(w);
	free(w->path);
	free(w);
}
