/*
 * apply.h - a set of definitions takes effect on what runs, and is taken back if that fails.
 *
 * One application is one operation of the server's own (kind "apply"): what was removed
 * stops first, with what requires it; then what changed is restarted and what was added is
 * started, as one operation of the engine; both are named in `operations`.  With a time
 * for the rollback it then watches: confirmed is what has been ready for a second without
 * a break.  What gave up, or was not confirmed in time, takes everything back: the
 * definitions as they were before, by one transaction, and what had been running runs
 * again.  The operation ends failed, and says what was not healthy and why.
 *
 * All it takes stands in its row before anything else is stored, so a server that starts
 * again goes on where the killed one was.  After a boot the previous set is put back:
 * nobody confirmed the new one.
 *
 * Depends on: server/change/change.h, registration.h, operations.h.
 */
#ifndef HP_SERVER_CHANGE_APPLY_H
#define HP_SERVER_CHANGE_APPLY_H

#include "server/change/change.h"

#include <jansson.h>

struct apply;

struct apply_order {
	const char *who, *method;
	struct strv names;     /* what the operation is about */
	struct strv stop;      /* removed, and active: stopped first */
	struct strv go;	       /* restarted where it is active, else started */
	bool restarts;	       /* any of `go` is to be stopped first */
	bool replace, no_deps; /* as of a start */
	msec rollback_after;   /* 0: what was applied stays */
	const struct strv
	    *before; /* with rollback_after: whose definitions may have to come back */
};

/* Before the definitions change: the row, the stop of what goes.  *out is the operation. */
struct apply *apply_open(struct change *d, const struct apply_order *order, op_id *out);
/* After they changed.  It frees itself at its end. */
void apply_run(struct apply *a);

/* One that may still be taken back; 0: none.  Another must wait for it. */
op_id apply_pending(const struct change *d);
/* Somebody else redefined it: a rollback leaves it alone. */
void apply_redefined(struct change *d, const char *name);
void apply_unit_changed(struct change *d, unit_id unit);

/* Recovery: the row of one that was in flight; then, once everything else is back, go on. */
void apply_adopt(struct change *d, const struct store_operation *row);
void apply_resume(struct change *d, bool is_boot);
void applies_free(struct change *d);

/* Does it run, or is it about to? */
bool apply_is_up(const struct unit_view *u);

#endif
