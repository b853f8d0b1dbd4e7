/*
 * state_folder.h - the state folder: opened, watched, and made again when it vanishes.
 *
 * The keeper holds the files of the database (store.h, struct store_files), so the next server has
 * them even when their names are gone.  inotify(7) reports what is removed, moved or replaced; an
 * idle server does not look.  What was made again is an event and a note of the doctor.
 *
 * Depends on: server/daemon.h, store.
 */
#ifndef HP_SERVER_RECOVERY_STATE_FOLDER_H
#define HP_SERVER_RECOVERY_STATE_FOLDER_H

#include "base/error.h"

struct daemon;
struct state_folder;

struct state_folder *state_folder_new(struct daemon *d);
void state_folder_free(struct state_folder *f);

/* What a former server had open; false: the name is not one of ours. */
bool state_folder_take_held(struct daemon *d, const char *name, int take_fd);
/* Opens the store with it; d->store is there after that. */
enum err state_folder_open(struct daemon *d, struct error *e) attr_must_use;
/* Recovery is over: watch, and report what the start had to make again. */
void state_folder_watch(struct daemon *d);

/* For the next keeper: each file under the name that it is held by. */
typedef void (*state_folder_give_fn)(const char *name, int take_fd, void *ctx);
void state_folder_give(struct daemon *d, state_folder_give_fn fn, void *ctx);

#endif
