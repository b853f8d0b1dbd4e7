/*
 * follow.h - an operation while it happens, until its end.
 *
 * On a terminal a tree that is drawn again when something happens, elsewhere a line for each
 * change; with --json and -q nothing until the end.  Ctrl-C ends the following only, and says
 * so.  Depends on: call.h, feed.h, picture.h, screen.h, interrupt.h.
 */
#ifndef HP_CLI_FOLLOW_H
#define HP_CLI_FOLLOW_H

#include "cli/call.h"

struct follow;

/* Before the operation is asked for: from here on no event of it is missed. */
struct follow *follow_new(struct cli *c);
void follow_free(struct follow *f);

/* Waits for its end, at most c->timeout; what fails or takes too long is explained by `why`.
 * `names`: what it is about, borrowed.  Exit status. */
int follow_operation(struct follow *f, int64_t operation, const json_t *names);

/* For one that stops everything and ends with the server: what is known of a service before. */
void follow_expect(struct follow *f, const json_t *status);
/* Until the server is gone, or the deadline (http_deadline()): false. */
bool follow_to_the_last(struct follow *f, int64_t operation, msec deadline);
/* One line of how it ended; NULL: nothing was touched.  The caller frees. */
char *follow_summary(const struct follow *f);

#endif
