/*
 * path_check.h - what stands in the way of a path, a script or a program, in words.
 *
 * Each looks at the file system and answers false where it finds nothing.  `user` is who
 * wants to get there, who need not be the one that looks.
 *
 * Depends on: base, spawn/spec.h.
 */
#ifndef HP_SERVER_SUPERVISE_PATH_CHECK_H
#define HP_SERVER_SUPERVISE_PATH_CHECK_H

#include "spawn/spec.h"

#define PATH_GROUPS_MAX 64

struct path_user {
	uid_t uid;
	gid_t groups[PATH_GROUPS_MAX];
	size_t n;
};
void path_user_init(struct path_user *u, const struct spawn_spec *s);

/* A part of it is not there, is no folder, may not be searched, or is a link to nowhere. */
bool path_explain(const char *path, const struct path_user *u, struct str *out);
/* The same of a folder that is to be entered. */
bool path_explain_folder(const char *path, const struct path_user *u, struct str *out);
/* It is a folder, has no permission to be executed, or its file system is mounted noexec. */
bool path_explain_executable(const char *path, const struct path_user *u, struct str *out);
/* What the file names in its first line, or as its loader, is not there or can not be used. */
bool path_explain_interpreter(
    const char *path, const char *cwd, const struct path_user *u, struct str *out);
/* It is no program that the kernel knows, or one for another machine. */
bool path_explain_format(const char *path, struct str *out);

#endif
