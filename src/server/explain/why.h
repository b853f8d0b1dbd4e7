/*
 * why.h - the answer to "why is it where it is": a tree of causes, each told once.
 *
 * The tree is made from pictures (picture.h), of now or of an instant of the
 * past, by the same code.  A node: {subject, fact, since, because: [...]}; a root
 * cause has `root: true`, and where it is known `next` (what happens by itself),
 * `hint` (what to do) and `action`, `attempt` (whose output may tell more).
 *
 * Depends on: server/explain/picture.h, jansson.
 */
#ifndef HP_SERVER_EXPLAIN_WHY_H
#define HP_SERVER_EXPLAIN_WHY_H

#include "server/explain/picture.h"

/* The tree, an array of one node and notes beside it; NULL: nothing is known of the name. */
json_t *why_chain(struct explain *d, const char *name, const struct instant *at);

/* The straight way down, cheap enough for a list of all: one line a cause, the root cause
 * last unless it is far; empty when all is well. */
json_t *why_lines(struct explain *d, unit_id unit);

/* why_text.c: what people read.
 *
 * The first root cause, borrowed from the tree; NULL: there is none. */
const json_t *why_root(const json_t *chain);

/* The tree for people.  `output`: last lines of the root's process, or NULL.  Not `full`:
 * about twelve lines, the middle of long chains left out. */
char *why_text(const json_t *chain, const char *output, bool full);

#endif
