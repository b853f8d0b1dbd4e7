/* edges.h - words about one edge of the graph.  Depends on: base, jansson. */
#ifndef HP_CLI_EDGES_H
#define HP_CLI_EDGES_H

#include "base/str.h"

#include <jansson.h>

/* "requires", "wants,after": of `kind`, a word or a list. */
void edges_add_kinds(const json_t *edge, struct str *out);

#endif
