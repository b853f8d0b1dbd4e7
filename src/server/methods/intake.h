/*
 * intake.h - what one call brings to the registry: manifests read, contributions made of them.
 *
 * Depends on: ops.h, manifest, registry.
 */
#ifndef HP_SERVER_METHODS_INTAKE_H
#define HP_SERVER_METHODS_INTAKE_H

#include "manifest/manifest.h"
#include "server/methods/methods.h"

/* Everything that one call contributes. */
struct intake {
	struct rpc_call *call;
	struct daemon *d;
	char *who;
	struct manifest *manifests;
	size_t n_manifests;
	struct strv sources;
	struct {
		struct contribution *v;
		size_t n, cap;
	} in;
	struct diags diags;
	struct registry_outcome out;
	struct error e;
	bool trim; /* it was large: give the memory back */
};

void intake_init(struct intake *t, struct rpc_call *call);
void intake_release(struct intake *t);

/* One manifest; `params` may say for, exec and shape.  Room for it was made in t->manifests. */
enum err intake_read_one(
    struct intake *t, const char *text, const char *path, const json_t *params) attr_must_use;
/* `manifest` and `path`, or `manifests`: all are read, so that all errors are told at once. */
enum err intake_read_all(struct intake *t, const json_t *params) attr_must_use;

/* What a start acts on: the owners, where somebody runs these binaries already.
 * registry: where they are now; NULL: it will have all of them. */
void intake_names(const struct intake *t, const struct registry *registry, struct strv *out);

#endif
