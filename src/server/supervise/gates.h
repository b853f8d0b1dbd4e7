/*
 * gates.h - what edges wait for beside states: sockets, ports, files, flags.
 *
 * The engine names a gate by its text; here it is read and watched until it
 * answers or nobody waits for it any more:
 *	unix:/x/rpc.sock health   unix:/x connect   tcp:127.0.0.1:80
 *	http://...   http+unix:/x.sock:/health   file:/x   !file:/x   flag:NAME
 *
 * Depends on: server/supervise/supervision.h, probe.
 */
#ifndef HP_SERVER_SUPERVISE_GATES_H
#define HP_SERVER_SUPERVISE_GATES_H

#include "server/supervise/supervision.h"

struct gate_hub;

struct gates *gates_new(struct supervision *d);
void gates_free(struct gates *g);
struct gate_hub *gates_hub(const struct supervision *d); /* for watches that no edge asks for */

void gates_watch(struct supervision *d, gate_id gate); /* EFFECT_GATE_WATCH */
void gates_drop(struct supervision *d, gate_id gate);  /* EFFECT_GATE_DROP */

/* What the last try said, "connect: Connection refused"; NULL: nothing is known. */
const char *gates_last(const struct supervision *d, gate_id gate);

/* Flags are ours: set by an operator, kept over restarts. */
enum err gates_load_flags(struct supervision *d, struct error *e);
void gates_store_flags(struct supervision *d); /* into the store, which has lost them */
bool gates_set_flag(struct supervision *d, const char *name);	/* false: was set */
bool gates_clear_flag(struct supervision *d, const char *name); /* false: was not set */
bool gates_next_flag(const struct supervision *d, size_t *i, const char **name, usec_wall *since);

#endif
