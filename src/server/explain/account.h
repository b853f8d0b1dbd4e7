/*
 * account.h - the whole answer of `why`: the tree of causes, the last lines of output of its root,
 * and the text for people.
 *
 * The lines stand in segment files; they are read beside the loop, so the answer comes later.
 *
 * Depends on: server/explain/why.h, logs/query.h, history/background.h.
 */
#ifndef HP_SERVER_EXPLAIN_ACCOUNT_H
#define HP_SERVER_EXPLAIN_ACCOUNT_H

#include "server/explain/why.h"

/* {chain, text, output?}: the tree, what people read, the last lines of the root's process. */
typedef void (*account_fn)(void *ctx, json_t *take_account);

/* Of a tree that why_chain() made, at that instant. */
void account_give(struct explain *d, json_t *take_chain, const struct instant *at, bool full,
    account_fn fn, void *ctx);

/* "shop/initdb failed 2 s ago: exit code 3 (attempt 1): no space left on device": the root cause
 * and the last line of its output; the caller frees.  NULL: there is no cause. */
char *account_headline(const json_t *account);

#endif
