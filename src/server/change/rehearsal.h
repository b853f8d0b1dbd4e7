/*
 * rehearsal.h - what would be planned if contributions were accepted: a registry and an
 * engine of their own, with every service where it is now.
 *
 * Costs as much as a start of the server without its history; nothing is stored, nothing
 * acts.  Depends on: server/change/change.h.
 */
#ifndef HP_SERVER_CHANGE_REHEARSAL_H
#define HP_SERVER_CHANGE_REHEARSAL_H

#include "server/change/change.h"

struct rehearsal {
	struct registry *registry;
	struct engine *engine;
};

/* The contributions were accepted by a dry run before; refused all the same: *e. */
enum err rehearsal_init(struct rehearsal *r, struct change *d, const struct contribution *in,
    size_t n, struct error *e) attr_must_use;
void rehearsal_release(struct rehearsal *r);

#endif
