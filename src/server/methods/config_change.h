/*
 * config_change.h - what a set of manifests would change: of the definitions, and of what
 * runs.  Nothing is changed here; config.c carries it out.
 *
 * Depends on: server/methods/intake.h, server/change/rehearsal.h, the engine's plan.
 */
#ifndef HP_SERVER_METHODS_CONFIG_CHANGE_H
#define HP_SERVER_METHODS_CONFIG_CHANGE_H

#include "engine/engine.h"
#include "server/methods/intake.h"

/* One call: what it brings, and what that means for what runs. */
struct config {
	struct intake in;
	const json_t *params;
	bool dry, start, force;
	struct strv gone;   /* manifests that are not there any more */
	struct strv stop;   /* removed, and active */
	struct strv go;	    /* to be restarted or started */
	struct strv wanted; /* start: all of these are wanted */
	bool restarts;
	json_t *touched; /* name -> {stop, start, reason}, by the plan */
	json_t *steps;
	struct strv broken; /* "web needs db" */
};

void config_release(struct config *c);

/* Adds the withdrawal of each manifest that belongs to the folders of the call and is not there
 * any more. */
void config_withdraw_gone(struct config *c);

/* From the outcome of a dry run of the registry (c->in.out) to what stops, starts and breaks.
 * An error: the plan could not succeed. */
enum err config_find_change(struct config *c, struct error *e);

json_t *config_answer(const struct config *c);
size_t config_count_stopped(const struct config *c); /* restarted ones, too */
bool config_find_unit(const struct config *c, const char *name, struct unit_view *out);

#endif
