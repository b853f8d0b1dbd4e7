/* recognise.h - is a TOML text a manifest of ours, or somebody else's file?  Depends on: node.h. */
#ifndef HP_MANIFEST_RECOGNISE_H
#define HP_MANIFEST_RECOGNISE_H

#include <stdbool.h>
#include <stddef.h>

/* It has a table of ours: [service], [[binaries]] or [[dependencies]] (a Cargo.toml has
 * [dependencies]).  A text that is no TOML is ours if a line of it begins such a table. */
bool recognise_manifest(const char *text, size_t n);

#endif
