/*
 * manifest_file.h - one service.toml on its way from rows to services.
 *
 * manifest.c reads the keys into it, allot.c gives each started binary what the file says
 * for it and makes the services.  For these two only.
 */
#ifndef HP_MANIFEST_MANIFEST_FILE_H
#define HP_MANIFEST_MANIFEST_FILE_H

#include "manifest/manifest.h"

/* The file as it was read, before entries are given to binaries. */
struct manifest_file {
	struct reader r;
	const struct manifest_options *o;
	struct service_def service; /* keys of [service]; its dependencies are service-level */
	char *repo;
	enum manifest_shape shape;
	struct action_list binaries;
	struct dep_list entries; /* of [[dependencies]] */
	struct env_list env;
	struct action_def single; /* zinit: the command of [service] */
	bool has_single, named;
	const struct node *root;
};

/* What the file or its caller says for several binaries: entries of [[dependencies]], [[env]],
 * binaries that the file does not list.  Errors go to the reader's list. */
void manifest_file_allot(struct manifest_file *f);

/* One service, or one per binary, by its shape; the file is not changed. */
void manifest_file_make(const struct manifest_file *f, struct manifest *out);

#endif
