/*
 * folder.h - the manifests below files and folders (SPEC 3.1, "Folders").
 *
 * A folder stands for every service.toml below it and the *.toml directly in it; what begins
 * with a dot is passed over, a linked folder is looked into once.  Of these, what is not a
 * regular file and what is somebody else's (Cargo.toml) is left out and named; what can not be
 * read is an error: a manifest that is missing would take its services away.  Reading may wait
 * for a disk.  Depends on: base, sys, manifest.
 */
#ifndef HP_FOLDER_FOLDER_H
#define HP_FOLDER_FOLDER_H

#include "base/error.h"
#include "base/str.h"

struct folder_file {
	char *path;	 /* absolute, without links */
	struct str text; /* UTF-8 */
};

struct folder {
	struct folder_file *v;
	size_t n, cap;
	struct strv not_ours;	 /* paths of *.toml without a table of ours */
	struct strv not_regular; /* "x.toml: a FIFO, not a regular file" */
	struct strv folders;	 /* that were looked into by name: absolute */
	struct strv wrong;	 /* what could not be read, a sentence each */
	enum err code; /* of the first of these: ERR_NOT_FOUND, ERR_INVALID, ERR_DENIED ... */
};
void folder_release(struct folder *f);

/* Adds a file, or what a folder stands for.  A file that is named has to be there and to be
 * read; whether it is ours its reader says. */
void folder_read(struct folder *f, const char *path);

/* Would a look into this folder find this file?  Both absolute; a matter of their texts. */
bool folder_has(const char *folder, const char *path);

#endif
