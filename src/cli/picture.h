/*
 * picture.h - how the progress of an operation looks: a tree on a terminal, lines elsewhere.
 *
 * Depends on: progress.h, out.h.
 */
#ifndef HP_CLI_PICTURE_H
#define HP_CLI_PICTURE_H

#include "cli/progress.h"

/* A service, below it its actions, in at most `rows` lines; where there are more, what fails and
 * what waits goes first, and the rest is counted.  now: microseconds since 1970. */
void picture_tree(const struct progress *p, int rows, int64_t now, struct strv *out);

/* Its state as a line that stays; NULL: it is not worth one.  The caller frees, as below. */
char *picture_line(const struct part *part);
char *picture_output(const struct part *part); /* its last line */

/* "7 of 7 ready in 2.4 s; slowest postgres 1.0 s".  us: how long it took. */
char *picture_summary(const struct progress *p, int64_t us);

#endif
