/*
 * snapshot.h - services as they are now, to be put back: definitions, word, and whether they run.
 *
 * As JSON: name -> {contributions: [{source, mode, definition}], live, wanted}; a service that
 * is not there has no contributions.
 *
 * Depends on: server/change/change.h, manifest.
 */
#ifndef HP_SERVER_CHANGE_SNAPSHOT_H
#define HP_SERVER_CHANGE_SNAPSHOT_H

#include "server/change/change.h"

#include <jansson.h>

json_t *snapshot_take(struct change *d, const struct strv *names);

/* For registry_restore(); borrows from the JSON. */
struct snapshot {
	struct registry_former *v;
	size_t n, cap;
};
void snapshot_read(struct snapshot *out, json_t *before);
void snapshot_release(struct snapshot *s);

#endif
