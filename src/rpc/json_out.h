/*
 * json_out.h - JSON written straight into text, for answers that are asked for often or are long.
 *
 * A tree of jansson costs an allocation or three for each member, and is walked once more to become
 * text.  Here the text is the only copy.  Whether a comma is due is seen from what stands there
 * already, so texts can be put together from parts:
 *
 *	json_out_open(&t, NULL, '{');
 *	json_out_text(&t, "name", "web");
 *	json_out_open(&t, "actions", '[');
 *	json_out_close(&t, ']');
 *	json_out_close(&t, '}');
 *
 * `key` is NULL in an array and outermost; it is written as it is.  Depends on: base, jansson.
 */
#ifndef HP_RPC_JSON_OUT_H
#define HP_RPC_JSON_OUT_H

#include "base/str.h"

#include <jansson.h>

void json_out_open(struct str *out, const char *key, char bracket); /* '{' or '[' */
void json_out_close(struct str *out, char bracket);		    /* '}' or ']' */
/* NULL is null; bytes that are no UTF-8 (RFC 3629) become U+FFFD. */
void json_out_text(struct str *out, const char *key, const char *s);
void json_out_bytes(struct str *out, const char *key, const char *s, size_t n); /* NUL too */
void json_out_int(struct str *out, const char *key, int64_t n);
void json_out_bool(struct str *out, const char *key, bool b);
void json_out_null(struct str *out, const char *key);
void json_out_tree(struct str *out, const char *key, const json_t *tree); /* NULL is null */
/* The members of an object into the one that is open. */
void json_out_members(struct str *out, const json_t *object);

#endif
