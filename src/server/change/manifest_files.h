/*
 * manifest_files.h - the manifests below files and folders, for the server (folder/folder.h).
 *
 * Reading may wait for a disk: it runs on a thread of its own (background.h) and touches
 * nothing of the daemon.
 *
 * Depends on: base, folder, jansson.
 */
#ifndef HP_SERVER_CHANGE_MANIFEST_FILES_H
#define HP_SERVER_CHANGE_MANIFEST_FILES_H

#include "base/error.h"
#include "base/str.h"

#include <jansson.h>

struct manifest_files {
	struct strv paths;		   /* absolute */
	json_t *list;			   /* [{path, text}] */
	struct strv not_ours, not_regular; /* what was left out */
	struct error e;
};
void manifest_files_read(void *manifest_files);
void manifest_files_release(struct manifest_files *f);

#endif
