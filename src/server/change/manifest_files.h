/*
 * manifest_files.h - the manifests below files and folders.
 *
 * A folder stands for DIR/service.toml, DIR/NAME.toml and DIR/NAME/service.toml; what begins
 * with a dot is passed over.  Reading may wait for a disk: it runs on a thread of its own
 * (background.h) and touches nothing of the daemon.
 *
 * Depends on: base, jansson.
 */
#ifndef HP_SERVER_CHANGE_MANIFEST_FILES_H
#define HP_SERVER_CHANGE_MANIFEST_FILES_H

#include "base/error.h"
#include "base/str.h"

#include <jansson.h>

struct manifest_files {
	struct strv paths; /* absolute */
	json_t *list;	   /* [{path, text}]; taken by whoever wants it */
	struct error e;
};
void manifest_files_read(void *manifest_files);

/* Would a look into this folder find this file?  Both absolute; a matter of their texts. */
bool manifest_file_is_of(const char *folder, const char *path);

#endif
