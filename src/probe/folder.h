/*
 * folder.h - tell when a name in a folder may have changed, by one inotify(7)
 * descriptor for the whole process.
 *
 * A folder that does not exist is awaited through its nearest existing parent.
 * Depends on: base, libevent.
 */
#ifndef HP_PROBE_FOLDER_H
#define HP_PROBE_FOLDER_H

#include "base/error.h"

struct event_base;
struct folders;
struct folder_watch;

typedef void (*folder_fn)(void *ctx); /* may remove watches, its own as well */

enum err folders_new(struct event_base *base, struct folders **out, struct error *e) attr_must_use;
void folders_free(struct folders *f);

/* Tell when `path` may have appeared, vanished or changed; again and again. */
enum err folder_watch_new(struct folders *f, const char *path, folder_fn fn, void *ctx,
    struct folder_watch **out, struct error *e) attr_must_use;
/* False: nothing can be watched (no inotify watches left, a folder we may not read, a loop
 * of links) and nothing will be told: the owner has to look by itself. */
bool folder_watch_is_live(const struct folder_watch *w);
/* Place it anew: the path may lead to another folder than it did.  Tells nothing. */
void folder_watch_renew(struct folder_watch *w);
void folder_watch_free(struct folder_watch *w);

#endif
