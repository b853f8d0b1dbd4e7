/*
 * manifest.h - a service.toml: text to definitions (SPEC 3), Hero form and zinit form.
 *
 * Depends on: base, model, definition_read.h.
 */
#ifndef HP_MANIFEST_MANIFEST_H
#define HP_MANIFEST_MANIFEST_H

#include "manifest/definition_read.h"

/* clang-format off */
#define MANIFEST_SHAPE_LIST(X)                                                              \
	X(SHAPE_AUTO,       "auto",       "composite if service.name is written, else per_binary")\
	X(SHAPE_COMPOSITE,  "composite",  "one service with an action per started binary")   \
	X(SHAPE_PER_BINARY, "per_binary", "one service per started binary")
ENUM_DECLARE(manifest_shape, MANIFEST_SHAPE_LIST, MANIFEST_SHAPE_COUNT);
/* clang-format on */

struct manifest_options {
	const char *path;	     /* for messages and sources; NULL: "service.toml" */
	const char *binary;	     /* the caller speaks for this binary (`for`), or NULL */
	const struct strv *binaries; /* binaries that the caller defines elsewhere, or NULL */
	const char *exec;	     /* its executable, or NULL: from the manifest or PATH_ROOT */
	enum manifest_shape shape;
};

struct manifest {
	struct service_def *v;
	size_t n, cap;
};

/* What the text contributes.  Every error and warning stands in `diags`, sorted
 * and with its line quoted; on ERR_INVALID `out` is empty. */
enum err manifest_read(const char *text, size_t n, const struct manifest_options *o,
    struct manifest *out, struct diags *diags, struct error *e) attr_must_use;
void manifest_release(struct manifest *m);

/* TOML that reads back to the same service (service keys, binaries, dependencies). */
void manifest_write(const struct service_def *s, struct str *out);

#endif
