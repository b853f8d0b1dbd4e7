/*
 * follow.h - an operation while it happens, until its end.
 *
 * Depends on: call.h, jansson.
 */
#ifndef HP_CLI_FOLLOW_H
#define HP_CLI_FOLLOW_H

#include "cli/call.h"

/* Waits for it with its progress; says what failed.  `names`: what it is about.  Exit status. */
int follow_operation(struct cli *c, int64_t operation, json_t *names, const char *done_word);

#endif
