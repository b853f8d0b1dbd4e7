/*
 * node.h - a tree of values that knows where each was written.
 *
 * TOML and JSON both become this, so that every key has one reader.  A node owns
 * its children.  line and column count from 1; 0 means unknown (JSON).
 *
 * Depends on: base, jansson.
 */
#ifndef HP_MANIFEST_NODE_H
#define HP_MANIFEST_NODE_H

#include "base/error.h"
#include "base/str.h"

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

enum node_kind {
	NODE_NULL,
	NODE_STRING,
	NODE_INT,
	NODE_FLOAT,
	NODE_BOOL,
	NODE_TIME,
	NODE_ARRAY,
	NODE_TABLE
};

struct node {
	enum node_kind kind;
	char *key; /* in a table; else NULL */
	size_t key_bytes;
	int key_line, key_column;
	int line, column; /* of the value */
	char *s;	  /* NODE_STRING; NODE_TIME as written */
	size_t s_bytes;
	int64_t i; /* NODE_INT, NODE_BOOL */
	double d;  /* NODE_FLOAT */
	struct node *first, *last, *next;
	size_t n; /* children */
};

struct node *node_new(enum node_kind kind, const char *key, size_t key_bytes);
void node_add(struct node *parent, struct node *take_child);
void node_free(struct node *n);
const struct node *node_get(const struct node *table, const char *key);
const char *node_kind_str(enum node_kind k); /* "a string", "a table" ... */

struct node *node_of_json(const json_t *j); /* never NULL */
json_t *node_json(const struct node *n);    /* never NULL */

/* TOML 1.0.  NULL: *e is the sentence, line and column where it is. */
struct node *node_of_toml(const char *text, size_t n, struct error *e, int *line, int *column);

#ifdef __cplusplus
}
#endif

#endif
