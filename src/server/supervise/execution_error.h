/*
 * execution_error.h - why a process could not be executed, and what a person can do about it.
 *
 * The errno of execve(2) is about the file, about its interpreter, about a folder on the way or
 * about the machine, and says not which.  Here it is looked up, once, from step, errno and file:
 * the table in execution_error.c has a row for each.  Asked only after a failure.
 *
 * Depends on: server/supervise/launch.h, spawn/spec.h.
 */
#ifndef HP_SERVER_SUPERVISE_EXECUTION_ERROR_H
#define HP_SERVER_SUPERVISE_EXECUTION_ERROR_H

#include "server/supervise/launch.h"

/* "exec `/opt/x`: No such file or directory: there is no folder `/opt`".  `l`: what was asked
 * for, finished or not; `name` stands for the program where that could not be made.
 * `sys` 0: it hangs. */
void execution_error_describe(
    const struct launch *l, const char *name, enum keeper_step step, int sys, struct str *out);

/* The part behind the last colon, for tests and tables: false: nothing is known. */
bool execution_error_explain(
    const struct launch *l, enum keeper_step step, int sys, struct str *out);

#endif
