/*
 * why_words.h - the sentences of `why`: what a picture says of a unit, a job, an edge.
 *
 * `p` is a picture (picture.h), `j` one of its jobs, `e` one of its open edges.  A node is one of
 * the tree in why.h; what is returned is the caller's.  An action of several is called
 * `service/action`.
 *
 * Depends on: server/explain/picture.h, jansson.
 */
#ifndef HP_SERVER_EXPLAIN_WHY_WORDS_H
#define HP_SERVER_EXPLAIN_WHY_WORDS_H

#include "server/explain/picture.h"

json_t *why_node(const char *subject, const struct str *fact, int64_t since);
void why_mark_root(json_t *n);
/* Printed pieces are cut, never refused. */
void why_set(json_t *o, const char *key, const char *fmt, ...) attr_fmt(3, 4);

void why_span(struct str *out, usec_wall us); /* "3.2 s", "5 min" */

/* `web`, or `shop/nginx` where it is one action of several. */
void why_title(const json_t *p, const char *action, struct str *out);
bool why_is_well(const json_t *p);
bool why_is_trouble(const json_t *p, const json_t *j);

void why_describe_unit(usec_wall now, const json_t *p, struct str *out);
/* `leaf`: what it leads to is not ours, or not registered. */
void why_describe_edge(const json_t *p, const json_t *e, bool leaf, struct str *out);
/* `target`: its picture, NULL if there is none. */
void why_advise_edge(const json_t *p, const json_t *e, const json_t *target, json_t *n);

json_t *why_job_node(usec_wall now, const json_t *p, const json_t *j);
/* A unit at the end of the way whose jobs say nothing: its state is the cause. */
json_t *why_state_node(usec_wall now, const json_t *p);
json_t *why_conflict_node(const json_t *p);

#endif
