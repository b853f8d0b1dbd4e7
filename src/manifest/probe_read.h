/*
 * probe_read.h - the probes of an action: {startup, readiness, liveness}, each
 *	{unix = "rpc.sock"} {tcp = "host:port"} {http = "http://..."} {exec = "command"}
 *	{log = "expression"} {socket = "rpc.sock", path = "/health"}
 * or {kind, target}, with times and thresholds.  A probe that can not fail is refused.
 *
 * Depends on: base, model, schema.h.
 */
#ifndef HP_MANIFEST_PROBE_READ_H
#define HP_MANIFEST_PROBE_READ_H

#include "manifest/schema.h"
#include "model/definition.h"

void probes_read(struct reader *r, void *action_def, const struct node *n);
json_t *probes_write(const void *action_def);

/* [health] of the zinit form: a readiness and a liveness probe of the action. */
void health_read(struct reader *r, struct action_def *a, const struct node *n);

#endif
