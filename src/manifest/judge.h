/*
 * judge.h - values that only somebody who knows the machine can read: signals, exit
 * statuses, limits, expressions.  What is malformed is refused when it is
 * registered, with its place, not when it is used (SPEC 2.5.6).
 *
 * Each is a `judge` of a row (schema.h): false after an error was reported.  Users and
 * groups are not judged: they may appear later.
 *
 * Depends on: base, model, schema.h.
 */
#ifndef HP_MANIFEST_JUDGE_H
#define HP_MANIFEST_JUDGE_H

#include "manifest/schema.h"

bool judge_signal(struct reader *r, const void *text, const struct node *n);
bool judge_reload(struct reader *r, const void *command, const struct node *n);
bool judge_exit_codes(struct reader *r, const void *strv, const struct node *n);
bool judge_limits(struct reader *r, const void *env, const struct node *n);
bool judge_log(struct reader *r, const void *env, const struct node *n);
bool judge_umask(struct reader *r, const void *text, const struct node *n);
bool judge_regex(struct reader *r, const void *text, const struct node *n);
/* No line escapes it, whatever stands in it. */
bool regex_matches_everything(const char *expression);

#endif
