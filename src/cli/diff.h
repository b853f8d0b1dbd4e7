/* diff.h - what differs between manifests and definitions.  Depends on: out.h, jansson. */
#ifndef HP_CLI_DIFF_H
#define HP_CLI_DIFF_H

#include <jansson.h>
#include <stdbool.h>

void diff_print(const json_t *diff);
bool diff_is_any(const json_t *diff);
size_t diff_count(const json_t *diff, const char *list);

#endif
